"""What the commands say, and how they fail."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from rekindle.errors import RekindleError
from rekindle.settings import Settings

# Without emoji: `prices.csv:100: …` is a file and its line, and what people wrote stays as they wrote it.
console = Console(highlight=False, soft_wrap=True, emoji=False)
complaints = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def read_settings() -> Settings:
    """The settings of the environment and `.env`; ends the command when one cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [f"REKINDLE_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        fail("These settings cannot be used:\n  " + "\n  ".join(lines))


def fail(message: str) -> NoReturn:
    """Say what is wrong and end with exit code 1."""
    complaints.print("[bold red]Error[/] ", end="")
    complaints.print(message, markup=False)
    raise typer.Exit(1)


@contextmanager
def plain_errors() -> Iterator[None]:
    """What goes wrong in a known way is said in one line, without a trace."""
    try:
        yield
    except RekindleError as error:
        fail(error.detail)
    except KeyboardInterrupt:
        sys.exit(130)
