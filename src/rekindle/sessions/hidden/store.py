"""SQL of hidden sessions. Row-level security leaves them out of everything else, whoever asks."""

from typing import Literal
from uuid import UUID

from rekindle.database import Connection


async def insert_hidden(connection: Connection, session_id: UUID) -> Literal["hidden", "missing"] | UUID:
    """Hide a session, unless a reply is being written in it: then that turn's id. Its thread is free for another."""
    cursor = await connection.execute(
        """
        SELECT s.id, m.id AS running FROM sessions s
        LEFT JOIN messages m ON m.session_id = s.id AND m.seq = s.last_seq AND m.status = 'running'
        WHERE s.id = %s FOR UPDATE OF s
        """,
        (session_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return "missing"
    if row["running"]:
        running: UUID = row["running"]
        return running
    await connection.execute(
        """
        WITH found AS (SELECT id, user_id, thread FROM sessions WHERE id = %s), freed AS (
            UPDATE sessions s SET thread = NULL FROM found f WHERE s.id = f.id AND f.thread IS NOT NULL
        ) INSERT INTO hidden_sessions (user_id, session_id, thread) SELECT user_id, id, thread FROM found
        """,
        (session_id,),
    )
    return "hidden"


async def delete_hidden(connection: Connection, user_id: UUID, session_id: UUID, minutes: float) -> bool:
    """Show a session again that was hidden no longer ago; its thread, unless another session has that now."""
    cursor = await connection.execute(
        """
        DELETE FROM hidden_sessions
        WHERE user_id = %s AND session_id = %s AND hidden_at > clock_timestamp() - make_interval(secs => %s)
        RETURNING thread
        """,
        (user_id, session_id, minutes * 60),
    )
    row = await cursor.fetchone()
    if row is None:
        return False
    if row["thread"] is not None:
        await connection.execute(
            """
            UPDATE sessions s SET thread = %(thread)s WHERE s.id = %(session)s AND NOT EXISTS (
                SELECT FROM sessions o WHERE o.user_id = %(user)s AND o.thread = %(thread)s)
            """,
            {"thread": row["thread"], "session": session_id, "user": user_id},
        )
    return True


async def delete_due(connection: Connection, minutes: float, limit: int) -> int:
    """Delete for good the sessions that were hidden longer ago, at most so many; how many."""
    cursor = await connection.execute(
        """
        DELETE FROM hidden_sessions WHERE session_id IN (
            SELECT h.session_id FROM hidden_sessions h
            WHERE h.hidden_at <= clock_timestamp() - make_interval(secs => %s) LIMIT %s FOR UPDATE SKIP LOCKED
        ) RETURNING session_id
        """,
        (minutes * 60, limit),
    )
    due = [row["session_id"] for row in await cursor.fetchall()]
    # They are not hidden any more, which only this transaction sees, and which lets it reach them.
    cursor = await connection.execute("DELETE FROM sessions WHERE id = ANY(%s) RETURNING id", (due,))
    return len(await cursor.fetchall())
