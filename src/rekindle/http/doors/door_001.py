"""Door 001, a personal assistant: sessions that outlive the browser, listed, read, deleted; chat makes its own."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from rekindle.doors.records import ChatAnswer, ConversationMessage, ConversationSession, kept
from rekindle.doors.replies import completed
from rekindle.errors import ModelError, SessionNotFound
from rekindle.house import House
from rekindle.http.caller import CallerDep, HouseDep, known_id
from rekindle.http.shapes import (
    Cursor,
    Limit,
    Metadata,
    MetadataFilter,
    Page,
    Title,
    read_session_cursor,
    session_cursor,
)
from rekindle.identity.service import Caller
from rekindle.sessions.service import Session

router = APIRouter(prefix="/api/v1/personal-assistant", tags=["door 001: personal assistant"])

SHOWN_MESSAGES = 50
"""The newest messages of each session in a list that was asked to bring them."""


class NewSession(BaseModel):
    """A session to be created; all of it may be left out."""

    title: Title | None = None
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)] | None = None
    context_data: Metadata = Field(default_factory=dict)
    session_metadata: Metadata = Field(default_factory=dict)


class Created(BaseModel):
    """The new session."""

    session_id: str
    created_at: datetime


class Deleted(BaseModel):
    """The session is gone, and all that was said in it."""

    success: bool = True
    session_id: str


class Chat(BaseModel):
    """Something the user says; without `session_id` a session is made for it."""

    message: str
    session_id: Annotated[str, StringConstraints(max_length=100)] | None = None
    message_metadata: Metadata = Field(default_factory=dict)


@router.post("/sessions/new")
async def new_session(house: HouseDep, caller: CallerDep, new: NewSession | None = None) -> Created:
    """Start a session."""
    new = new or NewSession()
    session = await house.sessions.start(
        caller,
        assistant=house.crew.at("001").name,
        title=new.title,
        metadata=new.session_metadata,
        state=kept(new.description, new.context_data),
    )
    return Created(session_id=str(session.id), created_at=session.started_at)


@router.get("/sessions")
async def list_sessions(
    house: HouseDep,
    caller: CallerDep,
    metadata: MetadataFilter,
    is_active: bool | None = None,
    include_messages: bool = False,
    cursor: Cursor = None,
    limit: Annotated[Limit, Query()] = 20,
) -> Page[ConversationSession]:
    """The caller's sessions, last used first; with their newest messages only if `include_messages` says so."""
    sessions = await house.sessions.recent(
        caller,
        before=read_session_cursor(cursor),
        limit=limit + 1,
        ended=None if is_active is None else not is_active,
        metadata=metadata,
    )
    page = Page[ConversationSession].cut(sessions, limit, ConversationSession.of, session_cursor)
    if include_messages:
        page.items = [await _with_messages(house, caller, session) for session in sessions[:limit]]
    return page


@router.get("/sessions/{session_id}/messages")
async def list_messages(
    house: HouseDep,
    caller: CallerDep,
    session_id: str,
    metadata: MetadataFilter,
    cursor: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page[ConversationMessage]:
    """A session's messages, oldest first."""
    messages = await house.sessions.messages.of(
        caller, known_id(session_id, SessionNotFound), after=cursor or 0, limit=limit + 1, metadata=metadata
    )
    return Page[ConversationMessage].cut(messages, limit, ConversationMessage.of, lambda message: str(message.seq))


@router.delete("/sessions/{session_id}")
async def delete_session(house: HouseDep, caller: CallerDep, session_id: str) -> Deleted:
    """Delete a session, with its messages and its summary, for good."""
    known = known_id(session_id, SessionNotFound)
    await house.sessions.delete(caller, known)
    return Deleted(session_id=str(known))


@router.post("/chat")
async def chat(house: HouseDep, caller: CallerDep, chat: Chat) -> ChatAnswer:
    """Say something and have the answer. A session that was left, even for idleness, goes on.

    When the model fails, the message and the failure are kept in the session that the problem names.
    """
    house.conversation.check(chat.message)
    if chat.session_id is None:
        session_id = (await house.sessions.start(caller, assistant=house.crew.at("001").name)).id
    else:
        session_id = known_id(chat.session_id, SessionNotFound)
    turn = await house.conversation.say(
        caller, session_id, chat.message, metadata=chat.message_metadata, on_busy="wait", reopen=True
    )
    try:
        return ChatAnswer.of(completed(await house.conversation.outcome(caller, turn.id)))
    except ModelError as error:
        error.extra["session_id"] = str(session_id)
        raise


async def _with_messages(house: House, caller: Caller, session: Session) -> ConversationSession:
    return ConversationSession.of(session, await house.sessions.messages.of(caller, session.id, limit=SHOWN_MESSAGES))
