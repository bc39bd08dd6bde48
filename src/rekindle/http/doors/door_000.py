"""Door 000, a visitor's desk: check in by e-mail, chat, end; the past is recalled without a login.

Its `session_id` is a capability: whoever holds it is in that session, and in nothing else.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints

from rekindle.doors.replies import completed
from rekindle.errors import SessionNotFound, UserGone
from rekindle.http.caller import HouseDep
from rekindle.http.client import CheckInAllowed
from rekindle.identity.service import Caller


async def _no_user_no_session() -> AsyncIterator[None]:
    # There is no token here that could have ended: with its visitor, a session is gone.
    try:
        yield
    except UserGone as error:
        raise SessionNotFound from error


router = APIRouter(prefix="/api/v1", tags=["door 000: visitors"], dependencies=[Depends(_no_user_no_session)])

Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class CheckIn(BaseModel):
    """Who the visitor says they are. All of it may be left out: they are anonymous then."""

    user_name: Short | None = None
    user_email: Annotated[str, StringConstraints(max_length=300)] | None = None
    user_phone: Short | None = None


class CheckedIn(BaseModel):
    """The visitor's new session, and whether they had been here before."""

    session_id: str
    status: Literal["created", "returning_user"]


class SessionMessage(BaseModel):
    """A message of the session."""

    role: Literal["user", "assistant"]
    content: str
    created_at: datetime


class SessionState(BaseModel):
    """The session as far as it is, with its newest 50 messages."""

    session_id: str
    status: Literal["active", "ended"]
    is_active: bool
    started_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    message_count: int
    messages: list[SessionMessage]


class Ended(BaseModel):
    """The session has ended. `pending`: its summary follows; `none`: nothing was said in it."""

    status: Literal["ended"] = "ended"
    summary: Literal["generated", "pending", "none"]


class ChatMessage(BaseModel):
    """Something the visitor says in their session."""

    session_id: Annotated[str, StringConstraints(max_length=100)]
    message: str


class ChatReply(BaseModel):
    """The answer. `context_used`: which past sessions it was given; `sources`: where its tools found what they did.

    `persisted` is there, and false, while the database is away: what was said is written when it is back.
    """

    session_id: str
    response: str
    message_id: UUID
    created_at: datetime
    context_used: list[dict[str, Any]] = Field(default_factory=list)
    tools_used: list[dict[str, Any]] = Field(default_factory=list)
    sources: list[dict[str, Any]] = Field(default_factory=list)
    persisted: Literal[False] | None = None


@router.post("/session/create", dependencies=[CheckInAllowed])
async def create_session(house: HouseDep, visitor: CheckIn | None = None) -> CheckedIn:
    """Check in: a new session, of the user with this e-mail address or a new one."""
    visitor = visitor or CheckIn()
    check_in = await house.sessions.check_in(
        name=visitor.user_name or None,
        email=visitor.user_email or None,
        phone=visitor.user_phone or None,
        assistant=house.crew.at("000").name,
    )
    return CheckedIn(session_id=str(check_in.session.cookie_sid), status=check_in.status)


@router.get("/session/{session_id}")
async def get_session(house: HouseDep, session_id: str) -> SessionState:
    """The session and what was said in it."""
    caller, known = await _enter(house, session_id)
    session = await house.sessions.get(caller, known)
    messages = await house.sessions.messages.of(caller, known, limit=50)
    return SessionState(
        session_id=session_id,
        status="ended" if session.ended_at else "active",
        is_active=session.ended_at is None,
        started_at=session.started_at,
        last_seen_at=session.last_seen_at,
        ended_at=session.ended_at,
        message_count=session.last_seq,
        messages=[SessionMessage(role=m.role, content=m.content, created_at=m.said_at) for m in messages],
    )


@router.post("/session/{session_id}/end")
async def end_session(house: HouseDep, session_id: str) -> Ended:
    """End the session and summarise it for the visitor's next one."""
    return Ended(summary=await house.conversation.end(*await _enter(house, session_id)))


@router.delete("/session/{session_id}")
async def delete_session(house: HouseDep, session_id: str) -> Ended:
    """The same as ending it."""
    return Ended(summary=await house.conversation.end(*await _enter(house, session_id)))


@router.post("/chat/message", response_model_exclude_none=True)
async def send_message(house: HouseDep, chat: ChatMessage) -> ChatReply:
    """Say something and have the answer. A returning visitor's first message brings their past along."""
    caller, known = await _enter(house, chat.session_id)
    turn = await house.conversation.say(caller, known, chat.message, on_busy="wait")
    reply = completed(await house.conversation.outcome(caller, turn.id))
    return ChatReply(
        session_id=chat.session_id,
        response=reply.content,
        message_id=reply.id,
        created_at=reply.said_at,
        context_used=reply.context_used or [],
        tools_used=reply.tools_used or [],
        sources=(reply.metadata or {}).get("sources", []),
        persisted=None if reply.persisted else False,
    )


async def _enter(house: HouseDep, session_id: str) -> tuple[Caller, UUID]:
    caller = await house.sessions.enter(session_id)
    if caller.session_id is None:
        raise SessionNotFound
    return caller, caller.session_id
