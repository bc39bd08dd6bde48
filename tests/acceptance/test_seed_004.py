"""Seed 004, one thread a user: its requests and its page's code as it prints them."""

import json
import os
import subprocess
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from rekindle.testing import ModelServer, Reply, ToolCall
from tests.conftest import Asking, RunningServer, Serve, asks
from tests.forked import rekindle

SESSIONS = """
curl -H "Authorization: Bearer $TOKEN" \\
  http://localhost:8000/chat/sessions
"""
HISTORY = """
curl -H "Authorization: Bearer $TOKEN" \\
  http://localhost:8000/chat/history?limit=10
"""
"""Printed under "Monitoring"."""


@pytest.fixture
def user(asking: Asking, email: str) -> httpx.Client:
    """A client that carries its user's token."""
    return asking.server.client(email)


def shell(command: str, server: RunningServer, token: str) -> Any:
    """What a printed line answers."""
    done = subprocess.run(
        ["bash", "-c", command.replace("http://localhost:8000", server.url)],
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


class Page:
    """The seed's React page: its functions line by line, its state as attributes."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.status: list[str] = []
        self.tokens: list[str] = []
        self.thread: str | None = None
        self.events: list[dict[str, Any]] = []

    def send_message_stream(self, message: str) -> None:
        """`sendMessageStream`, whose reader takes each piece that comes for whole lines."""
        with self.http.stream("POST", "/chat/stream", json={"message": message}) as response:
            assert response.status_code == 200
            self.read(response.iter_raw())

    def read(self, values: Iterable[bytes]) -> None:
        for value in values:
            for line in value.decode().split("\n"):
                if line.startswith("data: "):
                    data = json.loads(line[6:])
                    self.events.append(data)
                    if data["type"] == "status":
                        self.status.append(data["content"])
                    elif data["type"] == "token":
                        self.tokens.append(data["content"])
                    elif data["type"] == "done":
                        self.thread = data["thread_id"]


def moment(text: str) -> datetime:
    """A time as printed: `2025-12-15T10:00:00Z`, with or without a fraction."""
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def user_id(user: httpx.Client) -> str:
    identifier: str = user.get("/chat/sessions").json()["user_id"]
    return identifier


def test_chat_answers_as_printed(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Reply("To fix your iPhone screen, open it."))
    answer = user.post("/chat", json={"message": "How do I fix my iPhone screen?"})
    assert answer.status_code == 200
    assert answer.json() == {
        "response": "To fix your iPhone screen, open it.",
        "thread_id": f"user-{user_id(user)}",
    }


def test_the_printed_page_reads_the_stream(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Reply(["To", " fix", " it: 修理 😀", " first."], delay=0.02))
    page = Page(user)
    page.send_message_stream("How do I fix my iPhone screen?")
    assert "".join(page.tokens) == "To fix it: 修理 😀 first."
    assert page.thread == f"user-{user_id(user)}"
    assert page.events[-1] == {"type": "done", "thread_id": page.thread}
    assert all(event.keys() == {"type", "content"} for event in page.events[:-1])
    assert len(page.tokens) > 1


def test_a_tool_at_work_shows_its_status_as_printed(
    serve: Serve, new_database: Callable[[], str], model: ModelServer, tmp_path: Path, email: str
) -> None:
    (tmp_path / "repairs").mkdir()
    (tmp_path / "repairs" / "assistant.toml").write_text('tools = ["search_guides"]\n')
    (tmp_path / "repairs" / "tools.py").write_text(
        "def search_guides(device: str) -> str:\n"
        '    """Find a repair guide.\n\n    Status: Searching iFixit...\n    """\n'
        '    return f"Open the {device}."\n'
    )
    model.script(
        Reply("", tool_calls=[ToolCall("search_guides", {"device": "iPhone"})]), Reply(["To", " fix", " it, open it."])
    )
    # A database of its own: no other test's left-over summaries are asked of this model.
    variables = asks(model, REKINDLE_DATABASE_URL=new_database())
    page = Page(serve(str(tmp_path / "repairs"), **variables).client(email))
    page.send_message_stream("How do I fix my iPhone screen?")
    assert page.events[0] == {"type": "status", "content": "Searching iFixit..."}
    assert [event["type"] for event in page.events] == ["status"] + ["token"] * len(page.tokens) + ["done"]
    assert "".join(page.tokens) == "To fix it, open it."


@pytest.mark.parametrize("step", [Reply("Half an ans", then="cut"), Reply("", then="garbage")])
def test_a_failed_answer_ends_the_stream_with_an_error(asking: Asking, user: httpx.Client, step: Reply) -> None:
    asking.model.script(step)
    page = Page(user)
    page.send_message_stream("Well?")
    assert page.events[-1]["type"] == "error"
    assert page.events[-1].keys() == {"type", "content", "code"}
    assert page.thread is None
    assert "".join(page.tokens) == step.text
    assert user.post("/chat", json={"message": "Again?"}).json()["response"] == "You said: Again?"


def test_a_stream_whose_thread_is_cleared_ends_with_an_error(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Reply("I had just begun", then="silence"))
    page = Page(user)

    def clearing(values: Iterable[bytes]) -> Iterable[bytes]:
        cleared = False
        for value in values:
            yield value
            if not cleared and b"begun" in value:
                cleared = user.delete("/chat/history").json()["success"]

    with user.stream("POST", "/chat/stream", json={"message": "Go."}) as response:
        page.read(clearing(response.iter_raw()))
    assert "".join(page.tokens) == "I had just begun"
    assert page.events[-1]["type"] == "error"


def test_the_model_is_given_the_conversation_so_far(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Reply("I found repair guides..."), Reply("The left one."))
    user.post("/chat", json={"message": "My PS5 broke"})
    user.post("/chat", json={"message": "Which screw first?"})
    assert [(said["role"], said["content"]) for said in asking.model.requests[-1].messages[1:]] == [
        ("user", "My PS5 broke"),
        ("assistant", "I found repair guides..."),
        ("user", "Which screw first?"),
    ]


def test_history_is_as_printed(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Reply("I can help you with that..."))
    user.post("/chat", json={"message": "How do I fix my phone?"})
    history = user.get("/chat/history?limit=50").json()
    times = [moment(message.pop("timestamp")) for message in history["messages"]]
    assert history == {
        "thread_id": f"user-{user_id(user)}",
        "message_count": 2,
        "messages": [
            {"role": "user", "content": "How do I fix my phone?"},
            {"role": "assistant", "content": "I can help you with that..."},
        ],
    }
    assert times[0] < times[1], "a reply is dated by when it was whole"


def test_a_limit_gives_the_newest_messages_oldest_first(user: httpx.Client) -> None:
    for number in range(3):
        user.post("/chat", json={"message": f"{number}"})
    history = user.get("/chat/history", params={"limit": 3}).json()
    assert history["message_count"] == 6
    assert [message["content"] for message in history["messages"]] == ["You said: 1", "2", "You said: 2"]


def test_clearing_the_history_begins_anew(asking: Asking, user: httpx.Client) -> None:
    thread = f"user-{user_id(user)}"
    user.post("/chat", json={"message": "My secret is a blue door."})
    cleared = user.delete("/chat/history")
    assert (cleared.status_code, cleared.json()) == (
        200,
        {"success": True, "message": "Chat history cleared successfully", "thread_id": thread},
    )
    assert user.get("/chat/history").json() == {"thread_id": thread, "message_count": 0, "messages": []}
    asking.model.requests.clear()
    assert user.post("/chat", json={"message": "Hello."}).json()["thread_id"] == thread
    assert "blue door" not in json.dumps(asking.model.requests[0].body)
    assert user.get("/chat/history").json()["message_count"] == 2
    assert user.delete("/chat/history").json()["success"]
    assert user.delete("/chat/history").json()["success"]


def test_statistics_are_as_printed_and_count_the_providers_tokens(asking: Asking, user: httpx.Client) -> None:
    new = user.get("/chat/sessions").json()
    assert new == {
        "user_id": user_id(user),
        "thread_id": f"user-{user_id(user)}",
        "total_messages": 0,
        "total_tokens_used": 0,
        "session_start": None,
        "last_activity": None,
    }
    asking.model.script(Reply("One.", usage=(1000, 200)), Reply("Two.", usage=(1100, 50)))
    user.post("/chat", json={"message": "First."})
    Page(user).send_message_stream("Second.")
    statistics = user.get("/chat/sessions").json()
    assert moment(statistics["session_start"]) <= moment(statistics["last_activity"])
    assert (statistics["total_messages"], statistics["total_tokens_used"]) == (4, 2350)
    user.delete("/chat/history")
    statistics = user.get("/chat/sessions").json()
    assert (statistics["total_messages"], statistics["total_tokens_used"]) == (0, 2350)


def test_tokens_are_estimated_and_marked_where_the_provider_counts_none(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Reply("Counted.", usage=(40, 2)), Reply("Not counted at all.", usage=None))
    user.post("/chat", json={"message": "First."})
    user.post("/chat", json={"message": "Second."})
    with asking.server.database() as database:
        total, estimated = database.execute(
            "SELECT total_tokens, estimated_tokens FROM user_usage WHERE user_id = %s", (user_id(user),)
        ).fetchone() or (0, 0)
    assert 0 < estimated == total - 42
    assert user.get("/chat/sessions").json()["total_tokens_used"] == total
    [thread] = user.get("/api/v1/sessions").json()["items"]
    replies = user.get(f"/api/v1/sessions/{thread['id']}/messages").json()["items"][1::2]
    assert [reply["usage"]["estimated"] for reply in replies] == [False, True]
    assert (replies[0]["usage"]["input_tokens"], replies[0]["usage"]["output_tokens"]) == (40, 2)


def test_the_printed_curl_lines_work_with_a_token_of_the_command_line(
    asking: Asking, user: httpx.Client, email: str
) -> None:
    token = rekindle("token", email, environment=asking.server.environment).stdout.strip()
    user.post("/chat", json={"message": "Hello."})
    assert shell(SESSIONS, asking.server, token) == user.get("/chat/sessions").json()
    assert shell(HISTORY, asking.server, token) == user.get("/chat/history?limit=10").json()
    assert user.get("/chat/history").json()["message_count"] == 2


def test_a_thread_that_was_ended_for_idleness_goes_on(asking: Asking, user: httpx.Client) -> None:
    user.post("/chat", json={"message": "My PS5 broke"})
    [thread] = user.get("/api/v1/sessions").json()["items"]
    user.post(f"/api/v1/sessions/{thread['id']}/end")
    assert user.get("/chat/history").json()["message_count"] == 2
    asking.model.requests.clear()
    answer = user.post("/chat", json={"message": "It works again."})
    assert answer.json()["thread_id"] == f"user-{user_id(user)}"
    assert asking.model.requests[0].messages[1]["content"] == "My PS5 broke"
    assert user.get("/chat/history").json()["message_count"] == 4
    assert [session["status"] for session in user.get("/api/v1/sessions").json()["items"]] == ["active"]


def test_what_is_sent_at_once_is_answered_one_after_the_other(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Reply("The first.", delay=0.1), Reply("The second."))
    with user.stream("POST", "/chat/stream", json={"message": "One."}) as first:
        second = user.post("/chat", json={"message": "Two."})
        assert second.json()["response"] == "The second."
        page = Page(user)
        page.read(first.iter_raw())
    assert "".join(page.tokens) == "The first."
    assert [message["content"] for message in user.get("/chat/history").json()["messages"]] == [
        "One.",
        "The first.",
        "Two.",
        "The second.",
    ]


def test_an_answer_is_kept_when_the_page_is_closed_in_mid_stream(asking: Asking, user: httpx.Client) -> None:
    asking.model.script(Reply("one two three four five six", delay=0.03))
    with user.stream("POST", "/chat/stream", json={"message": "Count."}) as response:
        next(response.iter_raw())
    answer = user.post("/chat", json={"message": "Go on."})  # waits for the first to end
    assert answer.status_code == 200
    assert user.get("/chat/history").json()["messages"][1]["content"] == "one two three four five six"


def test_every_user_has_a_thread_of_their_own(asking: Asking, user: httpx.Client, email: str) -> None:
    other = asking.server.client(f"other-{email}")
    user.post("/chat", json={"message": "Mine."})
    other.post("/chat", json={"message": "Theirs."})
    mine, theirs = (client.get("/chat/history").json() for client in (user, other))
    assert mine["thread_id"] != theirs["thread_id"]
    assert [message["content"] for message in mine["messages"]] == ["Mine.", "You said: Mine."]
    assert [message["content"] for message in theirs["messages"]] == ["Theirs.", "You said: Theirs."]


@pytest.mark.parametrize(
    "call",
    [
        lambda http: http.post("/chat", json={"message": "Hello."}),
        lambda http: http.post("/chat/stream", json={"message": "Hello."}),
        lambda http: http.get("/chat/history"),
        lambda http: http.delete("/chat/history"),
        lambda http: http.get("/chat/sessions"),
    ],
)
def test_nothing_goes_without_a_token(asking: Asking, call: Callable[[httpx.Client], httpx.Response]) -> None:
    answer = call(asking.server.client())
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["code"] == "unauthenticated"
