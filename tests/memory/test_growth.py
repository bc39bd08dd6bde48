"""Growth: themes over time, what recurs, milestones and breakthroughs, as data with sources."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from rekindle.errors import Forbidden
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.memory.growth.service import MOST_SOURCES
from rekindle.memory.growth.store import Marked
from rekindle.memory.growth.themes import is_recurring, name_themes
from tests.conftest import OpenHouse

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.fixture
async def house(open_a_house: OpenHouse, new_database: Callable[[], str]) -> House:
    opened: House = await open_a_house(work=False, database_url=SecretStr(new_database()))
    return opened


@pytest.fixture
async def ann(house: House) -> Caller:
    return Caller((await house.identity.recognise("ann@example.com")).user.id, "verified")


async def past_talk(house: House, caller: Caller, day: int, said: list[str], **marked: list[str]) -> UUID:
    """A session so many days after the Monday, and what its summary marks."""
    session = await house.sessions.start(caller)
    for text in said:
        await house.sessions.messages.add(caller, session.id, "user", text)
        await house.sessions.messages.add(caller, session.id, "assistant", "I see.")
    await house.conversation.end(caller, session.id)
    at = MONDAY + timedelta(days=day)
    async with house.database.system() as connection:
        await connection.execute("UPDATE sessions SET started_at = %s WHERE id = %s", (at, session.id))
        await connection.execute("UPDATE messages SET created_at = %s WHERE session_id = %s", (at, session.id))
        await connection.execute(
            "UPDATE session_summaries SET metadata = %s WHERE session_id = %s", (Jsonb(marked), session.id)
        )
    return session.id


async def a_year(house: House, ann: Caller) -> list[UUID]:
    return [
        await past_talk(
            house,
            ann,
            0,
            ["Swimming scares me.", "Can I learn swimming as an adult?"],
            topics=["swimming", "sourdough bread"],
            open_questions=["Can I learn swimming as an adult?"],
        ),
        await past_talk(house, ann, 3, ["The swimming lessons began."], topics=["swimming lessons"]),
        await past_talk(
            house,
            ann,
            40,
            ["Hello.", "I swam my first 100 metres today, swimming is fun!", "I passed the driving test."],
            topics=["Swimming"],
            milestones=["I swam my first 100 metres today, swimming is fun!", "I passed the driving test."],
        ),
        await past_talk(
            house,
            ann,
            41,
            ["My sourdough works now!"],
            topics=["sourdough bread"],
            preferences=["I love sourdough bread."],
            milestones=["My sourdough works now!"],
        ),
    ]


async def test_themes_are_counted_over_time_with_their_sources(house: House, ann: Caller) -> None:
    sessions = await a_year(house, ann)
    grown = await house.growth.of(ann, *YEAR)
    assert grown.complete
    assert [(c.start, c.sessions, c.messages) for c in grown.weeks] == [
        (date(2026, 3, 2), 2, 3),
        (date(2026, 4, 6), 2, 4),
    ]
    assert [(c.start, c.sessions) for c in grown.months] == [(date(2026, 3, 1), 2), (date(2026, 4, 1), 2)]
    swimming, bread = grown.themes
    assert (swimming.theme.lower(), swimming.sessions, swimming.messages, swimming.recurring) == (
        "swimming",
        3,
        4,
        True,
    )
    assert [(c.start, c.sessions, c.messages) for c in swimming.weeks] == [
        (date(2026, 3, 2), 2, 3),
        (date(2026, 4, 6), 1, 1),
    ]
    assert [(source.session_id, source.seqs) for source in swimming.sources] == [
        (sessions[2], (3,)),
        (sessions[1], (1,)),
        (sessions[0], (1, 3)),
    ]
    assert (bread.theme, bread.sessions, bread.recurring) == ("sourdough bread", 2, True)
    assert bread.first_at == MONDAY


async def test_what_came_up_once_is_a_theme_only_where_there_are_few(house: House, ann: Caller) -> None:
    await a_year(house, ann)
    once = ["rent", "lottery", "doctor", "bus", "terrace"]
    await past_talk(house, ann, 42, [f"Well, the {word}." for word in once], topics=once)
    themes = [theme.theme.lower() for theme in (await house.growth.of(ann, *YEAR)).themes]
    assert themes == ["swimming", "sourdough bread", *themes[2:]]
    assert len(themes) == 5


async def test_a_breakthrough_is_a_milestone_that_ends_something(house: House, ann: Caller) -> None:
    sessions = await a_year(house, ann)
    grown = await house.growth.of(ann, *YEAR)
    assert [(m.text, m.session_id, m.seq) for m in grown.milestones] == [
        ("My sourdough works now!", sessions[3], 1),
        ("I swam my first 100 metres today, swimming is fun!", sessions[2], 3),
        ("I passed the driving test.", sessions[2], 5),
    ]
    found = {b.text: b for b in grown.breakthroughs}
    assert "I passed the driving test." not in found
    swam = found["I swam my first 100 metres today, swimming is fun!"]
    assert swam.before
    assert (swam.because, swam.before.session_id, swam.theme) == ("question", sessions[0], grown.themes[0].theme)
    assert found["My sourdough works now!"].because == "words"


async def test_what_a_breakthrough_ended_is_known_however_often_its_theme_came_up_since(
    house: House, ann: Caller
) -> None:
    reached = {"milestones": ["I swam my first 100 metres."]}
    sessions = [
        await past_talk(house, ann, day, ["I swam."], topics=["swam"], **reached if day == 2 else {})
        for day in range(MOST_SOURCES + 5)
    ]
    grown = await house.growth.of(ann, *YEAR)
    [swam] = grown.breakthroughs
    assert swam.before
    assert (swam.because, swam.before.session_id) == ("theme", sessions[0])
    assert [source.session_id for source in grown.themes[0].sources] == sessions[: -MOST_SOURCES - 1 : -1]


async def test_growth_keeps_to_its_time_its_person_and_what_is_not_forgotten(house: House, ann: Caller) -> None:
    await a_year(house, ann)
    bob = Caller((await house.identity.recognise("bob@example.com")).user.id, "verified")
    assert (await house.growth.of(bob, *YEAR)).themes == []
    march = await house.growth.of(ann, YEAR[0], datetime(2026, 4, 1, tzinfo=UTC))
    assert march.milestones == []
    assert sum(count.sessions for count in march.months) == 2
    with pytest.raises(Forbidden):
        await house.growth.of(Caller(ann.user_id, "claimed"), *YEAR)
    for _, session, _ in await house.profile.underived():
        await house.profile.derive(ann.user_id, session)
    for thing in await house.profile.things(ann, before=None, limit=100):
        if "sourdough" in (thing.text or ""):
            await house.profile.forget(ann, thing.id)
    assert "sourdough" not in repr(await house.growth.of(ann, *YEAR))


async def test_topics_are_summed_over_people_and_name_nobody(house: House, ann: Caller) -> None:
    await a_year(house, ann)
    bob, eve = [
        Caller((await house.identity.recognise(f"{name}@example.com")).user.id, "verified") for name in ("bob", "eve")
    ]
    await past_talk(house, bob, 10, ["Swimming?"], topics=["swimming"], preferences=["Bob hates cold water."])
    await past_talk(house, eve, 11, ["A secret."], topics=["eve's secret"])
    await house.profile.pause(eve, paused=True)
    summed = await house.growth.topics(*YEAR, 10)
    assert (summed.sessions, summed.users, summed.complete) == (5, 2, True)
    first = summed.topics[0]
    assert (first.theme.lower(), first.sessions, first.users) == ("swimming", 4, 2)
    assert [(c.start, c.sessions) for c in first.months] == [(date(2026, 3, 1), 3), (date(2026, 4, 1), 1)]
    assert not {"secret", "cold water", "Bob", str(bob.user_id)} & {*repr(summed.topics).split()}
    assert "secret" not in repr(summed)


def marked(*topics: str) -> Marked:
    return Marked(UUID(int=0), UUID(int=0), MONDAY, topics, (), ())


def test_one_topic_in_other_words_is_one_theme() -> None:
    named = name_themes([marked("Swimming lessons"), marked("swimming lesson"), marked("swimming"), marked("swimming")])
    assert [(theme.name, len(theme.keys)) for theme in named] == [("swimming", 2)]
    assert [theme.name for theme in name_themes([marked("tax"), marked("boats", "?", "")])] == ["boats", "tax"]


@pytest.mark.parametrize(("days", "recurs"), [([0], False), ([0, 1], False), ([0, 7], True), ([0, 1, 2], True)])
def test_what_comes_back_recurs(days: list[int], recurs: bool) -> None:
    assert is_recurring(MONDAY + timedelta(days=day) for day in days) is recurs


async def test_what_was_said_while_remembering_was_paused_stays_out_of_growth(house: House, ann: Caller) -> None:
    await past_talk(house, ann, 0, ["The swimming lessons began."], topics=["swimming"])
    await house.profile.pause(ann, paused=True)
    chess = ["I won the chess cup, chess is fun!"]
    await past_talk(house, ann, 1, chess, topics=["chess"], milestones=chess)
    for paused in (True, False):
        await house.profile.pause(ann, paused=paused)
        grown = await house.growth.of(ann, *YEAR)
        assert ([theme.theme for theme in grown.themes], grown.milestones) == (["swimming"], [])
        assert grown.sessions == 2
    assert [topic.theme for topic in (await house.growth.topics(*YEAR, 10)).topics] == ["swimming"]
