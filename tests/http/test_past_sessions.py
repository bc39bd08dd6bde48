"""What the page does with past sessions: undo, summaries, recent questions, export and import, what is left to use."""

import json
from copy import deepcopy
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from tests.conftest import SUMMARY, Asking

SESSIONS = "/api/v1/sessions"


@pytest.fixture
def user(asking: Asking, email: str) -> httpx.Client:
    return asking.server.client(email)


def a_session(user: httpx.Client, *words: str, end: bool = True) -> str:
    session: str = user.post(SESSIONS).json()["id"]
    for message in words:
        assert user.post(f"{SESSIONS}/{session}/turns", json={"message": message}).status_code == 201
    if end:
        user.post(f"{SESSIONS}/{session}/end")
    return session


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_deleting_can_be_undone(user: httpx.Client) -> None:
    session = a_session(user, "The bell tolls.")
    (listed,) = user.get(SESSIONS).json()["items"]
    assert listed["summary_line"] == SUMMARY
    messages = user.get(f"{SESSIONS}/{session}/messages").json()
    assert user.delete(f"{SESSIONS}/{session}").status_code == 204
    assert user.get(SESSIONS).json()["items"] == []
    assert user.get("/sessions/history").json()["items"] == []
    assert user.get("/api/v1/personal-assistant/sessions").text.count(session) == 0
    for again in (user.delete(f"{SESSIONS}/{session}"), user.get(f"{SESSIONS}/{session}/messages")):
        assert code(again) == (404, "session_not_found")
    restored = user.post(f"{SESSIONS}/{session}/restore")
    assert (restored.status_code, restored.json()["id"]) == (200, session)
    assert user.get(SESSIONS).json()["items"] == [listed]
    assert user.get(f"{SESSIONS}/{session}/messages").json() == messages
    assert code(user.post(f"{SESSIONS}/{session}/restore")) == (404, "session_not_found")


def test_what_a_door_deletes_does_not_come_back(user: httpx.Client) -> None:
    session = a_session(user, "Hello.")
    assert user.delete(f"/api/v1/personal-assistant/sessions/{session}").status_code == 200
    assert code(user.post(f"{SESSIONS}/{session}/restore")) == (404, "session_not_found")


def test_a_summary_is_read_and_corrected_and_stays_corrected(user: httpx.Client, asking: Asking) -> None:
    session = a_session(user, end=False)
    path = f"{SESSIONS}/{session}/summary"
    assert user.get(path).json() == {"status": "none", "summary": None}
    assert code(user.patch(path, json={"text": "Mine."})) == (404, "summary_not_found")
    user.post(f"{SESSIONS}/{session}/turns", json={"message": "We spoke."})
    user.post(f"{SESSIONS}/{session}/end")
    written = user.get(path).json()
    assert (written["status"], written["summary"]["text"], written["summary"]["corrected"]) == (
        "generated",
        SUMMARY,
        [],
    )
    corrected = user.patch(path, json={"text": "  I planned a garden. ", "open_questions": ["Which roses?"]}).json()
    assert corrected["summary"]["corrected"] == ["text", "open_questions"]
    assert corrected["summary"]["topics"] == ["summaries"]
    assert corrected["summary"]["corrected_at"]
    assert user.post(f"{SESSIONS}/{session}/reopen").json()["status"] == "active"
    user.post(f"{SESSIONS}/{session}/turns", json={"message": "More."})
    ended = user.post(f"{SESSIONS}/{session}/end").json()["summary"]
    assert (ended["text"], ended["open_questions"]) == ("I planned a garden.", ["Which roses?"])
    for wrong in ({"text": " "}, {"text": "x" * 2_001}, {"topics": ["x"] * 21}, {"topics": [1]}, {"text": 1}):
        assert code(user.patch(path, json=wrong)) == (422, "invalid_request")
    assert user.get(path).json()["summary"]["text"] == "I planned a garden."
    asking.model.forget()
    turn = user.post(f"{SESSIONS}/{user.post(SESSIONS).json()['id']}/turns", json={"message": "What did I plan?"})
    assert turn.status_code == 201
    assert "I planned a garden." in str(asking.model.requests[-1].body)


def test_a_question_asked_anew_is_out_of_sight_of_the_model(user: httpx.Client, asking: Asking) -> None:
    session = a_session(user, "I like plums.", "What do I lick?", end=False)
    turns = f"{SESSIONS}/{session}/turns"
    wrong = user.get(f"{SESSIONS}/{session}/messages").json()["items"][2]
    asking.model.forget()
    key = {"Idempotency-Key": "anew"}
    anew = user.post(turns, json={"message": "What do I like?", "replaces": wrong["id"]}, headers=key).json()
    assert "plums" in str(asking.model.requests[-1].body)
    assert "lick" not in str(asking.model.requests[-1].body)
    again = user.post(turns, json={"message": "What do I like?", "replaces": wrong["id"]}, headers=key)
    assert again.json()["id"] == anew["id"]
    items = user.get(f"{SESSIONS}/{session}/messages").json()["items"]
    assert [m["seq"] for m in items] == [1, 2, 3, 4, 5, 6]
    assert [m["metadata"].get("replaced_by") for m in items] == [None, None, anew["id"], anew["id"], None, None]
    for not_newest in (wrong["id"], items[0]["id"], str(uuid4())):
        refused = user.post(turns, json={"message": "No.", "replaces": not_newest})
        assert code(refused) == (409, "message_not_replaceable")
    recent = user.get("/api/v1/me/interactions").json()["items"]
    assert [(i["question"], i["session_id"]) for i in recent] == [
        ("What do I like?", session),
        ("I like plums.", session),
    ]
    of_session = user.get(f"{SESSIONS}/{session}/interactions", params={"limit": 1}).json()
    assert [i["answer"] for i in of_session["items"]] == ["You said: I like plums."]
    rest = user.get(f"{SESSIONS}/{session}/interactions", params={"cursor": of_session["next"]}).json()
    assert [(i["id"], i["seq"]) for i in rest["items"]] == [(anew["id"], 6)]


def test_word_of_a_change(user: httpx.Client) -> None:
    version = user.get("/api/v1/me/changes").json()["version"]
    assert user.get("/api/v1/me/changes", params={"after": version, "wait": 0.1}).json()["version"] == version
    a_session(user, end=False)
    assert user.get("/api/v1/me/changes", params={"after": version, "wait": 30}).json()["version"] != version


def test_some_sessions_are_exported_and_come_back(user: httpx.Client, asking: Asking, email: str) -> None:
    one, two, three = (a_session(user, f"Number {number}.") for number in range(3))
    answer = user.get("/api/v1/me/export", params={"session": [one, three]})
    assert [session["id"] for session in answer.json()["sessions"]] == [one, three]
    assert code(user.get("/api/v1/me/export", params={"session": [one, str(uuid4())]})) == (404, "session_not_found")

    whole = user.get("/api/v1/me/export").content
    assert user.post("/api/v1/me/import", content=whole).json() == {"sessions": 0, "known": 3}
    before = user.get(f"{SESSIONS}/{two}/messages").json()
    user.delete(f"{SESSIONS}/{one}")
    user.delete(f"/api/v1/personal-assistant/sessions/{two}")
    assert user.post("/api/v1/me/import", content=whole).json() == {"sessions": 1, "known": 2}  # one can be restored
    assert user.get(f"{SESSIONS}/{two}/messages").json() == before
    assert user.get(f"{SESSIONS}/{two}/summary").json()["summary"]["text"] == SUMMARY

    other = asking.server.client(f"other-{email}")  # to whom these ids are nobody's
    assert other.post("/api/v1/me/import", content=whole).json() == {"sessions": 3, "known": 0}
    assert other.post("/api/v1/me/import", content=whole).json() == {"sessions": 0, "known": 3}
    theirs = other.get(SESSIONS).json()["items"]
    assert len(theirs) == 3
    assert {one, two, three}.isdisjoint(session["id"] for session in theirs)
    contents = [m["content"] for m in other.get(f"{SESSIONS}/{theirs[0]['id']}/messages").json()["items"]]
    assert contents == ["Number 2.", "You said: Number 2."]
    assert other.get("/api/v1/me/usage").json()["total"]["turns"] == 0  # what a file says was used is not counted
    said = other.post(f"{SESSIONS}/{theirs[0]['id']}/reopen")
    assert said.status_code == 200
    assert other.post(f"{SESSIONS}/{theirs[0]['id']}/turns", json={"message": "Go on."}).json()["reply"]["seq"] == 4


def changed(document: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**document, **changes}).encode()


def test_what_is_no_export_or_was_changed_is_refused_and_stores_nothing(user: httpx.Client, asking: Asking) -> None:
    session = a_session(user, "Hello.")
    document = user.get("/api/v1/me/export", params={"session": session}).json()
    user.delete(f"/api/v1/personal-assistant/sessions/{session}")

    def with_message(**changes: Any) -> bytes:
        spoilt = deepcopy(document)
        spoilt["sessions"][0]["messages"][1].update(changes)
        return json.dumps(spoilt).encode()

    bad: dict[str, bytes] = {
        "nothing": b"",
        "a list": b"[]",
        "no JSON": b"{",
        "another format": changed(document, format="other"),
        "another version": changed(document, version=2),
        "cut short": json.dumps(document).encode()[:-20],
        "not UTF-8": b'{"format": "rekindle", "version": 1, "sessions": [{"\xff": 1}]}',
        "a gap": with_message(seq=7),
        "a content that is no text": with_message(content={"a": 1}),
        "a source that is no id": with_message(context_used=[{"session_id": "x"}]),
        "a NUL": with_message(content="a\0b"),
        "half a character": json.dumps(document).encode().replace(b"Hello", b"\\ud800"),
        "a role": with_message(role="system"),
        "numbers beyond": with_message(input_tokens=10**20),
        "sessions that are none": changed(document, sessions=[1, {"id": 1}]),
        "the same twice": changed(document, sessions=document["sessions"] * 2),
    }
    refused = {name: user.post("/api/v1/me/import", content=content) for name, content in bad.items()}
    assert {name: answer.status_code for name, answer in refused.items() if not 400 <= answer.status_code < 500} == {
        "the same twice": 200
    }
    assert refused["the same twice"].json() == {"sessions": 1, "known": 1}
    assert len(user.get(SESSIONS).json()["items"]) == 1
    forged = deepcopy(document)
    mine = str(uuid4())
    forged["sessions"][0] |= {
        "id": mine,
        "user_id": str(uuid4()),
        "cookie_sid": mine,
        "last_seen_at": "2999-01-01T00:00Z",
    }
    for message in forged["sessions"][0]["messages"]:
        message["id"] = str(uuid4())
    forged["usage"] = [{"day": "2026-01-01", "session_id": mine, "model": "m", "input_tokens": -(10**9), "turns": 5}]
    assert user.post("/api/v1/me/import", content=json.dumps(forged).encode()).json() == {"sessions": 1, "known": 0}
    found = user.get(f"{SESSIONS}/{mine}")
    assert found.json()["last_seen_at"] < "2999"
    assert asking.server.client().get(f"/api/v1/session/{mine}").status_code == 404  # it gave no capability
    assert user.get("/api/v1/me/usage").json()["total"]["turns"] == 1


def test_what_is_left_of_a_quota_is_told(user: httpx.Client) -> None:
    quota = user.get("/api/v1/me/usage").json()["quota"]
    assert quota.keys() == {"tokens", "cost", "opens_at"}
    assert quota["tokens"] is None
