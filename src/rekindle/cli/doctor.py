"""`rekindle doctor`: what a server stands on, looked at."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from rekindle.cli.console import console, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.screen import shown
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.checkup import Finding

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    ask: Annotated[bool, typer.Option("--ask", help="Ask the models for one word; it may cost a little.")] = False,
) -> None:
    """Look at everything the server stands on, and say what to do. Exit code 1 when something fails."""
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        findings = asyncio.run(_examine(settings, ask=ask))
    counts = {state: sum(finding.state == state for finding in findings) for state in STYLES}
    if counts["fail"] or counts["warn"]:
        console.print(f"\n{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed.")
    else:
        console.print("\nAll is well.")
    if counts["fail"]:
        raise typer.Exit(1)


async def _examine(settings: Settings, *, ask: bool) -> "list[Finding]":
    from rekindle.checkup import examine  # the server's libraries load only for the commands that use them

    findings = []
    async for finding in examine(settings, os.environ, ask=ask):
        findings.append(finding)
        _show(finding)
    return findings


def _show(finding: "Finding") -> None:
    if not console.is_terminal:
        console.print(f"{finding.state:<4}  {finding.name:<12}  {shown(finding.what)}", markup=False)
        if finding.advice:
            console.print(f"{'':<20}-> {shown(finding.advice)}", markup=False)
        return
    said = Text(shown(finding.what))
    if finding.advice:
        said.append(f"\n→ {shown(finding.advice)}", style="dim")
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(width=4)
    line.add_column(width=12)
    line.add_column(overflow="fold")
    line.add_row(Text(finding.state, style=STYLES[finding.state]), Text(finding.name, style="bold"), said)
    console.print(line, soft_wrap=False)
