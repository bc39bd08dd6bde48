"""SQL of the dashboard. What is counted a day comes from `usage_daily`, times from the replies of those days."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from rekindle.database import Connection, FromRow

SAMPLED = 200_000
"""Replies that percentiles are made of at most: the newest."""


@dataclass(frozen=True, slots=True)
class Totals(FromRow):
    """What happened in some days: each user and session once. `cost_micros` None: the price of a model is not known."""

    users: int
    sessions: int
    turns: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None


@dataclass(frozen=True, slots=True)
class Day(Totals):
    """What happened on one day (UTC)."""

    day: date
    started: int
    returning: int


@dataclass(frozen=True, slots=True)
class Times:
    """How long replies took, in milliseconds; None where there was none."""

    replies: int
    p50: float | None
    p90: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Leader(FromRow):
    """Somebody, or something, that much was used by or of."""

    name: str | None
    user_id: UUID | None
    email: str | None
    sessions: int
    turns: int
    failed: int
    tokens: int
    cost_micros: int | None


# What the house asked a model by itself is no turn: it costs, and makes nobody active.
_SUMS = """count(DISTINCT d.user_id) FILTER (WHERE d.turns > 0) AS users,
    count(DISTINCT d.session_id) FILTER (WHERE d.turns > 0) AS sessions,
    coalesce(sum(d.turns), 0)::bigint AS turns, coalesce(sum(d.failed), 0)::bigint AS failed,
    coalesce(sum(d.input_tokens), 0)::bigint AS input_tokens,
    coalesce(sum(d.output_tokens), 0)::bigint AS output_tokens,
    CASE WHEN count(*) = count(d.cost_micros) THEN coalesce(sum(d.cost_micros), 0)::bigint END AS cost_micros"""


async def list_days(connection: Connection, first: date, last: date) -> list[Day]:
    """Each day from `first` to `last`, also those on which nothing happened."""
    cursor = await connection.execute(
        f"""
        WITH begun AS (
            SELECT (s.started_at AT TIME ZONE 'UTC')::date AS day, count(*) AS started,
                count(*) FILTER (WHERE EXISTS (
                    SELECT FROM sessions e WHERE e.user_id = s.user_id AND e.started_at < s.started_at)) AS back
            FROM sessions s
            WHERE s.started_at >= %(first)s::date::timestamp AT TIME ZONE 'UTC'
              AND s.started_at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
            GROUP BY 1
        ), used AS (
            SELECT d.day AS on_day, {_SUMS} FROM usage_daily d WHERE d.day BETWEEN %(first)s AND %(last)s GROUP BY d.day
        )
        SELECT days.day::date AS day, coalesce(users, 0) AS users, coalesce(sessions, 0) AS sessions,
            coalesce(turns, 0) AS turns, coalesce(failed, 0) AS failed, coalesce(input_tokens, 0) AS input_tokens,
            coalesce(output_tokens, 0) AS output_tokens,
            CASE WHEN used.on_day IS NULL THEN 0 ELSE cost_micros END AS cost_micros,
            coalesce(started, 0) AS started, coalesce(back, 0) AS returning
        FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS days (day)
        LEFT JOIN used ON used.on_day = days.day::date LEFT JOIN begun ON begun.day = days.day::date
        ORDER BY days.day
        """,
        {"first": first, "last": last},
    )
    return [Day.from_row(row) for row in await cursor.fetchall()]


async def find_totals(connection: Connection, first: date, last: date) -> Totals:
    cursor = await connection.execute(f"SELECT {_SUMS} FROM usage_daily d WHERE d.day BETWEEN %s AND %s", (first, last))
    row = await cursor.fetchone()
    assert row is not None
    return Totals.from_row(row)


async def find_times(connection: Connection, first_id: UUID, last_id: UUID, since: datetime, until: datetime) -> Times:
    """Of the replies of a range of ids, which begin with their time: so an index finds them, and no turn feeds it."""
    cursor = await connection.execute(
        """
        SELECT count(*) AS replies, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS p50,
            percentile_cont(0.9) WITHIN GROUP (ORDER BY ms) AS p90,
            percentile_cont(0.99) WITHIN GROUP (ORDER BY ms) AS p99
        FROM (
            SELECT m.processing_time_ms AS ms FROM messages m
            WHERE m.role = 'assistant' AND m.id >= %s AND m.id < %s AND m.created_at >= %s AND m.created_at < %s
              AND m.processing_time_ms IS NOT NULL AND m.status = 'complete'
            ORDER BY m.id DESC LIMIT %s
        ) replies
        """,
        (first_id, last_id, since, until, SAMPLED),
    )
    row = await cursor.fetchone()
    assert row is not None
    return Times(**row)


async def list_errors(
    connection: Connection, first_id: UUID, last_id: UUID, since: datetime, until: datetime
) -> list[tuple[str, int]]:
    """Why replies did not complete, the most frequent first, each with how many."""
    cursor = await connection.execute(
        """
        SELECT code, count(*) AS n FROM (
            SELECT coalesce(m.error_code, m.status) AS code FROM messages m
            WHERE m.role = 'assistant' AND m.id >= %s AND m.id < %s AND m.created_at >= %s AND m.created_at < %s
              AND m.status IN ('failed', 'cancelled', 'interrupted')
            ORDER BY m.id DESC LIMIT %s
        ) failures GROUP BY code ORDER BY n DESC, code LIMIT 20
        """,
        (first_id, last_id, since, until, SAMPLED),
    )
    return [(row["code"], row["n"]) for row in await cursor.fetchall()]


_LEADER = """count(DISTINCT d.session_id) FILTER (WHERE d.turns > 0) AS sessions,
    sum(d.turns)::bigint AS turns, sum(d.failed)::bigint AS failed,
    sum(d.input_tokens + d.output_tokens)::bigint AS tokens,
    CASE WHEN count(*) = count(d.cost_micros) THEN sum(d.cost_micros)::bigint END AS cost_micros"""


async def list_users(connection: Connection, first: date, last: date, limit: int) -> list[Leader]:
    """Who used most."""
    cursor = await connection.execute(
        f"""
        SELECT u.metadata ->> 'name' AS name, u.email, top.* FROM (
            SELECT d.user_id, {_LEADER} FROM usage_daily d WHERE d.day BETWEEN %s AND %s
            GROUP BY d.user_id ORDER BY tokens DESC, d.user_id LIMIT %s
        ) top JOIN users u ON u.id = top.user_id ORDER BY top.tokens DESC, top.user_id
        """,
        (first, last, limit),
    )
    return [Leader.from_row(row) for row in await cursor.fetchall()]


async def list_models(connection: Connection, first: date, last: date, limit: int) -> list[Leader]:
    """Which models were used most."""
    cursor = await connection.execute(
        f"""
        SELECT d.model AS name, NULL::uuid AS user_id, NULL::text AS email, {_LEADER} FROM usage_daily d
        WHERE d.day BETWEEN %s AND %s GROUP BY d.model ORDER BY tokens DESC, d.model LIMIT %s
        """,
        (first, last, limit),
    )
    return [Leader.from_row(row) for row in await cursor.fetchall()]


async def list_assistants(connection: Connection, first: date, last: date, limit: int) -> list[Leader]:
    """Which assistants were used most; sessions that were deleted since are left out."""
    cursor = await connection.execute(
        f"""
        SELECT s.assistant AS name, NULL::uuid AS user_id, NULL::text AS email, {_LEADER}
        FROM usage_daily d JOIN sessions s ON s.id = d.session_id
        WHERE d.day BETWEEN %s AND %s GROUP BY s.assistant ORDER BY tokens DESC, s.assistant LIMIT %s
        """,
        (first, last, limit),
    )
    return [Leader.from_row(row) for row in await cursor.fetchall()]
