"""Abilities: the tools that the house makes, bound to a turn, and what of their findings is kept and shown."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from rekindle.assistants.abilities import Abilities
from rekindle.assistants.assistant import ABILITIES, Assistant, Errand, Found, Source, found
from rekindle.database import DatabaseDown
from rekindle.house import House
from rekindle.http.sse import UiMessageStream
from rekindle.identity.service import Caller
from rekindle.memory.recollection.ability import PastAbility
from rekindle.memory.recollection.service import Recollection
from rekindle.sessions.service import Message
from rekindle.testing import ModelServer, Refusal, Reply, ToolCall
from tests.conftest import OpenHouse, asking_settings
from tests.http import ui_message_stream

seen: list[Errand] = []


async def shelf(errand: Errand, book: str) -> Found:
    """Where a book stands in the library.

    Status: Walking along the shelves…
    """
    seen.append(errand)
    where = Source("web", f"Shelf of {book}", url="https://library.example.com/7", quote="Shelf 7, on the left.")
    note = Source("document", "A note", document_id=uuid4())
    return Found(
        f"{book} stands on shelf 7.", (where, note, where), {"route": "shelf", "confidence": 0.9, "sources": 1}
    )


LIBRARY = Assistant("library", tools=(shelf,))


async def say(house: House, caller: Caller, text: str, session: Any = None) -> Message:
    session = session or (await house.sessions.start(caller)).id
    turn = await house.conversation.say(caller, session, text)
    return await house.conversation.outcome(caller, turn.id)


async def test_a_tool_is_told_whose_turn_it_is_and_its_sources_are_kept(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(LIBRARY, **asking_settings(model))
    model.script(Reply("", tool_calls=(ToolCall("shelf", {"book": "Emma"}),)), Reply("On shelf 7."))
    session = await house.sessions.start(caller, metadata={"language": "en"})
    reply = await say(house, caller, "Where is Emma?", session.id)
    body = model.requests[0].body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["shelf", "recall_past"]
    assert "errand" not in str(body)
    errand = seen.pop()
    assert (errand.caller, errand.session_id, errand.seq, errand.assistant) == (caller, session.id, 1, "library")
    assert await errand.about() == {"language": "en"}
    assert reply.metadata is not None
    assert [source["title"] for source in reply.metadata["sources"]] == ["Shelf of Emma", "A note"]
    assert [source["id"] for source in reply.metadata["sources"]] == ["1", "2"]
    assert (reply.metadata["route"], reply.metadata["confidence"]) == ("shelf", 0.9)
    assert reply.tools_used is not None
    assert reply.tools_used[0]["result_chars"] == len("Emma stands on shelf 7.")
    kept = await house.sessions.messages.reply(caller, reply.id)
    assert kept.metadata == reply.metadata


async def test_readers_are_told_the_sources_once_whenever_they_come(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(LIBRARY, **asking_settings(model))
    model.script(Reply("", tool_calls=(ToolCall("shelf", {"book": "Emma"}),)), Reply("On shelf 7."))
    session = await house.sessions.start(caller)
    turn = await house.conversation.say(caller, session.id, "Where is Emma?")
    live = await stream(house, caller, turn.id)
    late = await stream(house, caller, turn.id)
    for message in (live, late):
        [url] = message.of("source-url")
        assert (url["url"], url["title"]) == ("https://library.example.com/7", "Shelf of Emma")
        assert [part["title"] for part in message.of("source-document")] == ["A note"]
        assert len(message.ending["messageMetadata"]["sources"]) == 2
        assert message.ending["messageMetadata"]["tools_used"][0]["name"] == "shelf"
    order = [part["type"] for part in live.parts]
    assert order.index("source-url") < order.index("text-start")


async def stream(house: House, caller: Caller, turn_id: Any) -> ui_message_stream.UiMessage:
    frames = UiMessageStream()
    body = b"".join([part async for event in house.conversation.follow(caller, turn_id) for part in frames(event)])
    return ui_message_stream.read(body)


async def test_what_a_failed_attempt_found_does_not_stay_with_the_next(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(LIBRARY, **asking_settings(model))
    model.script(Reply("", tool_calls=(ToolCall("shelf", {"book": "Emma"}),)), Refusal(500), Reply("I do not know."))
    failed = await say(house, caller, "Where is Emma?")
    assert failed.status == "failed"
    assert failed.metadata is not None
    assert len(failed.metadata["sources"]) == 2
    again = await house.conversation.retry(caller, failed.id)
    reply = await house.conversation.outcome(caller, again.id)
    assert reply.status == "complete"
    assert set(reply.metadata or {}) == {"attempts"}


@pytest.fixture
async def remembering(open_a_house: OpenHouse) -> House:
    house: House = await open_a_house(Assistant("desk", recall="off"), jobs_in_server=False)
    return house


async def test_the_past_is_found_again_by_its_owner(remembering: House, caller: Caller) -> None:
    house = remembering
    before = await say(house, caller, "My locker in the pool has the number 4711.")
    reply = await say(house, caller, "What is the number of my locker?")
    assert "4711" in reply.content
    assert [used["name"] for used in reply.tools_used or []] == ["recall_past"]
    assert reply.metadata is not None
    first = reply.metadata["sources"][0]
    assert (first["kind"], first["session_id"]) == ("message", str(before.session_id))
    stranger = Caller((await house.identity.recognise(f"{uuid4().hex}@example.com")).user.id, "verified")
    assert "4711" not in (await say(house, stranger, "What is the number of my locker?")).content


async def test_no_argument_of_a_model_s_reaches_another_person_s_past(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(Assistant("desk", recall="off"), **asking_settings(model))
    model.script(Reply("Noted."))
    told = await say(house, caller, "My locker in the pool has the number 4711.")
    stranger = Caller((await house.identity.recognise(f"{uuid4().hex}@example.com")).user.id, "verified")
    others = {"user_id": str(caller.user_id), "session_id": str(told.session_id), "errand": {"caller": "them"}}
    model.script(
        Reply(
            "",
            tool_calls=[
                ToolCall("recall_past", {"query": "number of the locker"}),
                ToolCall("recall_past", {"query": f"locker of {caller.user_id}", **others}),
            ],
        ),
        Reply("I cannot tell."),
    )
    reply = await say(house, stranger, "What is the number of their locker?")
    assert [used["name"] for used in reply.tools_used or []] == ["recall_past", "recall_past"]
    assert "4711" not in str(model.requests[-1].body["messages"][1:])
    assert "sources" not in (reply.metadata or {})


@pytest.mark.parametrize(
    ("level", "rule", "kinds"),
    [("verified", "claimed", {"message"}), ("claimed", "claimed", {"summary"}), ("claimed", "verified", set())],
)
async def test_a_claim_opens_summaries_at_most(
    remembering: House, caller: Caller, level: Any, rule: Any, kinds: set[str]
) -> None:
    house = remembering
    told = await say(house, caller, "My locker in the pool has the number 4711.")
    await house.conversation.end(caller, told.session_id)
    here = await house.sessions.start(caller)
    errand = Errand(Caller(caller.user_id, level), here.id, 1, "desk", lambda: asyncio.sleep(0, {}))
    recollection = Recollection(house.database, house.recall, house.profile, rule=rule, seconds=20)
    recalled = await PastAbility(recollection).recall_past(errand, "number of the locker")
    assert {source.kind for source in recalled.sources} == kinds


def test_pieces_and_their_sources_make_what_was_found() -> None:
    page = Source("document", "Opening hours", url="https://example.com")
    assert found([("From 9 to 5.", page), ("Not on Sundays.", page)]) == Found(
        '{"results": [{"text": "From 9 to 5.", "title": "Opening hours", "url": "https://example.com"}, '
        '{"text": "Not on Sundays.", "title": "Opening hours", "url": "https://example.com"}]}',
        (page,),
    )


async def test_only_what_an_assistant_names_is_offered(remembering: House, caller: Caller) -> None:
    errand = Errand(caller, uuid4(), 1, "desk", lambda: asyncio.sleep(0, {}))
    abilities = remembering.assistants.abilities
    assert [tool.__name__ for tool in await abilities.of(Assistant(abilities=()), errand)] == []
    assert await abilities.of(Assistant(), None) == ()
    assert set(ABILITIES) >= {tool.__name__ for tool in await abilities.of(Assistant(abilities=ABILITIES), errand)}


async def test_an_ability_whose_condition_fails_or_hangs_is_left_out() -> None:
    async def recall_past(errand: Errand, query: str) -> str:
        return query

    async def search_knowledge(errand: Errand, query: str) -> str:
        return query

    async def course_price(errand: Errand, course: str) -> str:
        return course

    async def fails(errand: Errand) -> bool:
        raise DatabaseDown

    async def hangs(errand: Errand) -> bool:
        await asyncio.sleep(60)
        return True

    abilities = Abilities()
    abilities.teach(recall_past)
    abilities.teach(search_knowledge, when=fails)
    abilities.teach(course_price, when=hangs)
    errand = Errand(Caller(uuid4(), "verified"), uuid4(), 1, "desk", lambda: asyncio.sleep(0, {}))
    async with asyncio.timeout(10):
        assert await abilities.of(Assistant(abilities=ABILITIES), errand) == (recall_past,)
