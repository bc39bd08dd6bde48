"""A user's sessions as a list, and word of when it is another."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from rekindle.database import Database, DatabaseDown
from rekindle.errors import TooManyRequests
from rekindle.identity.service import Caller
from rekindle.sessions.listing import store
from rekindle.sessions.listing.store import Listed, Wanted

__all__ = ["Listed", "Listing", "Wanted"]

LOOK_SECONDS = 1.5
MOST_WAITING = 20
"""Requests of one user that may wait for a change at once."""


@dataclass(slots=True)
class _Watched:
    """A user whose list is waited for."""

    version: str
    waiting: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, version: str) -> None:
        """Wake who waits for another version than this."""
        if version != self.version:
            self.version = version
            self.changed.set()
            self.changed = asyncio.Event()


class Listing:
    """Lists sessions, and tells when a list has changed.

    A change may be made by any server, by a job, by SQL: so the tables are looked at, for all who wait on this server
    in one statement, and nobody has to tell of what they change.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watched: dict[UUID, _Watched] = {}
        self._looking: asyncio.Task[None] | None = None
        self._left = False

    async def of(
        self,
        caller: Caller,
        wanted: Wanted | None = None,
        *,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 20,
    ) -> list[Listed]:
        """The caller's sessions, last used first; `before` is the `last_seen_at` and id of the last one seen."""
        async with self._database.transaction(caller.user_id) as connection:
            return await store.list_listed(
                connection, caller.user_id, wanted or Wanted(), only=caller.session_id, before=before, limit=limit
            )

    async def version(self, caller: Caller, after: str | None = None, *, seconds: float = 0) -> str:
        """What the caller's list is at now; when that is `after`, the next, if it comes within so many seconds.

        Raises `Forbidden` for a token that is good for one session, `TooManyRequests` when too many wait.
        """
        caller.check_whole()
        async with self._database.transaction(caller.user_id) as connection:
            version = (await store.list_versions(connection, [caller.user_id]))[caller.user_id]
        if version != after or seconds <= 0:
            return version
        return await self._next(caller.user_id, version, seconds)

    def leave(self) -> None:
        """Let all who wait go, with what they know: this server stops."""
        self._left = True
        if self._looking:
            self._looking.cancel()
        for watched in self._watched.values():
            watched.changed.set()

    async def _next(self, user_id: UUID, version: str, seconds: float) -> str:
        watched = self._watched.setdefault(user_id, _Watched(version))
        watched.tell(version)
        if watched.waiting >= MOST_WAITING:
            raise TooManyRequests("Too many wait for changes already.", retry_after=int(seconds) + 1)
        watched.waiting += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="lists of sessions")
        try:
            async with asyncio.timeout(seconds):
                while watched.version == version and not self._left:
                    await watched.changed.wait()
        except TimeoutError:
            pass
        finally:
            watched.waiting -= 1
            if not watched.waiting:
                self._watched.pop(user_id, None)
        return watched.version

    async def _look(self) -> None:
        while self._watched:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                async with self._database.system() as connection:
                    versions = await store.list_versions(connection, list(self._watched))
            except DatabaseDown:
                continue
            for user_id, version in versions.items():
                if watched := self._watched.get(user_id):
                    watched.tell(version)
