"""SQL of rolling summaries."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection, FromRow


@dataclass(frozen=True, slots=True)
class RollingSummary(FromRow):
    """One version of the summary of what left a session's window: messages `first_seq` through `through_seq`."""

    session_id: UUID
    version: int
    first_seq: int
    through_seq: int
    summary: str
    metadata: dict[str, Any]
    created_at: datetime


async def list_behind(connection: Connection, window: int, step: int, limit: int) -> list[tuple[UUID, UUID]]:
    """User and session id of sessions that go on and of which `step` messages left the window uncovered."""
    cursor = await connection.execute(
        """
        SELECT s.user_id, s.id FROM sessions s
        LEFT JOIN LATERAL (
            SELECT r.through_seq FROM rolling_summaries r WHERE r.session_id = s.id ORDER BY r.version DESC LIMIT 1
        ) newest ON true
        WHERE s.ended_at IS NULL AND s.last_seq - %(window)s - coalesce(newest.through_seq, 0) >= %(step)s
        ORDER BY s.id DESC LIMIT %(limit)s
        """,
        {"window": window, "step": step, "limit": limit},
    )
    return [(row["user_id"], row["id"]) for row in await cursor.fetchall()]


async def list_versions(connection: Connection, session_id: UUID, limit: int) -> list[RollingSummary]:
    """The newest first."""
    cursor = await connection.execute(
        """
        SELECT session_id, version, first_seq, through_seq, summary, metadata, created_at FROM rolling_summaries
        WHERE session_id = %s ORDER BY version DESC LIMIT %s
        """,
        (session_id, limit),
    )
    return [RollingSummary.from_row(row) for row in await cursor.fetchall()]


async def insert_version(
    connection: Connection,
    *,
    session_id: UUID,
    user_id: UUID,
    after: int,
    through_seq: int,
    summary: str,
    metadata: dict[str, Any],
) -> bool:
    """Write the version after the one that ends with message `after`; False when another has been faster."""
    cursor = await connection.execute(
        """
        INSERT INTO rolling_summaries (session_id, version, user_id, first_seq, through_seq, summary, metadata)
        SELECT s.id, coalesce(max(r.version), 0) + 1, s.user_id, 1, %(through)s, %(summary)s, %(metadata)s
        FROM sessions s LEFT JOIN rolling_summaries r ON r.session_id = s.id
        WHERE s.id = %(session)s AND s.user_id = %(user)s
        GROUP BY s.id HAVING coalesce(max(r.through_seq), 0) = %(after)s
        ON CONFLICT DO NOTHING RETURNING version
        """,
        {
            "session": session_id,
            "user": user_id,
            "after": after,
            "through": through_seq,
            "summary": summary,
            "metadata": Jsonb(metadata),
        },
    )
    return await cursor.fetchone() is not None


async def delete_old_versions(connection: Connection, session_id: UUID, kept: int) -> None:
    """All but the newest `kept`."""
    await connection.execute(
        """
        DELETE FROM rolling_summaries r WHERE r.session_id = %(session)s AND r.version <= (
            SELECT max(newest.version) - %(kept)s FROM rolling_summaries newest WHERE newest.session_id = %(session)s)
        """,
        {"session": session_id, "kept": kept},
    )
