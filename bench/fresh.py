"""A house to be measured: on a database of its own, and gone afterwards."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

from rekindle.house import House, open_house
from rekindle.identity.service import Caller
from rekindle.settings import Settings


@asynccontextmanager
async def fresh_house(**changes: Any) -> AsyncIterator[House]:
    """A house that answers offline and does no work by itself, with nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), model="offline", **changes)  # type: ignore[call-arg]
        async with open_house(settings, work=False) as house:
            yield house


async def somebody(house: House, name: str = "bench") -> Caller:
    """Who it is measured for."""
    return Caller((await house.identity.recognise(f"{name}@example.com")).user.id, "verified")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it on the kind of loop that a server has."""
    with asyncio.Runner(loop_factory=uvicorn.Config(app="").get_loop_factory()) as runner:
        runner.run(main)
