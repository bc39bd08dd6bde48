"""What Redis buys, and what it costs: `python -m bench.cache`. Prints two tables; with and without in one run.

The rounds of both houses alternate, on one database and in one process. CPU is of this process, of the database's and
of Redis's, for each operation:

- turn: `say` to the end, with an assistant that answers at once;
- history: the newest 50 messages of a session of 50, of 40 and of 2,000 characters a message;
- turn + history: a turn, and a moment later the newest 50 messages, as a page does that is opened again.

Wall is the median of the rounds, CPU their mean: it is counted in hundredths of a second.

The second table is of a turn that one server runs and a reader of another follows: how long after a reader on the
first server each word is there, and how often the second asks the database meanwhile.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from tests.redis_server import RedisServer

from bench.fresh import run
from bench.turns import TICK, database_cpu
from rekindle.house import House, open_house
from rekindle.identity.service import Caller
from rekindle.settings import Settings
from rekindle.testing import ModelServer, Reply

ROUNDS = 5
TURNS = 60
READS = 300
A_MOMENT = 0.005  # seconds; copies are written after the turn, not by it
WORDS = " ".join(f"w{n:03}" for n in range(200))


@dataclass
class Cost:
    """Of one operation, in milliseconds."""

    wall: float
    own: float
    database: float
    redis: float


def process_cpu(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def measure(operation: Callable[[], Awaitable[None]], count: int, folder: Path, redis: RedisServer) -> Cost:
    def now() -> tuple[float, float, float, float]:
        return time.perf_counter(), time.process_time(), database_cpu(folder), process_cpu(redis.pid)

    before = now()
    for _ in range(count):
        await operation()
    return Cost(*((b - a) / count * 1000 for a, b in zip(before, now(), strict=True)))


async def session_of_fifty(house: House, caller: Caller, characters: int) -> UUID:
    session = (await house.sessions.start(caller)).id
    async with house.database.transaction(caller.user_id) as connection:
        await connection.execute(
            """
            INSERT INTO messages (session_id, seq, id, user_id, role, content, status, completed_at)
            SELECT %s, n, gen_random_uuid(), %s, CASE n %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END,
                   %s, 'complete', now()
            FROM generate_series(1, 50) AS n
            """,
            (session, caller.user_id, Jsonb("word " * (characters // 5))),
        )
        await connection.execute("UPDATE sessions SET last_seq = 50 WHERE id = %s", (session,))
    return session


async def turns_and_reads(folder: Path, redis: RedisServer) -> Table:
    table = Table(title=f"Each operation, in ms: {ROUNDS} rounds, with and without in turn")
    for column in ("what", "Redis", "wall", "CPU here", "CPU database", "CPU Redis"):
        table.add_column(column, justify="left" if column in ("what", "Redis") else "right")
    async with AsyncExitStack() as stack:
        plain = Settings(_env_file=None, data_dir=folder, model="offline")  # type: ignore[call-arg]
        cached = plain.model_copy(update={"redis_url": SecretStr(redis.url)})
        houses = {
            "without": await stack.enter_async_context(open_house(plain, work=False)),
            "with": await stack.enter_async_context(open_house(cached, work=False)),
        }
        first = houses["without"]
        caller = Caller((await first.identity.recognise("bench@example.com")).user.id, "verified")
        short, long = [await session_of_fifty(first, caller, characters) for characters in (40, 2000)]

        async def turn(house: House, session: UUID) -> None:
            begun = await house.conversation.say(caller, session, "Hello there.")
            await house.conversation.outcome(caller, begun.id)

        async def read(house: House, session: UUID) -> None:
            assert len(await house.sessions.messages.of(caller, session, limit=50)) == 50

        async def both(house: House, session: UUID) -> None:
            await turn(house, session)
            await asyncio.sleep(A_MOMENT)
            await read(house, session)

        of = {name: [await session_of_fifty(first, caller, 40) for _ in range(2)] for name in houses}
        operations: dict[str, tuple[int, Callable[[str, House], Awaitable[None]]]] = {
            "turn": (TURNS, lambda name, house: turn(house, of[name][0])),
            "history, short messages": (READS, lambda _, house: read(house, short)),
            "history, long messages": (READS, lambda _, house: read(house, long)),
            "turn + history": (TURNS, lambda name, house: both(house, of[name][1])),
        }
        for what, (count, operation) in operations.items():
            costs: dict[str, list[Cost]] = {name: [] for name in houses}
            for _ in range(ROUNDS + 1):  # the first is to warm up
                for name, house in houses.items():
                    costs[name].append(await measure(partial(operation, name, house), count, folder, redis))
            for name, rounds in costs.items():
                wall = statistics.median(cost.wall for cost in rounds[1:])
                cpu = (statistics.mean(getattr(c, f) for c in rounds[1:]) for f in ("own", "database", "redis"))
                table.add_row(what, name, f"{wall:.2f}", *(f"{value:.2f}" for value in cpu))
    return table


async def arrivals(house: House, caller: Caller, turn: UUID) -> dict[str, float]:
    """When each word of a reply had come whole."""
    came: dict[str, float] = {}
    shown = ""
    async with aclosing(house.conversation.follow(caller, turn)) as events:
        async for event in events:
            shown += event.text if event.kind == "token" else ""
            for word in shown.split(" ")[len(came) :]:
                if len(word) == 4:
                    came[word] = time.perf_counter()
    assert shown == WORDS
    return came


async def following(folder: Path, redis: RedisServer) -> Table:
    table = Table(title=f"A reader of another server: {len(WORDS.split())} words, one every 20 ms")
    for column in ("Redis", "behind, median ms", "95 %", "most", "asks the database, a second"):
        table.add_column(column, justify="left" if column == "Redis" else "right")
    with ModelServer() as model:
        model.default = Reply(WORDS, delay=0.02)
        plain = Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=folder,
            model="openai:test",
            openai_base_url=model.url,
            openai_api_key=SecretStr("sk-test"),
            titles="phrases",
            jobs_in_server=False,
        )
        for name, url in (("without", None), ("with", SecretStr(redis.url))):
            settings = plain.model_copy(update={"redis_url": url})
            async with open_house(settings) as one, open_house(settings, work=False) as other:
                caller = Caller((await one.identity.recognise("bench@example.com")).user.id, "verified")
                behind: list[float] = []
                asked, seconds = 0, 0.0
                for number in range(4):
                    session = await one.sessions.start(caller)
                    turn = await one.conversation.say(caller, session.id, "Count.")
                    before, began = other.database.round_trips, time.perf_counter()
                    here, there = await asyncio.gather(arrivals(one, caller, turn.id), arrivals(other, caller, turn.id))
                    if number == 0:
                        continue  # it loads the model's libraries, which holds both up; a server does that as it starts
                    asked += other.database.round_trips - before
                    seconds += time.perf_counter() - began
                    behind += [(there[word] - here[word]) * 1000 for word in here]
                behind.sort()
                table.add_row(
                    name,
                    f"{statistics.median(behind):.0f}",
                    f"{behind[len(behind) * 95 // 100]:.0f}",
                    f"{behind[-1]:.0f}",
                    f"{asked / seconds:.1f}",
                )
    return table


async def main() -> None:
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as socket:
        redis = RedisServer(Path(socket))
        redis.start()
        console.print(f"{os.cpu_count()} cores")
        console.print(await turns_and_reads(Path(name), redis))
        console.print(await following(Path(name), redis))
        redis.stop()


if __name__ == "__main__":
    run(main())
