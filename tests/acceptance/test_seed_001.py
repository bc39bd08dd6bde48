"""Seed 001, a personal assistant: its endpoints, its models' fields, its usage examples as it prints them."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from rekindle import ConversationService, PersonalAssistant
from rekindle.errors import InvalidRequest, ModelError, SessionNotFound
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.testing import ModelServer, Refusal, Reply
from tests.conftest import Asking, OpenHouse, asking_settings

DOOR = "/api/v1/personal-assistant"
SESSION_FIELDS = {
    "id",
    "session_id",
    "user_id",
    "title",
    "description",
    "context_data",
    "session_metadata",
    "is_active",
    "created_at",
    "last_activity_at",
}
MESSAGE_FIELDS = {
    "id",
    "session_id",
    "role",
    "content",
    "tools_used",
    "processing_time_ms",
    "token_count",
    "has_error",
    "error_message",
    "message_metadata",
    "created_at",
}
"""Printed under "Database Schema"."""


@pytest.fixture
def user(asking: Asking, email: str) -> httpx.Client:
    return asking.server.client(email)


def new_session(user: httpx.Client, **about: Any) -> str:
    session: str = user.post(f"{DOOR}/sessions/new", json=about).json()["session_id"]
    return session


def items(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_a_new_session_answers_as_printed(user: httpx.Client) -> None:
    answer = user.post(f"{DOOR}/sessions/new")
    assert answer.status_code == 200
    assert set(answer.json()) == {"session_id", "created_at"}
    assert datetime.fromisoformat(answer.json()["created_at"]).tzinfo


def test_what_was_said_is_there_after_the_browser_is_refreshed(asking: Asking, user: httpx.Client, email: str) -> None:
    session = new_session(user)
    answer = user.post(f"{DOOR}/chat", json={"message": "Hello!", "session_id": session}).json()
    assert (answer["response"], answer["session_id"]) == ("You said: Hello!", session)
    refreshed = asking.server.client(email)
    messages = items(refreshed.get(f"{DOOR}/sessions/{session}/messages"))
    assert [(m["role"], m["content"]) for m in messages] == [("user", "Hello!"), ("assistant", "You said: Hello!")]
    assert all(set(m) >= MESSAGE_FIELDS for m in messages)
    reply = messages[1]
    assert reply["id"] == answer["message_id"]
    assert reply["token_count"] > 0
    assert reply["processing_time_ms"] >= 0
    assert reply["has_error"] is False
    assert [m["created_at"] for m in messages] == sorted(m["created_at"] for m in messages)


def test_a_session_is_made_when_none_is_given(user: httpx.Client) -> None:
    first = user.post(f"{DOOR}/chat", json={"message": "Hello!"}).json()["session_id"]
    second = user.post(f"{DOOR}/chat", json={"message": "Hello again!"}).json()["session_id"]
    assert first != second
    assert {s["session_id"] for s in items(user.get(f"{DOOR}/sessions"))} == {first, second}


def test_a_session_keeps_what_it_was_made_with(user: httpx.Client) -> None:
    made = {
        "title": "Summer",
        "description": "Plans for July",
        "context_data": {"place": "Lisbon", "days": 7},
        "session_metadata": {"language": "en"},
    }
    session = new_session(user, **made)
    [found] = items(user.get(f"{DOOR}/sessions"))
    assert set(found) >= SESSION_FIELDS
    assert {name: found[name] for name in made} == made
    assert (found["session_id"], found["is_active"], found["messages"]) == (session, True, None)


def test_sessions_are_listed_filtered_and_limited_and_bring_messages_only_when_asked(user: httpx.Client) -> None:
    german, english, ended = (new_session(user, session_metadata={"language": it}) for it in ("de", "en", "en"))
    user.post(f"{DOOR}/chat", json={"message": "Hallo!", "session_id": german})
    user.post(f"/api/v1/sessions/{ended}/end")

    def listed(**query: Any) -> list[str]:
        return [s["session_id"] for s in items(user.get(f"{DOOR}/sessions", params=query))]

    assert listed()[0] == german
    assert set(listed(is_active=True)) == {german, english}
    assert listed(is_active=False) == [ended]
    assert set(listed(metadata=json.dumps({"language": "en"}))) == {english, ended}
    first = user.get(f"{DOOR}/sessions", params={"limit": 2}).json()
    rest = user.get(f"{DOOR}/sessions", params={"limit": 2, "cursor": first["next"]}).json()
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    [with_messages, *_] = items(user.get(f"{DOOR}/sessions", params={"include_messages": True}))
    assert [m["content"] for m in with_messages["messages"]] == ["Hallo!", "You said: Hallo!"]


def test_a_failure_is_kept_as_a_message_with_its_error(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Refusal(400))
    answer = user.post(f"{DOOR}/chat", json={"message": "Are you there?"})
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"
    messages = items(user.get(f"{DOOR}/sessions/{answer.json()['session_id']}/messages"))
    assert [(m["role"], m["has_error"]) for m in messages] == [("user", False), ("assistant", True)]
    assert messages[1]["error_message"]


def test_a_session_that_was_left_goes_on(user: httpx.Client) -> None:
    session = new_session(user)
    user.post(f"/api/v1/sessions/{session}/end")
    assert user.post(f"{DOOR}/chat", json={"message": "Me again.", "session_id": session}).status_code == 200
    [found] = items(user.get(f"{DOOR}/sessions", params={"is_active": True}))
    assert found["session_id"] == session


def test_a_title_can_be_changed(user: httpx.Client) -> None:
    session = new_session(user)
    user.patch(f"/api/v1/sessions/{session}", json={"title": "Better"})
    assert items(user.get(f"{DOOR}/sessions"))[0]["title"] == "Better"


def test_a_deleted_session_is_gone(user: httpx.Client) -> None:
    session = new_session(user)
    assert user.delete(f"{DOOR}/sessions/{session}").json() == {"success": True, "session_id": session}
    assert user.get(f"{DOOR}/sessions/{session}/messages").status_code == 404
    assert user.delete(f"{DOOR}/sessions/{session}").status_code == 404
    assert items(user.get(f"{DOOR}/sessions")) == []


def test_nobody_elses_session_can_be_reached(asking: Asking, user: httpx.Client) -> None:
    session = new_session(user)
    other = asking.server.client(f"{uuid4().hex}@example.com")
    unknown = str(uuid4())
    asking_for: tuple[Callable[[str], httpx.Response], ...] = (
        lambda it: other.get(f"{DOOR}/sessions/{it}/messages"),
        lambda it: other.delete(f"{DOOR}/sessions/{it}"),
        lambda it: other.post(f"{DOOR}/chat", json={"message": "Hello!", "session_id": it}),
    )
    for ask in asking_for:
        assert ask(session).status_code == 404
        assert ask(session).content == ask(unknown).content
    assert items(other.get(f"{DOOR}/sessions")) == []
    assert asking.server.client().get(f"{DOOR}/sessions").status_code == 401


# In Python


@pytest.fixture
async def house(open_a_house: OpenHouse, model: ModelServer) -> House:
    opened: House = await open_a_house(**asking_settings(model))
    return opened


async def test_the_service_is_used_as_printed(house: House, caller: Caller, model: ModelServer) -> None:
    db, current_user = house, await house.identity.user(caller.user_id)
    assert current_user
    conversation_service = ConversationService(db)
    session = await conversation_service.create_session(user=current_user)
    agent = PersonalAssistant(db, user=current_user)
    model.script(Reply("Hello Ada!"))
    response = await agent.chat(message="Hello!", session_id=session.session_id)
    assert (str(response), response.session_id) == ("Hello Ada!", session.session_id)

    found = await conversation_service.get_session(
        session_id=session.session_id, user=current_user, include_messages=True
    )
    assert found
    assert found.messages
    lines = []
    for message in found.messages:
        lines.append(f"{message.role}: {message.content}")  # noqa: PERF401 as printed
    assert lines == ["user: Hello!", "assistant: Hello Ada!"]
    bare = await conversation_service.get_session(session_id=session.session_id, user=current_user)
    assert bare
    assert bare.messages is None


async def test_messages_are_added_with_all_their_fields(house: House, caller: Caller) -> None:
    service = ConversationService(house)
    session = await service.get_or_create_session(user=caller)
    assert await service.get_or_create_session(session.session_id, user=caller) == session
    await service.add_message(session.session_id, "user", "What broke?", message_metadata={"route": "repair"})
    added = await service.add_message(
        session_id=session.session_id,
        role="assistant",
        content="",
        tools_used=[{"name": "search"}],
        processing_time_ms=120,
        token_count=9,
        has_error=True,
        error_message="The search is down.",
        user=caller,
    )
    loaded = await service.get_session(session.session_id, caller, include_messages=True)
    assert loaded
    assert loaded.messages
    assert loaded.messages[1] == added
    assert (added.tools_used, added.processing_time_ms, added.token_count) == ([{"name": "search"}], 120, 9)
    assert (added.has_error, added.error_message) == (True, "The search is down.")
    assert loaded.messages[0].message_metadata == {"route": "repair"}


async def test_a_title_that_no_export_could_bring_back_is_refused(house: House, caller: Caller) -> None:
    service = ConversationService(house)
    assert (await service.create_session(user=caller, title="x" * 300)).title == "x" * 300
    with pytest.raises(InvalidRequest, match="300"):
        await service.create_session(user=caller, title="x" * 301)


async def test_the_service_keeps_users_apart(house: House, caller: Caller) -> None:
    service = ConversationService(house)
    session = await service.create_session(user=caller, title="Mine", session_metadata={"language": "en"})
    other = f"{uuid4().hex}@example.com"
    assert await service.get_session(session.session_id, other) is None
    assert (await service.get_or_create_session(session.session_id, user=other)).session_id != session.session_id
    with pytest.raises(SessionNotFound):
        await service.add_message(session.session_id, "user", "Let me in.", user=other)
    assert [s.title for s in await service.get_user_sessions(caller)] == ["Mine"]
    assert await service.get_user_sessions(caller, is_active=False) == []
    assert await service.get_user_sessions(caller, session_metadata={"language": "de"}) == []


async def test_a_host_names_its_users_as_it_likes(house: House, caller: Caller, email: str) -> None:
    service = ConversationService(house)
    number = uuid4().int >> 80
    session = await service.create_session(user=number)
    assert [s.session_id for s in await service.get_user_sessions(number)] == [session.session_id]
    assert (await service.create_session(user=str(caller.user_id))).user_id == caller.user_id
    assert (await service.create_session(user=email)).user_id == caller.user_id


async def test_the_agent_keeps_a_failure_too(house: House, caller: Caller, model: ModelServer) -> None:
    model.script(Refusal(400))
    with pytest.raises(ModelError):
        await PersonalAssistant(house, user=caller).chat("Are you there?")
    [session] = await ConversationService(house).get_user_sessions(caller, include_messages=True)
    assert session.messages
    assert [m.has_error for m in session.messages] == [False, True]


async def test_old_inactive_sessions_are_cleaned_up(house: House, caller: Caller) -> None:
    service = ConversationService(house)
    await service.create_session(user=caller)
    await service.cleanup_old_sessions(days=30)
    assert len(await service.get_user_sessions(caller)) == 1
