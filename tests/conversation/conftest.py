"""A database for the engine's tests alone: nobody else's turns and jobs ask the model they script."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from rekindle.house import House, open_house
from tests.conftest import make_settings


@pytest.fixture(scope="session")
def conninfo(new_database: Callable[[], str]) -> str:
    """A database that no other test's server works on."""
    return new_database()


@pytest.fixture(scope="session")
async def quiet_house(conninfo: str, data_dir: Path) -> AsyncIterator[House]:
    """The house of all tests on that database."""
    async with open_house(make_settings(conninfo, data_dir), work=False) as opened:
        yield opened
