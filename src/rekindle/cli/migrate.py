"""`rekindle migrate`: the database's schema, up or down."""

from typing import Annotated

import typer

from rekindle.cli.console import console, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs


def migrate(
    revision: Annotated[str, typer.Argument(help="`head`, `base`, or a revision's number.")] = "head",
) -> None:
    """Bring the database's schema to a revision. The server does this by itself when it starts."""
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        from contextlib import ExitStack

        from rekindle.house import database_for
        from rekindle.migrations import current_revision
        from rekindle.migrations import migrate as bring_to

        with ExitStack() as stack:
            conninfo = database_for(settings, stack)
            changed = bring_to(conninfo, revision)
            at = current_revision(conninfo) or "base"
        console.print(f"The database is at {at}." if changed else f"The database was at {at} already.")
