"""SQL of summaries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection, FromRow, vector


@dataclass(frozen=True, slots=True)
class SessionSummary(FromRow):
    """What a session was about. `through_seq`: the last message it covers; `metadata` holds its structured part."""

    session_id: UUID
    user_id: UUID
    summary: str
    embedding_model: str | None
    metadata: dict[str, Any]
    through_seq: int
    created_at: datetime
    updated_at: datetime

    @property
    def corrected(self) -> dict[str, Any]:
        """What of it its user put in their own words, and when (`at`); empty when it is as it was written."""
        corrected: dict[str, Any] = self.metadata.get("corrected") or {}
        return corrected


async def upsert_summary(
    connection: Connection,
    *,
    session_id: UUID,
    user_id: UUID,
    summary: str,
    metadata: dict[str, Any],
    through_seq: int,
    embedding: list[float] | None,
    embedding_model: str | None,
) -> None:
    """Write a session's summary; an older one that covers more stays, and so does what its user corrected.

    Of a session that was deleted meanwhile, nothing is written.
    """
    await connection.execute(
        """
        INSERT INTO session_summaries AS s
            (session_id, user_id, summary, metadata, through_seq, embedding, embedding_model)
        SELECT x.id, x.user_id, %s, %s, %s, %s::vector, %s FROM sessions x
        WHERE x.id = %s AND x.user_id = %s FOR KEY SHARE
        ON CONFLICT (session_id) DO UPDATE SET
            summary = coalesce(s.metadata #>> '{corrected,text}', excluded.summary),
            metadata = excluded.metadata || coalesce((s.metadata -> 'corrected') - 'text' - 'at', '{}')
                || jsonb_strip_nulls(jsonb_build_object('corrected', s.metadata -> 'corrected')),
            through_seq = excluded.through_seq,
            embedding = CASE WHEN s.metadata -> 'corrected' ? 'text' THEN s.embedding ELSE excluded.embedding END,
            embedding_model = CASE WHEN s.metadata -> 'corrected' ? 'text' THEN s.embedding_model
                              ELSE excluded.embedding_model END,
            updated_at = clock_timestamp()
        WHERE s.through_seq <= excluded.through_seq
        """,
        (
            summary,
            Jsonb(metadata),
            through_seq,
            vector(embedding) if embedding else None,
            embedding_model,
            session_id,
            user_id,
        ),
    )


async def update_corrected(
    connection: Connection,
    session_id: UUID,
    corrected: dict[str, Any],
    embedding: list[float] | None,
    model: str | None,
) -> SessionSummary | None:
    """Put a user's own words into a summary: `text`, and lists by their names. Where there is a text, its embedding."""
    cursor = await connection.execute(
        f"""
        UPDATE session_summaries s SET
            summary = coalesce(%(new)s ->> 'text', s.summary),
            metadata = s.metadata || (%(new)s - 'text') || jsonb_build_object('corrected',
                coalesce(s.metadata -> 'corrected', '{{}}') || %(new)s || jsonb_build_object('at', clock_timestamp())),
            embedding = CASE WHEN %(new)s ? 'text' THEN %(embedding)s::vector ELSE s.embedding END,
            embedding_model = CASE WHEN %(new)s ? 'text' THEN %(model)s ELSE s.embedding_model END,
            updated_at = clock_timestamp()
        WHERE s.session_id = %(session)s RETURNING {_SUMMARY}
        """,
        {
            "new": Jsonb(corrected),
            "embedding": vector(embedding) if embedding else None,
            "model": model,
            "session": session_id,
        },
    )
    row = await cursor.fetchone()
    return SessionSummary.from_row(row) if row else None


async def list_bare(connection: Connection, limit: int) -> list[tuple[UUID, UUID, str]]:
    """User, session and text of summaries without a vector, those of the newest sessions first."""
    cursor = await connection.execute(
        "SELECT user_id, session_id, summary FROM session_summaries WHERE embedding IS NULL "
        "ORDER BY session_id DESC LIMIT %s",
        (limit,),
    )
    return [(row["user_id"], row["session_id"], row["summary"]) for row in await cursor.fetchall()]


async def update_embedding(
    connection: Connection, session_id: UUID, text: str, embedding: list[float], model: str
) -> int:
    """Give a summary its vector, unless it says something else by now; how many summaries have one more."""
    cursor = await connection.execute(
        "UPDATE session_summaries SET embedding = %s::vector, embedding_model = %s "
        "WHERE session_id = %s AND embedding IS NULL AND summary = %s RETURNING session_id",
        (vector(embedding), model, session_id, text),
    )
    return len(await cursor.fetchall())


_SUMMARY = "session_id, user_id, summary, embedding_model, metadata, through_seq, created_at, updated_at"


async def find_summary(connection: Connection, session_id: UUID) -> SessionSummary | None:
    cursor = await connection.execute(f"SELECT {_SUMMARY} FROM session_summaries WHERE session_id = %s", (session_id,))
    row = await cursor.fetchone()
    return SessionSummary.from_row(row) if row else None


async def list_summaries(connection: Connection, user_id: UUID, limit: int) -> list[SessionSummary]:
    """The user's summaries, of the newest sessions first."""
    cursor = await connection.execute(
        f"SELECT {_SUMMARY} FROM session_summaries WHERE user_id = %s ORDER BY session_id DESC LIMIT %s",
        (user_id, limit),
    )
    return [SessionSummary.from_row(row) for row in await cursor.fetchall()]


async def list_unsummarised(connection: Connection, limit: int) -> list[tuple[UUID, UUID]]:
    """User and session id of ended sessions whose summary is missing or older than their last message."""
    cursor = await connection.execute(
        """
        SELECT s.user_id, s.id FROM sessions s LEFT JOIN session_summaries y ON y.session_id = s.id
        WHERE s.ended_at IS NOT NULL AND s.last_seq > coalesce(y.through_seq, 0)
        ORDER BY s.id DESC LIMIT %s
        """,
        (limit,),
    )
    return [(row["user_id"], row["id"]) for row in await cursor.fetchall()]


async def count_unsummarised(connection: Connection) -> int:
    """How many ended sessions wait for their summary."""
    cursor = await connection.execute(
        """
        SELECT count(*) AS waiting FROM sessions s LEFT JOIN session_summaries y ON y.session_id = s.id
        WHERE s.ended_at IS NOT NULL AND s.last_seq > coalesce(y.through_seq, 0)
        """
    )
    row = await cursor.fetchone()
    return row["waiting"] if row else 0
