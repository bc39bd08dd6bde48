"""One server loses the database, another does not, or both do: what each has is written, once, and nothing is lost."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from rekindle.database import DatabaseDown
from rekindle.embedded import EmbeddedPostgres
from rekindle.errors import SessionNotFound, TurnNotFound
from rekindle.house import House, open_house
from rekindle.identity.service import Caller
from rekindle.sessions.service import Message, Session
from rekindle.testing import ModelServer, Reply
from tests.conftest import OpenHouse, asking_settings, make_settings
from tests.conversation.test_turns import until_running
from tests.redis_server import RedisServer
from tests.waiting import eventually


class Wire:
    """Between a server and its PostgreSQL: it can be cut, for that server alone."""

    def __init__(self, folder: Path, conninfo: str) -> None:
        parts = conninfo_to_dict(conninfo)
        name = f".s.PGSQL.{parts['port']}"
        self._database = f"{parts['host']}/{name}"
        self._path = folder / name
        self.conninfo = make_conninfo(conninfo, host=str(folder))
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def mend(self) -> None:
        """Let it through."""
        self._server = await asyncio.start_unix_server(self._join, self._path)

    async def cut(self) -> None:
        """Break what is open, and let nobody through any more."""
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._database)
        self._open |= {writer, back}
        pumps = {asyncio.create_task(_pump(reader, back)), asyncio.create_task(_pump(there, writer))}
        self._pumps |= pumps
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.transport.abort()
        self._open -= {writer, back}
        self._pumps -= pumps


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@dataclass
class Two:
    """Two servers on one database: the one that is `near` loses it when the wire is cut."""

    near: House
    far: House
    wire: Wire
    caller: Caller
    session: Session

    async def say(self, text: str, house: House | None = None) -> Message:
        house = house or self.near
        turn = await house.conversation.say(self.caller, self.session.id, text)
        return await house.conversation.outcome(self.caller, turn.id)

    async def begin(self, text: str, shown: str) -> Any:
        """A turn near by whose answer is shown up to a word."""
        turn = await self.near.conversation.say(self.caller, self.session.id, text)
        await until_running(self.near, self.caller, turn.id, shown)
        return turn

    async def messages(self) -> list[Message]:
        return await self.far.sessions.messages.of(self.caller, self.session.id, after=0, limit=100)

    async def until_taken_over(self) -> Message:
        part: Message = await eventually(lambda: self.newest("interrupted"))
        return part

    async def newest(self, status: str) -> Message | None:
        newest = (await self.messages())[-1]
        return newest if newest.status == status else None

    async def until_written(self) -> None:
        await eventually(lambda: not self.near.runs.afloat.unwritten)


@pytest.fixture
async def two(
    open_a_house: OpenHouse, conninfo: str, data_dir: Path, caller: Caller, model: ModelServer, redis: RedisServer
) -> AsyncIterator[Two]:
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket is short
        wire = Wire(Path(folder), conninfo)
        await wire.mend()
        settings: dict[str, Any] = asking_settings(
            model, lease_seconds=1, user_tokens_per_day=100_000, redis_url=SecretStr(redis.url)
        )
        far: House = await open_a_house(**settings)
        # A grace that outlasts the second in which a database that was away is not asked again.
        async with open_house(make_settings(wire.conninfo, data_dir, grace_seconds=2, **settings)) as near:
            session = await far.sessions.start(caller)
            yield Two(near, far, wire, caller, session)
        await wire.cut()


async def test_a_whole_answer_beats_the_part_that_another_server_kept_of_it(two: Two, model: ModelServer) -> None:
    model.script(Reply("one two three four five six", delay=0.4, usage=(21, 12)))
    turn = await two.begin("Count.", "two")
    await eventually(lambda: shows(two, "one two"))
    await two.wire.cut()
    whole = await two.near.conversation.outcome(two.caller, turn.id)
    assert (whole.content, whole.persisted) == ("one two three four five six", False)
    part = await two.until_taken_over()
    assert part.content != whole.content
    assert (await two.say("And now?", two.far)).content == "You said: And now?"
    assert [m.content for m in await two.messages()][:2] == ["Count.", part.content]  # as Redis may have it from now on
    await two.wire.mend()
    await two.until_written()
    messages = await two.messages()
    assert [(m.content, m.status, m.attempt) for m in messages] == [
        ("Count.", "complete", 1),
        ("one two three four five six", "complete", 1),
        ("And now?", "complete", 1),
        ("You said: And now?", "complete", 1),
    ]
    assert messages[1].error_code is None
    usage = await two.far.usage.of(two.caller.user_id)
    asked = sum((m.input_tokens or 0) + (m.output_tokens or 0) for m in messages)
    assert (usage.turns, usage.total_tokens, usage.estimated_tokens) == (2, asked, 0)
    days = await two.far.usage.days(two.caller)
    assert (sum(day.turns for day in days), sum(day.failed for day in days)) == (2, 0)
    assert {day.model for day in days} == {messages[1].model}
    assert (await two.far.usage.quota(two.caller, two.far.settings)).tokens == asked


async def test_an_answer_that_is_not_whole_yet_goes_on_where_it_was_only_given_up(two: Two, model: ModelServer) -> None:
    words = " ".join(f"w{n}" for n in range(40))
    model.script(Reply(words, delay=0.2))
    turn = await two.begin("Count.", "w1")
    await two.wire.cut()
    await two.until_taken_over()
    await two.wire.mend()
    assert (await two.near.conversation.outcome(two.caller, turn.id)).content == words
    await two.until_written()
    assert [(m.content, m.status) for m in await two.messages()] == [("Count.", "complete"), (words, "complete")]


async def test_an_answer_from_whose_part_somebody_went_on_stops(two: Two, model: ModelServer) -> None:
    model.script(Reply(" ".join(f"w{n}" for n in range(400)), delay=0.2))
    turn = await two.begin("Count.", "w1")
    await two.wire.cut()
    part = await two.until_taken_over()
    await two.say("Enough?", two.far)
    await two.wire.mend()
    assert await two.near.conversation.outcome(two.caller, turn.id) == part
    assert [m.status for m in await two.messages()] == ["complete", "interrupted", "complete", "complete"]


async def shows(two: Two, text: str) -> bool:
    return (await two.messages())[-1].content.startswith(text)


async def test_an_answer_that_was_tried_again_elsewhere_stays(two: Two, model: ModelServer) -> None:
    model.script(Reply("one two three four five six seven eight", delay=0.15), Reply("Again."))
    turn = await two.begin("Count.", "two")
    await eventually(lambda: shows(two, "one two"))
    await two.wire.cut()
    await two.near.conversation.outcome(two.caller, turn.id)
    await two.until_taken_over()
    again = await two.far.conversation.retry(two.caller, turn.id)
    await two.far.conversation.outcome(two.caller, again.id)
    await two.wire.mend()
    await two.until_written()
    assert [(m.content, m.attempt) for m in await two.messages()] == [("Count.", 1), ("Again.", 2)]
    assert len(model.requests) == 2
    assert (await two.far.usage.of(two.caller.user_id)).turns == 2


@pytest.mark.parametrize("how", ["end", "hide", "delete"])
@pytest.mark.parametrize("heard", [True, False])
async def test_a_session_that_was_left_on_another_server_does_not_go_on_from_memory(
    two: Two, how: str, heard: bool
) -> None:
    await two.say("Hello.")
    assert two.near.runs.afloat.sessions() == {two.session.id}
    if not heard:
        await two.near.identity.close()
    await left(two, how)
    if not heard:
        assert two.near.runs.afloat.sessions() == {two.session.id}
        await two.near.identity.open()
    await eventually(lambda: not two.near.runs.afloat.sessions())
    await two.wire.cut()
    with pytest.raises(DatabaseDown):
        await two.say("Is anybody there?")
    await two.wire.mend()


async def left(two: Two, how: str) -> None:
    match how:
        case "end":
            await two.far.conversation.end(two.caller, two.session.id)
        case "hide":
            await two.far.conversation.delete(two.caller, two.session.id)
        case _:
            await two.far.sessions.delete(two.caller, two.session.id)


async def test_who_logged_out_on_another_server_has_no_current_session_left(two: Two) -> None:
    current = await two.near.sessions.current_or_start(two.caller)
    two.session = current
    await two.say("Hello.")
    await two.far.visits.log_out(two.caller, two.far.identity.issue(two.caller))
    await eventually(lambda: not two.near.runs.afloat.sessions())
    await two.wire.cut()
    with pytest.raises(DatabaseDown):
        await two.near.sessions.current_or_start(two.caller)
    await two.wire.mend()


async def test_a_thread_means_the_same_session_to_both_after_a_deletion_was_undone(two: Two) -> None:
    first = await two.near.sessions.thread(two.caller, "main")
    assert await two.near.sessions.thread(two.caller, "main") == first  # remembered
    await two.far.conversation.delete(two.caller, first)
    second = await two.far.sessions.thread(two.caller, "main")
    await two.far.sessions.hidden.restore(two.caller, first, minutes=10)

    async def same() -> bool:
        return await two.near.sessions.thread(two.caller, "main") == second

    await eventually(same)


async def test_what_is_said_in_a_session_that_is_ended_meanwhile_is_in_it_and_summarised(two: Two) -> None:
    await two.say("Hello.")
    await two.wire.cut()
    assert not (await two.say("I bought a canoe.")).persisted
    await left(two, "end")
    await two.wire.mend()
    await two.until_written()
    assert [m.content for m in await two.messages() if m.role == "user"] == ["Hello.", "I bought a canoe."]
    assert (await two.far.sessions.get(two.caller, two.session.id)).ended_at
    assert (two.caller.user_id, two.session.id) in await two.far.memory.unsummarised()


async def test_what_is_said_in_a_session_that_is_deleted_meanwhile_shares_its_fate(two: Two) -> None:
    await two.say("Hello.")
    await two.wire.cut()
    turn = (await two.say("I bought a canoe.")).id
    await left(two, "hide")
    await two.wire.mend()
    await two.until_written()
    with pytest.raises(SessionNotFound):
        await two.messages()
    with pytest.raises(TurnNotFound):
        await two.near.conversation.outcome(two.caller, turn)
    await two.far.sessions.hidden.restore(two.caller, two.session.id, minutes=10)
    assert [m.content for m in await two.messages() if m.role == "user"] == ["Hello.", "I bought a canoe."]

    await two.say("And now?")
    await two.wire.cut()
    await two.say("I sold it.")
    await left(two, "delete")
    await two.wire.mend()
    await two.until_written()
    with pytest.raises(SessionNotFound):
        await two.messages()


async def test_what_a_visitor_says_comes_home_with_the_session(two: Two) -> None:
    checked_in = await two.far.sessions.check_in(name="Ada", email=None, phone=None)
    visitor, two.session = checked_in.caller, checked_in.session
    account, two.caller = two.caller, visitor
    await two.say("Hello.")
    await two.wire.cut()
    await two.say("I bought a canoe.")
    assert await two.far.identity.adopt(visitor, account)
    await two.wire.mend()
    await two.until_written()
    two.caller = account
    assert [m.content for m in await two.messages() if m.role == "user"] == ["Hello.", "I bought a canoe."]
    assert (await two.far.usage.of(account.user_id)).turns == 2


async def test_what_was_said_waits_for_the_answer_that_another_server_is_giving(two: Two, model: ModelServer) -> None:
    await two.say("Hello.")
    await two.wire.cut()
    assert not (await two.say("One.")).persisted
    model.script(Reply("slow and steady", delay=0.7))
    turn = await two.far.conversation.say(two.caller, two.session.id, "Two.")
    await two.wire.mend()
    slow = await two.far.conversation.outcome(two.caller, turn.id)
    assert (slow.content, slow.status) == ("slow and steady", "complete")
    await two.until_written()
    assert [m.content for m in await two.messages() if m.role == "user"] == ["Hello.", "Two.", "One."]
    assert [m.seq for m in await two.messages()] == [1, 2, 3, 4, 5, 6]
    messages = await two.messages()
    asked = sum((m.input_tokens or 0) + (m.output_tokens or 0) for m in messages)
    assert (await two.far.usage.quota(two.caller, two.far.settings)).tokens == asked


async def test_a_server_that_stops_writes_what_was_said_while_the_database_was_away(
    two: Two, model: ModelServer
) -> None:
    await two.say("Hello.")
    await two.wire.cut()
    model.script(Reply("It is", then="silence"))
    turn = await two.near.conversation.say(two.caller, two.session.id, "What time is it?")
    await until_running(two.near, two.caller, turn.id, "It")
    await two.wire.mend()
    await two.near.runs.close()
    assert [(m.content, m.status) for m in await two.messages()][2:] == [
        ("What time is it?", "complete"),
        ("It is", "interrupted"),
    ]


async def test_after_an_outage_those_who_carried_their_answers_on_come_first(
    tmp_path: Path, model: ModelServer
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "away")
    settings = make_settings(postgres.start(), tmp_path, **asking_settings(model, lease_seconds=1))
    words = " ".join(f"w{n}" for n in range(50))
    async with open_house(settings) as near, open_house(settings) as far:
        caller = Caller((await near.identity.recognise("ada@example.com")).user.id, "verified")
        turns = []
        model.script(*[Reply(words, delay=0.1)] * 4)
        for _ in range(4):
            session = await near.sessions.start(caller)
            turns.append(await near.conversation.say(caller, session.id, "Count."))
        for turn in turns:
            await until_running(near, caller, turn.id, "w1")
        assert postgres.stop(only_if_unused=False)
        await asyncio.sleep(1.5)  # their leases run out
        assert postgres.start()
        for turn in turns:
            reply = await near.conversation.outcome(caller, turn.id)
            assert (reply.content, reply.status, reply.attempt) == (words, "complete", 1)
        await eventually(lambda: not near.runs.afloat.unwritten)
        for turn in turns:
            reply = await far.conversation.outcome(caller, turn.id)
            assert (reply.content, reply.status, reply.attempt) == (words, "complete", 1)
        assert len(model.requests) == 4
    postgres.stop(only_if_unused=False)
