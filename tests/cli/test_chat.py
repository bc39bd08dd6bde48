"""`rekindle chat`: over a pipe as scripts use it, and in a terminal as people do."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2 as httpx

from rekindle.assistants.assistant import INSTRUCTIONS
from rekindle.testing import ModelServer, Refusal, Reply
from rekindle.testing.model_server import Step
from tests.cli.conftest import OpenTerminal, Rekindle
from tests.conftest import Serve, asks, repeats

Rows = Callable[..., list[tuple[Any, ...]]]

SLOW = Reply("One two three four five six seven eight nine ten. " * 6, delay=0.02)


def says(model: ModelServer, *answers: Step) -> None:
    """What the model answers to the next messages; jobs ask it too, for titles and summaries, in between."""
    left = list(answers)
    model.default = lambda asked: left.pop(0) if left and INSTRUCTIONS in asked.system else repeats(asked)


def test_over_a_pipe_each_line_is_a_message_and_the_end_of_input_leaves(rekindle: Rekindle) -> None:
    done = rekindle("chat", "--name", "Ada", said="I keep bees in Ulm.\n\nWhere do I keep bees?\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Rekindle · offline (built in)\n\nWelcome, Ada.")
    assert "\n> I keep bees in Ulm.\n" in done.stdout
    _, _, answer = done.stdout.partition("\n> Where do I keep bees?\n")
    assert "Ulm" in answer
    assert "Your session stays open for 60 minutes" in answer
    assert "\x1b" not in done.stdout


def test_whoever_comes_back_goes_on_and_after_the_end_is_reminded_of_it(rekindle: Rekindle) -> None:
    rekindle("chat", "--name", "Ada", said="I keep bees in Ulm.\n")
    resumed = rekindle("chat", said="/end\n")
    assert "Welcome back, Ada. You were here (today" in resumed.stdout
    assert "\n> I keep bees in Ulm.\n" in resumed.stdout
    assert "The session has ended. What is kept of it:" in resumed.stdout
    assert "Topics: Ulm, bees" in resumed.stdout
    assert "stays open" not in resumed.stdout

    back = rekindle("chat", said="How are my bees?\n")
    assert "Welcome back, Ada. Last time (today" in back.stdout
    assert "(Recalling 1 past session…)" in back.stdout
    assert "Ulm" in back.stdout.partition("> How are my bees?")[2]


def test_a_new_session_leaves_the_open_one(rekindle: Rekindle, email: str) -> None:
    done = rekindle("chat", "--email", email, said="First.\n/new\nSecond.\n/sessions\n")
    assert "A new session." in done.stdout
    assert listed(done.stdout) == [["2", "this", "one"], ["2", "open"]]
    resumed = rekindle("chat", "--email", email, said="/sessions\n")
    assert "> Second." in resumed.stdout
    assert listed(resumed.stdout) == [["2", "this", "one"], ["2", "open"]]
    another = rekindle("chat", "--email", email, "--new", said="/sessions\n")
    assert "Welcome back." in another.stdout
    assert "You were here" not in another.stdout
    assert listed(another.stdout) == [["2", "open"], ["2", "open"]]


def listed(said: str) -> list[list[str]]:
    """Of each session in the list: how many messages, and how it is."""
    return [line.split()[3:] for line in said.splitlines() if line.startswith("today")]


def test_commands_that_there_are_not_are_not_said_to_the_model(rekindle: Rekindle, rows: Rows, email: str) -> None:
    done = rekindle("chat", "--email", email, said="/retry\n/end\n/forget\n/help\n")
    assert "There is nothing to answer again." in done.stdout
    assert "No session is open." in done.stdout
    assert "There is no /forget." in done.stdout
    assert "/sessions  your last sessions" in done.stdout
    assert rows("SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE email = %s", email) == [(0,)]


def test_a_message_that_is_too_long_is_refused_and_nothing_else_is_lost(rekindle: Rekindle) -> None:
    done = rekindle("chat", said=f"{'far too long ' * 3_000}\nAnd now a short one.\n")
    assert "The message has 39,000 characters; 32,000 is the most" in done.stdout
    assert "> And now a short one.\n\n" in done.stdout
    assert done.returncode == 1, "a script learns that not all was answered"


def test_a_model_that_fails_is_said_plainly_and_retry_answers(rekindle: Rekindle, model: ModelServer) -> None:
    says(model, Refusal(500), Reply("Here I am."))
    done = rekindle("chat", said="Are you there?\n/retry\n", **asks(model))
    asked, retried = done.stdout.split("> /retry")
    assert "✗ The model's server failed (500)" in asked
    assert "/retry tries again." in asked
    assert "Here I am." in retried
    assert done.stderr == ""


def test_a_reader_that_has_gone_ends_it_quietly(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        f"yes hello | head -50 | {shlex.quote(sys.executable)} -m rekindle chat | head -1",
        shell=True,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == "Rekindle · offline (built in)\n"
    assert done.stderr == ""


def test_an_unreachable_database_is_said_in_one_line(rekindle: Rekindle) -> None:
    done = rekindle("chat", said="Hello\n", REKINDLE_DATABASE_URL="postgresql://127.0.0.1:9/none")
    assert done.returncode == 1
    assert done.stderr.startswith("Error The database cannot be reached")
    assert "Traceback" not in done.stderr


def test_in_a_terminal_ctrl_c_stops_the_answer_and_keeps_what_was_said(
    terminal: OpenTerminal, model: ModelServer, rows: Rows, email: str
) -> None:
    says(model, SLOW, Reply("A short one, then."))
    window = terminal("chat", "--email", email, "--name", "Ada", **asks(model))
    window.until("Rekindle · openai:test · /help", "Welcome, Ada.", "›")
    window.type("Count for me.\r")
    window.until("One two three")
    window.type("\x03")
    window.until("Stopped. What it had said is kept; /retry has it answered again.", "›")
    [(status, content)] = rows(
        "SELECT status, content FROM messages m JOIN users u ON u.id = m.user_id WHERE email = %s AND seq = 2", email
    )
    assert status == "cancelled"
    assert content.startswith("One two three")
    assert len(content) < 290

    window.type("/retry\r")
    window.until("A short one, then.", "›")
    window.type("\x04")
    assert "Your session stays open for 60 minutes: `rekindle chat` goes on with it." in window.until_it_leaves()
    assert window.code == 0


def test_in_a_terminal_ctrl_c_at_the_prompt_leaves(terminal: OpenTerminal, email: str) -> None:
    window = terminal("chat", "--email", email)
    window.until("›")
    window.type("half a mess")
    window.until("half a mess")
    time.sleep(0.3)  # until it waits for the next key: a Ctrl-C in between waits for that key, too
    window.type("\x03")
    window.until_it_leaves()
    assert window.code == 0


def test_pasted_lines_are_one_message(terminal: OpenTerminal, rows: Rows, email: str) -> None:
    window = terminal("chat", "--email", email)
    window.until("›")
    window.type("\x1b[200~Three things:\nflour\nwater\x1b[201~")
    window.type("\r")
    window.until("offline model", "›")
    window.type("salt\ryeast\r")  # from a terminal that does not say what is pasted
    window.until("›")
    window.type("/quit\r")
    window.until_it_leaves()
    said = rows(
        "SELECT content FROM messages m JOIN users u ON u.id = m.user_id WHERE email = %s AND role = 'user' "
        "ORDER BY m.session_id, seq",
        email,
    )
    assert [content for (content,) in said] == ["Three things:\nflour\nwater", "salt\nyeast"]


def test_a_closed_window_leaves_in_order(terminal: OpenTerminal, email: str) -> None:
    window = terminal("chat", "--email", email)
    window.until("›")
    window.hang_up()
    assert window.code == 128 + signal.SIGHUP


def test_beside_a_server_both_are_in_one_conversation(
    terminal: OpenTerminal, serve: Serve, database: str, model: ModelServer, email: str
) -> None:
    model.default = repeats
    server = serve(**asks(model, REKINDLE_DATABASE_URL=database))
    with server.client(email) as client:
        session = client.post("/api/v1/sessions").json()["id"]
        say(client, session, "From the web.")
        says(model, SLOW)
        window = terminal("chat", "--email", email, **asks(model))
        window.until("You were here", "› From the web.", "You said: From the web.", "›")
        window.type("From the terminal.\r")
        window.until("One two three")
        busy = client.post(f"/api/v1/sessions/{session}/turns", json={"message": "And again."})
        assert busy.status_code == 409
        window.until("›")
        said = client.get(f"/api/v1/sessions/{session}/messages").json()["items"]
        assert [m["content"] for m in said][:3] == ["From the web.", "You said: From the web.", "From the terminal."]
        assert said[3]["status"] == "complete"

        says(model, SLOW)
        turn = client.build_request("POST", f"/api/v1/sessions/{session}/turns", json={"message": "Slowly."})
        turn.headers["accept"] = "text/event-stream"
        answer = client.send(turn, stream=True)
        window.type("I wait.\r")
        window.until("Waiting for another answer in this session…", "You said: I wait.", "›")
        answer.close()


def say(client: httpx.Client, session: str, text: str) -> None:
    assert client.post(f"/api/v1/sessions/{session}/turns", json={"message": text}).status_code == 201


def test_the_one_person_of_a_data_folder_is_not_another_folder_s(rekindle: Rekindle, tmp_path: Path) -> None:
    rekindle("chat", said="I keep bees in Ulm.\n/end\n")
    elsewhere = rekindle("chat", REKINDLE_DATA_DIR=str(tmp_path / "elsewhere"))
    assert "Welcome. What you say here is kept" in elsewhere.stdout
    assert "Ulm" not in elsewhere.stdout
    assert (tmp_path / "data" / "me").read_text() != (tmp_path / "elsewhere" / "me").read_text()
