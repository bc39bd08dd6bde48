"""Runs what the documentation prints, as printed; only the port is another."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import RunningServer

ROOT = Path(__file__).parent.parent.parent
ANYTHING = "…"


@dataclass(frozen=True, slots=True)
class Ran:
    """A command of a page, what is printed below it, and what it said."""

    command: str
    promised: str
    said: str

    @property
    def holds(self) -> bool:
        """Whether it said what is promised, if anything is. `…` stands for anything, and blanks do not matter."""
        pattern = ".*?".join(re.escape(part).replace("\\ ", r"\s*") for part in self.promised.split(ANYTHING))
        return not self.promised or re.fullmatch(pattern, self.said, re.DOTALL) is not None


def blocks(page: Path, language: str) -> list[str]:
    """The page's blocks in a language. Those in `bash` are to be run as they stand; those in `sh` are not."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def steps(block: str) -> list[tuple[str, str]]:
    """Each command of a block with the comment below it, which is what it says."""
    found = []
    for part in block.strip().split("\n\n"):
        lines = part.splitlines()
        command = "\n".join(line for line in lines if not line.startswith("#"))
        found.append((command, "\n".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))))
    return found


def at(server: RunningServer, text: str) -> str:
    """The text with this server's port."""
    return text.replace("localhost:8000", server.url.removeprefix("http://"))


def run_program(program: Path, environment: dict[str, str]) -> str:
    """What a Python program prints, run in its folder."""
    return subprocess.run(
        [sys.executable, program.name],
        cwd=program.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def run_page(page: Path, server: RunningServer) -> list[Ran]:
    """Run every command of the page in one shell, one after the other, in the root of the tree."""
    commands = [step for block in blocks(page, "bash") for step in steps(block)]
    end = "--- end of a command ---"
    script = "exec 2>&1\nset -euo pipefail\n" + "\n".join(f"{command}\necho; echo '{end}'" for command, _ in commands)
    done = subprocess.run(
        ["bash", "-c", at(server, script)],
        env=server.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return [
        Ran(command, _one_line(promised), _one_line(said))
        for (command, promised), said in zip(commands, done.stdout.split(end), strict=False)
    ]


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines() if line.strip())
