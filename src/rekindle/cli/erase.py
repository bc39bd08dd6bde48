"""`rekindle erase`: removes a person for good."""

import asyncio
from typing import Annotated

import typer

from rekindle.cli.console import console, fail, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.screen import counted
from rekindle.settings import Settings


def erase(
    email: Annotated[str, typer.Argument(help="Whom to erase.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person: every session, message, summary, count, token and job of theirs. It cannot be undone."""
    settings = read_settings()
    quiet_logs()
    if not yes and typer.prompt(f"Type {email} again to erase them for good").strip().lower() != email.strip().lower():
        fail("Nothing was erased.")
    with plain_errors():
        asyncio.run(_erase(settings, email))


async def _erase(settings: Settings, email: str) -> None:
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them

    async with open_house(settings, work=False) as house:
        counts = await house.erasure.erase((await house.identity.look_up(email)).id)
    sessions, messages = counted(counts.get("sessions", 0), "session"), counted(counts.get("messages", 0), "message")
    console.print(f"Erased {email}: {sessions} with {messages}.", markup=False)
