"""The database goes away and comes back: live sessions go on, and what was said is written in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import SecretStr

from rekindle.database import DatabaseDown
from rekindle.embedded import EmbeddedPostgres
from rekindle.errors import KeyReused, SessionBusy, SessionNotFound
from rekindle.house import House, open_house
from rekindle.identity.service import Caller
from rekindle.sessions.service import Message, Session
from rekindle.settings import Settings
from rekindle.testing import ModelServer, Reply
from tests.conftest import asking_settings
from tests.conversation.test_turns import until_running
from tests.waiting import eventually


@dataclass
class Afloat:
    """A house whose database can be taken away."""

    house: House
    caller: Caller
    session: Session
    leave: Callable[[], None]
    return_: Callable[[], None]

    async def say(self, text: str, key: str | None = None) -> Message:
        turn = await self.house.conversation.say(self.caller, self.session.id, text, key=key)
        return await self.house.conversation.outcome(self.caller, turn.id)

    async def messages(self) -> list[Message]:
        return await self.house.sessions.messages.of(self.caller, self.session.id, after=0, limit=100)

    async def until_written(self) -> None:
        await eventually(lambda: not self.house.runs.afloat.unwritten)


@pytest.fixture
async def afloat(tmp_path: Path, model: ModelServer) -> AsyncIterator[Afloat]:
    database = EmbeddedPostgres(tmp_path / "away")
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=tmp_path,
        database_url=SecretStr(database.start()),
        afloat_turns=5,
        lease_seconds=1,
        **asking_settings(model, titles="phrases", jobs_in_server=False),
    )
    async with open_house(settings) as house:
        caller = Caller((await house.identity.recognise("ada@example.com")).user.id, "verified")
        session = await house.sessions.start(caller)
        yield Afloat(
            house,
            caller,
            session,
            leave=lambda: assert_stopped(database),
            return_=lambda: assert_started(database),
        )
    database.stop(only_if_unused=False)


def assert_stopped(database: EmbeddedPostgres) -> None:
    assert database.stop(only_if_unused=False)


def assert_started(database: EmbeddedPostgres) -> None:
    assert database.start()


async def test_a_live_session_goes_on_and_is_written_in_order_when_the_database_is_back(
    afloat: Afloat, model: ModelServer
) -> None:
    assert (await afloat.say("My name is Ada.")).persisted
    afloat.leave()
    began = time.monotonic()
    model.script(Reply("You are Ada."), Reply("Still Ada."))
    replies = [await afloat.say("What is my name?", "a"), await afloat.say("And now?", "b")]
    assert time.monotonic() - began < 20
    assert [(r.content, r.status, r.persisted) for r in replies] == [
        ("You are Ada.", "complete", False),
        ("Still Ada.", "complete", False),
    ]
    contents = [m["content"] for m in model.requests[-1].messages if m["role"] != "system"]
    assert contents[0] == "My name is Ada."
    assert contents[-3:] == ["What is my name?", "You are Ada.", "And now?"]
    afloat.return_()
    await afloat.until_written()
    last = await afloat.say("Are we back?")
    assert last.persisted
    messages = await afloat.messages()
    assert [m.seq for m in messages] == list(range(1, 9))
    assert [m.content for m in messages if m.role == "user"] == [
        "My name is Ada.",
        "What is my name?",
        "And now?",
        "Are we back?",
    ]
    assert [m.id for m in messages[3:6:2]] == [r.id for r in replies]
    assert [m.content for m in messages[3:6:2]] == ["You are Ada.", "Still Ada."]
    assert all(m.persisted for m in messages)
    assert (await afloat.house.usage.of(afloat.caller.user_id)).turns == 4


async def test_an_answer_that_outlasts_the_outage_is_not_taken_from_its_own_server(
    afloat: Afloat, model: ModelServer
) -> None:
    words = " ".join(f"w{n}" for n in range(60))
    model.script(Reply(words, delay=0.1))
    turn = await afloat.house.conversation.say(afloat.caller, afloat.session.id, "Count.")
    await until_running(afloat.house, afloat.caller, turn.id, "w1")
    afloat.leave()
    await asyncio.sleep(1.5)  # its lease runs out
    afloat.return_()
    reply = await afloat.house.conversation.outcome(afloat.caller, turn.id)
    assert (reply.content, reply.status, reply.attempt) == (words, "complete", 1)
    await afloat.until_written()
    assert [(m.content, m.status) for m in await afloat.messages()] == [("Count.", "complete"), (words, "complete")]


async def test_the_same_key_is_one_turn_while_the_database_is_away(afloat: Afloat, model: ModelServer) -> None:
    await afloat.say("Hello.")
    afloat.leave()
    reply = await afloat.say("Once.", "k")
    again = await afloat.house.conversation.say(afloat.caller, afloat.session.id, "Once.", key="k")
    assert again.replayed
    assert await afloat.house.conversation.outcome(afloat.caller, again.id) == reply
    with pytest.raises(KeyReused):
        await afloat.say("Twice.", "k")
    assert len(model.requests) == 2
    afloat.return_()
    await afloat.until_written()
    again = await afloat.house.conversation.say(afloat.caller, afloat.session.id, "Once.", key="k")
    assert again.id == reply.id
    assert len(await afloat.messages()) == 4


async def test_an_answer_that_was_running_when_the_database_left_is_kept(afloat: Afloat, model: ModelServer) -> None:
    model.script(Reply("one two three four five six", delay=0.15))
    turn = await afloat.house.conversation.say(afloat.caller, afloat.session.id, "Count.")
    await until_running(afloat.house, afloat.caller, turn.id, "two")
    afloat.leave()
    reply = await afloat.house.conversation.outcome(afloat.caller, turn.id)
    assert (reply.content, reply.persisted) == ("one two three four five six", False)
    afloat.return_()
    await afloat.until_written()
    assert [(m.seq, m.content, m.status) for m in await afloat.messages()] == [
        (1, "Count.", "complete"),
        (2, "one two three four five six", "complete"),
    ]


@pytest.mark.parametrize("heard", [True, False])
async def test_who_was_erased_on_another_server_does_not_go_on_from_memory(afloat: Afloat, heard: bool) -> None:
    await afloat.say("My secret is 4711.")
    if not heard:  # nobody here listens when it happens: they are looked for when somebody does again
        await afloat.house.identity.close()
    async with open_house(afloat.house.settings, work=False) as other:
        assert (await other.erasure.erase(afloat.caller.user_id))["messages"] == 2
    if not heard:
        assert afloat.house.runs.afloat.users() == {afloat.caller.user_id}
        await afloat.house.identity.open()
    await eventually(lambda: not afloat.house.runs.afloat.users())
    afloat.leave()
    with pytest.raises(DatabaseDown):
        await afloat.say("What is my secret?")
    afloat.return_()


async def test_what_is_not_live_here_and_what_is_too_much_is_refused(afloat: Afloat) -> None:
    unknown = await afloat.house.sessions.start(afloat.caller)
    await afloat.say("Hello.")
    afloat.leave()
    with pytest.raises(DatabaseDown):
        await afloat.house.conversation.say(afloat.caller, unknown.id, "Anyone?")
    with pytest.raises(DatabaseDown):
        await afloat.house.sessions.check_in(name="New", email="new@example.com", phone=None)
    stranger = Caller(unknown.id, "verified")
    with pytest.raises(DatabaseDown):
        await afloat.house.conversation.say(stranger, afloat.session.id, "Let me in.")
    for number in range(5):
        assert not (await afloat.say(f"{number}")).persisted
    with pytest.raises(DatabaseDown):
        await afloat.say("One too many.")
    afloat.return_()
    await afloat.until_written()
    assert len(await afloat.messages()) == 12


async def test_what_is_said_after_the_return_comes_after_an_answer_that_goes_on(
    afloat: Afloat, model: ModelServer
) -> None:
    await afloat.say("Hello.")
    afloat.leave()
    model.script(Reply(" ".join(f"w{n}" for n in range(60)), delay=0.1), Reply("Last."))
    said = afloat.house.conversation.say
    first = await said(afloat.caller, afloat.session.id, "Count.", key="count")
    assert (await said(afloat.caller, afloat.session.id, "Count.", key="count")).id == first.id
    afloat.return_()
    while True:
        with suppress(DatabaseDown):
            await afloat.messages()
            break
        await asyncio.sleep(0.05)
    with pytest.raises(SessionBusy):
        await said(afloat.caller, afloat.session.id, "And then?")
    stranger = Caller((await afloat.house.identity.recognise("eve@example.com")).user.id, "verified")
    with pytest.raises(SessionNotFound):
        await said(stranger, afloat.session.id, "And then?")
    second = await said(afloat.caller, afloat.session.id, "And then?", on_busy="wait")
    await afloat.house.conversation.outcome(afloat.caller, second.id)
    messages = await afloat.messages()
    assert [(m.seq, m.content) for m in messages if m.role == "user"] == [
        (1, "Hello."),
        (3, "Count."),
        (5, "And then?"),
    ]
    assert [m.id for m in messages[3::2]] == [first.id, second.id]
    assert all(earlier.created_at < later.created_at for earlier, later in pairwise(messages[::2]))
