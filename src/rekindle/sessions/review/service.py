"""Reviewing: administrators look through sessions, and note what they make of them. Each look is written down."""

from dataclasses import dataclass
from uuid import UUID

from rekindle.database import Database
from rekindle.errors import SessionNotFound
from rekindle.identity.service import Caller, Identity
from rekindle.sessions.review import store
from rekindle.sessions.review.store import COUNTED, Review, Reviewed, Sought

__all__ = ["Found", "Review", "Reviewed", "Reviews", "Sought"]

MOST_TAGS_SHOWN = 100
SECONDS = 8.0
"""Longest time that one statement may look for them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of sessions, one more than was asked for where there is a next page; and how many there are in all.

    `more`: there are more than `total`, which is as far as was counted.
    """

    sessions: list[Reviewed]
    total: int
    more: bool


class Reviews:
    """What administrators see of all sessions, and note."""

    def __init__(self, database: Database, identity: Identity) -> None:
        self._database = database
        self._identity = identity

    async def seek(self, admin: Caller, sought: Sought, *, before: UUID | None, limit: int) -> Found:
        """Sessions of all users that are so, newest first; raises `TooMuch` for what takes too long to find."""
        async with self._database.system(seconds=SECONDS) as connection:
            found = await store.list_reviewed(connection, sought, before=before, limit=limit + 1)
            total = await store.count_sought(connection, sought)
        people = dict.fromkeys(one.session.user_id for one in found[:limit])
        await self._identity.note(admin, "sessions.list", list(people) or ([sought.user_id] if sought.user_id else []))
        return Found(found, min(total, COUNTED), total > COUNTED)

    async def session(self, admin: Caller, session_id: UUID) -> Reviewed:
        """One session with what was noted about it; raises `SessionNotFound`."""
        async with self._database.system() as connection:
            found = await store.find_reviewed(connection, session_id)
        if found is None:
            raise SessionNotFound
        await self._identity.note(admin, "session.read", [found.session.user_id], session_id=str(session_id))
        return found

    async def review(self, admin: Caller, session_id: UUID, *, reviewed: bool, tags: list[str], note: str) -> Reviewed:
        """Note something about a session, in the stead of what was noted before; raises `SessionNotFound`."""
        kept = sorted({tag.strip().lower() for tag in tags} - {""})
        async with self._database.system() as connection:
            owner = await store.upsert_review(
                connection, session_id, admin.user_id, reviewed=reviewed, tags=kept, note=note
            )
            found = await store.find_reviewed(connection, session_id)
        if owner is None or found is None:
            raise SessionNotFound
        await self._identity.note(admin, "session.review", [owner], session_id=str(session_id))
        return found

    async def tags(self) -> list[tuple[str, int]]:
        """The tags that are used most, each with the number of its sessions."""
        async with self._database.system(seconds=SECONDS) as connection:
            return await store.list_tags(connection, MOST_TAGS_SHOWN)
