"""What is remembered of a person, over HTTP: derived, corrected, forgotten, not derived again, paused."""

import time
from typing import Any

import httpx2 as httpx

from tests.conftest import ADMIN, RunningServer

SECONDS = 30


def talk(http: httpx.Client, *texts: str) -> str:
    """A session in which this was said, ended: its id."""
    session: str = http.post("/api/v1/sessions").json()["id"]
    for text in texts:
        turn = http.post(f"/api/v1/sessions/{session}/turns", json={"message": text}).json()
        while http.get(f"/api/v1/turns/{turn['id']}").json()["status"] == "running":
            time.sleep(0.02)
    assert http.post(f"/api/v1/sessions/{session}/end").json()["summary_status"] == "generated"
    return session


def remembered(http: httpx.Client, **what: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = http.get("/api/v1/me/memory", params={"limit": 100, **what}).json()["items"]
    return items


def when_remembered(http: httpx.Client, text: str) -> dict[str, Any]:
    """The thing with this text, once the server's job has derived it."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if found := [thing for thing in remembered(http) if thing["text"] == text]:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"{text!r} is not remembered: {remembered(http)}")


def test_what_is_remembered_is_its_persons_own(server: RunningServer, email: str) -> None:
    http = server.client(email)
    session = talk(http, "I live in Hamburg with my wife.", "I am allergic to peanuts.")
    home = when_remembered(http, "I live in Hamburg with my wife.")
    assert (home["kind"], home["state"]) == ("fact", "current")
    assert home["source"] == {"session_id": session, "first_seq": 1, "last_seq": 1}
    [summary] = http.get("/api/v1/me/summaries").json()["items"]
    assert summary["session"]["id"] == session
    assert "Hamburg" in summary["text"]

    corrected = http.patch(f"/api/v1/me/memory/{home['id']}", json={"text": "I live in Lübeck."}).json()
    assert (corrected["text"], corrected["state"], corrected["source"]) == ("I live in Lübeck.", "corrected", None)
    nuts = when_remembered(http, "I am allergic to peanuts.")
    for thing in [thing for thing in remembered(http) if "peanut" in thing["text"]]:
        assert http.delete(f"/api/v1/me/memory/{thing['id']}").status_code == 204
    assert http.delete(f"/api/v1/me/memory/{nuts['id']}").status_code == 204
    assert http.patch(f"/api/v1/me/memory/{nuts['id']}", json={"text": "Nuts."}).status_code == 404
    assert {thing["text"] for thing in remembered(http, state="forgotten")} == {None}

    talk(http, "I live in Hamburg with my wife.", "I am allergic to peanuts.", "I love sailing boats.")
    when_remembered(http, "I love sailing boats.")
    now = [thing["text"] for thing in remembered(http)]
    assert "I live in Lübeck." in now
    assert "I live in Hamburg with my wife." not in now
    assert not any("peanut" in text for text in now)

    page = http.get("/api/v1/me/memory", params={"limit": 1}).json()
    after = http.get("/api/v1/me/memory", params={"limit": 1, "cursor": page["next"]}).json()
    assert page["items"][0]["id"] > after["items"][0]["id"]
    assert {thing["kind"] for thing in remembered(http, kind="interest")} == {"interest"}

    assert http.put("/api/v1/me/memory/settings", json={"paused": True}).json()["paused"] is True
    talk(http, "My budget is 500 dollars.")
    settings = http.put("/api/v1/me/memory/settings", json={"paused": False}).json()
    assert settings == {"paused": False, "paused_since": None}
    talk(http, "I work as a nurse.")
    when_remembered(http, "I work as a nurse.")
    assert not any("budget" in thing["text"] for thing in remembered(http))

    growth = http.get("/api/v1/me/growth").json()
    assert (growth["sessions"], growth["messages"], growth["complete"]) == (4, 7, True)
    assert growth["themes"]
    assert "peanut" not in str(growth["themes"])
    assert http.get("/api/v1/me/growth", params={"since": "2030-01-01", "until": "2029-01-01"}).status_code == 422


def test_what_is_remembered_of_one_is_nothing_to_others(server: RunningServer, email: str) -> None:
    http = server.client(email)
    talk(http, "I live in Hamburg.")
    thing = when_remembered(http, "I live in Hamburg.")
    stranger = server.client(f"other-{email}")
    for method in ("PATCH", "DELETE"):
        answer = stranger.request(method, f"/api/v1/me/memory/{thing['id']}", json={"text": "On the moon."})
        missing = stranger.request(method, "/api/v1/me/memory/x", json={"text": "On the moon."})
        assert (answer.status_code, answer.json()) == (404, missing.json())
    assert remembered(stranger) == []
    visit = stranger.post("/api/v1/identity/check-in", json={"email": email}).json()
    visitor = {"Authorization": f"Bearer {visit['token']}"}
    for path in ("memory", "memory/settings", "summaries", "growth"):
        assert http.get(f"/api/v1/me/{path}", headers=visitor).status_code == 403
    assert http.delete(f"/api/v1/me/memory/{thing['id']}", headers=visitor).status_code == 404
    assert when_remembered(http, "I live in Hamburg.") == thing


def test_topics_of_all_are_summed_and_the_look_is_written_down(server: RunningServer, email: str) -> None:
    http, admin = server.client(email), server.client(ADMIN)
    talk(http, "What is quokka photography? Tell me more of quokka photography.")
    topics = admin.get("/api/v1/admin/topics", params={"limit": 200}).json()
    topic = next(topic for topic in topics["topics"] if "quokka" in topic["theme"])
    behind = admin.get("/api/v1/admin/sessions", params={"topic": topic["theme"], "from": topics["since"][:10]}).json()
    assert behind["total"] == topic["sessions"] == 1
    assert admin.get("/api/v1/admin/sessions", params={"topic": "no such topic"}).json()["total"] == 0
    assert email not in str(topics)
    assert http.get("/api/v1/admin/topics").status_code == 403
    assert any(entry["action"] == "topics.read" for entry in admin.get("/api/v1/admin/audit").json()["items"])
