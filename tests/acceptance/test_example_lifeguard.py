"""examples/lifeguard: a visitor at the training desk, and the same one coming back."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from rekindle.assistants.folder import load_assistants
from tests.acceptance.conftest import EXAMPLES, Served

CREATE = """
curl -X POST http://localhost:8000/api/v1/session/create \\
  -d '{"user_name":"John","user_email":"john@test.com"}'
"""
END = """
curl -X POST http://localhost:8000/api/v1/session/{ID}/end
"""
CHAT = """
curl -X POST http://localhost:8000/api/v1/chat/message \\
  -d '{"session_id":"...","message":"Continue my training"}'
"""
"""Printed under "Test Returning User Flow"."""


def test_the_training_desk_answers_from_its_documents_and_its_price_list(served: Served) -> None:
    def shell(command: str, **put: str) -> Any:
        command = command.replace("http://localhost:8000", served.server.url)
        for old, new in put.items():
            command = command.replace({"session": "...", "id": "{ID}", "text": "Continue my training"}[old], new)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    first = shell(CREATE)
    assert first["status"] == "created"
    here = first["session_id"]

    answer = shell(CHAT, session=here, text="What is Lifeguard certification?")
    assert "A lifeguard certification shows an employer" in answer["response"]
    assert [used["name"] for used in answer["tools_used"]] == ["search_knowledge"]
    assert "What a lifeguard certification is" in [source["title"] for source in answer["sources"]]
    assert {source["kind"] for source in answer["sources"]} == {"document"}

    answer = shell(CHAT, session=here, text="How much does the CPO course cost for 8 people?")
    assert "2,640.00 USD" in answer["response"]
    assert answer["tools_used"][0]["arguments"] == {"course": "CPO", "people": 8}
    assert [source["kind"] for source in answer["sources"]] == ["price"]
    assert "365.00 USD" in shell(CHAT, session=here, text="And what does the CPO course cost?")["response"]
    shell(CHAT, session=here, text="I need CPO training")

    assert shell(END, id=here) == {"status": "ended", "summary": "generated"}
    again = shell(CREATE)
    assert again["status"] == "returning_user"
    answer = shell(CHAT, session=again["session_id"])
    assert "I need CPO training" in answer["response"]
    assert [used["session_id"] for used in answer["context_used"]] != []

    end = time.monotonic() + 20  # what is known of a visitor is read from their summary by a job
    while time.monotonic() < end:
        answer = shell(CHAT, session=again["session_id"], text="What would you recommend?")
        if "profile" in {source["kind"] for source in answer["sources"]}:
            break
        time.sleep(0.2)
    assert [used["name"] for used in answer["tools_used"]] == ["recommendations"]
    assert "CPO" in answer["response"]
    assert {source["kind"] for source in answer["sources"]} >= {"profile", "document"}

    for text, told in (
        ("Where can I park?", "behind the building"),
        ("How much free chlorine should a pool have?", "1 ppm of free chlorine"),
        ("Which courses do you offer?", "We offer forty courses"),
        ("a kid is drowning help!!", "call your emergency number now"),
    ):
        assert told in shell(CHAT, session=again["session_id"], text=text)["response"]


def test_there_is_enough_of_it_to_be_searched(served: Served) -> None:
    with served.server.database() as database:
        counts = {
            table: database.execute(f"SELECT count(*) FROM {table} {where}").fetchone()[0]  # type: ignore[index]
            for table, where in (
                ("documents", "WHERE assistant = 'lifeguard'"),
                ("courses", ""),
                ("price_individual", ""),
                ("price_group", ""),
            )
        }
    assert counts.pop("documents") >= 40
    assert counts == {"courses": 40, "price_individual": 40, "price_group": 80}
    texts = [path.read_text() for path in (EXAMPLES / "lifeguard" / "knowledge").glob("*.md")]
    assert all(150 <= len(text.split()) <= 400 for text in texts)
    paragraphs = [part for text in texts for part in text.split("\n\n")[1:]]
    assert len(set(paragraphs)) == len(paragraphs), "something is said twice"


def test_the_page_is_told_who_answers_and_nothing_of_what_they_are_told(served: Served) -> None:
    listed = served.server.client().get("/api/v1/assistants")
    assert [one["name"] for one in listed.json()["items"]] == ["assistant", "insight", "lifeguard", "repair", "tutor"]
    desk = listed.json()["items"][2]
    assert desk["title"] == "Training desk"
    assert "What is Lifeguard certification?" in desk["suggestions"]
    assert "instructions" not in listed.text
    for assistant in load_assistants([EXAMPLES]):
        assert assistant.instructions[:60] not in listed.text
        assert (Path(EXAMPLES) / assistant.name / "README.md").exists()


def test_a_session_is_with_whom_it_names(served: Served, email: str) -> None:
    http = served.server.client(email)
    assert http.post("/api/v1/sessions", json={"assistant": "tutor"}).json()["assistant"] == "tutor"
    assert http.post("/api/v1/sessions").json()["assistant"] == "assistant"
    unknown = http.post("/api/v1/sessions", json={"assistant": "nobody"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_assistant")
    visitor = http.post("/api/v1/identity/check-in", json={"assistant": "insight"}).json()
    token = {"Authorization": f"Bearer {visitor['token']}"}
    assert http.get(f"/api/v1/sessions/{visitor['session_id']}", headers=token).json()["assistant"] == "insight"


def test_what_one_assistant_knows_another_does_not_find(served: Served, email: str) -> None:
    reply = served.talk(email, "insight").say("What does breakpoint chlorination do?")
    assert "breakpoint" not in json.dumps(reply["metadata"]).lower()
    assert "course_price" not in json.dumps(reply["tools_used"])
