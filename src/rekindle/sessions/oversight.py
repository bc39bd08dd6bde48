"""What administrators see of people, each look written down before it is had."""

from uuid import UUID

from rekindle.errors import NotFound, SessionNotFound, UserGone
from rekindle.identity.service import AuditEntry, Caller, Identity, User
from rekindle.sessions.service import Message, Sessions

COUNTED = 10_000
"""Users and entries that a total counts at most; one more says that there are more."""


class UserNotFound(NotFound):
    """There is no such user."""

    code = "user_not_found"


class Oversight:
    """Administrators' reads. A person's messages are read as that person: row-level security holds for admins too.

    Lists give one row more than `limit`, where there is one: it tells that there is a next page, and is not shown.
    """

    def __init__(self, identity: Identity, sessions: Sessions) -> None:
        self._identity = identity
        self._sessions = sessions

    async def users(
        self, admin: Caller, *, email: str | None, before: UUID | None, limit: int
    ) -> tuple[list[User], int]:
        """Users, newest first, and how many there are; with `email`, the one who has that address."""
        found = await self._identity.users(email=email, before=before, limit=limit + 1)
        await self._identity.note(admin, "users.list", [user.id for user in found[:limit]])
        return found, await self._identity.count_users(email=email, most=COUNTED + 1)

    async def user(self, admin: Caller, user_id: UUID) -> User:
        """One user; raises `UserNotFound`."""
        await self._identity.note(admin, "user.read", [user_id])
        try:
            user = await self._identity.user(user_id)
        except UserGone as error:
            raise UserNotFound from error
        if user is None:
            raise UserNotFound
        return user

    async def messages(self, admin: Caller, session_id: UUID, *, after: int, limit: int) -> list[Message]:
        """A session's messages in order; raises `SessionNotFound`."""
        owner = await self._sessions.owner(session_id)
        await self._identity.note(admin, "messages.read", [owner.user_id], session_id=str(session_id))
        try:
            return await self._sessions.messages.of(owner, session_id, after=after, limit=limit + 1)
        except UserGone as error:
            raise SessionNotFound from error

    async def audit(
        self, admin: Caller, *, user_id: UUID | None, before: UUID | None, limit: int
    ) -> tuple[list[AuditEntry], int]:
        """The audit log, newest first, and how long it is; with `user_id`, who looked at what of theirs."""
        await self._identity.note(admin, "audit.read", [user_id] if user_id else [])
        found = await self._identity.audit_entries(subject_id=user_id, before=before, limit=limit + 1)
        return found, await self._identity.count_audit(subject_id=user_id, most=COUNTED + 1)
