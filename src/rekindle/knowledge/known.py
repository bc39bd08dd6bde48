"""What the database was asked about each assistant's share of the knowledge, known for a while."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_SECONDS = 30.0
_MOST = 100
"""Assistants that something is known of: their names are callers' words."""


class KnownOf(Generic[T]):
    """One thing by assistant, None being all of them. It is asked for again after half a minute, or when forgotten."""

    def __init__(self) -> None:
        self._known: dict[str | None, tuple[float, T]] = {}

    async def get(self, assistant: str | None, ask: Callable[[], Awaitable[T]]) -> T:
        """What is known, or what `ask` finds."""
        here = self._known
        known = here.get(assistant)
        if known is None or time.monotonic() - known[0] > _SECONDS:
            if len(here) >= _MOST:
                here.clear()
            known = here[assistant] = time.monotonic(), await ask()
        return known[1]

    def forget(self) -> None:
        """Something has come or gone: what is being asked for just now is not kept either."""
        self._known = {}
