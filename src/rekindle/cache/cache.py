"""What the house may ask of a cache, and the one that is there when there is none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, Protocol

from rekindle import metrics

State = Literal["ok", "degraded", "down"]

EAR_HOLDS = 256


class Ear:
    """What is heard on a channel: at most once, in order, with gaps where the listener was too slow."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[bytes] = asyncio.Queue(EAR_HOLDS)

    def hear(self, message: bytes) -> None:
        """Hold a message until it is listened to; when too many wait, it is lost."""
        try:
            self._heard.put_nowait(message)
        except asyncio.QueueFull:
            metrics.CACHE_DROPPED.inc()

    async def next(self, seconds: float | None = None) -> bytes | None:
        """The next message; None after so many seconds of silence."""
        try:
            async with asyncio.timeout(seconds):
                return await self._heard.get()
        except TimeoutError:
            return None


class Cache(Protocol):
    """Never raises for a cache that is away, and never takes longer than a fraction of a second.

    What was not answered in time is as good as not there. `later` and `tell` do not wait at all: their work is done
    in the background, in order, and left undone when there is too much of it.
    """

    keeps: bool
    """Whether anything is kept: what never is, is not missed."""

    @property
    def state(self) -> State:
        """How it fares, as far as is known without asking."""
        ...

    async def check(self) -> State:
        """Ask it for a sign of life."""
        ...

    async def open(self) -> None:
        """Begin; it need not be there yet."""
        ...

    async def close(self) -> None:
        """End, leaving undone what waits."""
        ...

    async def entries(self, key: str) -> list[bytes]:
        """The entries of a list; none when it is not there."""
        ...

    async def run(self, script: str, key: str, *arguments: str | bytes | int) -> bool:
        """Run a script on a key, all of it or nothing; False when it was not done."""
        ...

    def later(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Run a script on a key without waiting."""
        ...

    def owe(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Run a script on a key without waiting, and again until it was done."""
        ...

    async def publish(self, channel: str, message: bytes) -> int:
        """Say something on a channel: how many servers listen."""
        ...

    def tell(self, channel: str, message: bytes) -> None:
        """Say something on a channel without waiting."""
        ...

    def listen(self, channel: str) -> AbstractAsyncContextManager[Ear]:
        """Listen to a channel."""
        ...


class NullCache:
    """No cache: nothing is kept, nobody is told, nothing is heard."""

    keeps = False
    state: State = "ok"

    async def check(self) -> State:
        """Nothing is wrong with what is not wanted."""
        return "ok"

    async def open(self) -> None:
        """Nothing to begin."""

    async def close(self) -> None:
        """Nothing to end."""

    async def entries(self, key: str) -> list[bytes]:
        """None."""
        return []

    async def run(self, script: str, key: str, *arguments: str | bytes | int) -> bool:
        """There is nothing that it could change, so it is done."""
        return True

    def later(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Nothing."""

    def owe(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Nothing."""

    async def publish(self, channel: str, message: bytes) -> int:
        """Nobody listens."""
        return 0

    def tell(self, channel: str, message: bytes) -> None:
        """Nobody listens."""

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Ear]:
        """Silence."""
        yield Ear()
