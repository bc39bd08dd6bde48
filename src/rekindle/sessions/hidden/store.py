"""SQL of hidden sessions. Row-level security leaves them out of everything, but where the setting is on."""

from typing import Literal
from uuid import UUID

from rekindle.database import Connection


async def _reach_hidden(connection: Connection) -> None:
    """From here on, this transaction reaches hidden sessions."""
    await connection.execute("SELECT set_config('rekindle.hidden_too', 'on', true)")


async def update_hidden(connection: Connection, session_id: UUID) -> Literal["hidden", "missing"] | UUID:
    """Hide a session, unless a reply is being written in it: then that turn's id. Its thread is free for another."""
    cursor = await connection.execute("SELECT last_seq FROM sessions WHERE id = %s FOR UPDATE", (session_id,))
    session = await cursor.fetchone()
    if session is None:
        return "missing"
    # By itself: joined to a row that was waited for, a turn that was begun meanwhile would not be seen.
    cursor = await connection.execute(
        "SELECT id FROM messages WHERE session_id = %s AND seq = %s AND status = 'running'",
        (session_id, session["last_seq"]),
    )
    if row := await cursor.fetchone():
        running: UUID = row["id"]
        return running
    await _reach_hidden(connection)
    await connection.execute(
        "UPDATE sessions SET hidden_at = clock_timestamp(), hidden_thread = thread, thread = NULL WHERE id = %s",
        (session_id,),
    )
    return "hidden"


async def update_shown(connection: Connection, user_id: UUID, session_id: UUID, minutes: float) -> bool:
    """Show a session again that was hidden no longer ago; in its thread, unless another session has that now."""
    await _reach_hidden(connection)
    cursor = await connection.execute(
        """
        UPDATE sessions s SET hidden_at = NULL, hidden_thread = NULL, thread = CASE WHEN NOT EXISTS (
            SELECT FROM sessions o WHERE o.user_id = s.user_id AND o.thread = s.hidden_thread) THEN s.hidden_thread END
        WHERE s.id = %s AND s.user_id = %s AND s.hidden_at > clock_timestamp() - make_interval(secs => %s)
        RETURNING s.id
        """,
        (session_id, user_id, minutes * 60),
    )
    return await cursor.fetchone() is not None


async def delete_due(connection: Connection, minutes: float, limit: int) -> int:
    """Delete for good the sessions that were hidden longer ago, at most so many; how many."""
    await _reach_hidden(connection)
    cursor = await connection.execute(
        """
        DELETE FROM sessions WHERE id IN (
            SELECT s.id FROM sessions s WHERE s.hidden_at <= clock_timestamp() - make_interval(secs => %s)
            LIMIT %s FOR UPDATE SKIP LOCKED
        ) RETURNING id
        """,
        (minutes * 60, limit),
    )
    return len(await cursor.fetchall())
