"""The house's API of sessions: create, get, list, rename, end, delete, and their messages."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest

from rekindle.testing import Refusal, Reply
from tests.conftest import SUMMARY, Asking

SESSIONS = "/api/v1/sessions"


@pytest.fixture
def user(asking: Asking, email: str) -> httpx.Client:
    return asking.server.client(email)


def create(user: httpx.Client, **wanted: Any) -> dict[str, Any]:
    answer = user.post(SESSIONS, json=wanted)
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    return session


def say(user: httpx.Client, session: dict[str, Any], message: str) -> dict[str, Any]:
    answer = user.post(f"{SESSIONS}/{session['id']}/turns", json={"message": message})
    assert answer.status_code == 201, answer.text
    turn: dict[str, Any] = answer.json()
    return turn


def pages(user: httpx.Client, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """All pages of a list."""
    found = []
    cursor: dict[str, Any] = {}
    while True:
        answer = user.get(path, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page.keys() == {"items", "next"}
        found.append(page["items"])
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def test_a_session_is_created_with_all_or_nothing_said_of_it(user: httpx.Client) -> None:
    bare = user.post(SESSIONS)
    assert bare.status_code == 201
    assert bare.json() == {
        "id": str(UUID(bare.json()["id"])),
        "title": None,
        "status": "active",
        "assistant": "assistant",
        "message_count": 0,
        "started_at": bare.json()["started_at"],
        "last_seen_at": bare.json()["started_at"],
        "ended_at": None,
        "metadata": {},
    }
    full = create(user, title="  A journey ", metadata={"tags": ["x", {"deep": [1.5, None]}]})
    assert (full["title"], full["metadata"]) == ("A journey", {"tags": ["x", {"deep": [1.5, None]}]})
    assert user.get(f"{SESSIONS}/{full['id']}").json() == full


def test_the_first_message_is_the_title_until_one_is_given(user: httpx.Client) -> None:
    session = create(user)
    say(user, session, "  What is\n a keyset?  ")
    assert user.get(f"{SESSIONS}/{session['id']}").json()["title"] == "What is a keyset?"
    renamed = user.patch(f"{SESSIONS}/{session['id']}", json={"title": "Keysets"})
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Keysets")
    say(user, session, "And more?")
    assert user.get(f"{SESSIONS}/{session['id']}").json()["title"] == "Keysets"


def test_sessions_are_listed_last_used_first_over_any_number_of_pages(user: httpx.Client) -> None:
    created = [create(user, title=f"{number}")["id"] for number in range(5)]
    for limit in (1, 2, 3, 5, 100):
        found = pages(user, SESSIONS, limit=limit)
        assert [session["id"] for page in found for session in page] == created[::-1]
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert found[-1]  # the last page says that it is the last: none is empty
    say(user, {"id": created[1]}, "Up.")
    assert [session["id"] for session in pages(user, SESSIONS)[0]] == [created[n] for n in (1, 4, 3, 2, 0)]


def test_a_session_that_moves_while_the_list_is_read_doubles_none_and_hides_no_other(user: httpx.Client) -> None:
    created = [create(user, title=f"{number}")["id"] for number in range(6)]
    first = user.get(SESSIONS, params={"limit": 2}).json()
    say(user, {"id": created[0]}, "Up.")
    new = create(user, title="new")["id"]
    second = user.get(SESSIONS, params={"limit": 10, "cursor": first["next"]}).json()
    seen = [session["id"] for page in (first, second) for session in page["items"]]
    assert seen == created[:0:-1]
    assert new not in seen


def test_a_list_can_be_of_the_active_or_of_the_ended(user: httpx.Client) -> None:
    active, ended = create(user), create(user)
    user.post(f"{SESSIONS}/{ended['id']}/end")
    assert [s["id"] for s in pages(user, SESSIONS, status="active")[0]] == [active["id"]]
    assert [(s["id"], s["status"]) for s in pages(user, SESSIONS, status="ended")[0]] == [(ended["id"], "ended")]


def test_messages_are_listed_in_both_orders_over_any_number_of_pages(user: httpx.Client) -> None:
    session = create(user)
    for number in range(4):
        say(user, session, f"{number}")
    path = f"{SESSIONS}/{session['id']}/messages"
    for order, seqs in (("asc", list(range(1, 9))), ("desc", list(range(8, 0, -1)))):
        for limit in (1, 3, 4, 8, 100):
            found = pages(user, path, limit=limit, order=order)
            assert [message["seq"] for page in found for message in page] == seqs
            assert all(len(page) == limit for page in found[:-1])
            assert found[-1]
    assert [message["content"] for message in pages(user, path)[0][:2]] == ["0", "You said: 0"]
    assert user.get(path, params={"cursor": 8}).json() == {"items": [], "next": None}
    assert user.get(path, params={"cursor": 0, "order": "desc"}).json() == {"items": [], "next": None}
    assert pages(user, f"{SESSIONS}/{create(user)['id']}/messages") == [[]]


def test_messages_that_come_while_the_list_is_read_are_on_its_last_page(user: httpx.Client) -> None:
    session = create(user)
    say(user, session, "One.")
    path = f"{SESSIONS}/{session['id']}/messages"
    first = user.get(path, params={"limit": 1}).json()
    say(user, session, "Two.")
    rest = user.get(path, params={"cursor": first["next"]}).json()
    assert [message["seq"] for message in rest["items"]] == [2, 3, 4]


def test_ending_a_session_answers_with_its_summary_and_so_does_ending_it_again(user: httpx.Client) -> None:
    session = create(user)
    say(user, session, "Tell me of summaries.")
    ended = user.post(f"{SESSIONS}/{session['id']}/end")
    assert ended.status_code == 200
    assert (ended.json()["status"], ended.json()["summary_status"]) == ("ended", "generated")
    summary = ended.json()["summary"]
    assert datetime.fromisoformat(summary.pop("updated_at")) <= datetime.now(UTC)
    assert summary == {
        "text": SUMMARY,
        "topics": ["summaries"],
        "preferences": [],
        "open_questions": [],
        "milestones": [],
        "corrected": [],
        "corrected_at": None,
    }
    assert user.post(f"{SESSIONS}/{session['id']}/end").json() == ended.json()
    assert user.get(f"{SESSIONS}/{session['id']}").json()["ended_at"] == ended.json()["ended_at"]


def test_ending_a_session_without_a_word_or_a_model_says_so(asking: Asking, user: httpx.Client) -> None:
    silent = user.post(f"{SESSIONS}/{create(user)['id']}/end").json()
    assert (silent["summary_status"], silent["summary"]) == ("none", None)
    session = create(user)
    say(user, session, "Hello.")
    asking.model.script(Refusal(503))
    waiting = user.post(f"{SESSIONS}/{session['id']}/end").json()
    assert (waiting["status"], waiting["summary_status"]) == ("ended", "pending")


def test_a_deleted_session_is_seen_no_more(user: httpx.Client) -> None:
    session = create(user)
    turn = say(user, session, "Forget this.")
    user.post(f"{SESSIONS}/{session['id']}/end")
    deleted = user.delete(f"{SESSIONS}/{session['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for path in (f"{SESSIONS}/{session['id']}", f"{SESSIONS}/{session['id']}/messages", f"/api/v1/turns/{turn['id']}"):
        assert user.get(path).status_code == 404
    assert user.delete(f"{SESSIONS}/{session['id']}").status_code == 404
    assert pages(user, SESSIONS) == [[]]


def test_an_ended_session_can_still_be_read_renamed_and_deleted(user: httpx.Client) -> None:
    session = create(user)
    say(user, session, "Hello.")
    user.post(f"{SESSIONS}/{session['id']}/end")
    answer = user.post(f"{SESSIONS}/{session['id']}/turns", json={"message": "More?"})
    assert (answer.status_code, answer.json()["code"]) == (409, "session_ended")
    assert len(pages(user, f"{SESSIONS}/{session['id']}/messages")[0]) == 2
    assert user.patch(f"{SESSIONS}/{session['id']}", json={"title": "Old"}).json()["title"] == "Old"
    assert user.delete(f"{SESSIONS}/{session['id']}").status_code == 204


def test_a_new_session_of_a_known_user_brings_their_past_along(asking: Asking, user: httpx.Client) -> None:
    session = create(user)
    say(user, session, "Tell me of summaries.")
    user.post(f"{SESSIONS}/{session['id']}/end")
    asking.model.requests.clear()
    turn = say(user, create(user), "What did we speak of?")
    assert SUMMARY in asking.model.requests[0].system
    used = {source["kind"]: source for source in turn["reply"]["context_used"]}
    assert (used["summary"]["session_id"], used["summary"]["date"][:4]) == (session["id"], session["started_at"][:4])


def test_a_message_tells_all_that_is_known_of_it(asking: Asking, user: httpx.Client) -> None:
    session = create(user)
    asking.model.script(Reply("Fine.", usage=(30, 2)))
    user.post(f"{SESSIONS}/{session['id']}/turns", json={"message": "How?", "metadata": {"mood": "curious"}})
    question, answer = pages(user, f"{SESSIONS}/{session['id']}/messages")[0]
    assert (question["role"], question["metadata"], question["usage"]) == ("user", {"mood": "curious"}, None)
    assert answer["usage"] == {
        "model": "openai:test",
        "input_tokens": 30,
        "output_tokens": 2,
        "estimated": False,
    }
    assert answer["status"] == question["status"] == "complete"
    assert answer["processing_time_ms"] >= 0
    assert answer["completed_at"] >= answer["created_at"] >= question["created_at"]
    assert answer["session_id"] == question["session_id"] == session["id"]


@pytest.mark.parametrize("unknown", ["0198c0de-0000-7000-8000-000000000000", "nonsense", "0", "é" * 40, "%00"])
def test_what_is_not_there_is_not_found(user: httpx.Client, unknown: str) -> None:
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/end"),
        ("GET", "/messages"),
        ("POST", "/turns"),
        ("GET", "/stream"),
    ):
        body = {"title": "x", "message": "x"} if method in ("PATCH", "POST") else None
        answer = user.request(method, f"{SESSIONS}/{unknown}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found"), (method, path)
