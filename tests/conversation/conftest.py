"""A database for the engine's tests alone: nobody else's turns and jobs ask the model they script."""

from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def conninfo(new_database: Callable[[], str]) -> str:
    """A database that no other test's server works on."""
    return new_database()
