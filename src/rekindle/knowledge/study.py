"""What an assistant's folder holds is read by a job when a server starts: who looks it up meanwhile waits for that."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

SECONDS = 15.0
"""Longest wait, from the server's start on: a folder that takes longer is looked up as far as it is read."""
_LOOK_SECONDS = 0.1

IsStudying = Callable[[str], Awaitable[bool]]
"""Whether the job of an assistant of this name waits or runs, on whichever server."""


class Studies:
    """The assistants whose folders are being read since this server started."""

    def __init__(self, is_studying: IsStudying, *, seconds: float = SECONDS) -> None:
        self._is_studying = is_studying
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def begin(self, assistant: str) -> None:
        """The job is about to be queued."""
        self._until[assistant] = time.monotonic() + self._seconds

    def under_way(self, assistant: str | None) -> bool:
        """Whether there may soon be more to look up than there is; known without asking the database."""
        return assistant is not None and time.monotonic() < self._until.get(assistant, 0.0)

    async def over(self, assistant: str | None) -> None:
        """Come back when the folder has been read, or when that takes too long."""
        if assistant is None or not self.under_way(assistant):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._until[assistant] - time.monotonic()):
                while await self._is_studying(assistant):  # noqa: ASYNC110 the job may be another server's
                    await asyncio.sleep(_LOOK_SECONDS)
        self._until.pop(assistant, None)
