"""SQL of messages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb

from rekindle.database import Connection, FromRow

Role = Literal["user", "assistant"]
Status = Literal["running", "complete", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class Message(FromRow):
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

    @property
    def said_at(self) -> datetime:
        """When it was said; a reply, when it was whole."""
        return self.completed_at or self.created_at

    @property
    def replaced(self) -> bool:
        """Whether its user has asked anew in its stead: it is history, and counts for nothing else."""
        return "replaced_by" in (self.metadata or {})


@dataclass(frozen=True, slots=True)
class Stamp:
    """How far a session reaches: of its newest message. A message that is `complete` never changes."""

    seq: int
    attempt: int
    status: Status


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
