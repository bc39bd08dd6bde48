"""An answer as it comes: wrapped at words on a terminal, as it is elsewhere."""

import re

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from rekindle.cli.screen import shown

MARGIN = "  "
WIDEST = 88
"""Cells of a line: longer ones are hard to read, however wide the terminal is."""

_PIECE = re.compile(r"\n|[^\S\n]+|\S+")
_WIDE = "\u2e80-\uffef\U0001f000-\U0003ffff"
_UNBROKEN = re.compile(f"[{_WIDE}]|[^{_WIDE}]+")
"""Between Chinese, Japanese and Korean characters a line may break anywhere."""
_LONGEST_HELD = 40


class Prose:
    """Writes one answer at a time. A status stands where the text goes on, and is gone when it does."""

    def __init__(self, console: Console, style: str = "", *, mark: str = MARGIN) -> None:
        """`mark`: what stands in the margin of the first line; as wide as that is."""
        self._console = console
        self._style = style
        self._mark = mark
        self._live = console.is_terminal
        self._begun = False
        self._status = False
        self._column = 0
        """Cells used of the line; 0 when nothing stands on it."""
        self._gap = ""
        self._word = ""

    def status(self, text: str) -> None:
        """Say what is going on, in place of what was going on before."""
        self.end_line()
        if self._live:
            line = Text(MARGIN + shown(text), style="dim")
            line.truncate(self._width() + len(MARGIN), overflow="ellipsis")
            self._console.print(line, end="")
            self._status = True
        else:
            self._console.print(f"({shown(text)})", markup=False)

    def write(self, text: str) -> None:
        """The answer goes on with `text`, which may end in the middle of a word."""
        self._clear_status()
        text = shown(text) if self._begun else shown(text).lstrip()
        if not text:
            return
        self._begun = True
        if self._live:
            self._wrap(text)
        else:
            self._emit(text)
            self._column = 0 if text.endswith("\n") else self._column + len(text)
        self._console.file.flush()

    def end_line(self) -> None:
        """Whatever comes next begins on a line of its own, and is the beginning of something."""
        self._clear_status()
        self._set_word()
        if self._column:
            self._end_line()
        self._gap = ""
        self._begun = False
        self._console.file.flush()

    def _wrap(self, text: str) -> None:
        pieces = _PIECE.findall(self._word + text)
        self._word = ""
        for piece in pieces:
            self._set_word()
            if piece == "\n":
                self._end_line()
            elif piece.isspace():
                self._gap += piece.expandtabs(4)
            else:
                self._word = piece
        # The last word may not be whole yet; one without blanks, as Chinese is written, is not waited for.
        if len(self._word) > _LONGEST_HELD or cell_len(self._word) > len(self._word):
            self._set_word()

    def _set_word(self) -> None:
        """Set the word that waits: on this line if there is room, else on the next."""
        pieces = _UNBROKEN.findall(self._word)
        self._word = ""
        for piece in pieces:
            cells = cell_len(self._gap + piece)
            if self._column and self._column + cells > self._width():
                self._end_line()
                cells = cell_len(piece)
            if not self._column:
                self._gap, self._mark = self._mark + self._gap, MARGIN
            self._emit(self._gap + piece)
            self._gap = ""
            self._column += cells

    def _end_line(self) -> None:
        self._emit("\n")
        self._column = 0
        self._gap = ""

    def _width(self) -> int:
        return max(20, min(WIDEST, self._console.width - 2 * len(MARGIN)))

    def _clear_status(self) -> None:
        if self._status:
            self._console.file.write("\r\x1b[2K")
            self._status = False

    def _emit(self, text: str) -> None:
        if self._style and self._live:
            self._console.print(Text(text, style=self._style), end="", soft_wrap=True)
        else:
            self._console.file.write(text)
