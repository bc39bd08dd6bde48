"""Long lists: a page costs the same wherever it is, and all pages together are the list."""

import statistics

import pytest
from bench.lists import PAGE, SESSIONS, fill_lists, milliseconds, position

from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import say


async def test_of_10000_sessions_the_thousandth_page_is_had_as_the_first_is(
    house: House, caller: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill_lists(house, caller.user_id, SESSIONS)
    for number in (1, SESSIONS // PAGE):
        before = await position(house, caller, number)
        trips = house.database.round_trips
        took = statistics.median([await milliseconds(house, caller, before) for _ in range(5)])
        assert house.database.round_trips == trips + 5
        with capsys.disabled():
            print(f"\npage {number} of 10,000 sessions: {took:.1f} ms (may take 50)")  # noqa: T201 the figure is for people


async def test_the_pages_together_are_the_list_however_many_were_used_at_once(house: House, caller: Caller) -> None:
    await fill_lists(house, caller.user_id, 95)
    async with house.database.system() as connection:
        await connection.execute("UPDATE sessions SET last_seen_at = now() WHERE user_id = %s", (caller.user_id,))
    seen = []
    before = None
    while page := await house.sessions.recent(caller, before=before, limit=10):
        seen += [session.id for session in page]
        before = (page[-1].last_seen_at, page[-1].id)
    assert len(seen) == len(set(seen)) == 95


async def test_a_question_is_found_behind_many_sessions_that_hold_none(house: House, caller: Caller) -> None:
    for text in ("What is a CPO?", "And what does it cost?"):
        session = await house.sessions.start(caller)
        await say(house, caller, session, text)
    async with house.database.system() as connection:
        await connection.execute(
            """
            WITH bare AS (
                INSERT INTO sessions (id, user_id, assistant, last_seq, last_seen_at)
                SELECT gen_random_uuid(), %s, 'a', 2, now() FROM generate_series(1, 60) RETURNING id, user_id
            )
            INSERT INTO messages (session_id, seq, id, user_id, role, content, status)
            SELECT b.id, seq, gen_random_uuid(), b.user_id, 'user', '"A note."', 'complete'
            FROM bare b, generate_series(1, 2) seq
            """,
            (caller.user_id,),
        )
    [newest] = await house.sessions.interactions.recent(caller, limit=1)
    [before] = await house.sessions.interactions.recent(
        caller, before=(newest.created_at, newest.session_id, newest.seq), limit=5
    )
    assert (before.question, newest.question) == ("What is a CPO?", "And what does it cost?")
