"""`/api/v1/me/growth`, how the caller's talks develop; `/api/v1/admin/topics`, what all talks are about, summed."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from rekindle.errors import InvalidRequest
from rekindle.http.caller import AdminDep, CallerDep, HouseDep
from rekindle.http.shapes import Shape, aware

router = APIRouter(prefix="/api/v1")

DAYS = 365
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)

Since = Annotated[
    datetime | None, Query(description="Only sessions that began then or later; without it: a year before `until`.")
]
Until = Annotated[datetime | None, Query(description="Only sessions that began earlier; without it: until now.")]


class CountOut(Shape):
    """Sessions, and messages of the user in them, of the week (from Monday) or month that starts then (UTC)."""

    start: date
    sessions: int
    messages: int


class ThemeSourceOut(BaseModel):
    """A session in which a theme came up, and the messages in it that say its words."""

    session_id: UUID
    date: datetime
    seqs: list[int]


class ThemeOut(Shape):
    """Something that talks came back to; `recurring` in three sessions, or again after a week.

    `sources` are the newest twenty sessions.
    """

    theme: str
    sessions: int
    messages: int
    recurring: bool
    first_at: datetime
    last_at: datetime
    weeks: list[CountOut]
    months: list[CountOut]
    sources: list[ThemeSourceOut]


class MilestoneOut(Shape):
    """Something that the caller said they reached, and the theme that it belongs to."""

    text: str
    at: datetime
    session_id: UUID
    seq: int | None
    theme: str | None


class BeforeOut(BaseModel):
    """What there was before: the question, or the first time that the theme came up."""

    text: str
    at: datetime
    session_id: UUID


class BreakthroughOut(MilestoneOut):
    """A milestone that settles an earlier `question`, is of a `theme` of earlier sessions, or says so in `words`."""

    because: Literal["question", "theme", "words"]
    before: BeforeOut | None


class GrowthOut(Shape):
    """How the caller's talks developed. `complete` is false where there was more than is read: the newest counts."""

    since: datetime
    until: datetime
    complete: bool
    sessions: int
    messages: int
    weeks: list[CountOut]
    months: list[CountOut]
    themes: list[ThemeOut]
    milestones: list[MilestoneOut]
    breakthroughs: list[BreakthroughOut]


class MonthOut(BaseModel):
    """Sessions of the month that starts then (UTC)."""

    start: date
    sessions: int


class TopicOut(Shape):
    """What sessions of how many users were about."""

    theme: str
    sessions: int
    users: int
    first_at: datetime
    last_at: datetime
    months: list[MonthOut]


class TopicsOut(BaseModel):
    """What all talks were about, the topics of most users first; totals are over all that was read."""

    since: datetime
    until: datetime
    complete: bool
    sessions: int
    users: int
    topics: list[TopicOut]


@router.get("/me/growth", tags=["memory"])
async def my_growth(house: HouseDep, caller: CallerDep, since: Since = None, until: Until = None) -> GrowthOut:
    """Themes of the caller's talks over time, what they reached, and what was a breakthrough; all with sources."""
    return GrowthOut.of(await house.growth.of(caller, *_span(since, until)))


@router.get("/admin/topics", tags=["admin"])
async def topics_of_all(
    house: HouseDep,
    admin: AdminDep,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> TopicsOut:
    """What all users' talks were about: sums, and nobody's words but the topics' own."""
    span = _span(since, until)
    await house.identity.note(admin, "topics.read", [])
    topics = await house.growth.topics(*span, limit)
    return TopicsOut(
        since=span[0],
        until=span[1],
        complete=topics.complete,
        sessions=topics.sessions,
        users=topics.users,
        topics=[TopicOut.of(topic) for topic in topics.topics],
    )


def _span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    since, until = aware(since), aware(until)
    end = min(max(until or datetime.now(UTC), EARLIEST), LATEST)
    start = min(max(since, EARLIEST), LATEST) if since else max(end - timedelta(days=DAYS), EARLIEST)
    if start > end:
        raise InvalidRequest("`since` is later than `until`.")
    return start, end
