"""`rekindle import`: past talks come in once, whole, and go on where a killed import stopped."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from rekindle.testing import ModelServer, Reply
from tests.cli.conftest import OpenTerminal, Rekindle, command
from tests.conftest import asks

Rows = Callable[..., list[tuple[Any, ...]]]

SESSIONS = """
    SELECT s.id, s.title, s.started_at, s.ended_at, s.last_seq, s.assistant, u.email FROM sessions s
    JOIN users u ON u.id = s.user_id WHERE s.metadata ->> 'talk' = %s ORDER BY s.id"""
MESSAGES = """
    SELECT m.* FROM messages m JOIN sessions s ON s.id = m.session_id WHERE s.metadata ->> 'talk' = %s
    ORDER BY m.session_id, m.seq"""
AT_WORK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'rekindle' AND state <> 'idle'"""
SUMMARIES = """
    SELECT y.session_id, y.summary, y.through_seq, y.updated_at, y.embedding IS NOT NULL FROM session_summaries y
    JOIN sessions s ON s.id = y.session_id WHERE s.metadata ->> 'talk' = %s ORDER BY 1"""


def a_talk(sessions: int = 3, lines: int = 8) -> dict[str, Any]:
    """A talk with an id of its own; each session is about something else."""
    subjects = ("a greyhound called Pip", "the flat in Lisbon", "marathon training", "grandmother's plum cake")
    return {
        "id": f"conv-{uuid4().hex[:8]}",
        "speakers": ["Ida", "Noor"],
        "sessions": [
            {"id": f"D{n}", "date": f"20{10 + n // 300}-{n // 25 % 12 + 1:02}-{n % 25 + 1:02}T09:30:00"}
            for n in range(sessions)
        ],
        "turns": [
            {
                "id": f"D{n}:{line}",
                "s": n,
                "speaker": ("Ida", "Noor")[line % 2],
                "text": f"I think about {subjects[n % 4]} every day, it is reason number {line}."
                if line % 3
                else f"What do you say about {subjects[n % 4]}?",
            }
            for n in range(sessions)
            for line in range(lines)
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes talks to a file: its name."""

    def to_file(*talks: object) -> str:
        path = tmp_path / "talks.json"
        path.write_text(json.dumps(talks))
        return str(path)

    return to_file


def test_both_people_have_their_sessions_and_what_they_were_about(
    rekindle: Rekindle, rows: Rows, write: Callable[..., str]
) -> None:
    talk = a_talk()
    done = rekindle("import", write(talk), "--assistant", "friend")
    assert done.returncode == 0, done.stderr
    assert "Brought in 6 sessions with 48 messages." in done.stdout
    ida, noor = (f"{name}.{talk['id']}@locomo.invalid" for name in ("ida", "noor"))
    assert [line.split() for line in done.stdout.splitlines() if "@" in line] == [
        [ida, "Ida", "3", "24", "3"],
        [noor, "Noor", "3", "24", "3"],
    ]
    sessions = rows(SESSIONS, talk["id"])
    assert sorted(row[6] for row in sessions) == [ida] * 3 + [noor] * 3
    assert all(ended is not None and assistant == "friend" for _, _, _, ended, _, assistant, _ in sessions)
    assert [row[2] for row in sessions] == sorted(row[2] for row in sessions), "ids sort by date"
    summaries = rows(SUMMARIES, talk["id"])
    assert len(summaries) == 6
    assert all(through == 8 and embedded for _, _, through, _, embedded in summaries)
    assert sum("greyhound" in text for _, text, *_ in summaries) == 2


def test_a_second_import_changes_nothing_and_says_so(rekindle: Rekindle, rows: Rows, write: Callable[..., str]) -> None:
    talk = a_talk()
    file = write(talk)
    rekindle("import", file)
    before = [rows(query, talk["id"]) for query in (SESSIONS, MESSAGES, SUMMARIES)]
    again = rekindle("import", file)
    assert again.returncode == 0
    assert "Nothing is new in talks.json: all 6 sessions of it are here already." in again.stdout
    assert [rows(query, talk["id"]) for query in (SESSIONS, MESSAGES, SUMMARIES)] == before


def test_an_import_killed_in_the_middle_goes_on_when_it_is_run_again(
    environment: Mapping[str, str], rekindle: Rekindle, rows: Rows, write: Callable[..., str]
) -> None:
    talk = a_talk(sessions=60, lines=30)
    file = write(talk)
    with subprocess.Popen(command("import", file), env=environment, stdout=subprocess.DEVNULL) as process:
        while len(rows(SESSIONS, talk["id"])) < 10:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    while rows(AT_WORK) != [(0,)]:  # what was under way when it was killed may still be committed
        time.sleep(0.005)
    stopped = rows(SESSIONS, talk["id"])
    assert 10 <= len(stopped) < 120
    assert len(rows(MESSAGES, talk["id"])) == 30 * len(stopped), "each session is whole"

    done = rekindle("import", file)
    assert done.returncode == 0, done.stderr
    assert f"Brought in {120 - len(stopped)} sessions" in done.stdout
    assert f"{len(stopped)} were here already." in done.stdout
    assert len(rows(SESSIONS, talk["id"])) == len(rows(SUMMARIES, talk["id"])) == 120
    assert len(rows(MESSAGES, talk["id"])) == 3600


def test_a_malformed_talk_is_named_and_left_out_and_the_others_come_in(
    rekindle: Rekindle, rows: Rows, write: Callable[..., str]
) -> None:
    good, bad = a_talk(), a_talk()
    del bad["turns"][17]["text"]
    done = rekindle("import", write(bad, good))
    assert done.returncode == 1
    assert f"Left out talk 1 ({bad['id']}), turn 18 (D2:1): it has no `text`." in done.stderr
    assert "Brought in 6 sessions" in done.stdout
    assert len(rows(SESSIONS, good["id"])) == 6
    assert rows(SESSIONS, bad["id"]) == [], "not even the sessions before the fault"


def test_a_file_that_holds_no_talks_is_refused_in_one_line(rekindle: Rekindle, tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text('{"talk": 1}')
    done = rekindle("import", "notes.json")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["Error notes.json holds an object; a LoCoMo file holds a list of talks."]


def test_texts_with_characters_that_cannot_be_stored_are_mended(
    rekindle: Rekindle, rows: Rows, write: Callable[..., str]
) -> None:
    talk = a_talk(sessions=1)
    talk["turns"][0]["text"] = "Nul\0 and half \ud83d a face"
    done = rekindle("import", write(talk))
    assert "1 text mended" in done.stdout
    assert rows(MESSAGES.replace("m.*", "m.content"), talk["id"])[0] == ("Nul and half \ufffd a face",)


def test_with_the_model_down_the_talks_come_in_and_their_summaries_wait(
    rekindle: Rekindle, rows: Rows, write: Callable[..., str], model: ModelServer
) -> None:
    talk = a_talk()
    file = write(talk)
    down = rekindle("import", file, **{**asks(model), "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert down.returncode == 0, down.stderr
    assert "Brought in 6 sessions" in down.stdout
    assert (
        "6 summaries are still to be written: a running server sees to it. (The model's server cannot be reached"
        in down.stdout
    )
    assert rows(SUMMARIES, talk["id"]) == []

    model.default = Reply('{"text": "They spoke of a dog."}')
    back = rekindle("import", file, **asks(model))
    assert "Wrote 6 summaries that had been waiting." in back.stdout
    assert {text for _, text, *_ in rows(SUMMARIES, talk["id"])} == {"They spoke of a dog."}


def test_on_a_terminal_the_import_shows_how_far_it_is(terminal: OpenTerminal, write: Callable[..., str]) -> None:
    talk = a_talk(sessions=20)
    window = terminal("import", write(talk))
    window.until("/40 sessions", "Brought in 40 sessions", f"noor.{talk['id']}@locomo.invalid")
    window.until_it_leaves()
    assert window.code == 0
