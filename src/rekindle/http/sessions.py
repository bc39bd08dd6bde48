"""`/api/v1/sessions`: create, get, list, rename, end, delete; a session's messages."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from rekindle.errors import SessionNotFound
from rekindle.http.caller import CallerDep, HouseDep, known_id
from rekindle.http.shapes import (
    Limit,
    MessageOut,
    Metadata,
    MetadataFilter,
    Page,
    SessionOut,
    Title,
    read_session_cursor,
    session_cursor,
)

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])


class NewSession(BaseModel):
    """A session to be created; all of it may be left out."""

    title: Title | None = None
    metadata: Metadata = Field(default_factory=dict)


class SessionChange(BaseModel):
    """What of a session can be changed."""

    title: Title


class Summary(BaseModel):
    """What a session was about."""

    text: str
    topics: list[str] = Field(default_factory=list)
    preferences: list[str] = Field(default_factory=list)
    open_questions: list[str] = Field(default_factory=list)
    milestones: list[str] = Field(default_factory=list)


class EndedSession(SessionOut):
    """A session that has ended. `pending`: its summary follows; `none`: nothing was said in it."""

    summary_status: Literal["generated", "pending", "none"]
    summary: Summary | None = None


@router.post("", status_code=201)
async def create_session(house: HouseDep, caller: CallerDep, new: NewSession | None = None) -> SessionOut:
    """Start a session."""
    new = new or NewSession()
    return SessionOut.of(await house.sessions.start(caller, title=new.title, metadata=new.metadata))


@router.get("")
async def list_sessions(
    house: HouseDep,
    caller: CallerDep,
    metadata: MetadataFilter,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[Limit, Query()] = 20,
    status: Literal["active", "ended"] | None = None,
) -> Page[SessionOut]:
    """The caller's sessions, last used first."""
    sessions = await house.sessions.recent(
        caller,
        before=read_session_cursor(cursor) if cursor else None,
        limit=limit + 1,
        ended=None if status is None else status == "ended",
        metadata=metadata,
    )
    return Page[SessionOut].cut(sessions, limit, SessionOut.of, session_cursor)


@router.get("/{session_id}")
async def get_session(house: HouseDep, caller: CallerDep, session_id: str) -> SessionOut:
    """One session."""
    return SessionOut.of(await house.sessions.get(caller, known_id(session_id, SessionNotFound)))


@router.patch("/{session_id}")
async def rename_session(house: HouseDep, caller: CallerDep, session_id: str, change: SessionChange) -> SessionOut:
    """Give a session another title."""
    return SessionOut.of(await house.sessions.rename(caller, known_id(session_id, SessionNotFound), change.title))


@router.post("/{session_id}/end")
async def end_session(house: HouseDep, caller: CallerDep, session_id: str) -> EndedSession:
    """End a session and summarise it; ending it again answers the same."""
    known = known_id(session_id, SessionNotFound)
    summary_status = await house.conversation.end(caller, known)
    session = SessionOut.of(await house.sessions.get(caller, known))
    summary = await house.memory.summary(caller, known)
    return EndedSession(
        **session.model_dump(),
        summary_status=summary_status,
        summary=Summary(text=summary.summary, **summary.metadata) if summary else None,
    )


@router.delete("/{session_id}", status_code=204)
async def delete_session(house: HouseDep, caller: CallerDep, session_id: str) -> Response:
    """Delete a session, with its messages and its summary, for good."""
    await house.sessions.delete(caller, known_id(session_id, SessionNotFound))
    return Response(status_code=204)


@router.get("/{session_id}/messages")
async def list_messages(
    house: HouseDep,
    caller: CallerDep,
    session_id: str,
    metadata: MetadataFilter,
    cursor: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    limit: Annotated[Limit, Query()] = 50,
    order: Literal["asc", "desc"] = "asc",
) -> Page[MessageOut]:
    """A session's messages, oldest first, or with `order=desc` newest first."""
    known = known_id(session_id, SessionNotFound)
    if order == "asc":
        messages = await house.sessions.messages.of(
            caller, known, after=cursor or 0, limit=limit + 1, metadata=metadata
        )
    else:
        messages = await house.sessions.messages.of(caller, known, before=cursor, limit=limit + 1, metadata=metadata)
        messages.reverse()
    return Page[MessageOut].cut(messages, limit, MessageOut.of, lambda message: str(message.seq))
