"""`rekindle export`: what a person said and was told, as a file."""

import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from rekindle.cli.console import complaints, fail, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.sessions.export.service import Format


def export(
    email: Annotated[str, typer.Argument(help="Whose sessions.", show_default=False)],
    form: Annotated[
        Literal["json", "markdown", "csv", "pdf"], typer.Option("--format", help="`rekindle import` reads JSON back.")
    ] = "json",
    session: Annotated[str | None, typer.Option(help="The id of one session, instead of all.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file. Unset: standard output.")] = None,
) -> None:
    """Write a person's sessions to a file: JSON, Markdown, CSV or PDF."""
    settings = read_settings()
    quiet_logs()
    if form == "pdf" and output is None and sys.stdout.isatty():
        fail("A PDF is not for a terminal: name a file with -o.")
    with plain_errors():
        asyncio.run(_export(settings, email, form, session, output))


async def _export(settings: Settings, email: str, form: "Format", session: str | None, to: Path | None) -> None:
    from rekindle.errors import ConfigurationError, SessionNotFound
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them
    from rekindle.identity.service import Caller
    from rekindle.ids import parse_uuid

    async with open_house(settings, work=False) as house:
        user = await house.identity.look_up(email)
        only = parse_uuid(session) if session else None
        if session and only is None:
            raise SessionNotFound
        pieces = await house.exports.export(Caller(user.id, "verified"), form, *([only] if only else []))
        try:
            with _opened(to) as file:
                async for piece in pieces:
                    file.write(piece)
                file.flush()
        except OSError as error:
            raise ConfigurationError(f"{to or 'Standard output'} cannot be written: {error.strerror}.") from error
    if to:
        complaints.print(f"Written to {to}.", markup=False)


def _opened(to: Path | None) -> AbstractContextManager[BinaryIO]:
    if to is None:
        return nullcontext(sys.stdout.buffer)
    to.touch(0o600)  # a new file is closed to others; one that is there keeps its rights
    return to.open("wb")
