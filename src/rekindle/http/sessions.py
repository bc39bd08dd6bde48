"""`/api/v1/sessions`: create, get, list, rename, end, reopen, delete, restore; messages, summary, interactions."""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator

from rekindle.errors import SessionNotFound
from rekindle.http.caller import CallerDep, HouseDep, known_id
from rekindle.http.shapes import (
    AssistantName,
    Cursor,
    Limit,
    MessageOut,
    Metadata,
    MetadataFilter,
    Page,
    SessionOut,
    Title,
    aware,
    read_session_cursor,
    session_cursor,
)
from rekindle.memory.service import SessionSummary
from rekindle.sessions.listing.service import Listed, Wanted
from rekindle.sessions.service import Interaction, Status

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])


class NewSession(BaseModel):
    """A session to be created; all of it may be left out. Without `assistant` it is with the server's first one."""

    assistant: AssistantName | None = None
    title: Title | None = None
    metadata: Metadata = Field(default_factory=dict)


class SessionChange(BaseModel):
    """What of a session can be changed."""

    title: Title


class ListedSession(SessionOut):
    """A session in a list, with the beginning of its summary, once it has one."""

    summary_line: str | None

    @classmethod
    def listed(cls, listed: Listed) -> "ListedSession":
        """The shape of a session in a list."""
        return cls(**SessionOut.of(listed.session).model_dump(), summary_line=listed.summary_line)


Correctable = Literal["text", "topics", "open_questions"]
CORRECTABLE: tuple[Correctable, ...] = get_args(Correctable)
"""What of a summary its user may put in their own words."""
LISTS = ("topics", "preferences", "open_questions", "milestones")


class Summary(BaseModel):
    """What a session was about. `corrected` names what of it its user put in their own words, which stays."""

    text: str
    topics: list[str] = Field(default_factory=list)
    preferences: list[str] = Field(default_factory=list)
    open_questions: list[str] = Field(default_factory=list)
    milestones: list[str] = Field(default_factory=list)
    corrected: list[Correctable] = Field(default_factory=list)
    corrected_at: datetime | None = None
    updated_at: datetime | None = None

    @classmethod
    def of(cls, summary: SessionSummary) -> "Summary":
        """The shape of a summary."""
        lists = {name: summary.metadata.get(name) or [] for name in LISTS}
        return cls(
            text=summary.summary,
            **lists,
            corrected=[name for name in CORRECTABLE if name in summary.corrected],
            corrected_at=summary.corrected.get("at"),
            updated_at=summary.updated_at,
        )


class SummaryState(BaseModel):
    """A session's summary. `pending`: the session has ended and it follows; `none`: it has not ended, or is empty."""

    status: Literal["generated", "pending", "none"]
    summary: Summary | None


Point = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Points = Annotated[list[Point], Field(max_length=20)]


class SummaryCorrection(BaseModel):
    """What of a summary its user says in their own words; what is left out stays."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)] | None = None
    topics: Points | None = None
    open_questions: Points | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "SummaryCorrection":
        if self.text is None and self.topics is None and self.open_questions is None:
            raise ValueError("should have a text, topics or open questions")
        return self


class InteractionOut(BaseModel):
    """A question and its answer; `id` is the turn's. Its answer is the message `seq` of its session."""

    id: UUID
    session_id: UUID
    seq: int
    question: str
    answer: str
    status: Status
    created_at: datetime
    context_used: list[dict[str, Any]]
    metadata: dict[str, Any]

    @classmethod
    def of(cls, interaction: Interaction) -> "InteractionOut":
        """The shape of an interaction."""
        return cls(
            id=interaction.id,
            session_id=interaction.session_id,
            seq=interaction.seq,
            question=interaction.question,
            answer=interaction.answer,
            status=interaction.status,
            created_at=interaction.created_at,
            context_used=interaction.context_used or [],
            metadata=interaction.metadata,
        )


class EndedSession(SessionOut):
    """A session that has ended. `pending`: its summary follows; `none`: nothing was said in it."""

    summary_status: Literal["generated", "pending", "none"]
    summary: Summary | None = None


@router.post("", status_code=201)
async def create_session(house: HouseDep, caller: CallerDep, new: NewSession | None = None) -> SessionOut:
    """Start a session."""
    new = new or NewSession()
    assistant = house.crew.get(new.assistant).name if new.assistant is not None else None
    session = await house.sessions.start(caller, assistant=assistant, title=new.title, metadata=new.metadata)
    return SessionOut.of(session)


@router.get("")
async def list_sessions(
    house: HouseDep,
    caller: CallerDep,
    metadata: MetadataFilter,
    cursor: Cursor = None,
    limit: Annotated[Limit, Query()] = 20,
    status: Literal["active", "ended"] | None = None,
    assistant: Annotated[str | None, Query(max_length=200, description="Only talks with this assistant.")] = None,
    title: Annotated[str | None, Query(max_length=200, description="Only those whose title holds this.")] = None,
    since: Annotated[datetime | None, Query(description="Only those used then or later; UTC unless told.")] = None,
    until: Annotated[datetime | None, Query(description="Only those last used earlier than this.")] = None,
) -> Page[ListedSession]:
    """The caller's sessions, last used first, each with the beginning of its summary."""
    wanted = Wanted(
        ended=None if status is None else status == "ended",
        assistant=assistant,
        title=title,
        since=aware(since),
        until=aware(until),
        metadata=metadata,
    )
    found = await house.sessions.listing.of(caller, wanted, before=read_session_cursor(cursor), limit=limit + 1)
    return Page[ListedSession].cut(found, limit, ListedSession.listed, lambda listed: session_cursor(listed.session))


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
        summary=Summary.of(summary) if summary else None,
    )


@router.post("/{session_id}/reopen")
async def reopen_session(house: HouseDep, caller: CallerDep, session_id: str) -> SessionOut:
    """Let an ended session go on; its summary stays until it ends again."""
    return SessionOut.of(await house.sessions.reopen(caller, known_id(session_id, SessionNotFound)))


@router.delete("/{session_id}", status_code=204)
async def delete_session(house: HouseDep, caller: CallerDep, session_id: str) -> Response:
    """Delete a session, with its messages and its summary; an answer that is being written is cancelled.

    It is gone at once from everything, and for good when `REKINDLE_UNDO_MINUTES` have passed: until then it can be
    restored.
    """
    await house.conversation.delete(caller, known_id(session_id, SessionNotFound))
    return Response(status_code=204)


@router.post("/{session_id}/restore")
async def restore_session(house: HouseDep, caller: CallerDep, session_id: str) -> SessionOut:
    """Bring a session back that was deleted a moment ago, as it was."""
    known = known_id(session_id, SessionNotFound)
    await house.sessions.hidden.restore(caller, known, minutes=house.settings.undo_minutes)
    return SessionOut.of(await house.sessions.get(caller, known))


@router.get("/{session_id}/summary")
async def get_summary(house: HouseDep, caller: CallerDep, session_id: str) -> SummaryState:
    """What a session was about."""
    session = await house.sessions.get(caller, known_id(session_id, SessionNotFound))
    summary = await house.memory.summary(caller, session.id)
    if summary and (session.ended_at is None or summary.through_seq >= session.last_seq):
        return SummaryState(status="generated", summary=Summary.of(summary))
    waits = session.ended_at is not None and session.last_seq > 0
    return SummaryState(status="pending" if waits else "none", summary=Summary.of(summary) if summary else None)


@router.patch("/{session_id}/summary")
async def correct_summary(
    house: HouseDep, caller: CallerDep, session_id: str, correction: SummaryCorrection
) -> SummaryState:
    """Say in one's own words what a session was about. It stays so, also when the session is summarised again."""
    said = {name: value for name, value in correction.model_dump().items() if value is not None}
    await house.memory.correct(caller, known_id(session_id, SessionNotFound), **said)
    return await get_summary(house, caller, session_id)


@router.get("/{session_id}/interactions")
async def list_interactions(
    house: HouseDep,
    caller: CallerDep,
    session_id: str,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[Limit, Query()] = 50,
) -> Page[InteractionOut]:
    """A session's questions and answers, oldest first; those that were asked anew are left out."""
    known = known_id(session_id, SessionNotFound)
    found = await house.sessions.interactions.of(caller, known, after=cursor, limit=limit + 1)
    return Page[InteractionOut].cut(found, limit, InteractionOut.of, lambda interaction: str(interaction.seq))


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
        # Seqs have no gap: all messages before a page tell by its last whether there are more. One more than the newest
        # 50 would not be in the cached copy.
        more = 0 if metadata is None else 1
        messages = await house.sessions.messages.of(caller, known, before=cursor, limit=limit + more, metadata=metadata)
        messages.reverse()
    page = Page[MessageOut].cut(messages, limit, MessageOut.of, lambda message: str(message.seq))
    if order == "desc" and metadata is None and messages and messages[-1].seq > 1:
        page.next = str(messages[-1].seq)
    return page
