"""SQL of what is recalled for a turn."""

from collections.abc import Sequence
from uuid import UUID

from rekindle.assistants.assistant import Recalled
from rekindle.database import Connection


async def is_paused(connection: Connection, user_id: UUID) -> bool:
    """Whether the user has paused remembering."""
    cursor = await connection.execute(
        "SELECT FROM memory_settings WHERE user_id = %s AND paused_since IS NOT NULL", (user_id,)
    )
    return await cursor.fetchone() is not None


async def list_summaries_of(connection: Connection, session_ids: Sequence[UUID]) -> list[Recalled]:
    """The summaries of these sessions, in this order, dated as their sessions are."""
    cursor = await connection.execute(
        """
        SELECT s.session_id, past.started_at, s.summary
        FROM unnest(%s::uuid[]) WITH ORDINALITY AS wanted (session_id, place)
        JOIN session_summaries s USING (session_id) JOIN sessions past ON past.id = s.session_id
        ORDER BY wanted.place
        """,
        (list(session_ids),),
    )
    return [
        Recalled(row["session_id"], row["started_at"], row["summary"], nearest=True) for row in await cursor.fetchall()
    ]
