"""Servers in processes forked from one that has the libraries loaded: each starts in a fraction of the time."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LOADED = (
    "rekindle.cli",
    "rekindle.app",
    "rekindle.assistants.asking",
    "rekindle.assistants.models",
    "alembic.command",
    "sqlalchemy.dialects.postgresql.psycopg",
    "uvicorn",
    "uvloop",
)
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(LOADED))


class Forked:
    """A `rekindle` command of its own process, with the verbs of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path) -> None:
        self._process = _context.Process(
            target=_run, args=(list(arguments), dict(environment), str(log), str(folder)), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        pid = self._process.pid
        assert pid
        return pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("rekindle", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def _run(arguments: list[str], environment: dict[str, str], log: str, folder: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["rekindle", *arguments]
    from rekindle.cli import app  # loaded by now

    app(prog_name="rekindle")
