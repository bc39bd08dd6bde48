"""Waits for what comes about by itself, in a job, a task or another process."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PAUSE = 0.05


def until(done: Callable[[], T | None], seconds: float = 20) -> T:
    """What `done` gives once that is true; fails the test where it is not in time."""
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(PAUSE)
    return found


async def eventually(done: Callable[[], Any], seconds: float = 20) -> Any:
    """The same while the test's own loop goes on; what `done` gives may have to be awaited."""
    end = time.monotonic() + seconds
    while True:
        found = done()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(PAUSE)
