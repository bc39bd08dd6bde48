"""`rekindle serve`: what it says before it serves, and where it does not come to serving."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rekindle.cli.console import console
from rekindle.cli.serve import _greet
from tests.cli.conftest import Rekindle
from tests.conftest import make_settings


def test_assistants_that_cannot_be_served_are_named_in_a_sentence(rekindle: Rekindle, tmp_path: Path) -> None:
    for folder, toml in (("one", 'name = "desk"'), ("two", 'name = "desk"'), ("flyer", 'abilities = ["fly"]')):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "assistant.toml").write_text(toml)
    twice = rekindle("serve", "one", "two")
    assert twice.returncode == 1
    assert "Two assistants have the same name" in twice.stderr
    unknown = rekindle("serve", "flyer")
    assert unknown.returncode == 1
    assert "there is no ability `fly`" in " ".join(unknown.stderr.split())
    missing = rekindle("serve", "nowhere")
    assert missing.returncode == 1
    assert "An assistant is a folder with a file assistant.toml" in " ".join(missing.stderr.split())


@pytest.mark.parametrize(
    ("workers", "changes", "told"),
    [(1, {}, False), (4, {}, True), (4, {"redis_url": SecretStr("redis://localhost")}, False)],
)
def test_processes_that_count_each_for_itself_are_told_of(
    tmp_path: Path, workers: int, changes: dict[str, Any], told: bool
) -> None:
    with console.capture() as said:
        _greet(make_settings("postgresql://localhost/x", tmp_path, **changes), (), "127.0.0.1", 8000, workers)
    assert ("4 processes count check-ins and codes each for itself (REKINDLE_REDIS_URL)" in said.get()) == told
