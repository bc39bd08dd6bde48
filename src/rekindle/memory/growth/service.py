"""How a person's talks develop, as data with sources; and what all people's talks are about, summed."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from rekindle.database import Database
from rekindle.identity.service import Caller
from rekindle.memory.growth import store
from rekindle.memory.growth.store import Count, Line, Marked
from rekindle.memory.growth.themes import Named, Theme, ThemeSource, find_themes, name_themes, start_of
from rekindle.memory.profile.likeness import Bars, gist, nearest
from rekindle.memory.profile.service import check_own
from rekindle.memory.words import COMMON_STEMS

__all__ = ["Breakthrough", "Count", "Grown", "Growth", "Milestone", "Theme", "ThemeSource", "Topic", "Topics"]

MOST_SESSIONS = 500
MOST_LINES = 2_000
LINE_CHARS = 600
MOST_THEMES = 20
FEW_THEMES = 5
"""Below so many, what came up in one message only is a theme too."""
MOST_SOURCES = 20
"""Sources that are given of a theme; what a breakthrough ended may be older than these."""
MOST_MILESTONES = 50
SUMMED_SESSIONS = 10_000
"""Newest summaries that topics are summed over."""

Because = Literal["question", "theme", "words"]

_REALISED = re.compile(
    r"\b(?:finally|at last|for the first time|(?:have |['’]ve )?reali[sz]ed|clicked|breakthrough|"
    r"never thought (?:I|we)|(?:works?|working|worked) now|overc[ao]me|no longer afraid|endlich|zum ersten Mal|"
    r"enfin|pour la première fois|por fin|por primera vez)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Before:
    """What there was before a breakthrough: a question, or the first time that a theme came up."""

    text: str
    at: datetime
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something that the user said they reached. `theme`: the one that it belongs to."""

    text: str
    at: datetime
    session_id: UUID
    seq: int | None
    theme: str | None


@dataclass(frozen=True, slots=True)
class Breakthrough(Milestone):
    """A milestone that settles a question of an earlier session, belongs to a theme of two earlier ones at least, or is
    told in words of relief.
    """

    because: Because = "words"
    before: Before | None = None


@dataclass(frozen=True, slots=True)
class Grown:
    """One person's growth. `complete` is False where there was more than is read: the newest of it counts."""

    since: datetime
    until: datetime
    complete: bool
    weeks: list[Count]
    months: list[Count]
    themes: list[Theme]
    milestones: list[Milestone]
    breakthroughs: list[Breakthrough]

    @property
    def sessions(self) -> int:
        """In all of the time."""
        return sum(count.sessions for count in self.months)

    @property
    def messages(self) -> int:
        """The user's, in all of the time."""
        return sum(count.messages for count in self.months)


@dataclass(frozen=True, slots=True)
class Topic:
    """What sessions of how many users were about, and when."""

    theme: str
    sessions: int
    users: int
    first_at: datetime
    last_at: datetime
    months: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Topics:
    """What all users' sessions were about; of those who pause remembering, nothing."""

    sessions: int
    users: int
    complete: bool
    topics: list[Topic]


class Growth:
    """Counts and finds by plain rules, in what summaries mark and what was said."""

    def __init__(self, database: Database, *, secret: str) -> None:
        self._database = database
        self._bars = Bars(secret)

    async def of(self, caller: Caller, since: datetime, until: datetime) -> Grown:
        """The caller's growth over the sessions that began in that time; without what they had forgotten: a theme of
        one session goes with what was made of its words too.
        """
        check_own(caller)
        user_id = caller.user_id
        async with self._database.transaction(user_id) as connection:
            marked = await store.list_marked(connection, user_id, since, until, MOST_SESSIONS + 1)
            lines = await store.list_lines(connection, user_id, since, until, chars=LINE_CHARS, limit=MOST_LINES + 1)
            weeks = await store.list_counts(connection, user_id, since, until, "week")
            months = await store.list_counts(connection, user_id, since, until, "month")
            barred = await store.list_barred(connection, user_id)
        complete = len(marked) <= MOST_SESSIONS and len(lines) <= MOST_LINES
        marked, lines = marked[:MOST_SESSIONS], lines[:MOST_LINES]

        def is_forgotten(text: str) -> bool:
            return bool(barred) and self._bars.hold(barred, text)

        def is_theme_forgotten(theme: Theme) -> bool:
            once = theme.sessions == 1 and bool(barred) and self._bars.cover(barred, theme.theme)
            return once or is_forgotten(theme.theme)

        themes, reached = await asyncio.to_thread(_grown, marked, lines, is_forgotten, is_theme_forgotten)
        return Grown(
            since,
            until,
            complete,
            weeks,
            months,
            [replace(theme, sources=theme.sources[:MOST_SOURCES]) for theme in themes],
            [Milestone(m.text, m.at, m.session_id, m.seq, m.theme) for m in reached],
            [milestone for milestone in reached if isinstance(milestone, Breakthrough)],
        )

    async def topics(self, since: datetime, until: datetime, limit: int) -> Topics:
        """What all users' sessions were about, for administrators: sums, and no more of anybody's words than topics."""
        async with self._database.system() as connection:
            marked = await store.list_marked_of_all(connection, since, until, SUMMED_SESSIONS + 1)
        topics = await asyncio.to_thread(_summed, marked[:SUMMED_SESSIONS], limit)
        return Topics(
            sessions=min(len(marked), SUMMED_SESSIONS),
            users=len({session.user_id for session in marked[:SUMMED_SESSIONS]}),
            complete=len(marked) <= SUMMED_SESSIONS,
            topics=topics,
        )

    async def sessions_about(self, theme: str, since: datetime, until: datetime) -> list[UUID]:
        """The sessions that `topics` counts for this topic, for administrators."""
        async with self._database.system() as connection:
            marked = await store.list_marked_of_all(connection, since, until, SUMMED_SESSIONS)
        groups = await asyncio.to_thread(_about, marked)
        return [session_id for named, sessions in groups if named.name == theme for session_id in sessions]


def _grown(
    marked: Sequence[Marked],
    lines: Sequence[Line],
    is_forgotten: Callable[[str], bool],
    is_theme_forgotten: Callable[[Theme], bool],
) -> tuple[list[Theme], list[Milestone]]:
    themes = _come_back([theme for theme in find_themes(marked, lines, MOST_THEMES) if not is_theme_forgotten(theme)])
    by_session: defaultdict[UUID, list[tuple[Line, frozenset[str]]]] = defaultdict(list)
    for line in lines:
        by_session[line.session_id].append((line, gist(line.text)))
    reached: list[Milestone] = []
    for place, session in enumerate(marked):
        for text in session.milestones:
            if len(reached) == MOST_MILESTONES:
                return themes, reached
            if not is_forgotten(text):
                milestone = _milestone(text, session, by_session[session.session_id], themes)
                reached.append(_breakthrough(milestone, marked[place + 1 :], themes) or milestone)
    return themes, reached


def _come_back(themes: Sequence[Theme]) -> list[Theme]:
    """The themes without those of which one message said something, once: of these, as many as make a few in all."""
    once = [theme for theme in themes if theme.sessions == 1 and theme.messages == 1]
    spared = once[: max(0, FEW_THEMES - (len(themes) - len(once)))]
    return [theme for theme in themes if theme not in once or theme in spared]


def _milestone(
    text: str, session: Marked, said: Sequence[tuple[Line, frozenset[str]]], themes: Sequence[Theme]
) -> Milestone:
    """`said`: the lines of its session, each with its gist."""
    place = nearest(text, [line.text for line, _ in said], [stems for _, stems in said], [True] * len(said))
    line = said[place][0] if place is not None else None
    stems = gist(text)
    theme = next((theme.theme for theme in themes if any(key <= stems for key in theme.keys)), None)
    if line is None:
        return Milestone(text, session.started_at, session.session_id, None, theme)
    return Milestone(text, line.said_at, session.session_id, line.seq, theme)


def _breakthrough(reached: Milestone, earlier: Sequence[Marked], themes: Sequence[Theme]) -> Breakthrough | None:
    """The milestone as what ended something, if it did; `earlier` sessions come newest first."""
    told = (reached.text, reached.at, reached.session_id, reached.seq, reached.theme)
    stems = gist(reached.text) - COMMON_STEMS
    for session in earlier:
        for question in session.open_questions:
            asked = gist(question) - COMMON_STEMS
            both = asked & stems
            if both and len(both) >= 0.5 * min(len(asked), len(stems)):
                return Breakthrough(*told, "question", Before(question, session.started_at, session.session_id))
    theme = next((theme for theme in themes if theme.theme == reached.theme), None)
    if theme:
        before = [source for source in theme.sources if source.date < reached.at]
        before = [source for source in before if source.session_id != reached.session_id]
        if len(before) > 1:
            first = before[-1]
            return Breakthrough(*told, "theme", Before(theme.theme, first.date, first.session_id))
    return Breakthrough(*told, "words") if _REALISED.search(reached.text) else None


def _about(marked: Sequence[Marked]) -> list[tuple[Named, dict[UUID, Marked]]]:
    """The themes of all these sessions, each with those that name it."""
    mentions: defaultdict[frozenset[str], list[Marked]] = defaultdict(list)
    for session in marked:
        for key in {gist(topic) for topic in session.topics}:
            mentions[key].append(session)
    return [
        (named, {session.session_id: session for key in named.keys for session in mentions[key]})
        for named in name_themes(marked)
    ]


def _summed(marked: Sequence[Marked], limit: int) -> list[Topic]:
    found = []
    for named, sessions in _about(marked):
        months = Counter(start_of(session.started_at, "month") for session in sessions.values())
        dates = [session.started_at for session in sessions.values()]
        found.append(
            Topic(
                theme=named.name,
                sessions=len(sessions),
                users=len({session.user_id for session in sessions.values()}),
                first_at=min(dates),
                last_at=max(dates),
                months=tuple(Count(start, months[start], 0) for start in sorted(months)),
            )
        )
    return sorted(found, key=lambda topic: (-topic.users, -topic.sessions, topic.theme))[:limit]
