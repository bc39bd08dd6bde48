"""`/api/v1/me/memory` and `/api/v1/me/summaries`: what is remembered of the caller, for them to see and to change."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field, StrictBool, StringConstraints

from rekindle.http.caller import CallerDep, HouseDep
from rekindle.http.sessions import CORRECTABLE, LISTS, Correctable
from rekindle.http.shapes import After, Limit, Page
from rekindle.ids import parse_uuid
from rekindle.memory.profile.service import Kept, Thing, ThingNotFound

router = APIRouter(prefix="/api/v1/me", tags=["memory"])

Kind = Literal["preference", "fact", "question", "interest"]
State = Literal["current", "superseded", "answered", "forgotten", "corrected"]


class ThingSource(BaseModel):
    """Where something was said last: a session, and the message or messages of it, where they are known."""

    session_id: UUID
    first_seq: int | None
    last_seq: int | None


class ThingOut(BaseModel):
    """Something known of the caller.

    In effect while `current`, or `corrected`: in their own words, and then `source` is null. `superseded` by what was
    said later, `answered` (a question), `forgotten` (nothing but that is left of it, `text` is null). It held from
    `valid_from` to `valid_to`, and was last said at `seen_at`.
    """

    id: UUID
    kind: Kind
    text: str | None
    state: State
    source: ThingSource | None
    valid_from: datetime
    valid_to: datetime | None
    seen_at: datetime
    superseded_by: UUID | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, thing: Thing) -> "ThingOut":
        """The shape of a thing."""
        source = None
        if thing.session_id is not None:
            source = ThingSource(session_id=thing.session_id, first_seq=thing.first_seq, last_seq=thing.last_seq)
        return cls(
            id=thing.id,
            kind=thing.kind,
            text=thing.text,
            state=thing.state,
            source=source,
            valid_from=thing.valid_from,
            valid_to=thing.valid_to,
            seen_at=thing.seen_at,
            superseded_by=thing.superseded_by,
            created_at=thing.created_at,
            updated_at=thing.updated_at,
        )


class Correction(BaseModel):
    """How it really is, in the caller's own words."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class MemorySettings(BaseModel):
    """While paused, nothing is derived from what is said, nothing known is recalled."""

    paused: bool
    paused_since: datetime | None


class MemorySettingsChange(BaseModel):
    """Whether to pause."""

    paused: StrictBool


class SummarySession(BaseModel):
    """The session that a summary is of."""

    id: UUID
    title: str | None
    assistant: str
    status: Literal["active", "ended"]
    started_at: datetime
    ended_at: datetime | None


class SummaryOut(BaseModel):
    """What a session was about. It covers the messages up to `through_seq`; `corrected` is in its user's own words."""

    session: SummarySession
    text: str
    topics: list[str] = Field(default_factory=list)
    preferences: list[str] = Field(default_factory=list)
    open_questions: list[str] = Field(default_factory=list)
    milestones: list[str] = Field(default_factory=list)
    corrected: list[Correctable] = Field(default_factory=list)
    through_seq: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, kept: Kept) -> "SummaryOut":
        """The shape of a summary."""
        lists = {name: kept.metadata.get(name) or [] for name in LISTS}
        return cls(
            session=SummarySession(
                id=kept.session_id,
                title=kept.title,
                assistant=kept.assistant,
                status="ended" if kept.ended_at else "active",
                started_at=kept.started_at,
                ended_at=kept.ended_at,
            ),
            text=kept.summary,
            corrected=[name for name in CORRECTABLE if name in (kept.metadata.get("corrected") or {})],
            through_seq=kept.through_seq,
            created_at=kept.created_at,
            updated_at=kept.updated_at,
            **lists,
        )


async def _thing_id(house: HouseDep, caller: CallerDep, thing_id: str) -> UUID:
    """The id a path names; before its body is read, as `settings` is one that there is not."""
    if (found := parse_uuid(thing_id)) is None:
        await house.identity.user(caller.user_id)  # who is gone hears that first
        raise ThingNotFound
    return found


ThingId = Annotated[UUID, Depends(_thing_id)]


@router.get("/memory")
async def list_memory(
    house: HouseDep,
    caller: CallerDep,
    kind: Kind | None = None,
    state: Annotated[State | None, Query(description="Without it: all that are not forgotten.")] = None,
    cursor: After = None,
    limit: Annotated[Limit, Query()] = 50,
) -> Page[ThingOut]:
    """What is or was known of the caller, newest first."""
    things = await house.profile.things(caller, kind=kind, state=state, before=cursor, limit=limit + 1)
    return Page[ThingOut].cut(things, limit, ThingOut.of, lambda thing: str(thing.id))


@router.get("/memory/settings")
async def memory_settings(house: HouseDep, caller: CallerDep) -> MemorySettings:
    """Whether remembering is paused."""
    since = await house.profile.paused_since(caller)
    return MemorySettings(paused=since is not None, paused_since=since)


@router.put("/memory/settings")
async def change_memory_settings(house: HouseDep, caller: CallerDep, change: MemorySettingsChange) -> MemorySettings:
    """Pause remembering, or go on. What is said while it is paused is not derived afterwards either."""
    since = await house.profile.pause(caller, paused=change.paused)
    return MemorySettings(paused=since is not None, paused_since=since)


@router.patch("/memory/{thing_id}")
async def correct_memory(house: HouseDep, caller: CallerDep, known: ThingId, correction: Correction) -> ThingOut:
    """Correct what is known: the caller's own words win over what is derived."""
    return ThingOut.of(await house.profile.correct(caller, known, correction.text))


@router.delete("/memory/{thing_id}", status_code=204)
async def forget_memory(house: HouseDep, caller: CallerDep, known: ThingId) -> Response:
    """Forget something: its text is gone, and the same is not derived again."""
    await house.profile.forget(caller, known)
    return Response(status_code=204)


@router.get("/summaries")
async def list_summaries(
    house: HouseDep, caller: CallerDep, cursor: After = None, limit: Annotated[Limit, Query()] = 20
) -> Page[SummaryOut]:
    """What the caller's sessions were about, newest first."""
    kept = await house.profile.summaries(caller, before=cursor, limit=limit + 1)
    return Page[SummaryOut].cut(kept, limit, SummaryOut.of, lambda summary: str(summary.session_id))
