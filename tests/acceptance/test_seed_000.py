"""Seed 000, a visitor's desk: its requests as it prints them, its two scenarios, what the model is told."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest

from rekindle.house import open_house
from rekindle.testing import Asked, ModelServer, Refusal, Reply
from tests.conftest import SUMMARY, Asking, RunningServer, Serve, asks, make_settings, repeats
from tests.waiting import until

CREATE = """
curl -X POST http://localhost:8000/api/v1/session/create \\
  -d '{"user_name":"John","user_email":"john@test.com"}'
"""
END = """
curl -X POST http://localhost:8000/api/v1/session/{ID}/end
"""
MESSAGE = """
curl -X POST http://localhost:8000/api/v1/chat/message \\
  -d '{"session_id":"...","message":"Continue my training"}'
"""
"""Printed under "How to use"; note that curl calls these bodies a form."""

CPO = (
    "The user inquired about Lifeguard certification and expressed a need for CPO (Certified Pool Operator) training. "
    "The assistant asked whether the training was for the user personally or for a group/organization."
)
CONTEXT_HEAD = """\
CONTEXT: This user has chatted before. Here's their conversation history:

**Previous Conversation History:**
1. """
CONTEXT_TAIL = """

Use this context to provide personalized service.
Reference past discussions when relevant, but don't be overly familiar."""
"""Printed under "What LLM receives"."""


@pytest.fixture
def visitor(asking: Asking) -> "Visitor":
    return Visitor(asking.server.client())


@pytest.fixture(scope="module")
def verified(serve_for_all: Serve, asking_for_all: Asking) -> RunningServer:
    """A server on the same database on which a typed address opens nothing."""
    return serve_for_all(**{**asking_for_all.server.environment, "REKINDLE_IDENTITY": "verified"})


class Visitor:
    """Somebody at the desk."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def check_in(self, email: str | None = None, **typed: str) -> tuple[str, str]:
        """The session's id and the status."""
        answer = self.http.post("/api/v1/session/create", json={"user_email": email, **typed} if email else typed)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body.keys() == {"session_id", "status"}
        return body["session_id"], body["status"]

    def say(self, session: str, message: str) -> dict[str, Any]:
        answer = self.http.post("/api/v1/chat/message", json={"session_id": session, "message": message})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert body["session_id"] == session
        return body

    def end(self, session: str) -> dict[str, Any]:
        answer = self.http.post(f"/api/v1/session/{session}/end")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def visit(self, email: str | None, *messages: str) -> str:
        """A whole session: check in, say these, end; the session's id."""
        session, _ = self.check_in(email)
        for message in messages:
            self.say(session, message)
        assert self.end(session) == {"status": "ended", "summary": "generated"}
        return session


def summarises(text: str) -> Callable[[Asked], Reply]:
    """A model whose summaries are `text`."""

    def answer(asked: Asked) -> Reply:
        return Reply(json.dumps({"text": text})) if "record of one finished" in asked.system else repeats(asked)

    return answer


def shell(command: str, server: RunningServer) -> Any:
    """What a printed line answers."""
    done = subprocess.run(
        ["bash", "-c", command.replace("http://localhost:8000", server.url)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def context_of(asked: Asked) -> str:
    """What the system message says of the past; it comes after the assistant's instructions."""
    instructions, _, context = asked.system.partition("\n\nCONTEXT")
    assert instructions.startswith("You are a helpful assistant.")
    return "CONTEXT" + context if context else ""


def summaries_in(context: str) -> list[str]:
    """The numbered lines of past sessions."""
    sessions = context.partition("**Previous Conversation History:**\n")[2].partition("\n\n")[0]
    return sessions.splitlines()


def test_the_returning_user_flow_works_as_printed(asking: Asking, email: str) -> None:
    create = CREATE.replace("john@test.com", email)
    first = shell(create, asking.server)
    assert first == {"session_id": str(UUID(first["session_id"])), "status": "created"}
    shell(MESSAGE.replace("...", first["session_id"]), asking.server)
    ended = shell(END.replace("{ID}", first["session_id"]), asking.server)
    assert ended == {"status": "ended", "summary": "generated"}

    second = shell(create, asking.server)
    assert second == {"session_id": str(UUID(second["session_id"])), "status": "returning_user"}
    assert second["session_id"] != first["session_id"]
    asking.model.requests.clear()
    reply = shell(MESSAGE.replace("...", second["session_id"]), asking.server)
    assert reply["response"] == "You said: Continue my training"
    assert SUMMARY in context_of(asking.model.requests[0])


def test_scenario_1_a_new_user_is_stored_chats_and_is_summarised(asking: Asking, visitor: Visitor, email: str) -> None:
    session, status = visitor.check_in(email, user_name="Test User", user_phone="555-9999")
    assert status == "created"
    asking.model.script(Reply("It is a course."), Reply("For you, or for a group?"), summarises(CPO))
    visitor.say(session, "What is Lifeguard certification?")
    visitor.say(session, "I need CPO training")
    assert visitor.end(session) == {"status": "ended", "summary": "generated"}
    with asking.server.database() as database:
        user = database.execute("SELECT id, phone, metadata FROM users WHERE email = %s", (email,)).fetchone()
        assert user is not None
        assert user[1:] == ("555-9999", {"name": "Test User"})
        stored = database.execute(
            "SELECT id, user_id, ended_at IS NOT NULL FROM sessions WHERE cookie_sid = %s", (session,)
        ).fetchone()
        assert stored is not None
        assert stored[1:] == (user[0], True)
        messages = database.execute(
            "SELECT role, content FROM messages WHERE session_id = %s ORDER BY created_at, seq", (stored[0],)
        ).fetchall()
        assert messages == [
            ("user", "What is Lifeguard certification?"),
            ("assistant", "It is a course."),
            ("user", "I need CPO training"),
            ("assistant", "For you, or for a group?"),
        ]
        summary = database.execute(
            "SELECT summary, vector_dims(embedding) > 0, metadata ? 'topics' FROM session_summaries "
            "WHERE session_id = %s",
            (stored[0],),
        ).fetchone()
        assert summary == (CPO, True, True)


def test_scenario_2_a_returning_user_is_known_and_the_model_is_told_as_printed(
    asking: Asking, visitor: Visitor, email: str
) -> None:
    asking.model.default = summarises(CPO)
    visitor.visit(email, "I need CPO training")
    session, status = visitor.check_in(email)
    assert status == "returning_user"
    asking.model.requests.clear()
    reply = visitor.say(session, "What about instructor certification?")
    [asked] = asking.model.requests
    context = context_of(asked)
    head, _, rest = context.partition(" [session ")
    assert head == CONTEXT_HEAD + CPO
    assert CONTEXT_TAIL in rest  # after what else is known by then: facts are read from a summary by a job
    assert asked.messages[-1] == {"role": "user", "content": "What about instructor certification?"}
    assert [said["role"] for said in asked.messages] == ["system", "user"]
    assert {source["kind"] for source in reply["context_used"]} - {"fact"} == {"summary"}


def test_the_context_stays_for_the_whole_of_the_session(asking: Asking, visitor: Visitor, email: str) -> None:
    visitor.visit(email, "I need CPO training")
    session, _ = visitor.check_in(email)
    asking.model.requests.clear()
    for message in ("One.", "Two.", "Three."):
        visitor.say(session, message)
    summaries = {tuple(summaries_in(context_of(asked))) for asked in asking.model.requests}
    assert len(asking.model.requests) == 3
    assert len(summaries) == 1


def test_only_the_last_three_summaries_are_given_newest_first(asking: Asking, visitor: Visitor, email: str) -> None:
    for number in range(1, 5):
        asking.model.default = summarises(f"The user spoke of matter number {number}.")
        visitor.visit(email, f"Matter {number}.")
    session, _ = visitor.check_in(email)
    asking.model.requests.clear()
    reply = visitor.say(session, "And now?")
    lines = summaries_in(context_of(asking.model.requests[0]))
    assert [line.partition(" [")[0] for line in lines] == [
        "1. The user spoke of matter number 4.",
        "2. The user spoke of matter number 3.",
        "3. The user spoke of matter number 2.",
    ]
    assert [source["kind"] for source in reply["context_used"]][:3] == ["summary"] * 3


def test_a_new_user_and_an_anonymous_one_bring_no_past(asking: Asking, visitor: Visitor, email: str) -> None:
    visitor.visit(None, "Nobody knows me.")
    for typed in ({"user_email": email}, {}, {"user_name": "Ann"}):
        session, status = visitor.check_in(**typed)
        assert status == "created"
        asking.model.requests.clear()
        assert visitor.say(session, "Hello.")["context_used"] == []
        assert not context_of(asking.model.requests[0])
    assert asking.server.client().post("/api/v1/session/create").json()["status"] == "created"


def test_an_address_is_the_same_in_any_case_and_with_space_around_it(visitor: Visitor, email: str) -> None:
    visitor.visit(email, "Hello.")
    assert visitor.check_in(f"  {email.upper()} ")[1] == "returning_user"


def test_what_one_person_says_reaches_no_other(asking: Asking, visitor: Visitor, email: str) -> None:
    visitor.visit(f"ann-{email}", "Ann's secret is a blue door.")
    bob, status = visitor.check_in(f"bob-{email}")
    assert status == "created"
    asking.model.requests.clear()
    visitor.say(bob, "What do you know?")
    assert "blue door" not in json.dumps(asking.model.requests[0].body)
    ann, _ = visitor.check_in(f"ann-{email}")
    visitor.say(ann, "Do you remember?")
    state = visitor.http.get(f"/api/v1/session/{bob}").json()
    assert [message["content"] for message in state["messages"]] == [
        "What do you know?",
        "You said: What do you know?",
    ]


def test_a_claim_never_overwrites_a_profile(asking: Asking, visitor: Visitor, email: str) -> None:
    visitor.check_in(email, user_name="Test User", user_phone="555-9999")
    visitor.check_in(email, user_name="Mallory", user_phone="666")
    with asking.server.database() as database:
        profiles = database.execute("SELECT metadata, phone FROM users WHERE email = %s", (email,)).fetchall()
        assert profiles == [({"name": "Test User"}, "555-9999")]


def test_the_state_of_a_session_can_be_read_with_its_id_alone(visitor: Visitor, email: str) -> None:
    session, _ = visitor.check_in(email)
    reply = visitor.say(session, "Hello.")
    state = visitor.http.get(f"/api/v1/session/{session}").json()
    assert state["messages"][-1]["created_at"] == reply["created_at"]
    assert (state["session_id"], state["is_active"], state["status"], state["message_count"]) == (
        session,
        True,
        "active",
        2,
    )
    assert [(message["role"], message["content"]) for message in state["messages"]] == [
        ("user", "Hello."),
        ("assistant", "You said: Hello."),
    ]
    visitor.end(session)
    state = visitor.http.get(f"/api/v1/session/{session}").json()
    assert (state["is_active"], state["status"]) == (False, "ended")


def test_the_id_at_the_desk_is_not_the_rows(asking: Asking, visitor: Visitor, email: str) -> None:
    session, _ = visitor.check_in(email)
    with asking.server.database() as database:
        row = database.execute("SELECT id FROM sessions WHERE cookie_sid = %s", (session,)).fetchone()
    assert row is not None
    assert visitor.http.get(f"/api/v1/session/{row[0]}").status_code == 404
    with asking.server.client(email) as owner:
        assert owner.get(f"/api/v1/sessions/{row[0]}").status_code == 200
        assert owner.get(f"/api/v1/sessions/{session}").status_code == 404


def test_deleting_a_session_ends_and_summarises_it(asking: Asking, visitor: Visitor, email: str) -> None:
    session, _ = visitor.check_in(email)
    visitor.say(session, "Hello.")
    answer = visitor.http.delete(f"/api/v1/session/{session}")
    assert (answer.status_code, answer.json()) == (200, {"status": "ended", "summary": "generated"})
    assert visitor.check_in(email)[1] == "returning_user"


def test_an_ended_session_takes_no_message_and_ending_it_again_changes_nothing(visitor: Visitor, email: str) -> None:
    session = visitor.visit(email, "Hello.")
    answer = visitor.http.post("/api/v1/chat/message", json={"session_id": session, "message": "More?"})
    assert (answer.status_code, answer.json()["code"]) == (409, "session_ended")
    before = visitor.http.get(f"/api/v1/session/{session}").json()
    assert visitor.end(session) == {"status": "ended", "summary": "generated"}
    assert visitor.http.get(f"/api/v1/session/{session}").json() == before
    assert before["message_count"] == 2


def test_a_session_in_which_nothing_was_said_has_no_summary(visitor: Visitor, email: str) -> None:
    session, _ = visitor.check_in(email)
    assert visitor.end(session) == {"status": "ended", "summary": "none"}


def test_a_session_is_in_the_database_and_not_in_a_servers_memory(
    asking: Asking, verified: RunningServer, visitor: Visitor, email: str
) -> None:
    session, _ = visitor.check_in(email)
    visitor.say(session, "Keep this.")
    elsewhere = Visitor(verified.client())
    state = elsewhere.http.get(f"/api/v1/session/{session}").json()
    assert [message["content"] for message in state["messages"]] == ["Keep this.", "You said: Keep this."]
    elsewhere.say(session, "And this.")
    assert asking.model.requests[-1].messages[-3]["content"] == "Keep this."
    assert visitor.http.get(f"/api/v1/session/{session}").json()["message_count"] == 4


def test_a_failed_answer_is_a_problem_and_the_message_is_kept(asking: Asking, visitor: Visitor, email: str) -> None:
    session, _ = visitor.check_in(email)
    asking.model.script(Refusal(500, "out of order"))
    answer = visitor.http.post("/api/v1/chat/message", json={"session_id": session, "message": "Hello?"})
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/problem+json")
    state = visitor.http.get(f"/api/v1/session/{session}").json()
    assert state["messages"][0]["content"] == "Hello?"
    assert visitor.say(session, "Still there?")["response"] == "You said: Still there?"


def test_a_session_ends_while_the_model_is_down_and_is_summarised_when_it_is_back(
    asking: Asking, visitor: Visitor, email: str
) -> None:
    session, _ = visitor.check_in(email)
    visitor.say(session, "I need CPO training")
    asking.model.default = Refusal(503)
    assert visitor.end(session) == {"status": "ended", "summary": "pending"}
    asking.model.default = summarises(CPO)
    with asking.server.database() as database:
        until(
            lambda: (
                database.execute(
                    "SELECT summary FROM session_summaries JOIN sessions s ON s.id = session_id WHERE cookie_sid = %s",
                    (session,),
                ).fetchone()
                == (CPO,)
            )
        )
    assert visitor.end(session) == {"status": "ended", "summary": "generated"}
    again, _ = visitor.check_in(email)
    assert visitor.say(again, "Hello again.")["context_used"][0]["kind"] == "summary"


async def test_idle_sessions_end_by_themselves_and_are_summarised(
    serve: Serve, new_database: Callable[[], str], data_dir: Path, model: ModelServer, email: str
) -> None:
    place = new_database()
    async with open_house(make_settings(place, data_dir), work=False) as house:
        idle = await house.sessions.check_in(name=None, email=email, phone=None)
        turn = await house.conversation.say(idle.caller, idle.session.id, "I will be back.")
        await house.conversation.outcome(idle.caller, turn.id)
    model.default = repeats
    server = serve(**asks(model), REKINDLE_DATABASE_URL=place, REKINDLE_IDLE_MINUTES="0.0001")
    visitor = Visitor(server.client())
    path = f"/api/v1/session/{idle.session.cookie_sid}"
    until(lambda: visitor.http.get(path).json()["status"] == "ended")  # a server looks for work when it starts
    with server.database() as database:
        until(lambda: database.execute("SELECT summary FROM session_summaries").fetchall() == [(SUMMARY,)])
    assert visitor.check_in(email)[1] == "returning_user"


def test_where_addresses_must_be_proven_nothing_is_recalled_on_a_claim(
    asking: Asking, verified: RunningServer, visitor: Visitor, email: str
) -> None:
    visitor.visit(email, "I need CPO training")
    stranger = Visitor(verified.client())
    session, status = stranger.check_in(email)
    assert status == "created"
    asking.model.requests.clear()
    assert stranger.say(session, "What did I say?")["context_used"] == []
    assert not context_of(asking.model.requests[0])


def test_where_addresses_must_be_proven_known_and_unknown_ones_get_the_same_answer(
    verified: RunningServer, visitor: Visitor, email: str
) -> None:
    visitor.visit(email, "Hello.")

    def answer(address: str) -> tuple[int, list[tuple[str, str]], str]:
        got = verified.client().post("/api/v1/session/create", json={"user_email": address, "user_name": "Eve"})
        headers = [(name, value) for name, value in got.headers.items() if name != "date"]
        return got.status_code, headers, got.text.replace(got.json()["session_id"], "ID")

    assert answer(email) == answer(f"new-{email}")
    assert answer(email)[2] == '{"session_id":"ID","status":"created"}'


def test_where_addresses_must_be_proven_a_proven_one_is_recalled(
    asking: Asking, verified: RunningServer, visitor: Visitor, email: str
) -> None:
    visitor.visit(email, "I need CPO training")
    with verified.client(email) as owner:
        session = owner.post("/api/v1/sessions").json()["id"]
        asking.model.requests.clear()
        owner.post(f"/api/v1/sessions/{session}/turns", json={"message": "What did I say?"})
    assert SUMMARY in context_of(asking.model.requests[0])
