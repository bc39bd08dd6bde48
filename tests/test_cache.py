"""The cache, on a real Redis that is flushed, frozen, killed and filled with what is old: only the time changes."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.testing import capture_logs

from rekindle.assistants.assistant import Assistant, Found, Source, found
from rekindle.cache import build_cache
from rekindle.cache.breaker import Breaker
from rekindle.cache.cache import NullCache
from rekindle.cache.redis import ANSWER_SECONDS, RECONNECT_SECONDS, RedisCache
from rekindle.conversation.channel import Event, EventId
from rekindle.conversation.live import POLL_SECONDS
from rekindle.errors import ConfigurationError, SessionNotFound, TurnNotFound
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.sessions.copies import COPY_MESSAGES, COPY_SECONDS
from rekindle.sessions.service import Message, Session
from rekindle.testing import Hang, ModelServer, Refusal, Reply, ToolCall
from tests.conftest import OpenHouse, asking_settings, say
from tests.conversation.test_turns import text_of
from tests.redis_server import RedisServer


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def house(open_a_house: OpenHouse, redis: RedisServer, model: ModelServer) -> House:
    opened: House = await open_a_house(redis_url=SecretStr(redis.url), **asking_settings(model))
    return opened


@pytest.fixture
async def other(open_a_house: OpenHouse, redis: RedisServer, model: ModelServer) -> House:
    """Another server on the same database and the same Redis."""
    opened: House = await open_a_house(redis_url=SecretStr(redis.url), **asking_settings(model))
    return opened


@pytest.fixture
async def session(house: House, caller: Caller) -> Session:
    return await house.sessions.start(caller)


async def newest(house: House, caller: Caller, session: Session, limit: int = 50) -> list[Message]:
    return await house.sessions.messages.of(caller, session.id, limit=limit)


def reads(result: str) -> float:
    return REGISTRY.get_sample_value("rekindle_cache_reads_total", {"result": result}) or 0


def key(session: Session) -> str:
    return f"session:{session.id}:messages"


def held(redis: RedisServer, session: Session) -> list[dict[str, Any]]:
    with redis.client() as client:
        return [json.loads(entry) for entry in client.lrange(key(session), 0, -1)]


async def until(what: Callable[[], Any], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(what):
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)


async def seconds_of(work: Awaitable[Any]) -> float:
    began = time.monotonic()
    await work
    return time.monotonic() - began


# --- The breaker ---


def test_the_breaker_opens_after_three_failures_in_a_row_and_tries_again_later() -> None:
    clock = Clock()
    breaker = Breaker(failures=3, open_seconds=5, clock=clock)
    states: list[str] = []

    def fail(times: int) -> None:
        for _ in range(times):
            assert breaker.allows()
            breaker.failed()
        states.append(breaker.state)

    fail(2)
    breaker.succeeded()
    fail(3)
    assert not breaker.allows()
    clock.now += 5
    states.append(breaker.state)
    fail(1)
    clock.now += 5
    assert breaker.allows()
    assert not breaker.allows()  # one attempt at a time
    breaker.abandoned()
    assert breaker.allows()
    breaker.succeeded()
    states.append(breaker.state)
    assert states == ["closed", "open", "half-open", "open", "closed"]


# --- Without a Redis ---


async def test_without_a_redis_there_is_no_cache_and_nothing_is_wrong_with_that(
    open_a_house: OpenHouse, caller: Caller
) -> None:
    house = await open_a_house(work=False)
    assert isinstance(house.cache, NullCache)
    assert await house.cache.check() == "ok"
    missed = reads("miss")
    assert await house.sessions.messages.of(caller, (await house.sessions.start(caller)).id) == []
    assert reads("miss") == missed


async def test_a_redis_that_stays_away_is_not_told_again_and_again() -> None:
    cache = RedisCache("unix:///nowhere/redis.sock")
    with capture_logs() as logs:
        await cache.open()
        async with cache.listen("turns") as ear:
            assert await ear.next(RECONNECT_SECONDS * 8) is None
        await cache.close()
    assert 1 <= len(logs) <= 4  # the first try to listen, and three in a row after which it is left alone


def test_a_url_that_is_none_of_redis_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="REKINDLE_REDIS_URL"):
        build_cache(SecretStr("http://example.com"))


async def test_a_server_whose_redis_was_never_there_answers_all_the_same(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(redis_url=SecretStr("unix:///nowhere/redis.sock"), **asking_settings(model))
    session = await house.sessions.start(caller)
    reply = await say(house, caller, session)
    assert (await newest(house, caller, session))[-1] == reply
    for _ in range(3):
        await house.cache.check()
    assert house.cache.state == "down"


# --- Copies ---


async def test_a_copy_says_what_the_database_says(
    house: House, other: House, caller: Caller, session: Session, redis: RedisServer, model: ModelServer
) -> None:
    model.script(Reply("Hello Ada ✨", usage=(20, 3)))
    turn = await house.conversation.say(caller, session.id, "I am Ada.", metadata={"lang": "en"})
    await house.conversation.outcome(caller, turn.id)
    await until(lambda: len(held(redis, session)) == 2)
    hits = reads("hit")
    copied = await newest(other, caller, session)
    assert reads("hit") == hits + 1
    with redis.client() as client:
        assert 0 < client.ttl(key(session)) <= COPY_SECONDS
        client.flushall()
    assert copied == await newest(other, caller, session)
    assert [m.metadata for m in copied] == [{"lang": "en"}, {}]


async def test_a_copy_holds_the_newest_fifty_messages_and_pages_older_than_that_come_from_the_database(
    house: House, caller: Caller, session: Session, redis: RedisServer
) -> None:
    for number in range(COPY_MESSAGES // 2 + 3):
        await say(house, caller, session, f"Message {number}.")
    await until(lambda: [m["seq"] for m in held(redis, session)] == list(range(7, 57)))
    hits = reads("hit")
    assert [m.seq for m in await newest(house, caller, session)] == list(range(7, 57))
    assert [m.seq for m in await house.sessions.messages.of(caller, session.id, after=50)] == list(range(51, 57))
    assert [m.seq for m in await house.sessions.messages.of(caller, session.id, before=20, limit=10)] == list(
        range(10, 20)
    )
    assert reads("hit") == hits + 3
    assert [m.seq for m in await house.sessions.messages.of(caller, session.id, before=7, limit=4)] == [3, 4, 5, 6]
    assert [m.seq for m in await house.sessions.messages.of(caller, session.id, after=0)] == list(range(1, 51))
    assert [m.seq for m in await newest(house, caller, session, limit=51)] == list(range(6, 57))
    assert reads("hit") == hits + 3


async def test_a_copy_that_is_old_is_ignored_and_made_anew(
    house: House, caller: Caller, session: Session, redis: RedisServer
) -> None:
    await say(house, caller, session, "First.")
    await until(lambda: len(held(redis, session)) == 2)
    with redis.client() as client:
        old = client.lrange(key(session), 0, -1)
    await say(house, caller, session, "Second.")
    await until(lambda: len(held(redis, session)) == 4)
    with redis.client() as client:
        client.delete(key(session))
        client.rpush(key(session), *old)
    stale = reads("stale")
    assert [m.seq for m in await newest(house, caller, session)] == [1, 2, 3, 4]
    assert reads("stale") == stale + 1
    await until(lambda: len(held(redis, session)) == 4)


@pytest.mark.parametrize("nonsense", [b"gone", b"{}", b"not JSON", b'{"seq": 2}'])
async def test_a_copy_that_cannot_be_read_is_none(
    house: House, caller: Caller, session: Session, redis: RedisServer, nonsense: bytes
) -> None:
    await say(house, caller, session)
    await until(lambda: len(held(redis, session)) == 2)
    with redis.client() as client:
        client.rpush(key(session), nonsense)
    assert [m.seq for m in await newest(house, caller, session)] == [1, 2]
    with redis.client() as client:
        client.delete(key(session))
        client.set(key(session), "of another kind")
    assert [m.seq for m in await newest(house, caller, session)] == [1, 2]
    assert house.cache.state == "ok"  # it answers, if not what was wanted


async def test_a_reply_that_was_retried_is_not_shown_as_it_had_failed(
    house: House, caller: Caller, session: Session, redis: RedisServer, model: ModelServer
) -> None:
    model.script(Refusal(400))
    failed = await say(house, caller, session)
    assert failed.status == "failed"
    assert (await newest(house, caller, session))[-1].status == "failed"
    await until(lambda: held(redis, session)[-1:] and held(redis, session)[-1]["status"] == "failed")
    model.script(Reply("Now."), Reply("And then."))
    turn = await house.conversation.retry(caller, failed.id)
    assert (await house.conversation.outcome(caller, turn.id)).content == "Now."
    assert (await newest(house, caller, session))[-1].content == "Now."
    await say(house, caller, session, "Go on.")
    assert [m.content for m in await newest(house, caller, session)][1::2] == ["Now.", "And then."]


async def test_a_running_reply_is_read_from_the_database(
    house: House, caller: Caller, session: Session, redis: RedisServer, model: ModelServer
) -> None:
    await say(house, caller, session)
    model.script(Hang())
    turn = await house.conversation.say(caller, session.id, "Are you there?")
    assert [m.status for m in await newest(house, caller, session)] == ["complete", "complete", "complete", "running"]
    await house.conversation.cancel(caller, turn.id)
    assert [m.status for m in await newest(house, caller, session)][-1] == "cancelled"


async def test_somebody_elses_copy_is_not_read(
    house: House, other: House, caller: Caller, session: Session, redis: RedisServer
) -> None:
    await say(house, caller, session)
    await until(lambda: len(held(redis, session)) == 2)
    stranger = Caller((await house.identity.recognise(None)).user.id, "verified")
    with pytest.raises(SessionNotFound):
        await newest(other, stranger, session)


async def test_nothing_that_was_said_is_in_redis_once_a_session_is_deleted(
    house: House, other: House, caller: Caller, session: Session, redis: RedisServer, model: ModelServer
) -> None:
    await say(house, caller, session, "My secret is xyzzy-4711.")
    await until(lambda: "xyzzy-4711" in redis.everything())
    with redis.client() as client:
        copy = client.lrange(key(session), 0, -1)
    messages = await newest(house, caller, session)
    await house.sessions.delete(caller, session.id)
    assert "xyzzy-4711" not in redis.everything()
    other.sessions._copies.keep(messages)  # a reader of another server was slow: what it read comes too late
    await asyncio.sleep(0.2)
    assert "xyzzy-4711" not in redis.everything()
    with redis.client() as client:
        client.delete(key(session))
        client.rpush(key(session), *copy)  # as if the deletion had never been told
    with pytest.raises(SessionNotFound):
        await newest(other, caller, session)


async def test_a_deletion_that_redis_missed_is_made_up_for(
    house: House, caller: Caller, session: Session, redis: RedisServer
) -> None:
    await say(house, caller, session, "My secret is xyzzy-4711.")
    await until(lambda: "xyzzy-4711" in redis.everything())
    redis.freeze()
    took = await seconds_of(house.sessions.delete(caller, session.id))
    assert took < ANSWER_SECONDS + 5
    redis.resume()
    await until(lambda: "xyzzy-4711" not in redis.everything())


async def test_a_redis_that_is_flushed_in_mid_use_loses_nothing(
    house: House, caller: Caller, session: Session, redis: RedisServer
) -> None:
    for number in range(1, 4):
        await say(house, caller, session, f"Message {number}.")
        with redis.client() as client:
            client.flushall()
        assert [m.seq for m in await newest(house, caller, session)] == list(range(1, 2 * number + 1))


async def test_a_frozen_redis_costs_three_short_waits_and_then_nothing(
    house: House, caller: Caller, session: Session, redis: RedisServer
) -> None:
    await say(house, caller, session)
    redis.freeze()
    took = [await seconds_of(newest(house, caller, session)) for _ in range(8)]
    assert max(took) < ANSWER_SECONDS + 5
    assert house.cache.state == "down"
    turns = [await seconds_of(say(house, caller, session, f"Message {n}.")) for n in range(3)]
    assert max(turns) < 10
    redis.resume()
    await until(lambda: house.cache.state == "ok", seconds=10)
    assert [m.seq for m in await newest(house, caller, session)] == list(range(1, 9))


async def test_many_at_once_wait_no_longer_for_a_frozen_redis_than_one(
    house: House, caller: Caller, session: Session, redis: RedisServer
) -> None:
    await say(house, caller, session)
    redis.freeze()
    took = await asyncio.gather(*(seconds_of(house.cache.entries(key(session))) for _ in range(50)))
    assert max(took) < ANSWER_SECONDS + 5


async def test_an_answer_nobody_waited_for_is_not_given_to_the_next(redis: RedisServer) -> None:
    cache = RedisCache(redis.url)
    with redis.client() as client:
        client.rpush("one", "1")
        client.rpush("two", "2")
    for _ in range(30):
        asked = asyncio.create_task(cache.entries("one"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await cache.entries("two") == [b"2"]
    assert cache.state == "ok"
    await cache.close()


# --- Between servers ---


class Reading:
    """Somebody who reads a turn, and when each piece came."""

    def __init__(self, house: House, caller: Caller, turn_id: UUID, after: EventId | None = None) -> None:
        self.events: list[Event] = []
        self.came: list[float] = []
        self.task = asyncio.create_task(self._read(house, caller, turn_id, after))

    async def _read(self, house: House, caller: Caller, turn_id: UUID, after: EventId | None) -> None:
        async with aclosing(house.conversation.follow(caller, turn_id, after)) as events:
            async for event in events:
                if event.kind == "restart":
                    self.events.clear()
                self.events.append(event)
                self.came.append(time.monotonic())

    @property
    def text(self) -> str:
        return text_of(self.events)

    async def until(self, text: str) -> None:
        end = time.monotonic() + 10
        while text not in self.text:
            assert time.monotonic() < end, f"only {self.text!r} came"
            await asyncio.sleep(0.005)


WORDS = " ".join(f"w{n:03}" for n in range(100))


async def test_a_reader_elsewhere_has_the_words_as_they_come(
    house: House, other: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply(WORDS, delay=0.02))
    turn = await house.conversation.say(caller, session.id, "Count.")
    here, there = Reading(house, caller, turn.id), Reading(other, caller, turn.id)
    await here.until("w010")
    late = Reading(other, caller, turn.id)
    await asyncio.gather(here.task, there.task, late.task)
    assert here.text == there.text == late.text == WORDS
    assert there.events[-1].reply == here.events[-1].reply
    # When each word was there, of those after the beginning: by the clock of this one process.
    delays = sorted(_when(there, f"w{n:03}") - _when(here, f"w{n:03}") for n in range(20, 100))
    assert delays[len(delays) // 2] < 0.05
    assert delays[-5] < 0.15


def _when(reading: Reading, word: str) -> float:
    shown = ""
    for event, came in zip(reading.events, reading.came, strict=True):
        shown += event.text if event.kind == "token" else ""
        if word in shown:
            return came
    raise AssertionError(word)


@pytest.mark.parametrize("fate", ["killed", "flushed", "frozen", "frozen for a while"])
async def test_a_reader_elsewhere_has_every_byte_whatever_becomes_of_redis(
    house: House,
    other: House,
    caller: Caller,
    session: Session,
    model: ModelServer,
    redis: RedisServer,
    fate: str,
) -> None:
    model.script(Reply(WORDS, delay=0.02))
    turn = await house.conversation.say(caller, session.id, "Count.")
    there = Reading(other, caller, turn.id)
    await there.until("w020")
    match fate:
        case "killed":
            redis.stop()
        case "flushed":
            with redis.client() as client:
                client.flushall()
        case _:
            redis.freeze()
    if fate == "frozen for a while":
        await asyncio.sleep(0.7)
        redis.resume()
    await there.task
    assert there.text == WORDS
    assert [event.kind for event in there.events].count("end") == 1
    gaps = [b - a for a, b in zip(there.came, there.came[1:], strict=False)]
    assert max(gaps) < 2 * POLL_SECONDS + 1  # two silences, and what the checkpoint is behind


async def test_a_reader_elsewhere_goes_on_where_they_stood(
    house: House, other: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply(WORDS, delay=0.01))
    turn = await house.conversation.say(caller, session.id, "Count.")
    here = Reading(house, caller, turn.id)
    await here.until("w030")
    stood = len(here.text)
    there = Reading(other, caller, turn.id, EventId(turn.id, 1, stood))
    await there.task
    assert there.text == WORDS[stood:]


async def test_a_reader_elsewhere_is_told_what_is_done_and_found_where_while_it_is(
    open_a_house: OpenHouse, redis: RedisServer, caller: Caller, model: ModelServer
) -> None:
    async def look_up(matter: str) -> Found:
        """Look something up.

        Status: Looking it up…
        """
        return found([(f"All about {matter}.", Source(kind="document", title=matter))])

    librarian = Assistant("librarian", tools=(look_up,))
    settings = {"redis_url": SecretStr(redis.url), **asking_settings(model)}
    house, other = [await open_a_house(librarian, **settings) for _ in range(2)]
    session = await house.sessions.start(caller)
    calls = [ToolCall("look_up", {"matter": matter}) for matter in ("Tea", "Coffee")]
    model.script(Reply("Wait.", tool_calls=calls[:1]), Reply(WORDS, tool_calls=calls[1:], delay=0.01), Hang())
    turn = await house.conversation.say(caller, session.id, "Tell me.")
    here, there = Reading(house, caller, turn.id), Reading(other, caller, turn.id)
    await there.until("w050")
    assert beside(there) == ["Looking it up…", "Tea"]
    stood = there.events[-1].id
    await there.until("w099")
    await until(lambda: beside(there)[-1] == "Coffee")  # the turn goes on: the third request hangs
    late, back = Reading(other, caller, turn.id), Reading(other, caller, turn.id, stood)
    await asyncio.gather(late.until("w099"), back.until("w099"))
    await until(lambda: beside(late)[-1:] == beside(back)[-1:] == ["Coffee"])
    await house.conversation.cancel(caller, turn.id)
    await asyncio.gather(here.task, there.task, late.task, back.task)
    assert beside(here) == beside(there) == beside(late) == ["Looking it up…", "Tea", "Looking it up…", "Coffee"]
    assert beside(back) == ["Looking it up…", "Coffee"]
    assert [event.source for event in there.events if event.source] == there.events[-1].reply.metadata["sources"]  # type: ignore[union-attr,index]


async def test_a_channel_wanted_while_the_connection_is_lost_takes_no_other_for_good(redis: RedisServer) -> None:
    def listeners() -> int:
        with redis.client() as client:
            return len(client.client_list(_type="pubsub"))

    cache = RedisCache(redis.url)
    await cache.open()
    async with cache.listen("first"):
        await until(lambda: listeners() == 1)
        for _ in range(4):  # what else it has to do first
            cache._put(lambda: asyncio.sleep(ANSWER_SECONDS * 0.8))
        with redis.client() as client:
            client.client_kill_filter(_type="pubsub")
        async with cache.listen("second"):
            await asyncio.sleep(RECONNECT_SECONDS + 0.2)
        assert listeners() == 1
    await cache.close()


def beside(reading: Reading) -> list[str]:
    """What was told beside the text: what is done, and the titles of what was found."""
    told = [event for event in reading.events if event.kind in ("status", "source")]
    return [event.source["title"] if event.source else event.text for event in told]


async def test_a_silent_turn_elsewhere_is_hardly_asked_of_the_database(
    house: House, other: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Hang())
    turn = await house.conversation.say(caller, session.id, "Are you there?")
    there = Reading(other, caller, turn.id)
    await asyncio.sleep(0.5)
    before = other.database.round_trips
    await asyncio.sleep(2)
    # Its keepers ask too: twice a second whether a turn is to be taken over. A reader alone asked eight times.
    asked = other.database.round_trips - before
    await house.conversation.cancel(caller, turn.id)
    await there.task
    assert asked <= 7
    assert there.events[-1].reply is not None
    assert there.events[-1].reply.status == "cancelled"


async def test_a_turn_is_cancelled_from_another_server_at_once(
    house: House, other: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply(WORDS, delay=0.05))
    turn = await house.conversation.say(caller, session.id, "Count.")
    await Reading(house, caller, turn.id).until("w005")
    await asyncio.sleep(0.2)
    began = time.monotonic()
    reply = await other.conversation.cancel(caller, turn.id)
    assert time.monotonic() - began < 10
    assert reply.status == "cancelled"
    assert WORDS.startswith(reply.content)


async def test_what_anybody_says_on_the_channels_cancels_no_turn_and_breaks_none(
    house: House, caller: Caller, session: Session, model: ModelServer, redis: RedisServer
) -> None:
    model.script(Reply(WORDS, delay=0.005))
    turn = await house.conversation.say(caller, session.id, "Count.")
    with redis.client() as client:
        for message in ("", "nonsense", "[]", json.dumps({"kind": "cancel", "turn_id": str(turn.id)})):
            client.publish("turns", message)
            client.publish(f"turn:{turn.id}", message)
    reply = await house.conversation.outcome(caller, turn.id)
    assert (reply.status, reply.content) == ("complete", WORDS)


async def test_a_reader_without_the_right_hears_nothing(
    house: House, other: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply(WORDS, delay=0.02))
    turn = await house.conversation.say(caller, session.id, "Count.")
    stranger = Caller((await house.identity.recognise(None)).user.id, "verified")
    with pytest.raises(TurnNotFound):
        await Reading(other, stranger, turn.id).task
    await house.conversation.cancel(caller, turn.id)
