"""Long lists: a page costs the same wherever it is, and all pages together are the list."""

import statistics

import pytest
from bench.lists import PAGE, SESSIONS, fill_lists, milliseconds, position

from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import OpenHouse


@pytest.fixture
async def house(open_a_house: OpenHouse) -> House:
    opened: House = await open_a_house(work=False)
    return opened


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
