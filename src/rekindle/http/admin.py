"""`/api/v1/admin`: what administrators see of people, and the log of what they saw."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from rekindle.errors import SessionNotFound
from rekindle.http.caller import AdminDep, HouseDep, known_id
from rekindle.http.shapes import After, CountedPage, Limit, MessageOut, Page, Shape
from rekindle.identity.service import AuditEntry
from rekindle.sessions.oversight import COUNTED, UserNotFound

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])


class UserOut(Shape):
    """A person. `verified_at` is when they proved their address; null for who only typed it."""

    id: UUID
    email: str | None
    name: str | None
    phone: str | None
    verified_at: datetime | None
    created_at: datetime


class Person(BaseModel):
    """Somebody in the log."""

    id: UUID
    email: str | None


class AuditOut(BaseModel):
    """Who looked at what of whose, and when. A person who was erased since is null: that it happened stays."""

    id: UUID
    at: datetime
    who: Person | None
    action: str
    whose: Person | None
    of_somebody: bool
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditOut":
        """The shape of an entry."""
        return cls(
            id=entry.id,
            at=entry.at,
            who=Person(id=entry.actor_id, email=entry.actor_email) if entry.actor_id else None,
            action=entry.action,
            whose=Person(id=entry.subject_id, email=entry.subject_email) if entry.subject_id else None,
            of_somebody=entry.of_somebody,
            detail=entry.detail,
        )


@router.get("/users")
async def list_users(
    house: HouseDep,
    admin: AdminDep,
    cursor: After = None,
    limit: Annotated[Limit, Query()] = 20,
    email: Annotated[str | None, Query(max_length=300)] = None,
) -> CountedPage[UserOut]:
    """Users, newest first; with `email`, the one who has that address."""
    users, total = await house.oversight.users(admin, email=email, before=cursor, limit=limit)
    counted = {"total": min(total, COUNTED), "more": total > COUNTED}
    return CountedPage[UserOut].cut(users, limit, UserOut.of, lambda user: str(user.id), **counted)


@router.get("/users/{user_id}")
async def get_user(house: HouseDep, admin: AdminDep, user_id: str) -> UserOut:
    """One user."""
    return UserOut.of(await house.oversight.user(admin, known_id(user_id, UserNotFound)))


@router.get("/sessions/{session_id}/messages")
async def read_messages(
    house: HouseDep,
    admin: AdminDep,
    session_id: str,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[Limit, Query()] = 50,
) -> Page[MessageOut]:
    """A session's messages, oldest first."""
    known = known_id(session_id, SessionNotFound)
    messages = await house.oversight.messages(admin, known, after=cursor, limit=limit)
    return Page[MessageOut].cut(messages, limit, MessageOut.of, lambda message: str(message.seq))


@router.get("/audit")
async def list_audit(
    house: HouseDep,
    admin: AdminDep,
    cursor: After = None,
    limit: Annotated[Limit, Query()] = 50,
    user_id: UUID | None = None,
) -> CountedPage[AuditOut]:
    """What administrators looked at, newest first; with `user_id`, of that person's data."""
    entries, total = await house.oversight.audit(admin, user_id=user_id, before=cursor, limit=limit)
    counted = {"total": min(total, COUNTED), "more": total > COUNTED}
    return CountedPage[AuditOut].cut(entries, limit, AuditOut.of, lambda entry: str(entry.id), **counted)
