"""What a turn costs: `python -m bench.turns`. Prints a table; the floor is in the same run.

Rows, each for a short and for a long session:

- floor: two bare statements, as little as keeps a message and its reply (insert both rows, complete one);
- begin + finish: the house's two calls, with lock, window, idempotency, usage and row-level security;
- turn: the whole of `say` to the end, with an assistant that answers at once;
- turn that recalls: the same, with a message that is looked for in all that its user has said, by words.

CPU is of this process and of the database's, per turn; round trips are counted by the pool.
"""

import os
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from psycopg.types.json import Jsonb
from rich.console import Console
from rich.table import Table

from bench.fresh import fresh_house, run, somebody
from rekindle.conversation import store
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.ids import uuid7

TURNS, RECALLS = 400, 20
LONG = 10_000  # messages
ROUNDS = 5
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """Of one turn, the median of the rounds."""

    milliseconds: float
    own_cpu: float
    database_cpu: float
    round_trips: float


def database_cpu(folder: Path) -> float:
    """CPU seconds of all processes of the embedded PostgreSQL, living and gone."""
    postmaster = int((folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == postmaster:
            total += int(fields[11]) + int(fields[12])
        elif stat.parent.name == str(postmaster):
            total += sum(map(int, fields[11:15]))
    return total / TICK


async def measure(house: House, folder: Path, turn: Callable[[], Awaitable[None]], turns: int) -> Cost:
    rounds: list[Cost] = []
    for _ in range(ROUNDS):
        before = (time.perf_counter(), time.process_time(), database_cpu(folder), house.database.round_trips)
        for _ in range(turns):
            await turn()
        after = (time.perf_counter(), time.process_time(), database_cpu(folder), house.database.round_trips)
        wall, own, theirs, trips = ((b - a) / turns for a, b in zip(before, after, strict=True))
        rounds.append(Cost(wall * 1000, own * 1000, theirs * 1000, trips))
    return Cost(*(statistics.median(getattr(r, f) for r in rounds) for f in Cost.__dataclass_fields__))


async def floor(house: House, user: UUID, session: UUID, start: int) -> Callable[[], Awaitable[None]]:
    seq = start

    async def turn() -> None:
        nonlocal seq
        async with house.database.connection() as connection:
            await connection.execute(
                """
                INSERT INTO messages (session_id, seq, id, user_id, role, content, status)
                VALUES (%(s)s, %(q)s + 1, %(a)s, %(u)s, 'user', %(t)s, 'complete'),
                       (%(s)s, %(q)s + 2, %(b)s, %(u)s, 'assistant', '""', 'running')
                """,
                {"s": session, "q": seq, "a": uuid7(), "b": uuid7(), "u": user, "t": Jsonb("Hello there.")},
            )
        async with house.database.connection() as connection:
            await connection.execute(
                "UPDATE messages SET content = %s, status = 'complete' WHERE session_id = %s AND seq = %s",
                (Jsonb("Hello."), session, seq + 2),
            )
        seq += 2

    return turn


async def begin_and_finish(house: House, user: UUID, session: UUID) -> Callable[[], Awaitable[None]]:
    async def turn() -> None:
        async with house.database.connection() as connection:
            begun = await store.begin_turn(
                connection,
                user_id=user,
                session_id=session,
                message_id=uuid7(),
                turn_id=uuid7(),
                key=None,
                text="Hello there.",
                metadata={},
                window=20,
                recall=3,
                server="bench",
                lease=timedelta(seconds=10),
                reopen=False,
            )
        assert begun.place is not None
        result = store.Result("complete", "Hello.", "bench", 10, 2, False, 1)
        async with house.database.connection() as connection:
            await store.finish_turn(connection, begun.place, result)

    return turn


async def whole(house: House, caller: Caller, session: UUID, message: str) -> Callable[[], Awaitable[None]]:
    async def turn() -> None:
        begun = await house.conversation.say(caller, session, message)
        async with aclosing(house.conversation.follow(caller, begun.id)) as events:
            async for _ in events:
                pass

    return turn


async def fill(house: House, user: UUID, session: UUID, count: int) -> None:
    """Give a session a past of `count` messages."""
    async with house.database.transaction(user) as connection:
        await connection.execute(
            """
            INSERT INTO messages (session_id, seq, id, user_id, role, content, status)
            SELECT %s, n, gen_random_uuid(), %s, CASE n %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END,
                   to_jsonb('An earlier message, number ' || n), 'complete'
            FROM generate_series(1, %s) AS n
            """,
            (session, user, count),
        )
        await connection.execute("UPDATE sessions SET last_seq = %s WHERE id = %s", (count, session))


async def main() -> None:
    table = Table(title=f"A turn: median of {ROUNDS} rounds of {TURNS}, one after the other")
    for column in ("what", "session", "ms", "CPU ms here", "CPU ms database", "round trips"):
        table.add_column(column, justify="left" if column in ("what", "session") else "right")
    async with fresh_house() as house:
        folder, caller = house.settings.data_dir, await somebody(house)
        for label, past in (("short", 0), (f"{LONG:,} messages", LONG)):
            sessions = [(await house.sessions.start(caller)).id for _ in range(4)]
            for session in sessions:
                if past:
                    await fill(house, caller.user_id, session, past)
            rows = {
                "floor: two bare statements": await floor(house, caller.user_id, sessions[0], past),
                "begin + finish": await begin_and_finish(house, caller.user_id, sessions[1]),
                "turn, offline model": await whole(house, caller, sessions[2], "Hello there."),
                "turn that recalls": await whole(house, caller, sessions[3], "Which message was number 471?"),
            }
            for what, turn in rows.items():
                await house.recall.catch_up()
                await turn()
                # What a job has not kept for search yet is read by each search: a minute's talk, not an hour's.
                cost = await measure(house, folder, turn, RECALLS if "recalls" in what else TURNS)
                table.add_row(
                    what,
                    label,
                    f"{cost.milliseconds:.2f}",
                    f"{cost.own_cpu:.2f}",
                    f"{cost.database_cpu:.2f}",
                    f"{cost.round_trips:.1f}",
                )
    Console(width=100).print(table)


if __name__ == "__main__":
    run(main())
