"""SQL of the sources of documents."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Self
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection
from rekindle.ids import uuid7

State = Literal["running", "queued", "stopped", "failed", "done"]
"""Of a source's last run. `stopped`: it ended without a word, and goes on where it was when it is run again."""

SILENCE = timedelta(minutes=2)
"""A run that gives no sign of life for so long has stopped."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where documents come from: a file, a folder or a site. `outcome`: what its last run did, or has done so far."""

    id: UUID
    assistant: str | None
    location: str
    kind: str
    options: dict[str, Any]
    state: State
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    outcome: dict[str, Any]
    created_at: datetime
    documents: int

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


async def begin_run(
    connection: Connection, assistant: str | None, location: str, kind: str, options: dict[str, Any]
) -> UUID:
    """The source of this location, made if it is new; its run begins now."""
    cursor = await connection.execute(
        """
        INSERT INTO knowledge_sources AS s (id, assistant, location, kind, options, started_at, seen_at)
        VALUES (%s, %s, %s, %s, %s, now(), now())
        ON CONFLICT (assistant, location) DO UPDATE SET
            kind = excluded.kind, options = excluded.options, queued_at = NULL, started_at = now(), seen_at = now(),
            finished_at = NULL, failed = false
        RETURNING s.id
        """,
        (uuid7(), assistant, location, kind, Jsonb(options)),
    )
    row = await cursor.fetchone()
    assert row is not None
    found: UUID = row["id"]
    return found


async def update_queued(connection: Connection, source_id: UUID) -> None:
    """Another run is asked for."""
    await connection.execute("UPDATE knowledge_sources SET queued_at = now() WHERE id = %s", (source_id,))


async def update_outcome(
    connection: Connection, source_id: UUID, outcome: dict[str, Any], *, stopped: bool = False
) -> None:
    """A run has done so much, and goes on, or is stopped."""
    await connection.execute(
        "UPDATE knowledge_sources SET seen_at = CASE WHEN %s THEN NULL ELSE now() END, outcome = %s WHERE id = %s",
        (stopped, Jsonb(outcome), source_id),
    )


async def finish_run(connection: Connection, source_id: UUID, outcome: dict[str, Any], *, failed: bool) -> None:
    """A run is over."""
    await connection.execute(
        "UPDATE knowledge_sources SET finished_at = now(), failed = %s, outcome = %s WHERE id = %s",
        (failed, Jsonb(outcome), source_id),
    )


async def refuse_run(connection: Connection, source_id: UUID, note: str) -> None:
    """A run that was asked for could not begin."""
    await connection.execute(
        """
        UPDATE knowledge_sources SET queued_at = NULL, started_at = now(), finished_at = now(), failed = true,
            outcome = %s WHERE id = %s
        """,
        (Jsonb({"note": note}), source_id),
    )


async def find_source(connection: Connection, source_id: UUID) -> Source | None:
    found = await list_sources(connection, None, 1, only=source_id)
    return found[0] if found else None


async def list_sources(
    connection: Connection, after: UUID | None, limit: int, *, only: UUID | None = None
) -> list[Source]:
    """Sources, newest first."""
    cursor = await connection.execute(
        """
        SELECT s.*, (SELECT count(*) FROM documents d WHERE d.source_id = s.id) AS documents,
            CASE WHEN s.finished_at IS NULL AND s.seen_at > now() - %(silence)s THEN 'running'
                WHEN s.queued_at IS NOT NULL THEN 'queued' WHEN s.finished_at IS NULL THEN 'stopped'
                WHEN s.failed THEN 'failed' ELSE 'done' END AS state
        FROM knowledge_sources s
        WHERE (%(after)s::uuid IS NULL OR s.id < %(after)s) AND (%(only)s::uuid IS NULL OR s.id = %(only)s)
        ORDER BY s.id DESC LIMIT %(limit)s
        """,
        {"after": after, "only": only, "limit": limit, "silence": SILENCE},
    )
    return [Source.from_row(row) for row in await cursor.fetchall()]


async def count_sources(connection: Connection) -> int:
    cursor = await connection.execute("SELECT count(*) AS n FROM knowledge_sources")
    row = await cursor.fetchone()
    assert row is not None
    count: int = row["n"]
    return count


async def delete_source(connection: Connection, assistant: str | None, location: str) -> int | None:
    """Forget a source with its documents; how many those were, None for no such source."""
    cursor = await connection.execute(
        """
        SELECT s.id, (SELECT count(*) FROM documents d WHERE d.source_id = s.id) AS documents FROM knowledge_sources s
        WHERE s.assistant IS NOT DISTINCT FROM %s AND s.location = %s FOR UPDATE
        """,
        (assistant, location),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    await connection.execute("DELETE FROM knowledge_sources WHERE id = %s", (row["id"],))
    count: int = row["documents"]
    return count
