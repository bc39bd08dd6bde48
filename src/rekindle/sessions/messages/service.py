"""The messages of a session: read, added from elsewhere; the reply that a turn is."""

from typing import Any, get_args
from uuid import UUID

from rekindle.database import Connection, Database
from rekindle.errors import InvalidRequest, SessionBusy, SessionNotFound, TurnNotFound
from rekindle.identity.service import Caller
from rekindle.ids import uuid7
from rekindle.sessions import store as sessions
from rekindle.sessions.copies import Copies, Copy
from rekindle.sessions.doors import store as doors
from rekindle.sessions.messages import store
from rekindle.sessions.messages.store import Message, Role, Status
from rekindle.sessions.storable import check_storable

__all__ = ["Message", "Messages", "Role", "Status"]


class Messages:
    """What was said; each method reaches its caller's own alone."""

    def __init__(self, database: Database, copies: Copies) -> None:
        self._database = database
        self._copies = copies

    async def of(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 50,
        metadata: dict[str, Any] | None = None,
    ) -> list[Message]:
        """Messages in order: those after seq `after`, else the newest (before `before`).

        With `metadata`, those whose own holds it.
        """
        caller.check_session(session_id)
        copy = await self._copies.find(caller.user_id, session_id) if metadata is None else None
        page = copy.page(after=after, before=before, limit=limit) if copy else None
        async with self._database.transaction(caller.user_id) as connection:
            if copy is None or page is None:
                self._copies.read("miss")
            elif await self._still_so(connection, session_id, copy):
                return page
            if metadata is None:
                messages = await store.list_messages(connection, session_id, after=after, before=before, limit=limit)
            else:
                messages = await store.list_messages_with(
                    connection, session_id, metadata, after=after, before=before, limit=limit
                )
            if not messages and await sessions.find_session(connection, session_id) is None:
                raise SessionNotFound
        if metadata is None and before is None and (after is None or len(messages) < limit):
            self._copies.keep(messages)
        return messages

    async def _still_so(self, connection: Connection, session_id: UUID, copy: Copy) -> bool:
        same = await store.find_stamp(connection, session_id) == copy.stamp
        self._copies.read("hit" if same else "stale")
        return same

    async def add(
        self,
        caller: Caller,
        session_id: UUID,
        role: Role,
        content: str,
        *,
        metadata: dict[str, Any] | None = None,
        tools_used: list[dict[str, Any]] | None = None,
        processing_time_ms: int | None = None,
        tokens: int | None = None,
        error: str | None = None,
    ) -> Message:
        """Add a message that was said elsewhere: no reply is begun, and a session that had ended goes on.

        Raises `SessionNotFound`, `SessionBusy` while a reply is being written, and `InvalidRequest` for what is no
        message.
        """
        if role not in get_args(Role):
            raise InvalidRequest(f"A message is of the {' or the '.join(get_args(Role))}, not of {role!r}.")
        check_storable(content, metadata, tools_used, error)
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            outcome, message = await doors.add_message(
                connection,
                session_id,
                uuid7(),
                role,
                content,
                metadata=metadata or {},
                tools_used=tools_used,
                processing_time_ms=processing_time_ms,
                tokens=tokens,
                error=error,
            )
        if message is None:
            raise SessionBusy if outcome == "busy" else SessionNotFound
        return message

    async def reply(self, caller: Caller, turn_id: UUID) -> Message:
        """The reply that is this turn, as far as it is written; raises `TurnNotFound`."""
        async with self._database.transaction(caller.user_id) as connection:
            reply = await store.find_reply(connection, turn_id)
        if reply is None or not caller.may_enter(reply.session_id):
            raise TurnNotFound
        return reply

    async def running(self, caller: Caller, session_id: UUID) -> Message | None:
        """The reply being written in a session, if one is; raises `SessionNotFound`."""
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            reply = await store.find_running_reply(connection, session_id)
            if reply is None and await sessions.find_session(connection, session_id) is None:
                raise SessionNotFound
        return reply
