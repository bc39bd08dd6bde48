"""Commands in processes forked from one that has the libraries loaded: each starts in a fraction of the time."""

import gc
import multiprocessing
import os
import subprocess
import sys
import tempfile
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

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        output: Path,
        errors: Path | None = None,
        said: Path = Path(os.devnull),
    ) -> None:
        """Starts it in `folder`, with the files it reads and writes; without `errors` both outputs are one.

        Where `output` is a terminal, it is the command's own, and also what it reads.
        """
        files = (str(said), str(output), str(errors) if errors else None)
        self._process = _context.Process(
            target=_run, args=(list(arguments), dict(environment), str(folder), *files), daemon=True
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


def rekindle(
    *arguments: str, environment: Mapping[str, str], folder: Path | None = None, said: str = "", seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """A command run to its end, with `said` on its standard input; raises TimeoutExpired when it takes longer."""
    with tempfile.TemporaryDirectory() as name:
        heard, output, errors = (Path(name) / each for each in ("said", "output", "errors"))
        heard.write_text(said)
        process = Forked(arguments, environment, folder or Path(name), said=heard, output=output, errors=errors)
        try:
            code = process.wait(seconds)
        finally:
            if process.poll() is None:
                process.kill()
        return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())


def _run(
    arguments: list[str], environment: dict[str, str], folder: str, said: str, output: str, errors: str | None
) -> None:
    gc.freeze()  # the libraries stay: the garbage collector need not go through them, nor copy their pages
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    if Path(output).is_char_device():
        os.login_tty(os.open(output, os.O_RDWR))
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        for name in [name for name in sys.modules if name.startswith("rekindle.cli")]:
            del sys.modules[name]  # its consoles have looked whether they are on a terminal
    else:
        os.dup2(os.open(said, os.O_RDONLY), 0)
        os.dup2(os.open(output, writing), 1)
        os.dup2(os.open(errors, writing) if errors else 1, 2)
    sys.stdin = open(0)  # noqa: SIM115 multiprocessing has closed the one that was
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["rekindle", *arguments]
    from rekindle.cli import app

    app(prog_name="rekindle")
