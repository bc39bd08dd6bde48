"""`rekindle ingest`: documents of files, folders and sites, for assistants to look things up in."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import TaskID

from rekindle.cli.console import complaints, console, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.screen import bar, counted, shown
from rekindle.errors import RekindleError
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.house import House
    from rekindle.knowledge.crawl import Bounds
    from rekindle.knowledge.service import Outcome

_NAMED = 20
"""Documents left out that are named."""


def ingest(
    places: Annotated[
        list[str], typer.Argument(help="Files, folders or addresses of sites.", metavar="PLACES", show_default=False)
    ],
    assistant: Annotated[
        str | None, typer.Option(help="The only assistant that may look into them. Unless given: all may.")
    ] = None,
    pages: Annotated[int, typer.Option(min=1, max=100_000, help="Most pages asked of a site.")] = 500,
    depth: Annotated[int, typer.Option(min=0, max=100, help="Most links between a site's first page and others.")] = 5,
    minutes: Annotated[float, typer.Option(min=0.01, help="Longest time spent on a site.")] = 30,
    pause: Annotated[float, typer.Option(min=0, max=60, help="Seconds between two pages of a site.")] = 0.25,
    forget: Annotated[bool, typer.Option("--forget", help="Forget these places and their documents instead.")] = False,
) -> None:
    """Bring documents in: HTML, Markdown, text and PDF. A site is read as its links lead, within its host.

    Run again, it writes only what has changed, forgets what is gone, and goes on with what was stopped.
    """
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        from rekindle.knowledge.crawl import Bounds  # with it come the server's libraries

        bounds = Bounds(pages=pages, depth=depth, seconds=minutes * 60, pause=pause)
        try:
            whole = asyncio.run(_run(settings, places, assistant, bounds, forget=forget))
        except KeyboardInterrupt:
            complaints.print("Stopped. Run it again: it goes on from here.")
            raise
    if not whole:
        raise typer.Exit(1)


async def _run(settings: Settings, places: list[str], assistant: str | None, bounds: "Bounds", *, forget: bool) -> bool:
    """Each place in turn; whether all of them were read whole."""
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them

    whole = True
    async with open_house(settings, work=False) as house:
        for place in places:
            try:
                if forget:
                    count = await house.knowledge.forget(place, assistant)
                    console.print(f"Forgot {counted(count, 'document')} of {shown(place)}.", markup=False)
                    continue
                outcome = await _ingest(house, place, assistant, bounds)
            except RekindleError as error:
                whole = False
                complaints.print("[bold red]Left out[/] ", end="")
                complaints.print(shown(f"{place}: {error.detail}"), markup=False)
            else:
                _report(place, outcome)
                whole = whole and not outcome.left_out
        if not forget and not house.knowledge.by_meaning:
            console.print("They are found by their words alone: there is no embedder (`rekindle embedder` gets one).")
    return whole


async def _ingest(house: "House", place: str, assistant: str | None, bounds: "Bounds") -> "Outcome":
    with bar(console, "documents") as progress:
        task: TaskID = progress.add_task(shown(place)[-40:], total=None)

        def tell(outcome: "Outcome", total: int | None) -> None:
            progress.update(task, completed=outcome.seen, total=total)

        return await house.knowledge.ingest(place, assistant, bounds=bounds, progress=tell)


def _report(place: str, outcome: "Outcome") -> None:
    from rekindle.knowledge.reading import is_web  # as above

    console.print(
        f"{shown(place)}: {outcome.added:,} new, {outcome.changed:,} changed, {outcome.unchanged:,} as they were, "
        f"{outcome.removed:,} gone; wrote {counted(outcome.passages, 'passage')} and {counted(outcome.links, 'link')}.",
        markup=False,
    )
    if outcome.others and is_web(place):
        console.print(f"Passed over {counted(outcome.others, 'page')} of other kinds, or not for robots.", markup=False)
    elif outcome.others:
        console.print(f"Passed over {counted(outcome.others, 'file')} of other kinds.", markup=False)
    if outcome.note:
        console.print(shown(outcome.note), style="yellow", markup=False)
    for name, why in outcome.left_out[:_NAMED]:
        complaints.print("[bold red]Left out[/] ", end="")
        complaints.print(shown(f"{name}: {why}"), markup=False)
    more = len(outcome.left_out[_NAMED:]) + outcome.left_out_more
    if more:
        complaints.print(f"And {more:,} more.", markup=False)
    if outcome.waiting:
        console.print(
            f"[yellow]{counted(outcome.waiting, 'passage waits', 'passages wait')} for the embedder[/]: a running "
            "server sees to it, and until then words find them."
        )
