"""`rekindle search`: what a person said and was told, found again."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from rekindle.cli.console import complaints, console, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.screen import shown
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.memory.recall.service import Hit, Hits


def search(
    email: Annotated[str, typer.Argument(help="Whose past.", show_default=False)],
    query: Annotated[str, typer.Argument(help="What is looked for.", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most messages shown.")] = 10,
) -> None:
    """Find a person's messages that bear on a question, best first."""
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        hits = asyncio.run(_search(settings, email, query, limit))
    for hit in hits:
        _show(hit)
    if not hits:
        console.print("Nothing is found.")
    if not hits.by_meaning:
        complaints.print("Words alone were compared: `rekindle doctor` tells whether there is an embedder.")


async def _search(settings: Settings, email: str, query: str, limit: int) -> "Hits":
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them
    from rekindle.identity.service import Caller

    async with open_house(settings, work=False) as house:
        user = await house.identity.look_up(email)
        return await house.recall.search(Caller(user.id, "verified"), query, limit=limit)


def _show(hit: "Hit") -> None:
    message, snippet = hit.message, hit.snippet
    console.print(
        f"{message.created_at:%Y-%m-%d %H:%M}  {message.role}  {message.session_id}:{message.seq}", style="dim"
    )
    said, at = Text("  "), 0
    for start, end in snippet.highlights:
        said.append(shown(snippet.text[at:start])).append(shown(snippet.text[start:end]), "bold")
        at = end
    console.print(said.append(shown(snippet.text[at:])))
