"""Servers that are killed, stopped or left, with the answer half said: nothing acknowledged is lost."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from rekindle.embedded import EmbeddedPostgres
from rekindle.testing import Hang, ModelServer, Reply
from tests.conftest import NewDatabase, RunningServer, Serve, asks, read_events, start_server

LEASE = "2"
SSE = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def served_database(new_database: NewDatabase) -> str:
    """One of their own: no server of other tests takes over what these leave."""
    return new_database()


def asking(model: ModelServer) -> dict[str, str]:
    return asks(model, REKINDLE_LEASE_SECONDS=LEASE, REKINDLE_GRACE_SECONDS="2")


@contextmanager
def streaming(
    client: httpx.Client, session: str, message: str
) -> Iterator[Iterator[tuple[str | None, dict[str, Any]]]]:
    with client.stream("POST", f"/api/v1/sessions/{session}/turns", json={"message": message}, headers=SSE) as response:
        assert response.status_code == 200
        yield read_events(response)


def read_until(events: Iterator[tuple[str | None, dict[str, Any]]], text: str) -> tuple[str, str, str]:
    """Read until `text` was shown: the turn's id, the last event's id and what was shown."""
    turn, last, shown = "", "", ""
    for event_id, part in events:
        turn = part.get("messageId", turn)
        last = event_id or last
        shown += part.get("delta", "")
        if text in shown:
            return turn, last, shown
    raise AssertionError(f"the stream ended before it said {text!r}: {shown!r}")


def wait_for_the_end(client: httpx.Client, turn: str, seconds: float = 15) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        reply: dict[str, Any] = client.get(f"/api/v1/turns/{turn}").json()
        if reply["status"] != "running":
            return reply
        time.sleep(0.1)
    raise AssertionError("the turn did not end")


def new_session(client: httpx.Client) -> str:
    session: str = client.post("/api/v1/sessions").json()["id"]
    return session


def test_an_answer_half_said_by_a_killed_server_is_kept_and_can_be_retried(
    serve: Serve, model: ModelServer, email: str
) -> None:
    model.script(Reply("The pool opens at nine and", then="silence"), Reply("The pool opens at nine."))
    first = serve(**asking(model))
    with first.client(email) as client:
        session = new_session(client)
        with streaming(client, session, "When does the pool open?") as events:
            turn, last, shown = read_until(events, "nine and")
            time.sleep(0.6)  # one checkpoint
            first.stop(signal.SIGKILL)
    second = serve(**asking(model))
    with second.client(email) as client:
        ended = wait_for_the_end(client, turn)
        assert ended["status"] == "interrupted"
        assert ended["reply"]["content"] == shown == "The pool opens at nine and"
        with client.stream("GET", f"/api/v1/turns/{turn}/events", headers={"Last-Event-ID": last}) as response:
            rest = [part for _, part in read_events(response)]
        assert [part["type"] for part in rest] == ["start", "message-metadata", "error"]
        again = client.post(f"/api/v1/turns/{turn}/retry").json()
        assert (again["status"], again["attempt"]) == ("complete", 2)
        assert again["reply"]["content"] == "The pool opens at nine."
        messages = client.get(f"/api/v1/sessions/{session}/messages").json()["items"]
        assert [(m["seq"], m["role"]) for m in messages] == [(1, "user"), (2, "assistant")]


def test_a_turn_nobody_saw_begin_is_run_again_by_the_next_server(serve: Serve, model: ModelServer, email: str) -> None:
    model.script(Hang(), Reply("Here is the answer."))
    first = serve(**asking(model))
    with first.client(email) as client:
        session = new_session(client)
        with streaming(client, session, "Hello?"):
            model.wait(1)
            first.stop(signal.SIGKILL)
    began = time.monotonic()
    second = serve(**asking(model))
    with second.client(email) as client:
        [_, reply] = client.get(f"/api/v1/sessions/{session}/messages").json()["items"]
        ended = wait_for_the_end(client, reply["id"])
        assert (ended["status"], ended["attempt"]) == ("complete", 2)
        assert ended["reply"]["content"] == "Here is the answer."
    assert time.monotonic() - began < 20


def test_a_second_server_serves_the_readers_of_the_first(serve: Serve, model: ModelServer, email: str) -> None:
    words = " ".join(f"w{n}" for n in range(80))
    model.script(Reply(words, delay=0.02))
    first, second = serve(**asking(model)), serve(**asking(model))
    with first.client(email) as client, second.client(email) as other:
        session = new_session(client)
        with streaming(client, session, "Count.") as events:
            turn, last, shown = read_until(events, "w10 ")
        with other.stream("GET", f"/api/v1/turns/{turn}/events", headers={"Last-Event-ID": last}) as response:
            parts = [part for _, part in read_events(response)]
    assert shown + "".join(part.get("delta", "") for part in parts) == words
    assert parts[-1]["type"] == "finish"


def test_a_stopping_server_ends_its_streams_with_a_word_to_resume(serve: Serve, model: ModelServer, email: str) -> None:
    model.script(Reply("a long answer " * 200, delay=0.05))
    first = serve(**asking(model))
    with first.client(email) as client:
        session = new_session(client)
        with streaming(client, session, "Tell me everything.") as events:
            turn, _, shown = read_until(events, "a long answer a")
            began = time.monotonic()
            first.process.send_signal(signal.SIGTERM)
            rest = list(events)
        assert time.monotonic() - began < 10
    shown += "".join(part.get("delta", "") for _, part in rest)
    assert [part["type"] for _, part in rest][-3:] == ["text-end", "data-resume", "abort"]
    last = rest[-2][1]["data"]["last_event_id"]
    second = serve(**asking(model))  # while the first still gives its turn a grace period
    with second.client(email) as client:
        with client.stream("GET", f"/api/v1/turns/{turn}/events", headers={"Last-Event-ID": last}) as response:
            shown += "".join(part.get("delta", "") for _, part in read_events(response))
        ended = wait_for_the_end(client, turn)
    assert ended["status"] == "interrupted"
    assert ended["reply"]["content"] == shown
    assert first.process.wait(10) == 0


def test_two_hundred_clients_leave_and_every_turn_still_ends(serve: Serve, model: ModelServer) -> None:
    words = "one two three four five six seven eight nine ten"
    model.default = Reply(words, delay=0.1)
    server = serve(**asking(model))

    async def come_and_leave(client: httpx.AsyncClient) -> tuple[str, dict[str, str]]:
        """A visitor's session, and what opens it, as soon as something is said there."""
        visit = (await client.post("/api/v1/identity/check-in", json={})).json()
        path, key = f"/api/v1/sessions/{visit['session_id']}", {"Authorization": f"Bearer {visit['token']}"}
        async with client.stream("POST", f"{path}/turns", json={"message": "Count."}, headers=key | SSE) as response:
            async for line in response.aiter_lines():
                if "text-delta" in line:
                    return visit["session_id"], key
        raise AssertionError("nothing was said")

    async def all_of_them() -> list[dict[str, Any]]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client:
            visits = await asyncio.gather(*(come_and_leave(client) for _ in range(200)))
            end = time.monotonic() + 30
            while running([session for session, _ in visits]):
                assert time.monotonic() < end, "There are turns that do not end."
                await asyncio.sleep(0.2)
            answers = [await client.get(f"/api/v1/sessions/{session}/messages", headers=key) for session, key in visits]
            return [answer.json()["items"][-1] for answer in answers]

    def running(sessions: list[str]) -> bool:
        with server.database() as database:
            find = "SELECT EXISTS (SELECT FROM messages WHERE session_id = ANY(%s::uuid[]) AND status = 'running')"
            return database.execute(find, (sessions,)).fetchone() == (True,)

    replies = asyncio.run(all_of_them())
    assert [(reply["status"], reply["content"]) for reply in replies] == [("complete", words)] * 200
    assert "Traceback" not in server.log.read_text()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[RunningServer]:
    """A server on an embedded database of its own."""
    variables = {"REKINDLE_DATA_DIR": str(tmp_path / "its data"), "REKINDLE_MODEL": "offline"}
    server = start_server(tmp_path / "log", **variables)
    yield server
    server.stop()
    EmbeddedPostgres(tmp_path / "its data" / "postgres").stop(only_if_unused=False)


def test_what_was_acknowledged_survives_a_crash_of_postgresql_and_of_the_server(
    alone: RunningServer, tmp_path: Path
) -> None:
    with alone.client() as client:
        session = client.post("/api/v1/session/create", json={"user_email": "ada@example.com"}).json()["session_id"]
        client.post("/api/v1/chat/message", json={"session_id": session, "message": "Remember the milk."})
    alone.stop(signal.SIGKILL)
    postmaster = tmp_path / "its data" / "postgres" / "data" / "postmaster.pid"
    pid = int(postmaster.read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    again = start_server(tmp_path / "log 2", **alone.environment)
    try:
        with again.client() as client:
            messages = client.get(f"/api/v1/session/{session}").json()["messages"]
        assert messages[0]["content"] == "Remember the milk."
    finally:
        again.stop()
