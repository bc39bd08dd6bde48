"""SQL of erasure, and the register of every table that holds what is a person's."""

from uuid import UUID

from rekindle.database import Connection

TABLES = (
    "session_reviews",
    "messages",
    "session_summaries",
    "rolling_summaries",
    "recall_blocks",
    "known_things",
    "derivations",
    "memory_settings",
    "sessions",
    "quota_reservations",
    "quota_days",
    "usage_daily",
    "user_usage",
    "host_accounts",
    "revocations",
    "audit_people",
)
"""Every table with a `user_id`, in the order they are emptied; a test compares it with the database's catalog.

Messages first: a reply that ends holds its message and goes on to the counts, and so must this.
"""


async def has_user(connection: Connection, user_id: UUID) -> bool:
    cursor = await connection.execute("SELECT id FROM users WHERE id = %s", (user_id,))
    return await cursor.fetchone() is not None


async def reach_hidden(connection: Connection) -> None:
    """From here on, this transaction reaches sessions that are hidden."""
    await connection.execute("SELECT set_config('rekindle.hidden_too', 'on', true)")


async def lock_sessions(connection: Connection, user_id: UUID) -> list[UUID]:
    """Hold the user's sessions, so that no turn begins in them any more: their ids."""
    cursor = await connection.execute("SELECT id FROM sessions WHERE user_id = %s ORDER BY id FOR UPDATE", (user_id,))
    return [row["id"] for row in await cursor.fetchall()]


async def list_running_turns(connection: Connection, user_id: UUID) -> list[UUID]:
    cursor = await connection.execute(
        """
        SELECT m.id FROM sessions s JOIN messages m ON m.session_id = s.id AND m.status = 'running'
        WHERE s.user_id = %s
        """,
        (user_id,),
    )
    return [row["id"] for row in await cursor.fetchall()]


async def delete_user(connection: Connection, user_id: UUID) -> dict[str, int]:
    """Delete a user from every table and from the job queue: the rows deleted, by table."""
    counts = {}
    for table in TABLES:
        cursor = await connection.execute(
            f"WITH gone AS (DELETE FROM {table} WHERE user_id = %s RETURNING 1) SELECT count(*) AS n FROM gone",
            (user_id,),
        )
        row = await cursor.fetchone()
        counts[table] = row["n"] if row else 0
    cursor = await connection.execute("SELECT forget_jobs(%s) AS n", (user_id,))
    row = await cursor.fetchone()
    counts["jobs"] = row["n"] if row else 0
    await connection.execute("DELETE FROM users WHERE id = %s", (user_id,))
    return counts
