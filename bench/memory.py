"""What it costs to remember: `python -m bench.memory`. Prints a table.

One user has 400 sessions with six messages each and their summaries, and 1,000 things known, among 20,000 sessions of
others. No model is asked: what one takes for a summary comes on top of a derivation.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from rich.console import Console
from rich.table import Table

from bench.fresh import fresh_house, run, somebody
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.memory.profile.service import MOST_THINGS

SESSIONS = 400
OTHERS = 20_000
TIMES = 10


async def fill_past(house: House, user: UUID, count: int, *, said: bool) -> None:
    """Give a user so many summarised sessions over three years, each about two of 500 things."""
    async with house.database.system() as connection:
        await connection.execute(
            """
            INSERT INTO sessions (id, user_id, assistant, last_seq, started_at, last_seen_at, ended_at)
            SELECT gen_random_uuid(), %(user)s, 'assistant', 6, began, began, began
            FROM generate_series(1, %(count)s) AS n,
                LATERAL (SELECT now() - n * interval '3 years' / %(count)s AS began) b
            """,
            {"user": user, "count": count},
        )
        await connection.execute(
            """
            INSERT INTO session_summaries (session_id, user_id, summary, metadata, through_seq)
            SELECT id, user_id, 'The user said: "I own ' || a || '."', jsonb_build_object(
                'topics', jsonb_build_array('subject' || n %% 500, 'matter' || n %% 37), 'preferences',
                jsonb_build_array('I prefer ' || a || ' to ' || b || '.'), 'milestones',
                jsonb_build_array('I finished ' || b || '.'),
                'open_questions', jsonb_build_array('What is ' || b || '?')), 6
            FROM (SELECT id, user_id, n, 'thing' || n %% 499 AS a, 'object' || n %% 997 AS b
                  FROM (SELECT id, user_id, row_number() OVER (ORDER BY id) AS n FROM sessions WHERE user_id = %s) s) s
            """,
            (user,),
        )
        if said:
            await connection.execute(
                """
                INSERT INTO messages (session_id, seq, id, user_id, role, content, status, created_at, completed_at)
                SELECT s.id, seq, gen_random_uuid(), s.user_id, CASE seq %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END,
                    to_jsonb('About subject' || hashtext(s.id::text) %% 500 || repeat(' and some more words of it', 8)),
                    'complete', s.started_at, s.started_at
                FROM sessions s, generate_series(1, 6) AS seq WHERE s.user_id = %s
                """,
                (user,),
            )


async def timed(work: Callable[[], Awaitable[object]], times: int = TIMES) -> list[float]:
    """How many milliseconds it takes, each time."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1000)
    return took


async def derivations(house: House, caller: Caller) -> list[float]:
    """How long each of the user's summaries took to read."""
    waiting = [
        session for user, session, _ in await house.profile.underived(SESSIONS + OTHERS) if user == caller.user_id
    ]
    took = []
    for session in waiting:
        took += await timed(lambda session=session: house.profile.derive(caller.user_id, session), 1)  # type: ignore[misc]
    return took


async def main() -> None:
    table = Table(title=f"{SESSIONS:,} sessions of one user among {OTHERS:,} of others")
    for column in ("what", "ms", "slowest ms"):
        table.add_column(column, justify="left" if column == "what" else "right")
    async with fresh_house() as house:
        caller = await somebody(house)
        await fill_past(house, caller.user_id, SESSIONS, said=True)
        await fill_past(house, (await somebody(house, "other")).user_id, OTHERS, said=False)
        now = datetime.now(UTC)
        read = await derivations(house, caller)
        rows = {
            "derive, nothing known yet": read[:TIMES],
            f"derive, {MOST_THINGS:,} known": read[-TIMES:],
            "what waits to be derived": await timed(lambda: house.profile.underived(100)),
            "recall of 12 known things": await timed(lambda: house.profile.known(caller, 12)),
            "a page of 50": await timed(lambda: house.profile.things(caller, before=None, limit=51)),
            "growth of a year": await timed(lambda: house.growth.of(caller, now - timedelta(days=365), now)),
            "growth of three years": await timed(lambda: house.growth.of(caller, now - timedelta(days=1200), now)),
            "topics of all": await timed(lambda: house.growth.topics(now - timedelta(days=1200), now, 50)),
        }
        for label, times in rows.items():
            table.add_row(label, f"{statistics.median(times):.1f}", f"{max(times):.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    run(main())
