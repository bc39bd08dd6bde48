"""examples/assistant: one person's assistant, at door 001, from one session to the next."""

from typing import Any

from tests.acceptance.conftest import Served

DOOR = "/api/v1/personal-assistant"


def test_it_reckons_with_its_tools_and_remembers_from_session_to_session(served: Served, email: str) -> None:
    http = served.server.client(email)

    def chat(message: str, session_id: str | None = None) -> dict[str, Any]:
        answer = http.post(f"{DOOR}/chat", json={"message": message, "session_id": session_id})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    first = http.post(f"{DOOR}/sessions/new").json()["session_id"]
    assert http.get(f"/api/v1/sessions/{first}").json()["assistant"] == "assistant"
    answer = chat("What time is it in Tokyo?", first)
    assert "In Tokyo it is" in answer["response"]
    assert [(used["name"], used["arguments"]) for used in answer["tools_used"]] == [("time_in", {"city": "Tokyo"})]
    assert "(UTC+0900)" in answer["response"]
    assert "1 January 2100 is in" in chat("How many days until 2100-01-01?", first)["response"]
    assert "68 °F" in chat("20 celsius in fahrenheit", first)["response"]
    assert "Today is " in chat("What's the date today?", first)["response"]
    chat("My sister Nora lives in Lisbon.", first)
    assert "Lisbon" in chat("Where does my sister live?", first)["response"]

    later = chat("Hello again. Where does my sister Nora live?")
    assert later["session_id"] != first
    assert "Nora lives in Lisbon" in later["response"]

    messages = http.get(f"{DOOR}/sessions/{first}/messages").json()["items"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 6
    assert messages[1]["tools_used"][0]["name"] == "time_in"
    listed = http.get(f"{DOOR}/sessions").json()["items"]
    assert {session["session_id"] for session in listed} == {first, later["session_id"]}
    assert http.delete(f"{DOOR}/sessions/{first}").json()["success"]
