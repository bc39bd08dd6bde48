"""Door 003, session storage for a chat service: messages by session id, with metadata, in PostgreSQL and Redis."""

from typing import Any
from uuid import UUID

from pydantic import SecretStr

from rekindle.doors.entry import Door, Person, Where, in_house
from rekindle.errors import InvalidRequest, SessionNotFound
from rekindle.house import House
from rekindle.ids import parse_uuid
from rekindle.sessions.service import Role


class SessionManager(Door):
    """Session storage: PostgreSQL keeps, Redis, where there is one, makes reading quick.

    `SessionManager(redis_url=None, use_redis=True)` finds its database by the settings (`REKINDLE_DATABASE_URL`,
    `.env`; without one, the embedded database) and opens it when it is first needed; `db` is another way to say
    which. `await manager.close()`, or the end of the program, closes it. A database that is away raises
    `DatabaseDown`: a message is never said to be kept when it is not.
    """

    def __init__(self, redis_url: str | None = None, use_redis: bool = True, *, db: Where = None) -> None:
        changes: dict[str, object] = {}
        if redis_url or not use_redis:
            changes["redis_url"] = SecretStr(redis_url) if redis_url and use_redis else None
        super().__init__(db, changes=changes)

    @in_house
    async def get_messages(self, session_id: str, limit: int = 20) -> list[dict[str, Any]]:
        """The newest `limit` messages, oldest first: `role, content, created_at` (ISO 8601) and `metadata`.

        Of a session that there is not, none.
        """
        known = parse_uuid(session_id)
        house = await self._open()
        if known is None or limit < 1:
            return []
        try:
            messages = await house.sessions.messages.of(await house.sessions.owner(known), known, limit=limit)
        except SessionNotFound:
            return []
        return [
            {
                "role": message.role,
                "content": message.content,
                "created_at": message.said_at.isoformat(),
                "metadata": message.metadata or {},
            }
            for message in messages
            if message.status != "running"
        ]

    @in_house
    async def add_message(
        self, session_id: str, role: Role, content: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Add a message; a session that there is not yet is created.

        `metadata` is what the host knows of it: route, confidence, sources … Raises `InvalidRequest`, `SessionBusy`.
        """
        known = _session_id(session_id)
        house = await self._open()
        try:
            owner = await house.sessions.owner(known)
        except SessionNotFound:
            await house.sessions.adopt(known, None, {}, assistant=house.crew.at("003").name)
            owner = await house.sessions.owner(known)
        await house.sessions.messages.add(owner, known, role, content, metadata=metadata)

    @in_house
    async def create_session(
        self, session_id: str, user_id: Person | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """Create a session under an id of the host's choice (a UUID); one that is there stays as it is.

        `metadata` is what the host knows of it: language, course_id … `user_id` is the host's own number of a user,
        their id here, or their e-mail address; without one the session is an anonymous visitor's.
        """
        known = _session_id(session_id)
        house = await self._open()
        owner = (await self._caller(user_id)).user_id if user_id is not None else None
        await house.sessions.adopt(known, owner, metadata or {}, assistant=house.crew.at("003").name)

    @in_house
    async def get_session_info(self, session_id: str) -> dict[str, Any] | None:
        """The session's `session_id, user_id, created_at, last_message_at, metadata, is_active`, or None."""
        known = parse_uuid(session_id)
        house = await self._open()
        if known is None:
            return None
        try:
            session = await house.sessions.get(await house.sessions.owner(known), known)
        except SessionNotFound:
            return None
        return {
            "session_id": str(session.id),
            "user_id": str(session.user_id),
            "created_at": session.started_at.isoformat(),
            "last_message_at": session.last_seen_at.isoformat(),
            "metadata": session.metadata,
            "is_active": session.ended_at is None,
        }

    @in_house
    async def cleanup_old_sessions(self, days: int = 30) -> int:
        """Delete the sessions that have had no message for `days` days, with their messages; how many."""
        return await clean_up(await self._open(), days)


async def clean_up(house: House, days: float) -> int:
    """Delete what has been untouched for so long; how many sessions. Raises `InvalidRequest` for a negative time."""
    if days < 0:
        raise InvalidRequest("`days` should not be negative.")
    return (await house.sessions.clean_up(days)).sessions


def _session_id(text: str) -> UUID:
    known = parse_uuid(text)
    if known is None:
        raise InvalidRequest("A session's id should be a UUID.")
    return known
