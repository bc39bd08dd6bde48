"""Door 002, session memory: a session that goes on until it is ended, and the questions and answers in it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from rekindle.doors.replies import completed
from rekindle.errors import SessionEnded, SessionNotFound
from rekindle.house import House
from rekindle.http.caller import CallerDep, HouseDep, known_id
from rekindle.http.shapes import (
    Cursor,
    Limit,
    Metadata,
    Page,
    interaction_cursor,
    read_interaction_cursor,
    read_session_cursor,
    session_cursor,
)
from rekindle.identity.service import Caller
from rekindle.sessions.service import Interaction, Message, Session, Status

router = APIRouter(tags=["door 002: session memory"])


class NewSession(BaseModel):
    """What the session is for; may be left out."""

    context_summary: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)] | None = None


class UserSession(BaseModel):
    """A session; `session_id` is its `id`, as the paths call it. It goes on until it has a `session_end`."""

    id: UUID
    session_id: UUID
    user_id: UUID
    session_start: datetime
    session_end: datetime | None
    context_summary: str | None

    @classmethod
    def of(cls, session: Session) -> "UserSession":
        """The shape of a session."""
        return cls(
            id=session.id,
            session_id=session.id,
            user_id=session.user_id,
            session_start=session.started_at,
            session_end=session.ended_at,
            context_summary=session.state.get("context_summary"),
        )


class UserInteraction(BaseModel):
    """A question and its answer, which may have failed: its `status` tells."""

    id: UUID
    session_id: UUID
    user_question: str
    ai_response: str
    context_used: list[dict[str, Any]]
    created_at: datetime
    interaction_metadata: dict[str, Any]
    status: Status

    @classmethod
    def of(cls, interaction: Interaction) -> "UserInteraction":
        """The shape of an interaction."""
        return cls(
            id=interaction.id,
            session_id=interaction.session_id,
            user_question=interaction.question,
            ai_response=interaction.answer,
            context_used=interaction.context_used or [],
            created_at=interaction.created_at,
            interaction_metadata=interaction.metadata,
            status=interaction.status,
        )


class Chat(BaseModel):
    """A question; without `session_id` it belongs to the current session, which is started if there is none."""

    message: str
    session_id: Annotated[str, StringConstraints(max_length=100)] | None = None
    interaction_metadata: Metadata = Field(default_factory=dict)


class ChatReply(BaseModel):
    """The answer, and the interaction that was kept of it; `sources`: where its tools found what they did."""

    response: str
    session_id: UUID
    interaction_id: UUID
    context_used: list[dict[str, Any]]
    tools_used: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    created_at: datetime
    persisted: bool


@router.post("/sessions/start")
async def start_session(house: HouseDep, caller: CallerDep, new: NewSession | None = None) -> UserSession:
    """Start a session, which becomes the current one. It goes on until it is ended or its user logs out."""
    state = {"context_summary": new.context_summary} if new and new.context_summary else {}
    return UserSession.of(await house.sessions.start(caller, assistant=_name(house), state=state, lasting=True))


@router.post("/sessions/{session_id}/end")
async def end_session(house: HouseDep, caller: CallerDep, session_id: str) -> UserSession:
    """End a session; it is summarised for later ones. Ending it again answers the same."""
    known = known_id(session_id, SessionNotFound)
    await house.conversation.end(caller, known)
    return UserSession.of(await house.sessions.get(caller, known))


@router.get("/sessions/current")
async def current_session(house: HouseDep, caller: CallerDep) -> UserSession:
    """The session that goes on: the newest one started here that has not ended."""
    return UserSession.of(await house.sessions.current(caller))


@router.get("/sessions/recent")
async def recent_interactions(
    house: HouseDep, caller: CallerDep, cursor: Cursor = None, limit: Annotated[Limit, Query()] = 10
) -> Page[UserInteraction]:
    """The caller's newest questions and answers, of all sessions, the newest first."""
    before = read_interaction_cursor(cursor)
    found = await house.sessions.interactions.recent(caller, before=before, limit=limit + 1)
    return Page[UserInteraction].cut(found, limit, UserInteraction.of, interaction_cursor)


@router.get("/sessions/history")
async def session_history(
    house: HouseDep,
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Annotated[Limit, Query()] = 20,
) -> Page[UserSession]:
    """The caller's sessions, last used first."""
    sessions = await house.sessions.recent(caller, before=read_session_cursor(cursor), limit=limit + 1)
    return Page[UserSession].cut(sessions, limit, UserSession.of, session_cursor)


@router.get("/sessions/{session_id}/interactions")
async def list_interactions(
    house: HouseDep,
    caller: CallerDep,
    session_id: str,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[Limit, Query()] = 50,
) -> Page[UserInteraction]:
    """A session's questions and answers, oldest first."""
    found = await house.sessions.interactions.of(
        caller, known_id(session_id, SessionNotFound), after=cursor, limit=limit + 1
    )
    return Page[UserInteraction].cut(found, limit, UserInteraction.of, lambda interaction: str(interaction.seq))


@router.post("/chat/send")
async def send(house: HouseDep, caller: CallerDep, chat: Chat) -> ChatReply:
    """Ask something and have the answer; the interaction is kept by itself."""
    reply = completed(await _ask(house, caller, chat))
    return ChatReply(
        response=reply.content,
        session_id=reply.session_id,
        interaction_id=reply.id,
        context_used=reply.context_used or [],
        tools_used=reply.tools_used or [],
        sources=(reply.metadata or {}).get("sources", []),
        created_at=reply.said_at,
        persisted=reply.persisted,
    )


def _name(house: House) -> str:
    return house.crew.at("002").name


async def _ask(house: House, caller: Caller, chat: Chat) -> Message:
    house.conversation.check(chat.message)
    named = known_id(chat.session_id, SessionNotFound) if chat.session_id is not None else None
    while True:
        session_id = named or (await house.sessions.current_or_start(caller, assistant=_name(house))).id
        try:
            turn = await house.conversation.say(
                caller, session_id, chat.message, metadata=chat.interaction_metadata, on_busy="wait"
            )
        except (SessionEnded, SessionNotFound):
            if named:
                raise
            continue  # the current session was ended in between: another one is started
        return await house.conversation.outcome(caller, turn.id)
