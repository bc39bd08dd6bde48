"""Questions with their answers: what door 002 calls interactions."""

from uuid import UUID

from rekindle.database import Database
from rekindle.errors import SessionNotFound
from rekindle.identity.service import Caller
from rekindle.sessions import store
from rekindle.sessions.doors import store as doors
from rekindle.sessions.doors.store import Interaction, Place

FURTHER = 20
"""Sessions that are looked at beyond as many as are wanted, before it is known that these do."""


class Interactions:
    """Reads what was asked and answered; each method reaches its caller's own alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, caller: Caller, session_id: UUID, *, after: int = 0, limit: int = 50) -> list[Interaction]:
        """Those of a session in order whose answer's seq is above `after`; raises `SessionNotFound`."""
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            found = await doors.list_interactions(connection, session_id, after=after, limit=limit)
            if not found and await store.find_session(connection, session_id) is None:
                raise SessionNotFound
        return found

    async def recent(self, caller: Caller, *, before: Place | None = None, limit: int = 10) -> list[Interaction]:
        """The caller's newest, of all sessions, the newest first, from `before` one of them on."""
        sessions = limit + FURTHER
        async with self._database.transaction(caller.user_id) as connection:
            while True:
                found, back_to = await doors.list_recent_interactions(
                    connection, caller.user_id, only=caller.session_id, before=before, limit=limit, sessions=sessions
                )
                if back_to is None or (len(found) == limit and found[-1].created_at > back_to):
                    return found
                sessions *= 8  # a session's last use may have been no question: a retry, or a message added to it
