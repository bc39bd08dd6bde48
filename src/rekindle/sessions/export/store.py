"""SQL of exports: rows as JSON, with every column there is, so that none is forgotten when one is added."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import DataError, IntegrityError, sql
from psycopg.types.json import Jsonb

from rekindle.database import Connection
from rekindle.errors import InvalidRequest

Row = dict[str, Any]

_PRIVATE = "'user_id', 'cookie_sid', 'hidden_at', 'hidden_thread', 'arrived_at'"
"""The capability that opens a session by door 000 does not travel; whose rows they are, the file says once."""
_PASSING = "'user_id', 'session_id', 'server', 'lease_until', 'cancel_requested'"


async def find_profile(connection: Connection, user_id: UUID) -> Row | None:
    cursor = await connection.execute("SELECT to_jsonb(u) AS row FROM users u WHERE u.id = %s", (user_id,))
    row = await cursor.fetchone()
    return row["row"] if row else None


async def list_usage(connection: Connection, user_id: UUID) -> list[Row]:
    cursor = await connection.execute(
        "SELECT to_jsonb(u) - 'user_id' AS row FROM usage_daily u WHERE u.user_id = %s ORDER BY day, session_id, model",
        (user_id,),
    )
    return [row["row"] for row in await cursor.fetchall()]


async def find_memory_settings(connection: Connection, user_id: UUID) -> Row | None:
    cursor = await connection.execute(
        "SELECT to_jsonb(m) - 'user_id' AS row FROM memory_settings m WHERE m.user_id = %s", (user_id,)
    )
    row = await cursor.fetchone()
    return row["row"] if row else None


async def list_known(connection: Connection, user_id: UUID) -> list[Row]:
    """What is or was known of the user, and the digests of what they had forgotten, in the order of the ids."""
    cursor = await connection.execute(
        "SELECT to_jsonb(k) - 'user_id' AS row FROM known_things k WHERE k.user_id = %s ORDER BY k.id", (user_id,)
    )
    return [row["row"] for row in await cursor.fetchall()]


async def list_own(connection: Connection, table: str, user_id: UUID, ids: Iterable[UUID]) -> set[UUID]:
    """Those of the ids under which the table has a row of this user's."""
    statement = sql.SQL("SELECT id FROM {} WHERE user_id = %s AND id = ANY(%s)").format(sql.Identifier(table))
    cursor = await connection.execute(statement, (user_id, list(ids)))
    return {row["id"] for row in await cursor.fetchall()}


async def list_session_rows(
    connection: Connection, user_id: UUID, *, only: Sequence[UUID], after: UUID, limit: int
) -> list[Row]:
    """Sessions with their summaries, those of what left the window, and what was derived, in the order of their ids,
    from beyond `after` on; all, or those of `only`.
    """
    cursor = await connection.execute(
        f"""
        SELECT to_jsonb(s) - ARRAY[{_PRIVATE}] || jsonb_build_object(
            'summary', to_jsonb(y) - 'user_id' - 'session_id',
            'rolling', (SELECT coalesce(jsonb_agg(to_jsonb(r) - 'user_id' - 'session_id' ORDER BY r.version), '[]')
                        FROM rolling_summaries r WHERE r.session_id = s.id),
            'derivation', to_jsonb(d) - 'user_id' - 'session_id'
        ) AS row
        FROM sessions s
        LEFT JOIN session_summaries y ON y.session_id = s.id
        LEFT JOIN derivations d ON d.session_id = s.id
        WHERE s.user_id = %(user)s AND s.id > %(after)s AND (cardinality(%(only)s::uuid[]) = 0 OR s.id = ANY(%(only)s))
        ORDER BY s.id LIMIT %(limit)s
        """,
        {"user": user_id, "after": after, "only": list(only), "limit": limit},
    )
    return [row["row"] for row in await cursor.fetchall()]


async def list_message_rows(connection: Connection, session_id: UUID, *, after: int, limit: int) -> list[Row]:
    """Messages after seq `after`; one whose reply is still being written is as far as it is."""
    cursor = await connection.execute(
        f"""
        SELECT to_jsonb(m) - ARRAY[{_PASSING}] AS row FROM messages m
        WHERE m.session_id = %(session)s AND m.seq > %(after)s AND m.seq <= %(after)s + %(limit)s ORDER BY m.seq
        """,
        {"session": session_id, "after": after, "limit": limit},
    )
    return [row["row"] for row in await cursor.fetchall()]


async def has_session(connection: Connection, user_id: UUID, session_id: UUID) -> bool:
    """Whether the user has this session, be it hidden."""
    cursor = await connection.execute(
        """
        SELECT EXISTS (SELECT FROM sessions WHERE id = %(session)s AND user_id = %(user)s)
            OR %(session)s = ANY(hidden_ids()) AS has
        """,
        {"session": session_id, "user": user_id},
    )
    row = await cursor.fetchone()
    return bool(row and row["has"])


async def insert_session_row(connection: Connection, row: Row) -> bool:
    """A session as it was exported; False when there is one with its id, or with its thread, already."""
    return await _insert(connection, "sessions", [{**row, "arrived_at": datetime.now(UTC).isoformat()}]) > 0


async def insert_rows(connection: Connection, table: str, rows: Iterable[Row]) -> int:
    """Rows as they were exported; those that are here already stay as they are. How many were not."""
    return await _insert(connection, table, list(rows))


async def _insert(connection: Connection, table: str, rows: list[Mapping[str, Any]]) -> int:
    # The columns that the file has and the table knows: a file of another version finds its defaults.
    given = sorted({name for row in rows for name in row})
    found = await connection.execute(
        """
        SELECT attname AS name FROM pg_attribute
        WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attname = ANY(%s)
        """,
        (table, given),
    )
    columns = sql.SQL(", ").join(sql.Identifier(row["name"]) for row in await found.fetchall())
    statement = sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s) "
        "ON CONFLICT DO NOTHING RETURNING 1"
    ).format(table=sql.Identifier(table), columns=columns)
    try:
        cursor = await connection.execute(statement, (Jsonb(rows),))
        return len(await cursor.fetchall())  # asked for here: in a pipeline an error shows when its rows are
    except (DataError, IntegrityError) as error:
        raise InvalidRequest("This export holds what cannot be stored: it was changed, or is damaged.") from error
