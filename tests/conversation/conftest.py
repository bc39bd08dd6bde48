"""A database for the engine's tests alone: nobody else's turns and jobs ask the model they script."""

from collections.abc import Callable

import pytest

from rekindle.migrations import migrate


@pytest.fixture(scope="session")
def conninfo(new_database: Callable[[], str]) -> str:
    """A migrated database that no other test's server works on."""
    database = new_database()
    migrate(database)
    return database
