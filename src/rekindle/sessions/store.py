"""SQL of sessions and their messages."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection

Role = Literal["user", "assistant"]
Status = Literal["running", "complete", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class Session:
    """One conversation of one user with one assistant. `last_seq` counts its messages.

    A `lasting` one is never ended for idleness. `state` is what a door keeps of it, `metadata` what its host says.
    """

    id: UUID
    user_id: UUID
    cookie_sid: str | None
    assistant: str
    thread: str | None
    title: str | None
    last_seq: int
    started_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    metadata: dict[str, Any]
    state: dict[str, Any] = field(default_factory=dict)
    lasting: bool = False

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Message:
    """One row of a session. A reply's `id` is its turn's; tokens are the provider's count unless `tokens_estimated`."""

    id: UUID
    session_id: UUID
    user_id: UUID
    seq: int
    role: Role
    content: str
    status: Status
    created_at: datetime
    completed_at: datetime | None = None
    attempt: int = 1
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    tokens_estimated: bool | None = None
    processing_time_ms: int | None = None
    tools_used: list[dict[str, Any]] | None = None
    context_used: list[dict[str, Any]] | None = None
    error_code: str | None = None
    error_message: str | None = None
    metadata: dict[str, Any] | None = None

    @property
    def persisted(self) -> bool:
        """False for a reply given while the database was away: it waits in memory to be written."""
        return bool((self.metadata or {}).get("persisted", True))

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Stamp:
    """How far a session reaches: of its newest message. A message that is `complete` never changes."""

    seq: int
    attempt: int
    status: Status


_SESSION = """id, user_id, cookie_sid, assistant, thread, title, last_seq, started_at, last_seen_at, ended_at, metadata,
    state, lasting"""


async def insert_session(
    connection: Connection,
    session_id: UUID,
    user_id: UUID,
    assistant: str,
    *,
    cookie_sid: str | None = None,
    thread: str | None = None,
    title: str | None = None,
    metadata: dict[str, Any] | None = None,
    state: dict[str, Any] | None = None,
    lasting: bool = False,
) -> Session:
    """The new session; where its thread has one already, that one."""
    cursor = await connection.execute(
        f"""
        INSERT INTO sessions (id, user_id, assistant, cookie_sid, thread, title, metadata, state, lasting, titled_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, CASE WHEN %s THEN now() END)
        ON CONFLICT (user_id, thread) WHERE thread IS NOT NULL DO UPDATE SET thread = excluded.thread
        RETURNING {_SESSION}
        """,
        (
            session_id,
            user_id,
            assistant,
            cookie_sid,
            thread,
            title,
            Jsonb(metadata or {}),
            Jsonb(state or {}),
            lasting,
            title is not None,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Session.from_row(row)


async def find_current_session(connection: Connection, user_id: UUID, *, alone: bool = False) -> Session | None:
    """The user's newest lasting session that has not ended; with `alone`, nobody else looks until this one is done."""
    if alone:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))", (str(user_id),))
    cursor = await connection.execute(
        f"""
        SELECT {_SESSION} FROM sessions WHERE user_id = %s AND lasting AND ended_at IS NULL ORDER BY id DESC LIMIT 1
        """,
        (user_id,),
    )
    row = await cursor.fetchone()
    return Session.from_row(row) if row else None


async def find_session(connection: Connection, session_id: UUID) -> Session | None:
    cursor = await connection.execute(f"SELECT {_SESSION} FROM sessions WHERE id = %s", (session_id,))
    row = await cursor.fetchone()
    return Session.from_row(row) if row else None


async def find_session_by_sid(connection: Connection, cookie_sid: str) -> Session | None:
    cursor = await connection.execute(f"SELECT {_SESSION} FROM sessions WHERE cookie_sid = %s", (cookie_sid,))
    row = await cursor.fetchone()
    return Session.from_row(row) if row else None


async def find_session_by_thread(connection: Connection, user_id: UUID, thread: str) -> Session | None:
    cursor = await connection.execute(
        f"SELECT {_SESSION} FROM sessions WHERE user_id = %s AND thread = %s", (user_id, thread)
    )
    row = await cursor.fetchone()
    return Session.from_row(row) if row else None


async def list_sessions(
    connection: Connection,
    user_id: UUID,
    *,
    only: UUID | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
    ended: bool | None,
    metadata: dict[str, Any] | None,
) -> list[Session]:
    """The user's sessions, or `only` the one, last used first, after the one that `before` names."""
    cursor = await connection.execute(
        f"""
        SELECT {_SESSION} FROM sessions
        WHERE user_id = %(user)s
          AND (%(only)s::uuid IS NULL OR id = %(only)s)
          AND (%(seen)s::timestamptz IS NULL OR (last_seen_at, id) < (%(seen)s, %(id)s))
          AND (%(ended)s::boolean IS NULL OR (ended_at IS NOT NULL) = %(ended)s)
          AND (%(metadata)s::jsonb IS NULL OR metadata @> %(metadata)s)
        ORDER BY last_seen_at DESC, id DESC LIMIT %(limit)s
        """,
        {
            "user": user_id,
            "only": only,
            "seen": before[0] if before else None,
            "id": before[1] if before else None,
            "ended": ended,
            "metadata": None if metadata is None else Jsonb(metadata),
            "limit": limit,
        },
    )
    return [Session.from_row(row) for row in await cursor.fetchall()]


async def list_all_sessions(
    connection: Connection, *, user_id: UUID | None, before: UUID | None, limit: int
) -> list[Session]:
    """Sessions of all users, or of one, newest first, after the one that `before` names: for administrators."""
    cursor = await connection.execute(
        f"""
        SELECT {_SESSION} FROM sessions
        WHERE (%(user)s::uuid IS NULL OR user_id = %(user)s) AND (%(before)s::uuid IS NULL OR id < %(before)s)
        ORDER BY id DESC LIMIT %(limit)s
        """,
        {"user": user_id, "before": before, "limit": limit},
    )
    return [Session.from_row(row) for row in await cursor.fetchall()]


async def update_title(
    connection: Connection, session_id: UUID, title: str, *, unless_named: bool = False
) -> Session | None:
    """The session under its new name; None when there is none, or `unless_named`, when it has a name."""
    cursor = await connection.execute(
        f"""
        UPDATE sessions SET title = %s, titled_at = now() WHERE id = %s AND (titled_at IS NULL OR NOT %s)
        RETURNING {_SESSION}
        """,
        (title, session_id, unless_named),
    )
    row = await cursor.fetchone()
    return Session.from_row(row) if row else None


async def list_untitled(connection: Connection, limit: int) -> list[tuple[UUID, UUID]]:
    """User and session id of sessions with an exchange in them and no name yet, the newest first."""
    cursor = await connection.execute(
        """
        SELECT user_id, id FROM sessions WHERE titled_at IS NULL AND last_seq >= 2 ORDER BY id DESC LIMIT %s
        """,
        (limit,),
    )
    return [(row["user_id"], row["id"]) for row in await cursor.fetchall()]


async def update_ended(connection: Connection, session_id: UUID) -> Session | None:
    """The session, ended now unless it was before."""
    cursor = await connection.execute(
        f"UPDATE sessions SET ended_at = coalesce(ended_at, now()) WHERE id = %s RETURNING {_SESSION}",
        (session_id,),
    )
    row = await cursor.fetchone()
    return Session.from_row(row) if row else None


async def update_idle_ended(connection: Connection, idle_minutes: float, limit: int) -> list[Session]:
    """Sessions without a message for so long, ended now; none whose answer is still being written."""
    cursor = await connection.execute(
        f"""
        UPDATE sessions SET ended_at = now() WHERE id IN (
            SELECT s.id FROM sessions s
            WHERE s.ended_at IS NULL AND NOT s.lasting AND s.last_seen_at < now() - make_interval(secs => %s)
              AND NOT EXISTS (SELECT FROM messages m WHERE m.session_id = s.id AND m.status = 'running')
            LIMIT %s FOR UPDATE SKIP LOCKED
        ) RETURNING {_SESSION}
        """,
        (idle_minutes * 60, limit),
    )
    return [Session.from_row(row) for row in await cursor.fetchall()]


async def update_lasting_ended(connection: Connection, user_id: UUID) -> list[Session]:
    """The user's lasting sessions, all ended now."""
    cursor = await connection.execute(
        f"""
        UPDATE sessions SET ended_at = now() WHERE user_id = %s AND lasting AND ended_at IS NULL RETURNING {_SESSION}
        """,
        (user_id,),
    )
    return [Session.from_row(row) for row in await cursor.fetchall()]


async def count_untouched(connection: Connection, before: datetime) -> tuple[int, int]:
    """Sessions without a message since `before`, and their messages."""
    cursor = await connection.execute(
        f"SELECT count(*) AS sessions, coalesce(sum(s.last_seq), 0) AS messages FROM sessions s WHERE {_UNTOUCHED}",
        {"before": before},
    )
    row = await cursor.fetchone()
    return (row["sessions"], int(row["messages"])) if row else (0, 0)


async def delete_untouched(
    connection: Connection, before: datetime, *, after: UUID, limit: int
) -> list[tuple[UUID, int]]:
    """Delete sessions without a message since `before`, in the order of their ids, from beyond `after` on.

    Returns the id and the number of messages of each.
    """
    cursor = await connection.execute(
        f"""
        DELETE FROM sessions WHERE id IN (
            SELECT s.id FROM sessions s WHERE s.id > %(after)s AND {_UNTOUCHED}
            ORDER BY s.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ) RETURNING id, last_seq
        """,
        {"before": before, "after": after, "limit": limit},
    )
    return sorted((row["id"], row["last_seq"]) for row in await cursor.fetchall())


# A session brought in from elsewhere is as old as its talk, but its summary is new: it was touched when it came.
_UNTOUCHED = """s.last_seen_at < %(before)s
    AND NOT EXISTS (SELECT FROM session_summaries y WHERE y.session_id = s.id AND y.updated_at >= %(before)s)
    AND NOT EXISTS (SELECT FROM messages m WHERE m.session_id = s.id AND m.status = 'running')"""


async def delete_session(connection: Connection, session_id: UUID) -> bool:
    # RETURNING, here and below: in a pipeline `rowcount` is not known until a row is asked for.
    cursor = await connection.execute("DELETE FROM sessions WHERE id = %s RETURNING id", (session_id,))
    return await cursor.fetchone() is not None


_MESSAGE = """m.id, m.session_id, m.user_id, m.seq, m.role, m.content, m.status, m.created_at, m.completed_at,
    m.attempt, m.model, m.input_tokens, m.output_tokens, m.tokens_estimated, m.processing_time_ms, m.tools_used,
    m.context_used, m.error_code, m.error_message, m.metadata"""


async def list_messages(
    connection: Connection, session_id: UUID, *, after: int | None, before: int | None, limit: int
) -> list[Message]:
    """Messages in order: the first after `after`, else the newest before `before`, else the newest.

    Seqs have no gap, so a page is a range of them: no plan can read more than the page.
    """
    cursor = await connection.execute(
        f"""
        SELECT {_MESSAGE} FROM messages m, (
            SELECT coalesce(%(after)s::bigint, least(%(before)s::bigint, s.last_seq + 1) - %(limit)s - 1) AS low
            FROM sessions s WHERE s.id = %(session)s
        ) page
        WHERE m.session_id = %(session)s AND m.seq > page.low AND m.seq <= page.low + %(limit)s
        ORDER BY m.seq
        """,
        {"session": session_id, "after": after, "before": before, "limit": limit},
    )
    return [Message.from_row(row) for row in await cursor.fetchall()]


async def list_messages_with(
    connection: Connection,
    session_id: UUID,
    metadata: dict[str, Any],
    *,
    after: int | None,
    before: int | None,
    limit: int,
) -> list[Message]:
    """As `list_messages`, of those whose metadata holds `metadata`."""
    cursor = await connection.execute(
        f"""
        SELECT * FROM (
            SELECT {_MESSAGE} FROM messages m
            WHERE m.session_id = %(session)s AND m.metadata @> %(metadata)s
              AND m.seq > coalesce(%(after)s::integer, 0) AND m.seq < coalesce(%(before)s::integer, 2147483647)
            ORDER BY CASE WHEN %(after)s::integer IS NULL THEN -m.seq ELSE m.seq END LIMIT %(limit)s
        ) page ORDER BY seq
        """,
        {"session": session_id, "metadata": Jsonb(metadata), "after": after, "before": before, "limit": limit},
    )
    return [Message.from_row(row) for row in await cursor.fetchall()]


async def find_stamp(connection: Connection, session_id: UUID) -> Stamp | None:
    """Where a session reaches now; None for one that is empty, or not there."""
    cursor = await connection.execute(
        """
        SELECT m.seq, m.attempt, m.status FROM sessions s JOIN messages m ON m.session_id = s.id AND m.seq = s.last_seq
        WHERE s.id = %s
        """,
        (session_id,),
    )
    row = await cursor.fetchone()
    return Stamp(**row) if row else None


async def find_reply(connection: Connection, turn_id: UUID) -> Message | None:
    cursor = await connection.execute(
        f"SELECT {_MESSAGE} FROM messages m WHERE m.id = %s AND m.role = 'assistant'", (turn_id,)
    )
    row = await cursor.fetchone()
    return Message.from_row(row) if row else None


async def find_running_reply(connection: Connection, session_id: UUID) -> Message | None:
    cursor = await connection.execute(
        f"SELECT {_MESSAGE} FROM messages m WHERE m.session_id = %s AND m.status = 'running'", (session_id,)
    )
    row = await cursor.fetchone()
    return Message.from_row(row) if row else None
