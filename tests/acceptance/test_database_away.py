"""The database goes away under a real server and comes back: live sessions go on at every door, and nothing is lost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from rekindle.embedded import EmbeddedPostgres
from rekindle.testing import ModelServer
from tests.conftest import RunningServer, Serve, asks, read_events, repeats
from tests.waiting import until


@dataclass
class Talk:
    """A session at one door: how something is said in it, and what is kept of it."""

    say: Callable[[str], dict[str, Any]]
    kept: Callable[[], list[str]]
    said: list[str] = field(default_factory=list)

    def speak(self, text: str) -> Any:
        """Say something and have it answered; whether it is kept already."""
        answer = self.say(text)
        self.said += [text, f"You said: {text}"]
        return answer.get("persisted", True)


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that may be stopped."""
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    yield postgres
    postgres.stop(only_if_unused=False)


def posted(http: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    found: dict[str, Any] = answer.json()
    return found


def streamed(http: httpx.Client, path: str, text: str) -> dict[str, Any]:
    """The last event of the answer."""
    with http.stream("POST", path, json={"message": text}, headers={"Accept": "text/event-stream"}) as response:
        assert response.status_code == 200
        *_, (_, last) = read_events(response)
    return last


def talks(server: RunningServer, email: str) -> dict[str, Talk]:
    """A session at each door, all begun."""
    doors: dict[str, Talk] = {}

    def talk(name: str, say: Callable[[str], dict[str, Any]], kept: Callable[[], list[str]]) -> None:
        doors[name] = Talk(say, kept)

    desk = server.client()
    sid = posted(desk, "/api/v1/session/create", {"user_email": f"zero-{email}"})["session_id"]
    talk(
        "000",
        lambda text: posted(desk, "/api/v1/chat/message", {"session_id": sid, "message": text}),
        lambda: [m["content"] for m in desk.get(f"/api/v1/session/{sid}").json()["messages"]],
    )

    one = server.client(f"one-{email}")
    assistant = "/api/v1/personal-assistant"
    chat = posted(one, f"{assistant}/sessions/new", {})["session_id"]
    talk(
        "001",
        lambda text: posted(one, f"{assistant}/chat", {"message": text, "session_id": chat}),
        lambda: [m["content"] for m in one.get(f"{assistant}/sessions/{chat}/messages").json()["items"]],
    )

    two = server.client(f"two-{email}")

    def interactions() -> list[str]:
        current = two.get("/sessions/current").json()["id"]
        found = two.get(f"/sessions/{current}/interactions").json()["items"]
        return [text for i in found for text in (i["user_question"], i["ai_response"])]

    talk("002", lambda text: posted(two, "/chat/send", {"message": text}), interactions)

    four = server.client(f"four-{email}")
    talk(
        "004",
        lambda text: posted(four, "/chat", {"message": text}),
        lambda: [m["content"] for m in four.get("/chat/history").json()["messages"]],
    )

    five = server.client(f"five-{email}")

    def stream(text: str) -> dict[str, Any]:
        last = streamed(five, "/chat/stream", text)
        assert last["type"] == "done", last
        return last

    talk("004 streaming", stream, lambda: [m["content"] for m in five.get("/chat/history").json()["messages"]])

    own = server.client(f"own-{email}")
    turns = f"/api/v1/sessions/{own.post('/api/v1/sessions').json()['id']}"

    def ui(text: str) -> dict[str, Any]:
        metadata: dict[str, Any] = streamed(own, f"{turns}/turns", text)["messageMetadata"]
        return metadata

    def contents() -> list[str]:
        return [m["content"] for m in own.get(f"{turns}/messages").json()["items"]]

    talk("the house's", lambda text: posted(own, f"{turns}/turns", {"message": text}), contents)
    ours = doors["the house's"]
    doors["the house's, streaming"] = Talk(ui, contents, ours.said)
    for door in doors.values():
        assert door.speak("Hello.") is True
    return doors


def test_live_sessions_go_on_at_every_door_while_the_database_is_away(
    fragile: EmbeddedPostgres, serve: Serve, model: ModelServer, email: str
) -> None:
    model.default = repeats
    server = serve(**asks(model, REKINDLE_DATABASE_URL=fragile.start()))
    doors = talks(server, email)
    http = server.client(email)
    fragile.stop(only_if_unused=False)

    ready = http.get("/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["database"]) == (503, "down", "down")
    assert http.get("/health").status_code == 200
    for text in ("Are you there?", "And now?"):
        assert {name: door.speak(text) for name, door in doors.items()} == dict.fromkeys(doors, False)

    for refused in (
        http.post("/api/v1/session/create", json={"user_email": email}),
        http.post("/api/v1/identity/check-in", json={"email": email}),
        http.post("/api/v1/sessions"),
        http.post("/chat", json={"message": "I was never here before."}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (503, "database_down")
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) > 0

    fragile.start()
    until(lambda: http.get("/ready").json()["status"] == "ok")
    until(lambda: "rekindle_turns_unwritten 0.0" in http.get("/metrics").text)
    for name, door in doors.items():
        assert door.kept() == door.said, name
    assert {name: door.speak("Back again.") for name, door in doors.items()} == dict.fromkeys(doors, True)
    for name, door in doors.items():
        assert door.kept() == door.said, name
    assert posted(http, "/api/v1/session/create", {"user_email": email})["status"] == "returning_user"
