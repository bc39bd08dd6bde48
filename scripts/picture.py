"""Makes docs/images/chat.svg from real runs of `rekindle chat`: `make picture`.

Two visits, typed into a terminal of their own, with an empty data folder and the built-in model. The terminal is
pyte's, which `make picture` fetches for the occasion.
"""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import pyte
from pyte.screens import Char

FILE = Path(__file__).parent.parent / "docs" / "images" / "chat.svg"
COLUMNS, LINES = 84, 60
VISITS = (
    (
        ("--name", "Ada"),
        "I need lifeguard training for six people before June.",
        "The pool water has been cloudy since Monday.",
        "/end",
    ),
    ((), "How many people need training, and by when?"),
)
"""Each: the options of the command, then what is typed, before Ctrl-D."""

PATIENCE_SECONDS = 20.0
QUIET_SECONDS = 0.4

DIM = 2
pyte.graphics.TEXT[DIM] = "+blink"  # pyte knows no dim text, and nothing here blinks

CELL, LINE, SIZE, MARGIN = 8.4, 20, 14, 24
BACKGROUND, FOREGROUND, DIMMED = "#16181d", "#dededa", "#8a8f98"
COLOURS = {"red": "#e06c5f", "green": "#8baf6e", "brown": "#d68942", "brightblack": DIMMED}
# A picture in a README may fetch nothing, so the font is one that is there.
FONT = "ui-monospace, SFMono-Regular, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


class Terminal:
    """A screen that programs run on, one after the other."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self._environment = environment

    def show(self, text: str) -> None:
        """Put text on the screen, as a shell does."""
        self._stream.feed(text.replace("\n", "\r\n").encode())

    def run(self, command: list[str], *typed: str) -> None:
        """Run a program, type each line when it waits for one, and leave it with Ctrl-D."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (LINES, COLUMNS))
        process = subprocess.Popen(  # noqa: S603 our own program
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=self._environment, start_new_session=True
        )
        os.close(theirs)
        for keys in (*(f"{line}\r" for line in typed), "\x04"):
            self._read(ours, until_prompt=True)
            os.write(ours, keys.encode())
        self._read(ours, until_prompt=False)
        os.close(ours)
        if process.wait(PATIENCE_SECONDS):
            raise SystemExit(f"{command} failed:\n{self.text()}")

    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def rows(self) -> Iterator[list[Char]]:
        """The cells of each line that is not below all text."""
        for y in range(len(self.text().splitlines())):
            yield [self.screen.buffer[y][x] for x in range(COLUMNS)]

    def _read(self, terminal: int, *, until_prompt: bool) -> None:
        """Show what comes, until the program waits at its prompt or has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], QUIET_SECONDS)[0]:
                try:
                    self._stream.feed(os.read(terminal, 65_536))
                except OSError:  # how a terminal says that its program is gone
                    return
            elif until_prompt and self.screen.display[self.screen.cursor.y].strip() == "›":
                return
        raise SystemExit(f"Nothing more came:\n{self.text()}")


def drawn(terminal: Terminal) -> str:
    """The screen as SVG."""
    rows = list(terminal.rows())
    width, height = 2 * MARGIN + COLUMNS * CELL, 2 * MARGIN + len(rows) * LINE
    lines = [part for y, row in enumerate(rows) for part in _line(row, MARGIN + y * LINE + SIZE)]
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">
<title>Two visits in a terminal: the second one recalls the first</title>
<rect width="{width:g}" height="{height:g}" rx="10" fill="{BACKGROUND}"/>
<g font-family="{FONT}" font-size="{SIZE}" xml:space="preserve">
{chr(10).join(lines)}
</g>
</svg>
"""


def _line(row: list[Char], y: float) -> Iterator[str]:
    x = 0
    for (colour, bold), cells in groupby(row, key=lambda cell: (_colour(cell), cell.bold)):
        text = "".join(cell.data for cell in cells)
        shown = text.strip()
        if shown:
            start = x + len(text) - len(text.lstrip())
            weight = ' font-weight="bold"' if bold else ""
            # Its length is told, so that a font of another width keeps the columns.
            yield (
                f'<text x="{MARGIN + start * CELL:.1f}" y="{y:g}" textLength="{len(shown) * CELL:.1f}" '
                f'fill="{colour}"{weight}>{escape(shown)}</text>'
            )
        x += len(text)


def _colour(cell: Char) -> str:
    if cell.blink:
        return DIMMED
    return f"#{cell.fg}" if re.fullmatch("[0-9a-f]{6}", cell.fg) else COLOURS.get(cell.fg, FOREGROUND)


def main() -> None:
    """Run the visits and draw what the terminal shows in the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REKINDLE_", "OPENAI_"))}
    with tempfile.TemporaryDirectory() as folder:
        ours = {"REKINDLE_DATA_DIR": folder, "REKINDLE_MODEL": "offline", "TERM": "xterm-256color", "TZ": "UTC"}
        terminal = Terminal({**kept, **ours, "COLORTERM": "truecolor"})
        for options, *typed in VISITS:
            if terminal.text():
                terminal.show("\n")
            terminal.show(" ".join(["\x1b[90m$\x1b[0m rekindle chat", *options]) + "\n")
            terminal.run([sys.executable, "-m", "rekindle", "chat", *options], *typed)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(drawn(terminal))
    sys.stdout.write(terminal.text() + "\n")


if __name__ == "__main__":
    main()
