"""Search in a person's past: what is found, by whom, and what is kept for it."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.ids import uuid7
from rekindle.memory.minilm import MiniLM
from rekindle.memory.recall import store
from rekindle.memory.recall.lines import BLOCK, FACTS, NAMES, OF_ONESELF, OF_THE_OTHER, Line, pack
from rekindle.memory.recall.packed import Packed, packed
from rekindle.memory.recall.past import Past, all_of, brought_up, missing
from rekindle.memory.recall.question import MOST_PEOPLE, read
from rekindle.memory.recall.ranking import COMPARED
from rekindle.memory.recall.service import Filters, Hit, Recall, SearchTooSlow
from rekindle.memory.recall.shelf import Shelf
from rekindle.memory.recall.snippet import snippet
from rekindle.memory.words import terms
from tests.conftest import OpenHouse
from tests.sessions.past import past

BEGAN = datetime(2024, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
async def house(open_a_house: OpenHouse) -> House:
    """Searches by words alone: there are no weights in its folder."""
    opened: House = await open_a_house(work=False)
    return opened


@pytest.fixture
async def knowing(open_a_house: OpenHouse, weights: Path) -> House:
    """Searches by meaning."""
    opened: House = await open_a_house(work=False, embedder_dir=weights)
    return opened


async def tell(house: House, caller: Caller, *said: str, began: datetime = BEGAN, **metadata: Any) -> UUID:
    """A past session in which the user and the assistant say this in turn."""
    session, messages = past(caller, began, *said, **metadata)
    assert await house.sessions.bring_in(session, messages)
    return session.id


def contents(hits: list[Hit]) -> list[str]:
    return [hit.message.content for hit in hits]


async def search(house: House, caller: Caller, query: str, limit: int = 10, **filters: Any) -> list[str]:
    return contents(await house.recall.search(caller, query, Filters(**filters), limit=limit))


async def test_a_message_is_found_by_its_words_before_and_after_it_is_kept_for_search(
    house: House, caller: Caller
) -> None:
    session = await tell(house, caller, "My bicycle has a flat tyre.", "I see.", "It rains.", "It does.")
    before = await search(house, caller, "bicycles", limit=1)
    assert await house.recall.index(caller.user_id, session) == 4
    assert before == await search(house, caller, "bicycles", limit=1) == ["My bicycle has a flat tyre."]
    assert await house.recall.index(caller.user_id, session) == 0


async def test_what_shares_no_word_is_not_found_by_words_alone(house: House, caller: Caller) -> None:
    await tell(house, caller, "My bicycle has a flat tyre.")
    assert not house.recall.by_meaning
    assert await search(house, caller, "volcanoes") == []
    assert await search(house, caller, "???") == []


async def test_a_message_is_found_by_its_meaning(knowing: House, caller: Caller) -> None:
    for words in ("My bicycle has a flat tyre.", "I adopted a kitten last week.", "The soup needs more salt."):
        session = await tell(knowing, caller, words, "I see.")
        await knowing.recall.index(caller.user_id, session)
    assert (await search(knowing, caller, "Which pet did I get?"))[0] == "I adopted a kitten last week."
    assert (await search(knowing, caller, "How was the food?"))[0] == "The soup needs more salt."


async def test_a_late_line_with_the_words_asked_for_comes_before_what_is_near_by_meaning(
    knowing: House, caller: Caller
) -> None:
    for pet, food in (("cat", "fish"), ("dog", "bones"), ("rabbit", "carrots"), ("horse", "apples"), ("goat", "hay")):
        said = (f"Our {pet} eats nothing but {food}.", "What a picky animal!", f"We buy the {food} at the market.")
        session = await tell(knowing, caller, *said, f"Good food keeps a {pet} healthy.")
        await knowing.recall.index(caller.user_id, session)
    await tell(knowing, caller, "Zanzibar only takes kumquats, of the brand Oakfield.", "And he sings on Fridays.")
    for asked in ("kumquats", "Which brand of food does Zanzibar eat?", "Zanzibar animal food"):
        assert (await search(knowing, caller, asked))[0].startswith("Zanzibar"), asked
    assert (await search(knowing, caller, "What does the cat eat?"))[0] == "Our cat eats nothing but fish."


async def test_a_late_line_is_found_among_those_known_by_meaning(knowing: House, caller: Caller) -> None:
    session = await tell(knowing, caller, "I adopted a kitten last week.", "How nice!")
    await knowing.recall.index(caller.user_id, session)
    await tell(knowing, caller, "The harbour is closed.", "Oh no.")
    assert "The harbour is closed." in await search(knowing, caller, "harbour", limit=3)


async def test_lines_kept_by_words_are_kept_anew_once_there_is_a_model(
    house: House, knowing: House, caller: Caller
) -> None:
    session = await tell(house, caller, "I adopted a kitten last week.", "How nice!")
    await house.recall.index(caller.user_id, session)
    assert (caller.user_id, session) not in await house.recall.unindexed(limit=1000)
    assert (caller.user_id, session) in await knowing.recall.unindexed(limit=1000)
    assert await knowing.recall.index(caller.user_id, session) == 2
    assert await house.recall.index(caller.user_id, session) == 0
    assert await search(house, caller, "kitten", limit=1) == ["I adopted a kitten last week."]


async def test_nobody_finds_what_another_said(knowing: House, caller: Caller) -> None:
    session = await tell(knowing, caller, "The key is under the blue door.")
    await knowing.recall.index(caller.user_id, session)
    other = Caller((await knowing.identity.recognise(f"{uuid4().hex}@example.com")).user.id, "verified")
    assert await search(knowing, other, "Where is the key?") == []
    async with knowing.database.transaction(other.user_id) as connection:
        cursor = await connection.execute("SELECT count(*) AS n FROM recall_blocks")
        row = await cursor.fetchone()
    assert row == {"n": 0}


async def test_a_token_for_one_session_finds_what_was_said_in_that_one(house: House, caller: Caller) -> None:
    first = await tell(house, caller, "A red kite.")
    second = await tell(house, caller, "A blue kite.")
    await house.recall.index(caller.user_id, first)
    assert await search(house, Caller(caller.user_id, "claimed", second), "kite") == ["A blue kite."]
    assert await search(house, Caller(caller.user_id, "claimed", first), "kite") == ["A red kite."]


async def test_hits_are_limited_by_session_role_date_assistant_and_metadata(house: House, caller: Caller) -> None:
    old = await tell(house, caller, "An old kite.", "Old kites fly.", course="A")
    await tell(house, caller, "A new kite.", began=BEGAN + timedelta(days=30))
    await house.recall.index(caller.user_id, old)
    later = BEGAN + timedelta(days=9)
    assert set(await search(house, caller, "kite", session_id=old)) == {"An old kite.", "Old kites fly."}
    assert await search(house, caller, "kite", role="assistant") == ["Old kites fly."]
    assert await search(house, caller, "kite", since=later) == ["A new kite."]
    assert set(await search(house, caller, "kite", until=later)) == {"An old kite.", "Old kites fly."}
    assert set(await search(house, caller, "kite", metadata={"course": "A"})) == {"An old kite.", "Old kites fly."}
    assert len(await search(house, caller, "kite", assistant="assistant")) == 3
    assert await search(house, caller, "kite", assistant="another") == []
    assert await search(house, caller, "kite", session_id=uuid4()) == []


async def test_hits_are_limited_to_the_microsecond(house: House, caller: Caller) -> None:
    for part in range(3):
        session = await tell(house, caller, f"Kite {part}.", began=BEGAN + timedelta(milliseconds=300 * part))
        await house.recall.index(caller.user_id, session)
    _, second, third = sorted(hit.message.created_at for hit in await house.recall.search(caller, "kite"))
    assert await search(house, caller, "kite", since=second, until=third) == ["Kite 1."]
    assert await search(house, caller, "kite", since=second + timedelta(microseconds=1)) == ["Kite 2."]


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(house: House, caller: Caller) -> None:
    session = await tell(house, caller, *(f"Kite number {number}." for number in range(30)))
    await house.recall.index(caller.user_id, session)
    whole = await house.recall.search(caller, "kite", limit=50)
    pages: list[Hit] = []
    while page := await house.recall.search(caller, "kite", after=pages[-1].place if pages else None, limit=7):
        pages += page
    assert contents(pages) == contents(whole)
    assert len(set(contents(pages))) == 30


async def test_what_happened_on_a_day_is_looked_for_on_that_day_and_in_the_week_after(
    house: House, caller: Caller
) -> None:
    for day in (2, 9, 20):
        await tell(house, caller, "The dinner was fine", began=datetime(2024, 3, day, 9, tzinfo=UTC))
    hits = await house.recall.search(caller, "How was the dinner on 8 March 2024?")
    assert hits[0].message.created_at.day == 9


async def test_a_hit_comes_with_its_neighbours_and_a_snippet_that_shows_why(house: House, caller: Caller) -> None:
    await tell(house, caller, "Before.", "word " * 500 + "the lighthouse shines " + "word " * 500, "After.")
    [hit] = [h for h in await house.recall.search(caller, "lighthouses") if h.message.seq == 2]
    assert hit.before
    assert hit.after
    assert (hit.before.content, hit.after.content) == ("Before.", "After.")
    assert [hit.snippet.text[start:end] for start, end in hit.snippet.highlights] == ["lighthouse"]
    assert len(hit.snippet.text) < 300


def test_a_snippet_uses_all_its_room_where_the_word_stands_at_the_end() -> None:
    text = (
        "We explored nature, roasted marshmallows around the campfire and went on a hike. " * 4 + "My family loved it."
    )
    shown = snippet(text, terms("family"))
    assert shown.text.count("marshmallows") == 3
    assert [shown.text[start:end] for start, end in shown.highlights] == ["family"]


def test_a_snippet_shows_why_in_a_script_without_spaces() -> None:
    shown = snippet("今日は天気がいいですね。" * 40 + "灯台の鐘が鳴る。" + "明日も晴れるでしょう。" * 40, ["灯台"])
    assert len(shown.text) <= 242
    assert [shown.text[start:end] for start, end in shown.highlights] == ["灯台の鐘が鳴る"]


async def test_a_hits_neighbours_are_all_that_is_read_of_a_session(house: House, caller: Caller) -> None:
    session = await tell(house, caller, *(f"Line {number}." for number in range(300)))
    async with house.database.transaction(caller.user_id) as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")  # few as these are, it might read them all
        fetch = await store.ask_for_shown(connection, [(session, 150), (session, 151), (session, 300)])
        shown = await fetch()
        cursor = await connection.execute(
            "SELECT idx_tup_fetch AS read FROM pg_stat_xact_user_tables WHERE relname = 'messages'"
        )
        row = await cursor.fetchone()
    assert sorted(message.seq for message in shown) == [149, 150, 151, 152, 299, 300]
    assert row == {"read": 6}


async def test_a_long_session_is_kept_in_blocks_of_which_only_the_last_is_written_again(
    knowing: House, caller: Caller
) -> None:
    session = await tell(knowing, caller, *(f"Line {number}." for number in range(BLOCK + 5)), "The walrus sings.")
    assert await knowing.recall.index(caller.user_id, session) == BLOCK + 6
    assert (await search(knowing, caller, "walrus"))[0] == "The walrus sings."


async def test_a_reply_that_was_cut_short_is_not_kept_until_something_follows_it(house: House, caller: Caller) -> None:
    session = await tell(house, caller, "A question.", "An answ", "More.", "The walrus si")
    async with house.database.transaction(caller.user_id) as connection:
        await connection.execute(
            "UPDATE messages SET status = 'interrupted' WHERE session_id = %s AND seq = 4", (session,)
        )
    assert await house.recall.index(caller.user_id, session) == 3
    assert (caller.user_id, session) not in await house.recall.unindexed(limit=1000)
    assert "The walrus si" in await search(house, caller, "walrus")


async def test_deleted_sessions_leave_nothing_for_search(house: House, caller: Caller) -> None:
    session = await tell(house, caller, "The key is under the blue door.")
    await house.recall.index(caller.user_id, session)
    await house.sessions.delete(caller, session)
    assert await search(house, caller, "key") == []
    assert await house.recall.index(caller.user_id, session) == 0


async def test_whatever_waits_is_kept_for_search_in_time(house: House, caller: Caller) -> None:
    session = await tell(house, caller, "A kite.")
    await house.recall.catch_up()
    assert (caller.user_id, session) not in await house.recall.unindexed(limit=1000)


async def test_a_past_in_memory_is_used_only_while_the_database_has_it_so(house: House, caller: Caller) -> None:
    first = await tell(house, caller, "A red kite.")
    await house.recall.index(caller.user_id, first)
    assert await search(house, caller, "kite") == ["A red kite."]
    in_memory = house.recall.shelf.nbytes
    assert in_memory > 0
    assert await search(house, caller, "kite") == ["A red kite."]
    assert house.recall.shelf.nbytes == in_memory
    second = await tell(house, caller, "A blue kite.")
    await house.recall.index(caller.user_id, second)
    assert set(await search(house, caller, "kite")) == {"A red kite.", "A blue kite."}
    await house.sessions.delete(caller, first)
    assert await search(house, caller, "kite") == ["A blue kite."]
    house.recall.shelf.forget_user(caller.user_id)
    assert house.recall.shelf.nbytes == 0
    searching = asyncio.create_task(search(house, caller, "kite"))
    while not searching.done():
        house.recall.shelf.forget_user(uuid4())
        await asyncio.sleep(0)
    assert searching.result() == ["A blue kite."]
    assert house.recall.shelf.nbytes == 0  # for all that is known it was read before somebody was erased


async def test_memory_is_bounded_in_bytes_and_in_time(house: House, caller: Caller) -> None:
    session = await tell(house, caller, *(f"Kite number {number}." for number in range(100)))
    await house.recall.index(caller.user_id, session)
    await search(house, caller, "kite")
    past = house.recall.shelf.find(caller.user_id)
    assert past
    shelf = Shelf(size=3 * past.nbytes, seconds=0.05)
    users = [uuid4() for _ in range(5)]
    for user in users:
        shelf.put(user, past)
    assert [user for user in users if shelf.find(user)] == users[2:]
    await asyncio.sleep(0.2)
    assert shelf.nbytes == 0
    small = Shelf(size=past.nbytes)
    small.put(caller.user_id, past)
    assert small.nbytes == 0  # one that takes more than half of all would push out everybody else's


async def test_who_has_been_named_since_the_last_search_is_known_to_the_next(knowing: House, caller: Caller) -> None:
    async def asked() -> list[tuple[str, float]]:
        hits = await knowing.recall.search(caller, "Where did Zenobia grow up?")
        return [(hit.message.content, hit.place.score) for hit in hits]

    first = await tell(knowing, caller, "I grew up by the harbour.", "A fine place.")
    await knowing.recall.index(caller.user_id, first)
    before = await asked()
    second = await tell(knowing, caller, "I grew up in the hills.", "I did too.", speaker="Zenobia")
    await knowing.recall.index(caller.user_id, second)
    after = await asked()
    knowing.recall.shelf.clear()
    assert before != after == await asked()
    assert after[0][0] == "I grew up in the hills."


async def test_many_lines_are_searched_as_few_are_and_those_not_compared_follow(
    knowing: House, caller: Caller, weights: Path
) -> None:
    asked = "Which kite is number 77?"
    session = await tell(knowing, caller, *(f"Kite number {number} flies." for number in range(2 * COMPARED)))
    await knowing.recall.index(caller.user_id, session)
    few = await knowing.recall.search(caller, asked, limit=3 * COMPARED)
    assert len(set(contents(few))) == 2 * COMPARED
    assert contents(few)[0] == "Kite number 77 flies."
    in_threads = Recall(knowing.database, MiniLM(weights), few_lines=0)
    pages: list[Hit] = []
    while page := await in_threads.search(caller, asked, limit=50, after=pages[-1].place if pages else None):
        pages += page
    assert [hit.place for hit in pages] == [hit.place for hit in few]


async def test_a_session_that_cannot_be_kept_keeps_no_other_from_search(house: House, caller: Caller) -> None:
    kept = await tell(house, caller, "A kite flies.", "It does.")
    broken = await tell(house, caller, "A walrus sings.", "It does.", began=BEGAN + timedelta(days=1))

    class Choking(Recall):
        async def index(self, user_id: UUID, session_id: UUID, *, whole: bool = True) -> int:
            if session_id == broken:
                raise ValueError("walrus")
            return await super().index(user_id, session_id, whole=whole)

    with pytest.raises(ValueError, match="walrus"):
        await Choking(house.database, None).catch_up()
    waiting = await house.recall.unindexed(limit=1000)
    assert (caller.user_id, broken) in waiting
    assert (caller.user_id, kept) not in waiting


async def test_words_are_left_to_search_by_where_the_weights_have_been_taken_away(
    knowing: House, caller: Caller, tmp_path: Path
) -> None:
    session = await tell(knowing, caller, "I adopted a kitten last week.", "How nice!")
    await knowing.recall.index(caller.user_id, session)
    without = Recall(knowing.database, MiniLM(tmp_path))
    assert contents(await without.search(caller, "kitten"))[0] == "I adopted a kitten last week."
    assert not (await without.search(caller, "kitten")).by_meaning


async def test_a_past_brought_up_to_date_is_what_reading_all_of_it_gives(house: House, caller: Caller) -> None:
    chance = random.Random(1)
    sessions: list[UUID] = []
    hidden: set[UUID] = set()

    async def keep(session: UUID, number: int) -> None:
        lines = [
            Line(number * BLOCK + 1 + i, "user", f"Kite {chance.random()}. Hi Kate!", BEGAN, chance.choice(["", "Ann"]))
            for i in range(chance.randint(1, BLOCK))
        ]
        vectors = np.array([[chance.gauss(0, 1) for _ in range(100)] for _ in lines], np.float32)
        block = pack(
            session, lines, None, chance.choice([None, *[("narrow", vectors)] * 4, ("wide", vectors.repeat(2, 1))])
        )
        async with house.database.transaction(caller.user_id) as connection:
            await connection.execute(
                "DELETE FROM recall_blocks WHERE session_id = %s AND block = %s", (session, number)
            )
            await store.upsert_block(connection, caller.user_id, block)

    for _ in range(12):
        for _ in range(chance.randint(0, 4)):
            if not sessions or chance.random() < 0.5:
                began = BEGAN + timedelta(days=chance.randint(-9, 9))
                sessions.append(await tell(house, caller, "A kite.", began=began))
            await keep(chance.choice(sessions), chance.choice([0, 0, 1, 5]))
        if (seen := [session for session in sessions if session not in hidden]) and chance.random() < 0.4:
            gone = chance.choice(seen)
            sessions.remove(gone)
            await house.sessions.delete(caller, gone)
        if sessions and chance.random() < 0.4:
            hidden ^= {chance.choice(sessions)}
            async with house.database.system() as connection:
                await connection.execute("SELECT set_config('rekindle.hidden_too', 'on', true)")
                await connection.execute(
                    "UPDATE sessions SET hidden_at = CASE WHEN id = ANY (%s) THEN now() END WHERE user_id = %s",
                    (list(hidden), caller.user_id),
                )
        await house.recall.search(caller, "kite")
        async with house.database.transaction(caller.user_id) as connection:
            anew = await store.find_packed(connection, caller.user_id)
        in_memory = house.recall.shelf.find(caller.user_id)
        assert in_memory is not None
        assert_same(in_memory, all_of(anew))


@pytest.mark.parametrize("seed", range(5))
def test_many_lines_brought_up_to_date_are_what_all_of_them_give(seed: int) -> None:
    chance, dice = random.Random(seed), np.random.default_rng(seed)
    kinds = []
    for names in ("", "Ann Bob", "Bob Eve"):
        lines = [
            Line(i, "user", f"Kite {i}. Hi Kate!", BEGAN, chance.choice(names.split() or [""])) for i in range(BLOCK)
        ]
        vectors = dice.normal(size=(BLOCK, 100)).astype(np.float32)
        kinds.append(packed([pack(UUID(int=0), lines, None, ("model", vectors) if names or seed % 2 else None)]))
    blocks: dict[bytes, Packed] = {}
    sessions = [dice.bytes(16) for _ in range(60)]
    past = all_of(Packed())
    for change in (500, 1, 3, 150, 1, 20, 1):
        for _ in range(change):
            place = chance.choice(sessions) + (1 + BLOCK * chance.randrange(9)).to_bytes(4, "big")
            blocks[place] = replace(chance.choice(kinds), marks=place + dice.bytes(8))
        for place in chance.sample(sorted(blocks), chance.choice([0, 0, 1, len(blocks) // 3])):
            del blocks[place]
        marks = b"".join(blocks[place].marks for place in sorted(blocks))
        new = missing(past, marks)
        fresh = {new[at : at + 20] for at in range(0, len(new), 28)}
        past = brought_up(past, marks, one_of([blocks[place] for place in sorted(fresh)]) if fresh else Packed())
        assert len(past.parts) > 1
        assert_same(past, all_of(one_of([blocks[place] for place in sorted(blocks)])))


def one_of(blocks: Sequence[Packed]) -> Packed:
    """Blocks one after the other."""
    columns = [[getattr(block, field.name) for block in blocks] for field in fields(Packed)]
    whole: list[Any] = [
        b"".join(column) if isinstance(column[0], bytes) else tuple(chain.from_iterable(column)) for column in columns
    ]
    return Packed(*whole)


def assert_same(past: Past, other: Past) -> None:
    for name in Past.__slots__:
        if name not in ("parts", "begins"):
            np.testing.assert_equal(getattr(past, name), getattr(other, name), name)
    words = np.unique(np.concatenate([part.postings.words for part in past.parts]))
    assert _lines_of(past, words) == _lines_of(other, words)
    for name in past.meanings:
        np.testing.assert_equal(_wholes(past, name), _wholes(other, name))
    assert in_order(one_of([part.packed for part in past.parts])) == in_order(
        one_of([part.packed for part in other.parts])
    )


def in_order(blocks: Packed) -> Packed:
    """The same, with the words of each line sorted."""
    facts, words = np.frombuffer(blocks.facts, FACTS), np.frombuffer(blocks.words, np.uint32)
    line = np.repeat(np.arange(len(facts)), facts["words"])
    return replace(blocks, words=words[np.lexsort((words, line))].tobytes())


def _lines_of(past: Past, words: NDArray[np.uint32]) -> list[list[int]]:
    """Where each of these is; who asks twice is told the same."""
    found: list[list[int]] = [[] for _ in words]
    for part, begins in zip(past.parts, past.begins, strict=True):
        for lines, own, again in zip(found, part.postings.lines(words), part.postings.lines(words), strict=True):
            np.testing.assert_equal(own, again)
            lines += (own + begins).tolist()
    return found


def _wholes(past: Past, name: str) -> NDArray[Any]:
    """Where each line is, and its signs: a column each."""
    found = []
    for part, begins in zip(past.parts, past.begins, strict=True):
        if name in part.wholes:
            places, signs = part.wholes[name]
            lines = np.arange(len(part)) if places is None else places
            found.append(np.concatenate(((lines + begins)[None].astype(np.uint64), signs)))
    return np.concatenate(found, axis=1)


async def test_lines_that_come_late_follow_those_that_are_kept(house: House, caller: Caller) -> None:
    session = await tell(house, caller, "A kite.", "I see.", "More.", "Walruses?")
    async with house.database.transaction(caller.user_id) as connection:
        await connection.execute(
            "UPDATE messages SET status = 'interrupted' WHERE session_id = %s AND seq = 4", (session,)
        )
    assert await house.recall.index(caller.user_id, session) == 3
    [hit] = [h for h in await house.recall.search(caller, "walrus", limit=10) if h.message.seq == 4]
    assert hit.before
    assert hit.before.content == "More."


async def test_an_endless_name_that_was_brought_in_keeps_nothing_from_being_kept(house: House, caller: Caller) -> None:
    endless = " ".join(f"name{number}" for number in range(70_000))
    session = await tell(house, caller, "A kite.", speaker=endless)
    assert contents(await house.recall.search(caller, "kite")) == ["A kite."]
    assert await house.recall.index(caller.user_id, session) == 1
    assert contents(await house.recall.search(caller, "kite")) == ["A kite."]


async def test_a_search_gives_up_in_time(house: House, caller: Caller) -> None:
    await tell(house, caller, "A kite.")
    with pytest.raises(SearchTooSlow):
        await house.recall.search(caller, "kite", seconds=0)


@pytest.mark.parametrize(
    ("question", "about", "first_person"),
    [
        ("When did Kate go?", "Emi", "When did I go?"),
        ("When did Emi's sister go?", "Emi", "When did my sister go?"),
        ("What did Kate and Elise see?", None, "What did I and I see?"),
        ("When did Bob go?", None, "When did Bob go?"),
    ],
)
def test_people_are_known_by_the_names_they_are_greeted_with(
    question: str, about: str | None, first_person: str
) -> None:
    said = ["Hi Kate!", "Hello. Hey There", "Thanks, Kate.", "Oh, hi Bob!", "Hey Kate, how are you?", "Well."]
    lines = [Line(seq, "user", text, BEGAN, "elise" if seq % 2 else "Emi") for seq, text in enumerate(said, 1)]
    past = all_of(packed([pack(uuid7(BEGAN), lines, None)]))
    assert past.names == {"kate": "Emi"}
    asked = read(question, past.speakers, past.names)
    assert (asked.about, asked.first_person) == (about, first_person)


def test_of_a_crowd_that_was_brought_in_not_everybody_is_known_by_name() -> None:
    crowd = [f"guest{number}" for number in range(MOST_PEOPLE)]
    assert read("When did Guest7 meet Zoe?", [*crowd, "Zoe"]).about == "guest7"
    assert read("When did Guest7 meet Zoe?", [*crowd[1:], "Zoe"]).first_person == "When did I meet I?"


def test_of_a_model_that_has_become_wider_the_newer_vectors_are_compared() -> None:
    line = Line(1, "user", "My sister moved to Lisbon.", BEGAN, "Ann")
    blocks = [
        pack(UUID(int=n), [line], None, ("model", np.ones((1, width), np.float32))) for n, width in ((1, 64), (2, 128))
    ]
    [part] = all_of(packed(blocks)).parts
    places, signs = part.wholes["model"]
    assert (places is not None and places.tolist(), signs.shape) == ([1], (2, 1))
    assert part.packed == packed(blocks)


@pytest.mark.parametrize("year", [1066, 3023])
def test_a_line_may_bear_any_date(year: int) -> None:
    line = Line(1, "user", "Hastings", datetime(year, 10, 14, tzinfo=UTC), "")
    assert len(pack(uuid7(BEGAN), [line], None).facts) == 1


def test_it_is_kept_of_a_line_whether_it_tells_of_oneself_and_names_anything() -> None:
    said = ["My sister moved to Lisbon", "Hi Ann, you told me so", "Lisbon it is", "So, Ann, is your cat well?"]
    lines = [Line(seq, "user", text, BEGAN, ["Ann", "Bob"][seq % 2]) for seq, text in enumerate(said, 1)]
    flags = pack(uuid7(BEGAN), lines, None).facts["flags"]
    oneself, other, names = ([bool(flag & bit) for flag in flags] for bit in (OF_ONESELF, OF_THE_OTHER, NAMES))
    assert oneself == [True, True, False, False]
    assert other == [False, True, False, True]
    assert names == [True, False, False, False]
