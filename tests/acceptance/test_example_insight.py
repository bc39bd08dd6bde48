"""examples/insight: reflection over several sessions, at door 002, and what grows out of them."""

import time
from typing import Any

from tests.acceptance.conftest import Served

EVENINGS = (
    ("I keep worrying about my thesis and I sleep badly.", "My thesis supervisor has not answered me for weeks."),
    ("The thesis again: I could not write a word of my thesis today.", "I would like to finish my thesis by spring."),
    ("I finally finished the first chapter of my thesis!", "I slept through the night for the first time."),
)


def test_it_reflects_with_methods_and_shows_what_comes_back(served: Served, email: str) -> None:
    http = served.server.client(email)

    def send(message: str) -> dict[str, Any]:
        answer = http.post("/chat/send", json={"message": message})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert "There is nothing to show yet" in send("How have I changed?")["response"]
    for evening in EVENINGS:
        session = http.post("/sessions/start", json={}).json()["session_id"]
        assert http.get(f"/api/v1/sessions/{session}").json()["assistant"] == "insight"
        for message in evening:
            assert send(message)["session_id"] == session
        http.post(f"/sessions/{session}/end").raise_for_status()

    reply = send("How does the Gibbs cycle of reflection work?")
    assert "Graham Gibbs described in 1988 a circle of six steps" in reply["response"]
    recent = http.get("/sessions/recent", params={"limit": 1}).json()["items"][0]
    assert recent["interaction_metadata"]["sources"][0]["title"] == "The Gibbs cycle of reflection"

    growth: dict[str, Any] = {}
    end = time.monotonic() + 20
    while time.monotonic() < end and "thesis" not in str(growth.get("themes")):
        growth = http.get("/api/v1/me/growth").json()
        time.sleep(0.2)
    assert "thesis" in str([theme["theme"] for theme in growth["themes"]])

    reply = send("Which themes keep coming back to me?")
    assert "thesis" in reply["response"]
    kept = http.get("/sessions/recent", params={"limit": 1}).json()["items"][0]["interaction_metadata"]
    assert {source["kind"] for source in kept["sources"]} == {"session"}
    assert any("Theme: " in source["title"] and "thesis" in source["title"] for source in kept["sources"])

    reached = send("What have I reached in the last months?")["response"]
    for said in ("I finally finished the first chapter of my thesis!", "I slept through the night for the first time."):
        assert said in reached
