"""`rekindle search`: what a person said and was told, found again."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer
from rich.text import Text

from rekindle.cli.console import complaints, console, fail, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.screen import shown
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.memory.recall.service import Hit, Hits

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]


def search(
    email: Annotated[str, typer.Argument(help="Whose past.", show_default=False)],
    query: Annotated[str, typer.Argument(help="What is looked for.", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most messages shown.")] = 10,
    role: Annotated[Literal["user", "assistant"] | None, typer.Option(help="Only what one of the two said.")] = None,
    session: Annotated[UUID | None, typer.Option(help="Only what was said in the session of this id.")] = None,
    assistant: Annotated[str | None, typer.Option(help="Only talks with this assistant.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=_DATES, help="Only what was said then or later; UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_DATES, help="Only what was said earlier than this.")
    ] = None,
) -> None:
    """Find a person's messages that bear on a question, best first."""
    settings = read_settings()
    quiet_logs()
    if not query.strip():
        fail("Say what is looked for.")
    filters = {
        "role": role,
        "session_id": session,
        "assistant": assistant,
        "since": since and since.replace(tzinfo=UTC),
        "until": until and until.replace(tzinfo=UTC),
    }
    with plain_errors():
        hits = asyncio.run(_search(settings, email, query, limit, **filters))
    for hit in hits:
        _show(hit)
    if not hits:
        console.print("Nothing is found.")
    if not hits.by_meaning:
        complaints.print("Words alone were compared: `rekindle doctor` tells whether there is an embedder.")


async def _search(settings: Settings, email: str, query: str, limit: int, **filters: Any) -> "Hits":
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them
    from rekindle.identity.service import Caller
    from rekindle.memory.recall.service import Filters

    async with open_house(settings, work=False) as house:
        user = await house.identity.look_up(email)
        return await house.recall.search(Caller(user.id, "verified"), query, Filters(**filters), limit=limit)


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
