"""The commands as people run them: real processes, on a pipe or in a terminal of their own."""

import codecs
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import forked
from tests.conftest import SECRET, clean_environment

SECONDS = 60
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x01\x02\r]")


@pytest.fixture(scope="session")
def database(new_database: Callable[[], str]) -> str:
    """A migrated database of the commands' own: no server of other tests works in it."""
    return new_database()


@pytest.fixture
def rows(database: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Asks the database."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield lambda query, *values: connection.execute(query, values).fetchall()


@pytest.fixture
def environment(database: str, tmp_path: Path) -> dict[str, str]:
    return clean_environment(
        REKINDLE_DATABASE_URL=database,
        REKINDLE_DATA_DIR=str(tmp_path / "data"),
        REKINDLE_SECRET_KEY=SECRET,
        REKINDLE_MODEL="offline",
        REKINDLE_GRACE_SECONDS="1",
    )


Rekindle = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def rekindle(environment: Mapping[str, str], tmp_path: Path) -> Rekindle:
    """Runs a command to its end, with `said` on its standard input."""

    def run(*arguments: str, said: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return forked.rekindle(
            *arguments, environment={**environment, **variables}, said=said, folder=tmp_path, seconds=SECONDS
        )

    return run


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rekindle", *arguments]


class Terminal:
    """A command in a terminal of 80 by 24: what is on it is what has been written since it was last read."""

    def __init__(self, environment: Mapping[str, str], folder: Path, *arguments: str) -> None:
        self._screen, self._end = pty.openpty()
        size = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        self._process = forked.Forked(arguments, {**environment, **size}, folder, output=Path(os.ttyname(self._end)))
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._unread = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        return self._process.returncode

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def until(self, *texts: str) -> str:
        """Wait until each of the texts has been shown, in this order; give what was shown up to the last."""
        read = ""
        for text in texts:
            end = time.monotonic() + SECONDS
            while text not in self._unread:
                if not self._read(end - time.monotonic()):
                    raise AssertionError(f"{text!r} was not shown, but: {read + self._unread!r}")
            before, _, self._unread = self._unread.partition(text)
            read += before + text
        return read

    def until_it_leaves(self) -> str:
        """Wait for the command's end; give what was shown to the last."""
        end = time.monotonic() + SECONDS
        while self._read(end - time.monotonic()):
            pass
        if time.monotonic() >= end:
            raise AssertionError(f"It did not leave: {self._unread!r}")
        self._process.wait(SECONDS)
        read, self._unread = self._unread, ""
        return read

    def hang_up(self) -> None:
        """Close the window, as people do, and wait for the command's end."""
        self._close()
        self._process.wait(SECONDS)

    def close(self) -> None:
        if self.code is None:
            self._process.kill()
        self._close()

    def _close(self) -> None:
        for end in {self._screen, self._end} - {-1}:
            os.close(end)
        self._screen = self._end = -1

    def _read(self, seconds: float) -> bool:
        if not select.select([self._screen], [], [], max(0, seconds))[0]:
            return False
        try:
            some = os.read(self._screen, 65_536)
        except OSError:  # Linux says so when the other end has gone
            return False
        if self._end >= 0:  # the command has opened it by now, and is alone to hold it: its end is seen
            os.close(self._end)
            self._end = -1
        self._unread = _ESCAPE.sub("", self._unread + self._decode(some))
        return bool(some)


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def terminal(environment: Mapping[str, str], tmp_path: Path) -> Iterator[OpenTerminal]:
    """Starts commands in terminals; what still runs at the end is killed."""
    opened: list[Terminal] = []

    def start(*arguments: str, **variables: str) -> Terminal:
        opened.append(Terminal({**environment, **variables}, tmp_path, *arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
