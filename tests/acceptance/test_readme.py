"""The README's lines, run as printed; only the port is another. What it says they answer is what they answer."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.printed import ROOT, Ran, blocks, run_page, run_program
from tests.conftest import Serve, clean_environment

README = ROOT / "README.md"


@pytest.fixture(scope="module")
def ran(serve_for_all: Serve, new_database: Callable[[], str]) -> list[Ran]:
    # A database of its own: the page's visitor comes for the first time.
    return run_page(README, serve_for_all(REKINDLE_DATABASE_URL=new_database()))


def test_every_answer_is_as_the_readme_prints_it(ran: list[Ran]) -> None:
    assert [(step.command, step.promised, step.said) for step in ran if not step.holds] == []


def test_the_readme_shows_a_visitor_who_comes_back_and_is_recalled(ran: list[Ran]) -> None:
    first, said, ended, again, recalled = [
        step for step in ran if "/session/" in step.command or "/chat/message" in step.command
    ]
    assert '"status":"created"' in first.said
    assert '"context_used":[]' in said.said
    assert ended.said == '{"status":"ended","summary":"generated"}'
    assert '"status":"returning_user"' in again.said
    [told] = re.findall(r'\\"message\\": \\"(.*?)\\"', said.command)
    assert told in recalled.said
    assert told not in recalled.command
    assert '"context_used":[{"kind":"summary"' in recalled.said


def test_the_readme_shows_a_thread_that_streams_and_is_kept(ran: list[Ran]) -> None:
    streamed, history, statistics = [
        step for step in ran if ":8000/chat/" in step.command and "/api/" not in step.command
    ]
    assert re.search(r'data: \{"type": "token".*data: \{"type": "done", "thread_id": "user-', streamed.said)
    [told] = re.findall(r'"message": "(.*?)"', streamed.command)
    assert told in history.said
    assert '"total_messages":2' in statistics.said


def test_the_readme_shows_the_houses_own_api(ran: list[Ran]) -> None:
    turn, messages = [step for step in ran if "/api/v1/sessions/$SESSION/" in step.command]
    assert '"status":"complete"' in turn.said
    assert '"seq":1' in messages.said
    assert '"seq":2' in messages.said


def test_the_program_of_the_readme_prints_what_it_says(new_database: Callable[[], str], tmp_path: Path) -> None:
    program = tmp_path / "ada.py"
    [printed], [promised] = blocks(README, "python"), blocks(README, "text")
    program.write_text(printed)
    environment = clean_environment(
        REKINDLE_DATABASE_URL=new_database(), REKINDLE_DATA_DIR=str(tmp_path), REKINDLE_MODEL="offline"
    )
    undated = re.compile(r"On \d+ \w+ \d{4}")
    assert undated.sub("On a day", run_program(program, environment)) == undated.sub("On a day", promised)


def test_the_two_commands_are_there() -> None:
    commands, *_ = blocks(README, "sh")
    targets = re.findall(r"^make (\w+)", commands, re.MULTILINE)
    assert targets == ["run", "test"]
    for target in targets:
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
