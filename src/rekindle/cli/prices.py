"""`rekindle prices`: price lists of courses."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rekindle.cli.console import complaints, console, fail, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.screen import counted, shown
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.knowledge.prices.service import Imported, Quote

prices = typer.Typer(
    name="prices",
    help="Courses and what they cost: bring in a price list, ask it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@prices.command("import")
def import_prices(
    file: Annotated[Path, typer.Argument(help="A CSV file, one price a row.", show_default=False)],
    assistant: Annotated[
        str | None, typer.Option(help="The only assistant that may tell these prices. Unless given: all may.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Forget the courses that the file does not name.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Forget the courses that the file names instead.")] = False,
) -> None:
    """Bring in a price list, whole or not at all: it says all prices of the courses it names.

    A fault in any line refuses the file, and each is told with its line. Run again, the same file changes nothing.
    """
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        from rekindle.knowledge.prices.pricelist import PriceListRefused  # with it come the server's libraries

        try:
            if forget:
                count = asyncio.run(_forget(settings, file, assistant))
                console.print(f"Forgot {counted(count, 'course')} of {shown(file.name)}.", markup=False)
                return
            done = asyncio.run(_import(settings, file, assistant, replace=replace))
        except PriceListRefused as error:
            for fault in error.extra.get("faults", []):
                complaints.print(shown(f"{file.name}:{fault['line']}: {fault['what']}"), markup=False)
            if more := error.extra.get("more"):
                complaints.print(f"And {more:,} more.", markup=False)
            if not error.extra.get("faults"):
                fail(shown(error.detail))
            fail(f"{shown(file.name)} cannot be used; nothing has changed.")
    console.print(
        f"{counted(done.individual, 'individual price')} and {counted(done.group, 'group price')}: "
        f"{counted(done.added, 'course')} new, {done.changed:,} changed, {done.unchanged:,} as they were, "
        f"{done.removed:,} gone."
    )


@prices.command("show")
def show_price(
    course: Annotated[str, typer.Argument(help="The course's name, or part of it.", show_default=False)],
    people: Annotated[int, typer.Argument(min=1, help="How many people take it.")] = 1,
    assistant: Annotated[str | None, typer.Option(help="As this assistant would tell it.")] = None,
) -> None:
    """Say what a course costs, as an assistant's tool does."""
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        quote = asyncio.run(_quote(settings, course, people, assistant))
    console.print(shown(quote.text), markup=False)
    if not quote.costs:
        raise typer.Exit(1)


async def _import(settings: Settings, file: Path, assistant: str | None, *, replace: bool) -> "Imported":
    from rekindle.house import open_house  # the server's libraries load only for the commands that use them

    async with open_house(settings, work=False) as house:
        return await house.prices.import_file(file, assistant, replace=replace)


async def _forget(settings: Settings, file: Path, assistant: str | None) -> int:
    from rekindle.house import open_house  # as above

    async with open_house(settings, work=False) as house:
        return await house.prices.forget_file(file, assistant)


async def _quote(settings: Settings, course: str, people: int, assistant: str | None) -> "Quote":
    from rekindle.house import open_house  # as above

    async with open_house(settings, work=False) as house:
        return await house.prices.quote(course, people, assistant)
