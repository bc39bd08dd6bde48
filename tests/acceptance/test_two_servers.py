"""Two real servers, one database, one Redis: one session from both, live reading, cancelling, and Redis taken away."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx2 as httpx
import pytest

from rekindle.testing import Asked, ModelServer, Reply
from tests.conftest import NewDatabase, RunningServer, Serve, asks, read_events, run_redis
from tests.redis_server import RedisServer
from tests.waiting import until

SSE = {"Accept": "text/event-stream"}
TURNS = 64
WORDS = " ".join(f"w{n:03}" for n in range(100))


@pytest.fixture(scope="module")
def model_for_all() -> Iterator[ModelServer]:
    with ModelServer() as model:
        yield model


@pytest.fixture(scope="module")
def redis_for_all() -> Iterator[RedisServer]:
    yield from run_redis()


@pytest.fixture(scope="module")
def two(
    serve_for_all: Serve, new_database: NewDatabase, model_for_all: ModelServer, redis_for_all: RedisServer
) -> tuple[RunningServer, RunningServer]:
    place = {"REKINDLE_DATABASE_URL": new_database(), "REKINDLE_REDIS_URL": redis_for_all.url}
    first, second = (serve_for_all(**asks(model_for_all, **place)) for _ in range(2))
    return first, second


@pytest.fixture
def redis(redis_for_all: RedisServer, two: tuple[RunningServer, RunningServer]) -> RedisServer:
    """Theirs, which a test may take away: it is there again for the next, and both servers know."""
    if not redis_for_all.running:
        redis_for_all.stop()
        redis_for_all.start()
    wait_for_redis(two)
    return redis_for_all


def wait_for_redis(servers: tuple[RunningServer, RunningServer]) -> None:
    until(lambda: all(server.client().get("/ready").json()["cache"] == "ok" for server in servers))


@pytest.fixture
def model(model_for_all: ModelServer) -> ModelServer:
    """The model that both servers ask, with nothing scripted yet."""
    model_for_all.forget()
    return model_for_all


@contextmanager
def streaming(client: httpx.Client, session: str) -> Iterator[tuple[str, Iterator[tuple[str | None, dict[str, Any]]]]]:
    """A turn that has begun: its id, and its events after the first."""
    with client.stream(
        "POST", f"/api/v1/sessions/{session}/turns", json={"message": "Count."}, headers=SSE
    ) as response:
        assert response.status_code == 200
        events = read_events(response)
        yield next(part["messageId"] for _, part in events if "messageId" in part), events


def reading(client: httpx.Client, turn: str) -> AbstractContextManager[httpx.Response]:
    return client.stream("GET", f"/api/v1/turns/{turn}/events")


def new_session(client: httpx.Client) -> str:
    session: str = client.post("/api/v1/sessions").json()["id"]
    return session


def test_sixty_four_turns_at_once_on_one_session_from_two_servers_are_numbered_one_by_one(
    two: tuple[RunningServer, RunningServer], model: ModelServer, email: str
) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(f"You said: {asked.last}")

    model.default = answer
    first, second = two
    token = first.token(email)
    second.tokens = {email: token}

    async def all_of_them() -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx.AsyncClient(base_url=first.url, headers=headers, timeout=120) as one,
            httpx.AsyncClient(base_url=second.url, headers=headers, timeout=120) as other,
        ):
            session = (await one.post("/api/v1/sessions")).json()["id"]

            async def say(number: int) -> dict[str, Any]:
                client = one if number % 2 else other
                answer = await client.post(
                    f"/api/v1/sessions/{session}/turns", json={"message": f"Message {number}.", "on_busy": "wait"}
                )
                assert answer.status_code == 201, answer.text
                turn: dict[str, Any] = answer.json()
                return turn

            turns = await asyncio.gather(*(say(number) for number in range(TURNS)))
            pages = []
            for client in (one, other):
                found: list[dict[str, Any]] = []
                cursor: str | None = "0"
                while cursor is not None:
                    page = (await client.get(f"/api/v1/sessions/{session}/messages?limit=100&cursor={cursor}")).json()
                    found += page["items"]
                    cursor = page["next"]
                pages.append(found)
            return turns, pages

    turns, (here, there) = asyncio.run(all_of_them())
    assert here == there
    assert [m["seq"] for m in here] == list(range(1, 2 * TURNS + 1))
    assert [m["role"] for m in here] == ["user", "assistant"] * TURNS
    assert sorted(m["content"] for m in here[::2]) == sorted(f"Message {n}." for n in range(TURNS))
    assert all(
        reply["content"] == f"You said: {said['content']}" for said, reply in zip(here[::2], here[1::2], strict=True)
    )
    assert {turn["status"] for turn in turns} == {"complete"}
    # One at a time: no turn began before the one in front of it had ended.
    for ended, began in zip(here[1::2], here[2::2], strict=False):
        assert ended["completed_at"] <= began["created_at"]
    # The newest page is in the copy that Redis holds, on whichever server it is read.
    with second.client(email) as reader:
        newest = [reader.get(f"/api/v1/sessions/{here[0]['session_id']}/messages?order=desc").json() for _ in range(3)]
        assert 'rekindle_cache_reads_total{result="hit"}' in reader.get("/metrics").text
    assert newest[0] == newest[1] == newest[2] == {"items": here[: 2 * TURNS - 51 : -1], "next": str(2 * TURNS - 49)}


def test_a_reader_on_the_other_server_has_the_words_as_they_come(
    two: tuple[RunningServer, RunningServer], model: ModelServer, email: str
) -> None:
    model.script(Reply(WORDS, delay=0.03))
    first, second = two
    second.tokens = {email: first.token(email)}
    with first.client(email) as client, second.client(email) as other:
        session = new_session(client)
        with streaming(client, session) as (turn, _), reading(other, turn) as response:
            came: list[str] = []
            shown = ""
            for _, part in read_events(response):
                if "delta" in part:
                    shown += part["delta"]
                    came.append(part["delta"])
        metrics = other.get("/metrics").text
    assert shown == WORDS
    # Words come every 30 ms; from the checkpoints they would come in lumps, twice a second.
    assert len(came) > 50
    assert 'rekindle_live_pieces_total{direction="heard"}' in metrics


def test_a_turn_is_cancelled_from_the_other_server_at_once(
    two: tuple[RunningServer, RunningServer], model: ModelServer, email: str
) -> None:
    model.script(Reply(WORDS, delay=0.1))
    first, second = two
    second.tokens = {email: first.token(email)}
    with first.client(email) as client, second.client(email) as other:
        session = new_session(client)
        with streaming(client, session) as (turn, events):
            for _, part in events:
                if "delta" in part:
                    break
            time.sleep(0.2)
            began = time.monotonic()
            answer = other.post(f"/api/v1/turns/{turn}/cancel").json()
            took = time.monotonic() - began
    assert answer["status"] == "cancelled"
    assert took < 10


@pytest.mark.parametrize("fate", ["killed", "frozen"])
def test_without_their_redis_two_servers_are_slower_and_nothing_else(
    two: tuple[RunningServer, RunningServer], model: ModelServer, redis: RedisServer, email: str, fate: str
) -> None:
    model.default = lambda asked: Reply("And on it goes.") if asked.last == "Go on." else Reply(WORDS, delay=0.02)
    first, second = two
    second.tokens = {email: first.token(email)}
    with first.client(email) as client, second.client(email) as other:
        session = new_session(client)
        with streaming(client, session) as (turn, _), reading(other, turn) as response:
            shown = ""
            for _, part in read_events(response):
                shown += part.get("delta", "")
                if "w020" in shown and redis.running:
                    redis.stop() if fate == "killed" else redis.freeze()
        assert shown == WORDS
        ready = [client.get("/ready") for _ in range(4)][-1]
        assert (ready.status_code, ready.json()["status"], ready.json()["cache"]) == (200, "degraded", "down")
        took = []
        for reader in (client, other) * 4:
            began = time.monotonic()
            messages = reader.get(f"/api/v1/sessions/{session}/messages").json()["items"]
            took.append(time.monotonic() - began)
            assert [m["content"] for m in messages] == ["Count.", WORDS]
        assert max(took) < 10
        reply = other.post(f"/api/v1/sessions/{session}/turns", json={"message": "Go on."}).json()["reply"]
        assert (reply["seq"], reply["content"]) == (4, "And on it goes.")
        assert "rekindle_cache_breaker 2.0" in client.get("/metrics").text
        redis.stop()
        redis.start()
        wait_for_redis(two)
    for server in two:
        assert "Traceback" not in server.log.read_text()


def test_nothing_a_person_said_is_in_redis_after_its_deletion(
    two: tuple[RunningServer, RunningServer], model: ModelServer, redis: RedisServer, email: str
) -> None:
    marker = "xyzzy-4711"
    model.default = lambda asked: Reply(f"You said: {asked.last}")
    first, second = two
    second.tokens = {email: first.token(email)}
    with first.client(email) as client, second.client(email) as other:
        session = new_session(client)
        client.post(f"/api/v1/sessions/{session}/turns", json={"message": marker})
        assert marker in json.dumps(other.get(f"/api/v1/sessions/{session}/messages").json())
        until(lambda: marker in redis.everything())
        assert other.delete(f"/api/v1/sessions/{session}").status_code == 204
        assert marker not in redis.everything()
        assert client.get(f"/api/v1/sessions/{session}/messages").status_code == 404
        time.sleep(0.5)
        assert marker not in redis.everything()
