"""SQL of growth: what summaries mark, what was said, how much when."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from rekindle.assistants.text import without_picture
from rekindle.database import Connection

Unit = Literal["week", "month"]


@dataclass(frozen=True, slots=True)
class Marked:
    """A session with what its summary marks."""

    session_id: UUID
    user_id: UUID
    started_at: datetime
    topics: tuple[str, ...]
    open_questions: tuple[str, ...]
    milestones: tuple[str, ...]

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        lists = {name: _lines(row[name]) for name in ("topics", "open_questions", "milestones")}
        return cls(row["session_id"], row["user_id"], row["started_at"], **lists)


@dataclass(frozen=True, slots=True)
class Line:
    """Something that the user said, its beginning."""

    session_id: UUID
    seq: int
    said_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many sessions there were, and messages of the user, in the week or month that starts then (UTC)."""

    start: date
    sessions: int
    messages: int


def _lines(value: Any) -> tuple[str, ...]:
    return tuple(line for line in value if isinstance(line, str)) if isinstance(value, list) else ()


_MARKED = """y.session_id, y.user_id, s.started_at, y.metadata -> 'topics' AS topics,
    y.metadata -> 'open_questions' AS open_questions, y.metadata -> 'milestones' AS milestones"""
_NOT_REPLACED = "NOT m.metadata ? 'replaced_by'"

_NOT_PASSED_OVER = "NOT EXISTS (SELECT FROM derivations d WHERE d.session_id = s.id AND d.passed_over)"
_REMEMBERED = f"""{_NOT_PASSED_OVER} AND NOT EXISTS (
    SELECT FROM memory_settings p WHERE p.user_id = s.user_id AND p.paused_since <= s.last_seen_at)"""
"""Nothing was said in the session while its user had paused remembering."""


async def list_marked(
    connection: Connection, user_id: UUID, since: datetime, until: datetime, limit: int
) -> list[Marked]:
    """The user's summarised sessions of that time, newest first; without those held while remembering was paused."""
    cursor = await connection.execute(
        f"""
        SELECT {_MARKED} FROM session_summaries y JOIN sessions s ON s.id = y.session_id
        WHERE y.user_id = %s AND s.started_at >= %s AND s.started_at < %s AND {_REMEMBERED}
        ORDER BY y.session_id DESC LIMIT %s
        """,
        (user_id, since, until, limit),
    )
    return [Marked.from_row(row) for row in await cursor.fetchall()]


async def list_marked_of_all(connection: Connection, since: datetime, until: datetime, limit: int) -> list[Marked]:
    """The same of all users, their topics alone; without those who have paused remembering."""
    cursor = await connection.execute(
        f"""
        SELECT y.session_id, y.user_id, s.started_at, y.metadata -> 'topics' AS topics,
            NULL AS open_questions, NULL AS milestones
        FROM session_summaries y JOIN sessions s ON s.id = y.session_id
        WHERE s.started_at >= %s AND s.started_at < %s
          AND {_NOT_PASSED_OVER}
          AND NOT EXISTS (SELECT FROM memory_settings p WHERE p.user_id = y.user_id AND p.paused_since IS NOT NULL)
        ORDER BY y.session_id DESC LIMIT %s
        """,
        (since, until, limit),
    )
    return [Marked.from_row(row) for row in await cursor.fetchall()]


async def list_lines(
    connection: Connection, user_id: UUID, since: datetime, until: datetime, *, chars: int, limit: int
) -> list[Line]:
    """What the user said in those sessions, newest session first, each message's beginning."""
    cursor = await connection.execute(
        f"""
        SELECT m.session_id, m.seq, m.created_at AS said_at, left(m.content #>> '{{}}', %s) AS text
        FROM sessions s JOIN messages m ON m.session_id = s.id
        WHERE s.user_id = %s AND s.started_at >= %s AND s.started_at < %s AND m.role = 'user' AND {_NOT_REPLACED}
          AND {_REMEMBERED}
        ORDER BY s.id DESC, m.seq LIMIT %s
        """,
        (chars, user_id, since, until, limit),
    )
    return [
        Line(row["session_id"], row["seq"], row["said_at"], without_picture(row["text"]))
        for row in await cursor.fetchall()
    ]


async def list_counts(
    connection: Connection, user_id: UUID, since: datetime, until: datetime, unit: Unit
) -> list[Count]:
    """How much the user said when, by the beginning of sessions; weeks and months with nothing are left out."""
    cursor = await connection.execute(
        f"""
        SELECT date_trunc(%s, s.started_at AT TIME ZONE 'UTC')::date AS start, count(*) AS sessions,
            sum((SELECT count(*) FROM messages m
                 WHERE m.session_id = s.id AND m.role = 'user' AND {_NOT_REPLACED}))::bigint AS messages
        FROM sessions s WHERE s.user_id = %s AND s.started_at >= %s AND s.started_at < %s AND s.last_seq > 0
        GROUP BY 1 ORDER BY 1
        """,
        (unit, user_id, since, until),
    )
    return [Count(row["start"], row["sessions"], row["messages"]) for row in await cursor.fetchall()]


async def list_barred(connection: Connection, user_id: UUID) -> list[bytes]:
    """The digests of what the user had forgotten."""
    cursor = await connection.execute(
        "SELECT unnest(barred) AS digests FROM known_things WHERE user_id = %s AND state = 'forgotten'", (user_id,)
    )
    return [row["digests"] for row in await cursor.fetchall()]
