"""Pasts that were searched a moment ago, in this process's memory; what changed since is read before one is used."""

import asyncio
import time
from collections import OrderedDict
from uuid import UUID

from rekindle.memory.recall.past import Past

BYTES = 64_000_000
SECONDS = 300.0
"""How long a past stays after it was last searched."""


class Shelf:
    """Bounded in bytes and in time; what was used longest ago goes first."""

    def __init__(self, *, size: int = BYTES, seconds: float = SECONDS) -> None:
        self._size = size
        self._seconds = seconds
        self._pasts: OrderedDict[UUID, tuple[Past, float]] = OrderedDict()
        self._timers: dict[UUID, asyncio.TimerHandle] = {}
        self.forgotten = 0
        """How often somebody was to be forgotten: what was read before that is not put here after it."""

    @property
    def nbytes(self) -> int:
        """How much memory the pasts take."""
        return sum(past.nbytes for past, _ in self._pasts.values())

    def find(self, user_id: UUID) -> Past | None:
        """The user's past as it was when it was last searched, if it is here."""
        past, _ = self._pasts.get(user_id, (None, 0.0))
        if past is not None:
            self._pasts[user_id] = past, time.monotonic()
            self._pasts.move_to_end(user_id)
        return past

    def put(self, user_id: UUID, past: Past) -> None:
        """Keep a past for its next search, if it is not too large."""
        if self._pasts.get(user_id, (None, 0.0))[0] is past:
            return
        self._drop(user_id)
        if past.nbytes > self._size // 2:
            return
        self._pasts[user_id] = past, time.monotonic()
        self._expire_later(user_id, self._seconds)
        while self.nbytes > self._size:
            self._drop(next(iter(self._pasts)))

    def users(self) -> set[UUID]:
        """Whose pasts are kept."""
        return set(self._pasts)

    def forget_user(self, user_id: UUID) -> None:
        """Drop what is kept of a user."""
        self.forgotten += 1
        self._drop(user_id)

    def clear(self) -> None:
        """Drop everything."""
        for user_id in list(self._pasts):
            self._drop(user_id)

    def _drop(self, user_id: UUID) -> None:
        self._pasts.pop(user_id, None)
        if timer := self._timers.pop(user_id, None):
            timer.cancel()

    def _expire_later(self, user_id: UUID, seconds: float) -> None:
        self._timers[user_id] = asyncio.get_running_loop().call_later(seconds, self._expire, user_id)

    def _expire(self, user_id: UUID) -> None:
        left = self._pasts[user_id][1] + self._seconds - time.monotonic()
        if left > 0:
            self._expire_later(user_id, left)
        else:
            self._drop(user_id)
