"""SQL of the list of a user's sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection
from rekindle.sessions.store import Session

LINE_CHARS = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """A session as a list has it: with the beginning of its summary, where it has one."""

    session: Session
    summary_line: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is limited to; None for no limit. `since` and `until` are of the last use, `until` not included."""

    ended: bool | None = None
    assistant: str | None = None
    title: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: dict[str, Any] | None = None


async def list_listed(
    connection: Connection,
    user_id: UUID,
    wanted: Wanted,
    *,
    only: UUID | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Listed]:
    """The user's sessions, or `only` the one, last used first, after the one that `before` names."""
    cursor = await connection.execute(
        f"""
        SELECT s.*, left(y.summary, {LINE_CHARS}) AS summary_line FROM (
            SELECT * FROM sessions
            WHERE user_id = %(user)s
              AND (%(only)s::uuid IS NULL OR id = %(only)s)
              AND (%(seen)s::timestamptz IS NULL OR (last_seen_at, id) < (%(seen)s, %(id)s))
              AND (%(ended)s::boolean IS NULL OR (ended_at IS NOT NULL) = %(ended)s)
              AND (%(assistant)s::text IS NULL OR assistant = %(assistant)s)
              AND (%(title)s::text IS NULL OR strpos(lower(title), lower(%(title)s)) > 0)
              AND (%(since)s::timestamptz IS NULL OR last_seen_at >= %(since)s)
              AND (%(until)s::timestamptz IS NULL OR last_seen_at < %(until)s)
              AND (%(metadata)s::jsonb IS NULL OR metadata @> %(metadata)s)
            ORDER BY last_seen_at DESC, id DESC LIMIT %(limit)s
        ) s LEFT JOIN session_summaries y ON y.session_id = s.id
        ORDER BY s.last_seen_at DESC, s.id DESC
        """,
        {
            "user": user_id,
            "only": only,
            "seen": before[0] if before else None,
            "id": before[1] if before else None,
            "ended": wanted.ended,
            "assistant": wanted.assistant,
            "title": wanted.title,
            "since": wanted.since,
            "until": wanted.until,
            "metadata": None if wanted.metadata is None else Jsonb(wanted.metadata),
            "limit": limit,
        },
    )
    return [Listed(Session.from_row(row), row["summary_line"]) for row in await cursor.fetchall()]


async def list_versions(connection: Connection, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """For each of these users a text that is another whenever their list of sessions is."""
    cursor = await connection.execute(
        """
        SELECT w.id, concat_ws('-',
            -- Records are hashed as they are, and not joined: that takes a fifth of the time that texts of a join took.
            (SELECT concat_ws('-', count(*), bit_xor(hash_record_extended(
                ROW(s.id, s.last_seq, s.last_seen_at, s.ended_at, s.title), 0)))
             FROM sessions s WHERE s.user_id = w.id),
            (SELECT bit_xor(hash_record_extended(ROW(y.session_id, y.updated_at), 0))
             FROM session_summaries y WHERE y.user_id = w.id)
        ) AS version
        FROM unnest(%s::uuid[]) AS w (id)
        """,
        (list(user_ids),),
    )
    return {row["id"]: row["version"] for row in await cursor.fetchall()}
