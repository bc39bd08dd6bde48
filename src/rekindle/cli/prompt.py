"""What the person types: one message at a time, on a terminal or from a pipe."""

import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from rekindle.cli.screen import shown

PASTE_SECONDS = 0.03
"""Lines that come so close together are one message: somebody pasted them."""

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Prompt:
    """Reads messages. On a terminal with line editing, history and pasted lines kept together."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.live = sys.stdin.isatty() and console.is_terminal
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # a TextIOWrapper, as it is ours
        if self.live:
            import readline  # takes over input() when it is imported

            # Without it each pasted line is a message; Python turns it off for the sake of its own prompt.
            readline.parse_and_bind("set enable-bracketed-paste on")
            with console.capture() as drawn:
                console.print("[bold dark_orange3]›[/] ", end="")
            # What takes no room on the line is marked, so that the line's length is counted right.
            self._mark = _ESCAPE.sub(lambda escape: f"\001{escape[0]}\002", drawn.get())

    def read(self) -> str:
        """The next message; raises `EOFError` when there is none, `KeyboardInterrupt` on Ctrl-C."""
        if not self.live:
            line = sys.stdin.readline()
            if not line:
                raise EOFError
            if line.strip() and not sys.stdin.isatty():
                self._console.print(f"> {shown(line.rstrip())}", markup=False)
            return line.rstrip("\r\n")
        typed_ahead = self._waits(0)
        lines = [input(self._mark)]
        # Terminals that do not mark what is pasted send it line by line.
        while not typed_ahead and self._waits(PASTE_SECONDS):
            lines.append(input())
        return "\n".join(lines)

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Keeps what is typed meanwhile off the screen and for later; Ctrl-C goes through."""
        if not self.live:
            yield
            return
        import termios  # not there on systems without terminals of this kind

        before = termios.tcgetattr(sys.stdin)
        without_echo = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, without_echo)
        try:
            yield
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    @staticmethod
    def _waits(seconds: float) -> bool:
        return bool(select.select([sys.stdin], [], [], seconds)[0])
