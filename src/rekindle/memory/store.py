"""SQL of summaries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What a session was about. `through_seq`: the last message it covers; `metadata` holds its structured part."""

    session_id: UUID
    user_id: UUID
    summary: str
    embedding_model: str | None
    metadata: dict[str, Any]
    through_seq: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


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
    """Write a session's summary; an older one that covers more stays."""
    await connection.execute(
        """
        INSERT INTO session_summaries AS s
            (session_id, user_id, summary, metadata, through_seq, embedding, embedding_model)
        VALUES (%s, %s, %s, %s, %s, %s::vector, %s)
        ON CONFLICT (session_id) DO UPDATE SET
            summary = excluded.summary, metadata = excluded.metadata, through_seq = excluded.through_seq,
            embedding = excluded.embedding, embedding_model = excluded.embedding_model, updated_at = now()
        WHERE s.through_seq <= excluded.through_seq
        """,
        (
            session_id,
            user_id,
            summary,
            Jsonb(metadata),
            through_seq,
            # pgvector's text form; its binary form would need a dependency for one column.
            None if embedding is None else "[" + ",".join(f"{x:.7g}" for x in embedding) + "]",
            embedding_model,
        ),
    )


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
