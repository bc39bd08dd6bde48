"""What a page of a long list costs: `python -m bench.lists`. Prints a table.

One user has 10,000 sessions with their summaries, among those of others. A page is 10 sessions, last used first, asked
of the house as the API asks it. The last line is of the question whether the list is still the same, which a page that
is open asks.
"""

import statistics
import time
from datetime import datetime
from uuid import UUID

from rich.console import Console
from rich.table import Table

from bench.fresh import fresh_house, run, somebody
from rekindle.house import House
from rekindle.identity.service import Caller

SESSIONS = 10_000
OTHERS = 20_000
PAGE = 10
TIMES = 20


async def fill_lists(house: House, user: UUID, count: int) -> None:
    """Give a user so many sessions, used at different times, in another order than they began."""
    async with house.database.system() as connection:
        await connection.execute(
            """
            INSERT INTO sessions (id, user_id, assistant, title, last_seq, started_at, last_seen_at, metadata)
            SELECT gen_random_uuid(), %(user)s, 'assistant', 'A conversation, number ' || n, 2,
                   now() - make_interval(secs => n * 60),
                   now() - make_interval(secs => (n * 7919 %% %(count)s) * 60 + n %% 2),
                   jsonb_build_object('language', 'en', 'number', n)
            FROM generate_series(1, %(count)s) AS n
            """,
            {"user": user, "count": count},
        )
        await connection.execute(
            """
            INSERT INTO session_summaries (session_id, user_id, summary, metadata, through_seq)
            SELECT id, user_id, repeat('What was said, in a sentence. ', 20), '{}', 2 FROM sessions WHERE user_id = %s
            """,
            (user,),
        )


async def milliseconds(house: House, caller: Caller, before: tuple[datetime, UUID] | None) -> float:
    """How long one page takes."""
    began = time.perf_counter()
    page = await house.sessions.listing.of(caller, before=before, limit=PAGE + 1)
    took = (time.perf_counter() - began) * 1000
    assert len(page) >= PAGE
    assert all(listed.summary_line for listed in page)
    return took


async def milliseconds_to_tell(house: House, caller: Caller) -> float:
    """How long it takes to tell whether the list is another."""
    began = time.perf_counter()
    await house.sessions.listing.version(caller)
    return (time.perf_counter() - began) * 1000


async def main() -> None:
    table = Table(title=f"A page of {PAGE} of a user's {SESSIONS:,} sessions: median of {TIMES}")
    for column in ("page", "ms", "slowest ms"):
        table.add_column(column, justify="left" if column == "page" else "right")
    async with fresh_house() as house:
        caller = await somebody(house)
        await fill_lists(house, caller.user_id, SESSIONS)
        await fill_lists(house, (await somebody(house, "other")).user_id, OTHERS)
        for label, number in (("first", 1), ("100th", 100), ("1,000th (the last)", SESSIONS // PAGE)):
            before = await position(house, caller, number)
            times = [await milliseconds(house, caller, before) for _ in range(TIMES)]
            table.add_row(label, f"{statistics.median(times):.2f}", f"{max(times):.2f}")
        times = [await milliseconds_to_tell(house, caller) for _ in range(TIMES)]
        table.add_row("is it the same?", f"{statistics.median(times):.2f}", f"{max(times):.2f}")
    Console(width=100).print(table)


async def position(house: House, caller: Caller, number: int) -> tuple[datetime, UUID] | None:
    """Where page `number` begins."""
    if number == 1:
        return None
    async with house.database.system() as connection:
        cursor = await connection.execute(
            "SELECT last_seen_at, id FROM sessions WHERE user_id = %s ORDER BY last_seen_at DESC, id DESC "
            "OFFSET %s LIMIT 1",
            (caller.user_id, (number - 1) * PAGE - 1),
        )
        row = await cursor.fetchone()
    assert row
    return row["last_seen_at"], row["id"]


if __name__ == "__main__":
    run(main())
