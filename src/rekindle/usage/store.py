"""SQL of usage. It is counted where a reply ends, by a trigger on its row: in the transaction that ends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from rekindle.database import Connection, FromRow


@dataclass(frozen=True, slots=True)
class Usage(FromRow):
    """Tokens of one user, ever. `estimated_tokens` of the total were not counted by the provider."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated_tokens: int = 0
    turns: int = 0


@dataclass(frozen=True, slots=True)
class DayUsage(FromRow):
    """What one model was used for on one day (UTC). `cost_micros`: micro-dollars, None when its price is unknown.

    `failed` of the `turns` did not complete: they failed, were cancelled or interrupted. `background_tokens` of the
    input and output were no turn's: the house asked for summaries and titles.
    """

    day: date
    model: str
    input_tokens: int
    output_tokens: int
    estimated_tokens: int
    background_tokens: int
    turns: int
    failed: int
    cost_micros: int | None


_DAY = """day, model, sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
    sum(estimated_tokens)::bigint AS estimated_tokens, sum(background_tokens)::bigint AS background_tokens,
    sum(turns)::bigint AS turns, sum(failed)::bigint AS failed,
    CASE WHEN bool_and(cost_micros IS NOT NULL) THEN sum(cost_micros)::bigint END AS cost_micros"""


async def add_background(
    connection: Connection,
    user_id: UUID,
    session_id: UUID,
    model: str,
    input_tokens: int,
    output_tokens: int,
    *,
    estimated: bool,
) -> None:
    """Count what the house asked a model on behalf of a user."""
    await connection.execute(
        "SELECT count_background(%s, %s, %s, %s, %s, %s)",
        (user_id, session_id, model, input_tokens, output_tokens, estimated),
    )


async def find_usage(connection: Connection, user_id: UUID) -> Usage | None:
    cursor = await connection.execute("SELECT * FROM user_usage WHERE user_id = %s", (user_id,))
    row = await cursor.fetchone()
    return Usage.from_row(row) if row else None


async def list_days(
    connection: Connection, *, since: date, user_id: UUID | None, session_id: UUID | None
) -> list[DayUsage]:
    """By day and model, newest day first: of one user or of all, in one session or in all."""
    cursor = await connection.execute(
        f"""
        SELECT {_DAY} FROM usage_daily
        WHERE day >= %(since)s AND (%(user)s::uuid IS NULL OR user_id = %(user)s)
          AND (%(session)s::uuid IS NULL OR session_id = %(session)s)
        GROUP BY day, model ORDER BY day DESC, model
        """,
        {"since": since, "user": user_id, "session": session_id},
    )
    return [DayUsage.from_row(row) for row in await cursor.fetchall()]


async def find_spent(connection: Connection, user_id: UUID, day: date) -> tuple[int, int]:
    """Tokens and micro-dollars that a user has used or reserved on a day."""
    cursor = await connection.execute(
        """
        SELECT coalesce(q.tokens, u.tokens, 0)::bigint AS tokens, coalesce(q.micros, u.micros, 0)::bigint AS micros
        FROM (SELECT sum(input_tokens + output_tokens) AS tokens, sum(cost_micros) AS micros FROM usage_daily
              WHERE user_id = %(user)s AND day = %(day)s) u,
             (SELECT max(tokens) AS tokens, max(cost_micros) AS micros FROM quota_days
              WHERE user_id = %(user)s AND day = %(day)s) q
        """,
        {"user": user_id, "day": day},
    )
    row = await cursor.fetchone()
    return (row["tokens"], row["micros"]) if row else (0, 0)


async def list_prices(connection: Connection, models: Sequence[str]) -> dict[str, str]:
    """The models whose price is known, each with where it is from."""
    cursor = await connection.execute("SELECT model, source FROM model_prices WHERE model = ANY(%s)", (list(models),))
    return {row["model"]: row["source"] for row in await cursor.fetchall()}


async def upsert_prices(connection: Connection, prices: Mapping[str, tuple[Any, Any]], source: str) -> None:
    """Prices for a million input and output tokens, in micro-dollars."""
    for model, (per_input, per_output) in prices.items():
        await connection.execute(
            """
            INSERT INTO model_prices (model, input_micros, output_micros, source) VALUES (%s, %s, %s, %s)
            ON CONFLICT (model) DO UPDATE SET input_micros = excluded.input_micros,
                output_micros = excluded.output_micros, source = excluded.source, updated_at = now()
            """,
            (model, per_input, per_output, source),
        )
