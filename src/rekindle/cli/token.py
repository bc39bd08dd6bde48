"""`rekindle token`: the operator's way in."""

import asyncio
from typing import Annotated

import typer

from rekindle.cli.console import plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.settings import Settings


def token(
    email: Annotated[str, typer.Argument(help="Whose token: a user is made if there is none.")],
    days: Annotated[float, typer.Option(min=0.001, max=3650, help="Days until it expires.")] = 30,
) -> None:
    """Print a bearer token that speaks for the verified owner of an e-mail address."""
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        typer.echo(asyncio.run(_issue(settings, email, days)))


async def _issue(settings: Settings, email: str, days: float) -> str:
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them

    async with open_house(settings, work=False) as house:
        return await house.identity.vouch(email, days=days)
