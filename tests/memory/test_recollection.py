"""What is near to a message, in words and in meaning."""

from pathlib import Path

import pytest

from rekindle import metrics
from rekindle.assistants.assistant import Recalled
from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import OpenHouse

TALK = (
    ("Biscuit chewed my shoes again, that naughty beagle.", "Puppies do that."),
    ("I repainted the kitchen in green.", "A calm colour."),
    ("How much is the CPO course?", "The CPO course costs $395 a person."),
    ("My sister runs a bakery in Leeds.", "I see."),
)


async def tell(house: House, caller: Caller) -> None:
    for said, answered in TALK:
        session = await house.sessions.start(caller)
        await house.sessions.messages.add(caller, session.id, "user", said)
        await house.sessions.messages.add(caller, session.id, "assistant", answered)
        await house.sessions.end(caller, session.id)
        await house.recall.index(caller.user_id, session.id)


async def recalled(house: House, caller: Caller, message: str) -> list[Recalled]:
    session = await house.sessions.start(caller)
    return await house.recollection.of_turn(caller, session.id, message, before=1)


async def test_a_question_brings_its_answer_along_and_nothing_that_says_nothing(house: House, caller: Caller) -> None:
    await tell(house, caller)
    found = await recalled(house, caller, "What does the CPO course cost?")
    assert [(record.by, record.text) for record in found] == [("user", TALK[2][0]), ("assistant", TALK[2][1])]
    assert [record.text for record in await recalled(house, caller, "Where is the bakery?")] == [TALK[3][0]]


async def test_a_short_answer_and_the_question_it_was_given_to_come_together(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller)
    asked = ["What is your cat's name?", "Paprika."]
    await house.sessions.messages.add(caller, session.id, "user", "My cat sits here.")
    await house.sessions.messages.add(caller, session.id, "assistant", asked[0])
    await house.sessions.messages.add(caller, session.id, "user", asked[1])
    assert [record.text for record in await recalled(house, caller, "What's the name of my cat?")][-2:] == asked
    assert [record.text for record in await recalled(house, caller, "Paprika?")][-2:] == asked
    near = await house.recollection.near(caller, "the cat's name", session_id=session.id, before=3)
    assert "Paprika." not in [record.text for record in near], "it is in the window"


async def test_what_was_asked_before_without_an_answer_crowds_nothing_out(house: House, caller: Caller) -> None:
    await tell(house, caller)
    for _ in range(9):
        session = await house.sessions.start(caller)
        await house.sessions.messages.add(caller, session.id, "user", "Where is the bakery?")
        await house.sessions.messages.add(caller, session.id, "assistant", "I have nothing to quote about bakery.")
    assert [record.text for record in await recalled(house, caller, "Where is the bakery?")] == [TALK[3][0]]
    assert await house.recollection.near(caller, "  ", session_id=session.id, before=9) == []


async def test_without_a_word_in_common_the_nearest_in_meaning_come(
    open_a_house: OpenHouse, caller: Caller, weights: Path
) -> None:
    house = await open_a_house(work=False, embedder_dir=weights)
    await tell(house, caller)
    found = await recalled(house, caller, "Which dog do I own?")
    assert found[0].text == TALK[0][0]
    assert len(found) <= 4, "the three nearest, and an answer"


async def test_a_long_message_is_given_as_the_passage_that_fits(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller)
    long = "We talked of this and that. " * 200 + "The locker has the number 4711. " + "And of other things. " * 200
    await house.sessions.messages.add(caller, session.id, "user", long)
    [record] = await recalled(house, caller, "Which number has the locker?")
    assert "The locker has the number 4711." in record.text
    assert len(record.text) <= 602


@pytest.mark.parametrize("message", ["Thanks!", "Hello", "ok", "😀", "", "Great, thank you so much!"])
async def test_what_says_nothing_is_not_looked_for(open_a_house: OpenHouse, caller: Caller, message: str) -> None:
    house = await open_a_house(work=False, recall_seconds=1)
    before = metrics.RECALLS.labels("nothing")._value.get()
    assert await recalled(house, caller, message) == []
    assert metrics.RECALLS.labels("nothing")._value.get() == before + 1
