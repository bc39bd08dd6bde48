"""Deleting a session so that it can be undone: it is hidden at once, and erased when the time is up."""

from uuid import UUID

from rekindle.database import Database
from rekindle.errors import SessionNotFound
from rekindle.identity.service import Caller
from rekindle.sessions.copies import Copies
from rekindle.sessions.hidden import store

AT_ONCE = 100


class Hidden:
    """The sessions that are not there for anybody, and may be back."""

    def __init__(self, database: Database, copies: Copies) -> None:
        self._database = database
        self._copies = copies

    async def hide(self, caller: Caller, session_id: UUID) -> UUID | None:
        """Hide a session everywhere. A reply that is being written prevents it: its turn's id is returned then.

        Raises `SessionNotFound`.
        """
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            outcome = await store.update_hidden(connection, session_id)
        if isinstance(outcome, UUID):
            return outcome
        if outcome == "missing":
            raise SessionNotFound
        await self._copies.forget(session_id)
        return None

    async def restore(self, caller: Caller, session_id: UUID, *, minutes: float) -> None:
        """Bring a session back that was hidden no longer than `minutes` ago; raises `SessionNotFound`."""
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            if not await store.update_shown(connection, caller.user_id, session_id, minutes):
                raise SessionNotFound

    async def erase(self, minutes: float) -> int:
        """Delete for good what was hidden longer than `minutes` ago, of all users; how many sessions."""
        count = 0
        while True:
            async with self._database.system() as connection:
                gone = await store.delete_due(connection, minutes, AT_ONCE)
            count += gone
            if gone < AT_ONCE:
                return count
