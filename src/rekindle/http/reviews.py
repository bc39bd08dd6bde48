"""`/api/v1/admin/sessions`: sessions of all users, looked through and reviewed."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StrictBool, StringConstraints

from rekindle.errors import SessionNotFound
from rekindle.http.caller import AdminDep, HouseDep, known_id
from rekindle.http.growth import EARLIEST, LATEST
from rekindle.http.shapes import After, CountedPage, Limit, SessionOut
from rekindle.sessions.review.service import Review, Reviewed, Sought

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]


class ReviewOut(BaseModel):
    """What administrators noted about a session; its user does not see it."""

    reviewed: bool
    reviewed_at: datetime | None
    reviewed_by: UUID | None
    tags: list[str]
    note: str

    @classmethod
    def of(cls, review: Review) -> "ReviewOut":
        """The shape of a review."""
        return cls(
            reviewed=review.reviewed_at is not None,
            reviewed_at=review.reviewed_at,
            reviewed_by=review.reviewed_by,
            tags=list(review.tags),
            note=review.note,
        )


class ReviewedSession(SessionOut):
    """Somebody's session: whose it is, what it was about, what it used, how many of its turns did not complete."""

    user_id: UUID
    user_email: str | None
    user_name: str | None
    summary_line: str | None
    turns: int
    failed: int
    tokens: int
    review: ReviewOut

    @classmethod
    def of_reviewed(cls, found: Reviewed) -> "ReviewedSession":
        """The shape of a session that is looked at."""
        return cls(
            **SessionOut.of(found.session).model_dump(),
            user_id=found.session.user_id,
            user_email=found.email,
            user_name=found.name,
            summary_line=found.summary_line,
            turns=found.turns,
            failed=found.failed,
            tokens=found.tokens,
            review=ReviewOut.of(found.review),
        )


class NewReview(BaseModel):
    """What is noted about a session, in the stead of what was noted before."""

    reviewed: StrictBool
    tags: Annotated[list[Tag], Field(max_length=20)] = Field(default_factory=list)
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)] = ""


class TagOut(BaseModel):
    """A tag, and how many sessions have it."""

    tag: str
    sessions: int


class TagList(BaseModel):
    """The 100 tags used most."""

    items: list[TagOut]
    next: None = None


class Filter(BaseModel):
    """Which sessions are wanted; what is left out limits nothing."""

    q: Annotated[str | None, Field(max_length=200, description="In title, summary, address or name.")] = None
    first_day: Annotated[date | None, Field(alias="from", description="Used on this day (UTC) or later.")] = None
    last_day: Annotated[date | None, Field(alias="to", description="Used on this day (UTC) or earlier.")] = None
    started: Annotated[bool | None, Field(description="Begun, not only used, on those days.")] = None
    user_id: UUID | None = None
    assistant: Annotated[str | None, Field(max_length=200)] = None
    model: Annotated[str | None, Field(max_length=200, description="Answered by this model.")] = None
    state: Literal["active", "ended"] | None = None
    errors: Annotated[bool | None, Field(description="With turns that did not complete, or without.")] = None
    error: Annotated[str | None, Field(max_length=100, description="With a turn that did not complete for this.")] = (
        None
    )
    returning: Annotated[bool | None, Field(description="Of who had had a session before, or had not.")] = None
    slower_than_ms: Annotated[int | None, Field(ge=0, lt=2**31, description="With a reply that took longer.")] = None
    reviewed: bool | None = None
    tag: Annotated[str | None, Field(max_length=50)] = None
    topic: Annotated[
        str | None, Field(max_length=200, description="What `/api/v1/admin/topics` counts for it, begun on those days.")
    ] = None

    def span(self) -> tuple[datetime, datetime]:
        """From the beginning of the first day to the end of the last."""
        first = max(self.first_day or EARLIEST.date(), EARLIEST.date())
        last = min(self.last_day or LATEST.date(), LATEST.date())
        return datetime.combine(first, time(), UTC), datetime.combine(last + timedelta(days=1), time(), UTC)

    def sought(self, ids: list[UUID] | None = None) -> Sought:
        """As the house takes it."""
        return Sought(
            text=self.q or None,
            first_day=self.first_day,
            last_day=None if self.last_day == date.max else self.last_day,
            started=self.started or ids is not None,
            user_id=self.user_id,
            assistant=self.assistant,
            model=self.model,
            ended=None if self.state is None else self.state == "ended",
            errors=self.errors,
            error=self.error,
            returning=self.returning,
            slower_than_ms=self.slower_than_ms,
            reviewed=self.reviewed,
            tag=self.tag.strip().lower() if self.tag else None,
            ids=ids,
        )


class SessionsWanted(Filter):
    """Which sessions are wanted, and which page of them."""

    cursor: After = None
    limit: Limit = 20


@router.get("/sessions")
async def list_all_sessions(
    house: HouseDep, admin: AdminDep, wanted: Annotated[SessionsWanted, Query()]
) -> CountedPage[ReviewedSession]:
    """Sessions of all users, newest first, by what they are like."""
    about = await house.growth.sessions_about(wanted.topic, *wanted.span()) if wanted.topic else None
    found = await house.reviews.seek(admin, wanted.sought(about), before=wanted.cursor, limit=wanted.limit)
    return CountedPage[ReviewedSession].cut(
        found.sessions,
        wanted.limit,
        ReviewedSession.of_reviewed,
        lambda one: str(one.session.id),
        total=found.total,
        more=found.more,
    )


@router.get("/sessions/{session_id}")
async def get_reviewed_session(house: HouseDep, admin: AdminDep, session_id: str) -> ReviewedSession:
    """One session, with its whole summary in `summary_line`."""
    return ReviewedSession.of_reviewed(await house.reviews.session(admin, known_id(session_id, SessionNotFound)))


@router.put("/sessions/{session_id}/review")
async def review_session(house: HouseDep, admin: AdminDep, session_id: str, review: NewReview) -> ReviewedSession:
    """Note something about a session."""
    return ReviewedSession.of_reviewed(
        await house.reviews.review(
            admin,
            known_id(session_id, SessionNotFound),
            reviewed=review.reviewed,
            tags=review.tags,
            note=review.note,
        )
    )


@router.get("/tags")
async def list_tags(house: HouseDep, admin: AdminDep) -> TagList:
    """The tags that reviewers used."""
    return TagList(items=[TagOut(tag=tag, sessions=count) for tag, count in await house.reviews.tags()])
