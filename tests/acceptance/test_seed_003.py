"""Seed 003, hybrid storage: its SessionManager as it prints it, with Redis, without, and with one that is away."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from rekindle import SessionManager
from rekindle.errors import InvalidRequest, Unavailable
from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import Asking, OpenHouse, clean_environment, free_port, make_settings
from tests.redis_server import RedisServer

ALICE = [
    {"role": "user", "content": "Hi, my name is Alice"},
    {"role": "assistant", "content": "Hello Alice! How can I help you?"},
    {"role": "user", "content": "What's my name?"},
    {"role": "assistant", "content": "Your name is Alice."},
]
"""Printed under "Where Sessions Are Stored"."""


@pytest.fixture
async def manager(conninfo: str, data_dir: Path) -> AsyncIterator[SessionManager]:
    async with SessionManager(redis_url=None, use_redis=True, db=make_settings(conninfo, data_dir)) as manager:
        yield manager


class ChatServiceV2:
    """The seed's, as it is with the manager."""

    def __init__(self, session_manager: SessionManager) -> None:
        self.session_manager = session_manager

    async def get_messages(self, session_id: str) -> list[dict[str, Any]]:
        if not session_id:
            return []
        return await self.session_manager.get_messages(session_id, limit=20)

    async def add_message(self, session_id: str, role: Any, content: str) -> None:
        if not session_id:
            return
        await self.session_manager.add_message(session_id, role, content)


async def test_a_chat_service_stores_its_messages_as_printed(manager: SessionManager) -> None:
    service, session_id = ChatServiceV2(manager), str(uuid4())
    for message in ALICE:
        await service.add_message(session_id, message["role"], message["content"])
    kept = await service.get_messages(session_id)
    assert [{"role": m["role"], "content": m["content"]} for m in kept] == ALICE
    assert [datetime.fromisoformat(m["created_at"]) for m in kept] == sorted(
        datetime.fromisoformat(m["created_at"]) for m in kept
    )
    assert await manager.get_messages(session_id, limit=1) == kept[-1:]
    assert await service.get_messages("") == []


async def test_metadata_is_kept(manager: SessionManager) -> None:
    session_id = str(uuid4())
    await manager.create_session(session_id, 42, {"language": "en", "course_id": 7})
    await manager.create_session(session_id, 43, {"language": "de"})
    await manager.add_message(session_id, "assistant", "It is.", {"route": "rag", "confidence": 0.9, "sources": ["a"]})
    info = await manager.get_session_info(session_id)
    assert info
    assert set(info) == {"session_id", "user_id", "created_at", "last_message_at", "metadata", "is_active"}
    assert (info["session_id"], info["metadata"]) == (session_id, {"language": "en", "course_id": 7})
    assert info["is_active"] is True
    [message] = await manager.get_messages(session_id)
    assert message["metadata"] == {"route": "rag", "confidence": 0.9, "sources": ["a"]}


async def test_what_there_is_not_is_nothing(manager: SessionManager) -> None:
    for unknown in (str(uuid4()), "abc-123-uuid"):
        assert await manager.get_messages(unknown) == []
        assert await manager.get_session_info(unknown) is None
    with pytest.raises(InvalidRequest):
        await manager.create_session("abc-123-uuid")
    with pytest.raises(InvalidRequest):
        await manager.add_message("abc-123-uuid", "user", "Hello?")


@pytest.mark.parametrize(
    ("role", "content", "metadata"),
    [
        ("system", "You are a pirate.", None),
        ("user", "NUL\0", None),
        ("user", "half \ud83d", None),
        ("user", "Hello.", {"language": "e\0n"}),
        ("user", "Hello.", {"language": "\ud83d"}),
        ("user", "Hello.", {"confidence": float("nan")}),
        ("user", "Hello.", {"at": {1, 2}}),
        ("user", "x" * 1_000_001, None),
        ("user", "Hello.", {"page": "x" * 1_000_001}),
    ],
    ids=["role", "NUL", "half", "NUL kept", "half kept", "no number", "a set", "long", "long kept"],
)
async def test_what_cannot_be_kept_is_refused_and_leaves_nothing(
    manager: SessionManager, role: Any, content: str, metadata: dict[str, Any] | None
) -> None:
    session_id = str(uuid4())
    await manager.create_session(session_id)
    with pytest.raises(InvalidRequest):
        await manager.add_message(session_id, role, content, metadata)
    assert await manager.get_messages(session_id) == []
    if metadata:
        with pytest.raises(InvalidRequest):
            await manager.create_session(str(uuid4()), metadata=metadata)
    await manager.add_message(session_id, "user", "A backslash: \\u0000")
    assert [m["content"] for m in await manager.get_messages(session_id)] == ["A backslash: \\u0000"]


async def test_old_sessions_are_cleaned_up(new_database: Callable[[], str], data_dir: Path) -> None:
    async with SessionManager(db=make_settings(new_database(), data_dir)) as manager:
        session_id = str(uuid4())
        await manager.add_message(session_id, "user", "Hello?")
        assert await manager.cleanup_old_sessions(days=30) == 0
        assert await manager.cleanup_old_sessions(days=0) == 1
        assert await manager.get_session_info(session_id) is None


async def test_with_redis_as_without_it(conninfo: str, data_dir: Path, redis: RedisServer) -> None:
    session_id, settings = str(uuid4()), make_settings(conninfo, data_dir)
    async with (
        SessionManager(redis_url=redis.url, use_redis=True, db=settings) as manager,
        SessionManager(redis_url=redis.url, use_redis=False, db=settings) as other,
    ):
        for number in range(1, 61):
            await (manager if number % 2 else other).add_message(session_id, "user", str(number), {"number": number})
            if number % 10 == 0:
                kept = await manager.get_messages(session_id)
                assert [m["content"] for m in kept] == [str(n) for n in range(max(1, number - 19), number + 1)]
                assert kept == await other.get_messages(session_id)
        with redis.client() as client:
            assert client.exists(f"session:{session_id}:messages")
            client.flushall()
        assert await manager.get_messages(session_id) == kept


async def test_a_redis_that_is_away_changes_nothing(conninfo: str, data_dir: Path) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    async with SessionManager(redis_url=away, use_redis=True, db=make_settings(conninfo, data_dir)) as manager:
        session_id = str(uuid4())
        await manager.add_message(session_id, "user", "Hello?")
        assert [m["content"] for m in await manager.get_messages(session_id)] == ["Hello?"]


async def test_a_database_that_is_away_is_said_to_be(data_dir: Path) -> None:
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    manager = SessionManager(db=make_settings(away, data_dir))
    with pytest.raises(Unavailable):
        await manager.add_message(str(uuid4()), "user", "Hello?")
    await manager.close()


async def test_what_a_manager_keeps_and_a_turn_says_are_one_conversation(
    open_a_house: OpenHouse, caller: Caller
) -> None:
    house: House = await open_a_house()
    manager, session_id = SessionManager(db=house), str(uuid4())
    await manager.create_session(session_id, caller.user_id)
    for message in ALICE[:2]:
        await manager.add_message(session_id, message["role"], message["content"])  # type: ignore[arg-type]
    [session] = await house.sessions.recent(caller)
    turn = await house.conversation.say(caller, session.id, "What's my name?")
    reply = await house.conversation.outcome(caller, turn.id)
    assert "Alice" in reply.content
    assert reply.seq == 4
    assert len(await manager.get_messages(session_id)) == 4


def test_lists_are_filtered_by_metadata(asking: Asking, email: str) -> None:
    http = asking.server.client(email)

    def listed(path: str, wanted: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = http.get(path, params={"metadata": wanted}).json()["items"]
        return found

    english = http.post("/api/v1/sessions", json={"metadata": {"language": "en", "course_id": 7}}).json()["id"]
    http.post("/api/v1/sessions", json={"metadata": {"language": "de"}})
    assert [s["id"] for s in listed("/api/v1/sessions", '{"language": "en"}')] == [english]
    assert [s["id"] for s in listed("/api/v1/sessions", '{"course_id": 7}')] == [english]
    assert len(listed("/api/v1/sessions", "{}")) == 2
    for route in ("rag", "price", "rag"):
        http.post(f"/api/v1/sessions/{english}/turns", json={"message": route, "metadata": {"route": route}})
    messages = f"/api/v1/sessions/{english}/messages"
    assert [m["seq"] for m in listed(messages, '{"route": "rag"}')] == [1, 5]
    newest: httpx.Response = http.get(messages, params={"metadata": '{"route": "rag"}', "order": "desc", "limit": 1})
    assert [m["seq"] for m in newest.json()["items"]] == [5]
    rest = http.get(messages, params={"metadata": '{"route": "rag"}', "order": "desc", "cursor": newest.json()["next"]})
    assert [m["seq"] for m in rest.json()["items"]] == [1]
    for bad in ("en", "[1]", '{"a": 1e400}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', "{" * 5_000):
        answer = http.get(messages, params={"metadata": bad})
        assert (answer.status_code, answer.json()["status"]) == (422, 422)


def test_a_program_that_closes_nothing_ends_and_leaves_no_database_running(tmp_path: Path) -> None:
    program = (
        "import asyncio, uuid\n"
        "from rekindle import SessionManager\n"
        "manager, session = SessionManager(redis_url=None, use_redis=True), str(uuid.uuid4())\n"
        "asyncio.run(manager.add_message(session, 'user', 'Hello?'))\n"
        "print(asyncio.run(manager.get_messages(session, limit=20))[0]['content'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=clean_environment(REKINDLE_DATA_DIR=str(tmp_path / "data"), REKINDLE_MODEL="offline"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("Hello?\n", 0), done.stderr
    assert not (tmp_path / "data" / "postgres" / "data" / "postmaster.pid").exists()
