"""SQL of what only some doors ask: sessions and messages made elsewhere, questions with their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection, FromRow
from rekindle.sessions.messages.store import Message, Role, Status
from rekindle.sessions.store import Session

Place = tuple[datetime, UUID, int]
"""When a question was asked, its session, and its answer's seq: where a list of them goes on."""


@dataclass(frozen=True, slots=True)
class Interaction(FromRow):
    """A question and its answer. `id` is the turn's."""

    id: UUID
    session_id: UUID
    seq: int
    question: str
    answer: str
    status: Status
    created_at: datetime
    context_used: list[dict[str, Any]] | None
    metadata: dict[str, Any]


async def insert_named_session(
    connection: Connection, session_id: UUID, user_id: UUID | None, assistant: str, metadata: dict[str, Any]
) -> bool:
    """A session whose id its host chose; without a user, a new anonymous one's. False when the id is taken."""
    cursor = await connection.execute(
        """
        INSERT INTO sessions (id, user_id, assistant, metadata) VALUES (%s, %s, %s, %s)
        ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        (session_id, user_id, assistant, Jsonb(metadata)),
    )
    return await cursor.fetchone() is not None


async def insert_past_session(connection: Connection, session: Session) -> bool:
    """A session from elsewhere, ended already; False when it is here."""
    cursor = await connection.execute(
        """
        INSERT INTO sessions
            (id, user_id, assistant, title, last_seq, started_at, last_seen_at, ended_at, metadata, state, titled_at,
             arrived_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, CASE WHEN %s THEN now() END, now())
        ON CONFLICT (id) DO NOTHING RETURNING id
        """,
        (
            session.id,
            session.user_id,
            session.assistant,
            session.title,
            session.last_seq,
            session.started_at,
            session.last_seen_at,
            session.ended_at,
            Jsonb(session.metadata),
            Jsonb(session.state),
            session.title is not None,
        ),
    )
    return await cursor.fetchone() is not None


async def insert_past_messages(connection: Connection, messages: Sequence[Message]) -> None:
    """Messages from elsewhere, as they were."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """
            INSERT INTO messages
                (session_id, seq, id, user_id, role, content, status, created_at, completed_at, metadata)
            VALUES (%s, %s, %s, %s, %s, to_jsonb(%s::text), %s, %s, %s, %s)
            """,
            [
                (
                    m.session_id,
                    m.seq,
                    m.id,
                    m.user_id,
                    m.role,
                    m.content,
                    m.status,
                    m.created_at,
                    m.completed_at,
                    Jsonb(m.metadata or {}),
                )
                for m in messages
            ],
        )


async def add_message(
    connection: Connection,
    session_id: UUID,
    message_id: UUID,
    role: Role,
    content: str,
    *,
    metadata: dict[str, Any],
    tools_used: list[dict[str, Any]] | None,
    processing_time_ms: int | None,
    tokens: int | None,
    error: str | None,
) -> tuple[Literal["added", "missing", "busy"], Message | None]:
    """A message said elsewhere, as the session's newest; an ended session goes on."""
    cursor = await connection.execute(
        "SELECT * FROM add_message(%s, %s, %s, %s, %s, NULL, %s, %s, %s, %s)",
        (
            session_id,
            message_id,
            role,
            content,
            Jsonb(metadata),
            Jsonb(tools_used) if tools_used is not None else None,
            processing_time_ms,
            tokens,
            error,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    if row["outcome"] != "added":
        return row["outcome"], None
    return "added", Message(
        id=message_id,
        session_id=session_id,
        user_id=row["owner_id"],
        seq=row["message_seq"],
        role=role,
        content=content,
        status="failed" if error else "complete",
        created_at=row["said_at"],
        completed_at=row["said_at"],
        output_tokens=tokens,
        processing_time_ms=processing_time_ms,
        tools_used=tools_used,
        error_code="reported" if error else None,
        error_message=error,
        metadata=metadata,
    )


_INTERACTION = """m.id, m.session_id, m.seq, u.content AS question, m.content AS answer, m.status, u.created_at,
    m.context_used, u.metadata || m.metadata AS metadata"""
# LIMIT keeps it a look-up: joined as a table, all that was ever asked in a long session would be read for a page.
_QUESTION = """CROSS JOIN LATERAL (
        SELECT q.content, q.created_at, q.metadata FROM messages q
        WHERE q.session_id = m.session_id AND q.seq = m.seq - 1 AND q.role = 'user' LIMIT 1
    ) u"""


async def list_interactions(connection: Connection, session_id: UUID, *, after: int, limit: int) -> list[Interaction]:
    """Questions and answers of a session in order, those whose answer's seq is above `after`."""
    cursor = await connection.execute(
        f"""
        SELECT {_INTERACTION} FROM messages m
        {_QUESTION}
        WHERE m.session_id = %s AND m.role = 'assistant' AND m.seq > %s AND NOT m.metadata ? 'replaced_by'
        ORDER BY m.seq LIMIT %s
        """,
        (session_id, after, limit),
    )
    return [Interaction.from_row(row) for row in await cursor.fetchall()]


async def list_recent_interactions(
    connection: Connection, user_id: UUID, *, only: UUID | None, before: Place | None, limit: int, sessions: int
) -> tuple[list[Interaction], datetime | None]:
    """The user's questions and answers, the newest first, from `before` one of them on, as far as the newest `sessions`
    of those that were last used earlier hold them; and when the last of these was used, if there may be more of them.

    No index by time is needed on what a turn writes: of a session that was used later, too, it is found by halves how
    far it was then.
    """
    moment, session, seq = before or (None, None, None)
    cursor = await connection.execute(
        f"""
        WITH past AS (
            SELECT coalesce(%(moment)s::timestamptz, 'infinity') AS moment, %(session)s::uuid AS session_id,
                %(seq)s::integer AS seq
        ), own AS (
            SELECT s.id, s.last_seq, s.started_at, s.last_seen_at FROM sessions s
            WHERE s.user_id = %(user)s AND (%(only)s::uuid IS NULL OR s.id = %(only)s) AND s.last_seq > 1
        ), used AS (
            SELECT o.id, seq_at(o.id, o.last_seq, p.moment) + 1 AS last_seq, NULL::timestamptz AS at FROM own o, past p
            WHERE o.last_seen_at >= p.moment AND o.started_at <= p.moment
            UNION ALL
            (SELECT o.id, o.last_seq, o.last_seen_at FROM own o, past p WHERE o.last_seen_at < p.moment
             ORDER BY o.last_seen_at DESC, o.id DESC LIMIT %(sessions)s)
        ), seen AS (
            SELECT CASE WHEN count(at) = %(sessions)s THEN min(at) END AS back_to FROM used
        )
        SELECT * FROM seen LEFT JOIN (
            SELECT i.* FROM used CROSS JOIN past p CROSS JOIN LATERAL (
                SELECT {_INTERACTION} FROM messages m
                {_QUESTION}
                WHERE m.session_id = used.id AND m.seq <= used.last_seq AND m.role = 'assistant'
                  AND NOT m.metadata ? 'replaced_by'
                  AND (p.session_id IS NULL OR (u.created_at, m.session_id, m.seq) < (p.moment, p.session_id, p.seq))
                ORDER BY m.seq DESC LIMIT %(limit)s
            ) i ORDER BY i.created_at DESC, i.session_id DESC, i.seq DESC LIMIT %(limit)s
        ) found ON true ORDER BY found.created_at DESC, found.session_id DESC, found.seq DESC
        """,
        {
            "user": user_id,
            "only": only,
            "moment": moment,
            "session": session,
            "seq": seq,
            "limit": limit,
            "sessions": sessions,
        },
    )
    rows = await cursor.fetchall()
    return [Interaction.from_row(row) for row in rows if row["id"]], rows[0]["back_to"]
