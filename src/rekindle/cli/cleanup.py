"""`rekindle cleanup`: deletes what has not been touched for long."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from rekindle.cli.console import console, fail, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.screen import counted
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.sessions.service import CleanedUp


def cleanup(
    days: Annotated[
        float | None, typer.Option(min=0.001, help="Days without a message; as REKINDLE_RETENTION_DAYS unless given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted; delete nothing.")] = False,
) -> None:
    """Delete the sessions, of all users, that have had no message for so many days."""
    settings = read_settings()
    quiet_logs()
    kept = settings.retention_days if days is None else days
    if not kept:
        fail("REKINDLE_RETENTION_DAYS is 0: everything is kept. Give --days to delete all the same.")
    with plain_errors():
        cleaned = asyncio.run(_clean_up(settings, kept, dry_run=dry_run))
    done = "would be deleted" if dry_run else "deleted"
    sessions, messages = counted(cleaned.sessions, "session"), counted(cleaned.messages, "message")
    console.print(f"{sessions} with {messages} {done}: no message for {kept:g} days.")


async def _clean_up(settings: Settings, days: float, *, dry_run: bool) -> "CleanedUp":
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them

    async with open_house(settings, work=False) as house:
        return await house.sessions.clean_up(days, dry_run=dry_run)
