"""The ten lines that the page prints for an application's own tokens, run as they are printed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.acceptance.printed import ROOT, blocks
from tests.conftest import RunningServer, Serve

PAGE = ROOT / "docs" / "howto" / "host-tokens.md"
SECRET = "a secret of the application, 32 characters or more"


@pytest.fixture
def house(serve: Serve, new_database: Callable[[], str]) -> RunningServer:
    [settings, _] = blocks(PAGE, "sh")
    values = dict(line.split("#")[0].strip().split("=", 1) for line in settings.splitlines())
    return serve(REKINDLE_DATABASE_URL=new_database(), **{**values, "REKINDLE_HOST_SECRET": SECRET})


def run(*command: str, folder: Path) -> str:
    environment = {**os.environ, "REKINDLE_HOST_SECRET": SECRET}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def check(house: RunningServer, token: str, email: str) -> None:
    me = httpx.get(f"{house.url}/api/v1/identity", headers={"Authorization": f"Bearer {token}"})
    assert me.status_code == 200, me.text
    assert (me.json()["level"], me.json()["email"]) == ("verified", email)


def test_pythons_lines_make_a_token_that_holds(house: RunningServer, tmp_path: Path, email: str) -> None:
    [printed] = blocks(PAGE, "python")
    (tmp_path / "app.py").write_text(printed + f"\nprint(token_for('user 1', {email!r}))\n")
    check(house, run(sys.executable, "app.py", folder=tmp_path), email)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_nodes_lines_make_a_token_that_holds(house: RunningServer, tmp_path: Path, email: str) -> None:
    [printed] = blocks(PAGE, "js")
    (tmp_path / "app.mjs").write_text(printed + f'\nconsole.log(tokenFor("user 1", "{email}"));\n')
    check(house, run("node", "app.mjs", folder=tmp_path), email)
