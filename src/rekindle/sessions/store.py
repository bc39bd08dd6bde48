"""SQL of sessions."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection, FromRow


@dataclass(frozen=True, slots=True)
class Session(FromRow):
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


async def update_reopened(connection: Connection, session_id: UUID) -> Session | None:
    """The session, open: used just now if it had ended, so that it does not end for idleness at once."""
    cursor = await connection.execute(
        f"""
        UPDATE sessions SET last_seen_at = CASE WHEN ended_at IS NULL THEN last_seen_at ELSE now() END, ended_at = NULL
        WHERE id = %s RETURNING {_SESSION}
        """,
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


# What was brought in, or put right by its user, is as old as its talk, but was touched later. That the house wrote a
# summary is no touch.
_UNTOUCHED = """s.last_seen_at < %(before)s AND (s.arrived_at IS NULL OR s.arrived_at < %(before)s)
    AND NOT EXISTS (SELECT FROM session_summaries y
                    WHERE y.session_id = s.id AND y.metadata ? 'corrected' AND y.updated_at >= %(before)s)
    AND NOT EXISTS (SELECT FROM messages m WHERE m.session_id = s.id AND m.status = 'running')"""


async def delete_session(connection: Connection, session_id: UUID) -> bool:
    # RETURNING, here and below: in a pipeline `rowcount` is not known until a row is asked for.
    cursor = await connection.execute("DELETE FROM sessions WHERE id = %s RETURNING id", (session_id,))
    return await cursor.fetchone() is not None
