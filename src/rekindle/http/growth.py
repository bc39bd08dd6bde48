"""`/api/v1/me/growth`, how the caller's talks develop; `/api/v1/admin/topics`, what all talks are about, summed."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from rekindle.errors import InvalidRequest
from rekindle.http.caller import AdminDep, CallerDep, HouseDep
from rekindle.http.shapes import aware
from rekindle.memory.growth.service import Breakthrough, Count, Grown, Milestone, Theme, Topic

router = APIRouter(prefix="/api/v1")

DAYS = 365
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)

Since = Annotated[
    datetime | None, Query(description="Only sessions that began then or later; without it: a year before `until`.")
]
Until = Annotated[datetime | None, Query(description="Only sessions that began earlier; without it: until now.")]


class CountOut(BaseModel):
    """Sessions, and messages of the user in them, of the week (from Monday) or month that starts then (UTC)."""

    start: date
    sessions: int
    messages: int

    @classmethod
    def of(cls, count: Count) -> "CountOut":
        """The shape of a count."""
        return cls(start=count.start, sessions=count.sessions, messages=count.messages)


class ThemeSourceOut(BaseModel):
    """A session in which a theme came up, and the messages in it that say its words."""

    session_id: UUID
    date: datetime
    seqs: list[int]


class ThemeOut(BaseModel):
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

    @classmethod
    def of(cls, theme: Theme) -> "ThemeOut":
        """The shape of a theme."""
        return cls(
            theme=theme.theme,
            sessions=theme.sessions,
            messages=theme.messages,
            recurring=theme.recurring,
            first_at=theme.first_at,
            last_at=theme.last_at,
            weeks=[CountOut.of(count) for count in theme.weeks],
            months=[CountOut.of(count) for count in theme.months],
            sources=[ThemeSourceOut(session_id=s.session_id, date=s.date, seqs=list(s.seqs)) for s in theme.sources],
        )


class MilestoneOut(BaseModel):
    """Something that the caller said they reached, and the theme that it belongs to."""

    text: str
    at: datetime
    session_id: UUID
    seq: int | None
    theme: str | None

    @classmethod
    def of(cls, milestone: Milestone) -> "MilestoneOut":
        """The shape of a milestone."""
        return cls(
            text=milestone.text,
            at=milestone.at,
            session_id=milestone.session_id,
            seq=milestone.seq,
            theme=milestone.theme,
        )


class BeforeOut(BaseModel):
    """What there was before: the question, or the first time that the theme came up."""

    text: str
    at: datetime
    session_id: UUID


class BreakthroughOut(MilestoneOut):
    """A milestone that settles an earlier `question`, is of a `theme` of earlier sessions, or says so in `words`."""

    because: Literal["question", "theme", "words"]
    before: BeforeOut | None

    @classmethod
    def ended(cls, found: Breakthrough) -> "BreakthroughOut":
        """The shape of a breakthrough."""
        before = found.before
        return cls(
            **MilestoneOut.of(found).model_dump(),
            because=found.because,
            before=BeforeOut(text=before.text, at=before.at, session_id=before.session_id) if before else None,
        )


class GrowthOut(BaseModel):
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

    @classmethod
    def of(cls, grown: Grown) -> "GrowthOut":
        """The shape of somebody's growth."""
        return cls(
            since=grown.since,
            until=grown.until,
            complete=grown.complete,
            sessions=sum(count.sessions for count in grown.months),
            messages=sum(count.messages for count in grown.months),
            weeks=[CountOut.of(count) for count in grown.weeks],
            months=[CountOut.of(count) for count in grown.months],
            themes=[ThemeOut.of(theme) for theme in grown.themes],
            milestones=[MilestoneOut.of(milestone) for milestone in grown.milestones],
            breakthroughs=[BreakthroughOut.ended(found) for found in grown.breakthroughs],
        )


class MonthOut(BaseModel):
    """Sessions of the month that starts then (UTC)."""

    start: date
    sessions: int


class TopicOut(BaseModel):
    """What sessions of how many users were about."""

    theme: str
    sessions: int
    users: int
    first_at: datetime
    last_at: datetime
    months: list[MonthOut]

    @classmethod
    def of(cls, topic: Topic) -> "TopicOut":
        """The shape of a topic."""
        return cls(
            theme=topic.theme,
            sessions=topic.sessions,
            users=topic.users,
            first_at=topic.first_at,
            last_at=topic.last_at,
            months=[MonthOut(start=count.start, sessions=count.sessions) for count in topic.months],
        )


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
