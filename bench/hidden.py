"""What leaving hidden sessions out costs a turn: `python -m bench.hidden`. Prints a table.

The begin of a turn, as the database runs it, with the policies that leave hidden sessions out and without them, taking
turns; the best of several rounds, each rolled back.
"""

import asyncio
import time
from uuid import UUID

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from bench.fresh import fresh_house, run, somebody

TURNS = 15
ROUNDS = 12
BEGINS = 200
BEGIN = """
SELECT outcome FROM begin_turn(%s, %s, gen_random_uuid(), gen_random_uuid(), NULL, 'Hello.', '{}', 20, 3, 'bench',
                               interval '10 s', false, NULL)
"""


def microseconds(conninfo: str, user: UUID, session: UUID) -> float:
    """How long one begin takes, on a connection of its own, once its plans are made."""
    with psycopg.connect(conninfo) as connection:
        for count in (20, BEGINS):
            began = time.perf_counter()
            for _ in range(count):
                with connection.transaction(force_rollback=True):
                    row = connection.execute(BEGIN, (user, session)).fetchone()
                    assert row == ("begun",)
    return (time.perf_counter() - began) / BEGINS * 1e6


async def main() -> None:
    async with fresh_house(titles="phrases") as house:
        caller = await somebody(house)
        session = await house.sessions.start(caller)
        for number in range(TURNS):
            turn = await house.conversation.say(caller, session.id, f"This is turn {number}.")
            await house.conversation.outcome(caller, turn.id)
        best = await asyncio.to_thread(compare, house.database.conninfo, caller.user_id, session.id)
    table = Table(title=f"The begin of a turn in a session of {2 * TURNS} messages: best of {ROUNDS} rounds")
    table.add_column("hidden sessions")
    table.add_column("µs", justify="right")
    for kind, took in best.items():
        table.add_row(kind, f"{took:.0f}")
    Console(width=100).print(table)


def compare(conninfo: str, user: UUID, session: UUID) -> dict[str, float]:
    """The best time with the policies, and without."""
    best = {"left out": float("inf"), "not asked for": float("inf")}
    with psycopg.connect(conninfo, autocommit=True) as owner:
        policies = owner.execute(
            "SELECT polrelid::regclass::text, pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'shown'"
        ).fetchall()
        for _ in range(ROUNDS):
            best["left out"] = min(best["left out"], microseconds(conninfo, user, session))
            for table, _ in policies:
                owner.execute(sql.SQL("DROP POLICY shown ON {}").format(sql.Identifier(table)))
            best["not asked for"] = min(best["not asked for"], microseconds(conninfo, user, session))
            for table, condition in policies:
                owner.execute(
                    sql.SQL(
                        "CREATE POLICY shown ON {} AS RESTRICTIVE TO rekindle_app, rekindle_system USING ({}) "
                        "WITH CHECK (true)"
                    ).format(sql.Identifier(table), sql.SQL(condition))
                )
    return best


if __name__ == "__main__":
    run(main())
