"""Themes: what talks come back to, from the topics that summaries name and the messages that use their words."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations
from uuid import UUID

from rekindle.memory.growth.store import Count, Line, Marked, Unit
from rekindle.memory.profile.likeness import gist

Gist = frozenset[str]

LONGEST = 60
LONGEST_TOPIC = 12
"""Stems of one that may belong to another; looked up by their combinations, as to compare each with each takes hours
where somebody brings in a hundred thousand.
"""
RECURRING_SESSIONS = 3
RECURRING_DAYS = 7
ENOUGH_MESSAGES = 2
MOST_SEQS = 10


@dataclass(frozen=True, slots=True)
class ThemeSource:
    """A session in which a theme came up, and the messages that say its words; there may be none."""

    session_id: UUID
    date: datetime
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Theme:
    """Something that talks came back to. `sources`: the newest first."""

    theme: str
    keys: tuple[Gist, ...]
    sessions: int
    messages: int
    recurring: bool
    first_at: datetime
    last_at: datetime
    weeks: tuple[Count, ...]
    months: tuple[Count, ...]
    sources: tuple[ThemeSource, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A group of topics that are one: its name, and the gists that are in it."""

    name: str
    keys: tuple[Gist, ...]


def name_themes(marked: Iterable[Marked]) -> list[Named]:
    """The topics of sessions in groups, those of most sessions first: one in other words, or with more words around it,
    belongs to the one that is named more often.
    """
    surfaces: defaultdict[Gist, Counter[str]] = defaultdict(Counter)
    for session in marked:
        for topic in dict.fromkeys(session.topics):
            if key := gist(topic):
                surfaces[key][" ".join(topic.split())[:LONGEST]] += 1
    counts = {key: names.total() for key, names in surfaces.items()}
    groups: defaultdict[Gist, list[Gist]] = defaultdict(list)
    for key in sorted(counts, key=lambda key: (len(key), -counts[key], sorted(key))):
        within = [other for other in _shorter(key) if counts.get(other, 0) >= counts[key]]
        home = max(within, key=lambda other: (counts[other], sorted(other)), default=key)
        groups[home if home in groups else key].append(key)
    named = [(Named(surfaces[keys[0]].most_common(1)[0][0], tuple(keys)), keys) for keys in groups.values()]
    return [theme for theme, keys in sorted(named, key=lambda pair: -sum(counts[key] for key in pair[1]))]


def _shorter(key: Gist) -> Iterator[Gist]:
    """What a topic may have been called with fewer words, up to three; of one as long as a sentence, nothing."""
    if len(key) <= LONGEST_TOPIC:
        for size in range(1, min(len(key), 4)):
            yield from map(frozenset, combinations(key, size))


def find_themes(marked: Sequence[Marked], lines: Sequence[Line], most: int) -> list[Theme]:
    """The themes of one person's sessions, those that most summaries name first. One comes up where a summary names
    it, or two messages of a session say its words.
    """
    started = {session.session_id: session.started_at for session in marked}
    of_topic: defaultdict[Gist, set[UUID]] = defaultdict(set)
    for session in marked:
        for topic in session.topics:
            of_topic[gist(topic)].add(session.session_id)
    named = name_themes(marked)[:most]
    wanted = {stem for theme in named for key in theme.keys for stem in key}
    using: defaultdict[str, set[int]] = defaultdict(set)
    for place, line in enumerate(lines):
        for stem in gist(line.text) & wanted:
            using[stem].add(place)
    found = []
    for theme in named:
        places = sorted({p for key in theme.keys for p in set.intersection(*(using[stem] for stem in key))})
        said = [lines[place] for place in places if lines[place].session_id in started]
        uses = Counter(line.session_id for line in said)
        sessions = {s for key in theme.keys for s in of_topic[key]} | {
            s for s, n in uses.items() if n >= ENOUGH_MESSAGES
        }
        said = [line for line in said if line.session_id in sessions]
        found.append(_theme(theme, {session: started[session] for session in sessions}, said))
    return found


def start_of(when: datetime, unit: Unit) -> date:
    """The first day of the week or month, in UTC, as PostgreSQL has it."""
    day = when.date()
    return day - timedelta(days=day.weekday()) if unit == "week" else day.replace(day=1)


def is_recurring(dates: Iterable[datetime]) -> bool:
    """Whether what came up in sessions of these dates came back: in three, or after a week."""
    ordered = sorted(dates)
    return len(ordered) >= RECURRING_SESSIONS or (
        len(ordered) > 1 and ordered[-1] - ordered[0] >= timedelta(days=RECURRING_DAYS)
    )


def _theme(named: Named, sessions: Mapping[UUID, datetime], said: Sequence[Line]) -> Theme:
    seqs: defaultdict[UUID, list[int]] = defaultdict(list)
    for line in said:
        seqs[line.session_id].append(line.seq)
    newest = sorted(sessions.items(), key=lambda item: item[1], reverse=True)
    return Theme(
        theme=named.name,
        keys=named.keys,
        sessions=len(sessions),
        messages=len(said),
        recurring=is_recurring(sessions.values()),
        first_at=newest[-1][1],
        last_at=newest[0][1],
        weeks=_counts(sessions, said, "week"),
        months=_counts(sessions, said, "month"),
        sources=tuple(ThemeSource(session, at, tuple(seqs[session][:MOST_SEQS])) for session, at in newest),
    )


def _counts(sessions: Mapping[UUID, datetime], said: Sequence[Line], unit: Unit) -> tuple[Count, ...]:
    begun = Counter(start_of(at, unit) for at in sessions.values())
    spoken = Counter(start_of(sessions[line.session_id], unit) for line in said)
    return tuple(Count(start, begun[start], spoken[start]) for start in sorted(begun))
