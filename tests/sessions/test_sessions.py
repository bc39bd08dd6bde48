"""Sessions, in process: idle ones, threads, capabilities, the order of lists."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from pydantic import SecretStr

from rekindle.errors import Forbidden, SessionNotFound
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.sessions.service import Session
from rekindle.testing import Hang, ModelServer
from tests.conftest import OpenHouse, asking_settings, say
from tests.sessions.past import past
from tests.waiting import eventually


async def spoken_in(house: House, caller: Caller, session: Session) -> Session:
    await say(house, caller, session, "Hello.")
    return await house.sessions.get(caller, session.id)


async def touched(house: House, *sessions: Session, minutes_ago: float) -> None:
    async with house.database.system() as connection:
        await connection.execute(
            "UPDATE sessions SET last_seen_at = now() - make_interval(secs => %s) WHERE id = ANY(%s)",
            (minutes_ago * 60, [session.id for session in sessions]),
        )


async def test_only_what_is_idle_is_ended_and_only_what_was_said_in_is_summarised(
    open_a_house: OpenHouse, new_database: Callable[[], str], model: ModelServer
) -> None:
    house = await open_a_house(
        database_url=SecretStr(new_database()),
        idle_minutes=30,
        jobs_in_server=True,
        **asking_settings(model),
    )
    caller = Caller((await house.identity.recognise(None)).user.id, "verified")
    idle = await spoken_in(house, caller, await house.sessions.start(caller))
    fresh = await spoken_in(house, caller, await house.sessions.start(caller))
    silent = await house.sessions.start(caller)
    lasting = await house.sessions.current_or_start(caller)
    answering = await house.sessions.start(caller)
    model.script(Hang())
    turn = await house.conversation.say(caller, answering.id, "Take your time.")
    await touched(house, idle, silent, lasting, answering, minutes_ago=31)
    await touched(house, fresh, minutes_ago=29)

    async def ended() -> set[UUID]:
        await house.jobs.find_work()
        return {session.id for session in await house.sessions.recent(caller, ended=True)}

    async def two() -> bool:  # what another job holds in this moment is left for the next minute's
        return len(await ended()) >= 2

    await eventually(two)
    assert await ended() == {idle.id, silent.id}
    await eventually(lambda: house.memory.summary(caller, idle.id))
    assert await house.memory.waiting() == 0
    assert await house.memory.summary(caller, silent.id) is None
    await house.conversation.cancel(caller, turn.id)


async def test_however_many_are_idle_some_are_ended_at_a_time(
    open_a_house: OpenHouse, new_database: Callable[[], str]
) -> None:
    house = await open_a_house(work=False, database_url=SecretStr(new_database()))
    caller = Caller((await house.identity.recognise(None)).user.id, "verified")
    await touched(house, *[await house.sessions.start(caller) for _ in range(5)], minutes_ago=2)
    assert [len(await house.sessions.end_idle(1, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_a_session_ends_once(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller)
    first = await house.sessions.end(caller, session.id)
    assert first.ended_at is not None
    assert await house.sessions.end(caller, session.id) == first


async def test_who_asks_for_a_thread_at_once_gets_the_same_one(house: House, caller: Caller) -> None:
    threads = await asyncio.gather(*(house.sessions.thread(caller, "main") for _ in range(10)))
    assert len(set(threads)) == 1
    other = Caller((await house.identity.recognise(None)).user.id, "verified")
    assert await house.sessions.thread(other, "main") != threads[0]
    assert await house.sessions.find_thread(caller, "other") is None


async def test_a_capability_opens_its_session_in_any_spelling_until_it_is_deleted(house: House, email: str) -> None:
    visit = await house.sessions.check_in(name="Ann", email=email, phone=None)
    sid = str(visit.session.cookie_sid)
    for spelling in (sid, sid.upper(), sid.replace("-", ""), sid):
        caller = await house.sessions.enter(spelling)
        assert (caller.user_id, caller.session_id) == (visit.caller.user_id, visit.session.id)
        assert caller.level != "verified"
    await house.sessions.delete(visit.caller, visit.session.id)
    with pytest.raises(SessionNotFound):
        await house.sessions.get(await house.sessions.enter(sid), visit.session.id)


@pytest.mark.parametrize("text", ["", "x", "\0", "é", "a" * 10_000, "0198c0de-0000-7000-8000-000000000000"])
async def test_what_is_no_capability_opens_nothing(house: House, text: str) -> None:
    with pytest.raises(SessionNotFound):
        await house.sessions.enter(text)


async def test_a_visitor_is_in_their_session_and_in_no_other(house: House, email: str) -> None:
    first = await house.sessions.check_in(name=None, email=email, phone=None)
    second = await house.sessions.check_in(name=None, email=email, phone=None)
    assert first.session.user_id == second.session.user_id
    visitor = second.caller
    assert [session.id for session in await house.sessions.recent(visitor)] == [second.session.id]
    with pytest.raises(SessionNotFound):
        await house.sessions.get(visitor, first.session.id)
    with pytest.raises(SessionNotFound):
        await house.sessions.messages.of(visitor, first.session.id)
    for attempt in (house.sessions.start(visitor), house.sessions.thread(visitor, "x")):
        with pytest.raises(Forbidden):
            await attempt


async def test_sessions_used_at_the_same_moment_are_listed_once_each(house: House, caller: Caller) -> None:
    sessions = [await house.sessions.start(caller) for _ in range(7)]
    async with house.database.system() as connection:
        await connection.execute("UPDATE sessions SET last_seen_at = now() WHERE user_id = %s", (caller.user_id,))
    seen: list[UUID] = []
    before = None
    while page := await house.sessions.recent(caller, before=before, limit=2):
        seen += [session.id for session in page]
        before = (page[-1].last_seen_at, page[-1].id)
    assert seen == sorted((session.id for session in sessions), reverse=True)


async def test_messages_are_read_from_either_end(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller)
    for _ in range(3):
        await spoken_in(house, caller, session)

    async def seqs(**where: Any) -> list[int]:
        return [message.seq for message in await house.sessions.messages.of(caller, session.id, **where)]

    assert await seqs() == [1, 2, 3, 4, 5, 6]
    assert await seqs(limit=2) == [5, 6]
    assert await seqs(before=5, limit=2) == [3, 4]
    assert await seqs(before=2, limit=5) == [1]
    assert await seqs(before=1) == await seqs(before=0) == []
    assert await seqs(after=0, limit=2) == [1, 2]
    assert await seqs(after=5, limit=2) == [6]
    assert await seqs(after=6) == await seqs(after=2**31 - 1) == []


async def test_a_past_session_is_brought_in_once_and_whole_or_not_at_all(house: House, caller: Caller) -> None:
    session, messages = past(caller, datetime.now(UTC) - timedelta(days=365), "Hello.", "Good day.")
    with pytest.raises(psycopg.errors.CheckViolation):
        await house.sessions.bring_in(session, [messages[0], replace(messages[1], seq=0)])
    with pytest.raises(SessionNotFound):
        await house.sessions.get(caller, session.id)
    assert await house.sessions.bring_in(session, messages)
    assert not await house.sessions.bring_in(session, messages)
    kept = await house.sessions.messages.of(caller, session.id)
    assert [(message.seq, message.content) for message in kept] == [(1, "Hello."), (2, "Good day.")]
