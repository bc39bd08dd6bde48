"""What a terminal is shown: texts made harmless, small tables, how far something is."""

import re
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def shown(text: str) -> str:
    """`text` without control characters but line ends and tabs: a reply must not command the terminal."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: `1 session`, `2,000 sessions`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def print_table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], *, margin: int = 0) -> None:
    """Rows in columns; those whose head ends in `#` are numbers. Where nobody looks, no line is cut or folded."""
    names = [name.rstrip("# ") for name in head]
    numbers = [name.endswith("#") for name in head]
    cells = [[shown(cell) for cell in row] for row in rows]
    if not console.is_terminal:
        widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
        for row in (names, *cells):
            columns = zip(row, widths, numbers, strict=True)
            line = "  ".join(cell.rjust(width) if number else cell.ljust(width) for cell, width, number in columns)
            console.print(line.rstrip(), markup=False)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for name, number in zip(names, numbers, strict=True):
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(Padding(table, (0, 0, 0, margin), expand=False), soft_wrap=False)


def bar(console: Console, things: str, *, width: int = 0) -> Progress:
    """A bar of so many `things` on a terminal, its descriptions padded to `width`; nothing elsewhere, where the counts
    at the end say it all.
    """
    return Progress(
        SpinnerColumn(style="dark_orange3"),  # one thing may take long
        TextColumn(f"{{task.description:<{width}}}", style="dim", markup=False),
        BarColumn(bar_width=36, complete_style="dark_orange3", finished_style="dark_orange3"),
        MofNCompleteColumn(),
        TextColumn(things),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
