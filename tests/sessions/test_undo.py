"""Deleting with undo, reopening, asking anew, correcting a summary, word of changes: in process."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from pydantic import SecretStr

from rekindle.errors import (
    Forbidden,
    NotReplaceable,
    SessionEnded,
    SessionNotFound,
    SummaryNotFound,
    TurnNotFound,
)
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.sessions.listing.service import Wanted
from rekindle.sessions.review.service import Sought
from rekindle.sessions.service import Message, Session
from rekindle.testing import Hang, ModelServer
from tests.conftest import OpenHouse, asking_settings, say
from tests.redis_server import RedisServer

MARK = "The canary sings in the conservatory."


async def a_session(house: House, caller: Caller, thread: str | None = None) -> tuple[Session, Message]:
    if thread:
        session = await house.sessions.get(caller, await house.sessions.thread(caller, thread, anew=True))
    else:
        session = await house.sessions.start(caller)
    reply = await say(house, caller, session, MARK)
    await house.conversation.end(caller, session.id)
    await house.recall.index(caller.user_id, session.id)
    return await house.sessions.get(caller, session.id), reply


async def test_what_is_deleted_is_nowhere_and_comes_back_as_it_was(house: House, caller: Caller) -> None:
    session, reply = await a_session(house, caller)
    summary = await house.memory.summary(caller, session.id)
    messages = await house.sessions.messages.of(caller, session.id)
    assert len(await house.recall.search(caller, "canary")) > 0

    await house.conversation.delete(caller, session.id)
    assert await house.sessions.listing.of(caller) == []
    assert await house.sessions.recent(caller) == []
    assert await house.recall.search(caller, "canary") == []
    assert await house.sessions.interactions.recent(caller) == []
    assert await house.memory.summaries(caller) == []
    theirs = Sought(user_id=caller.user_id)
    assert (await house.reviews.seek(caller, theirs, before=None, limit=5)).total == 0
    for gone in (house.sessions.get, house.sessions.messages.of, house.conversation.delete, house.sessions.reopen):
        with pytest.raises(SessionNotFound):
            await gone(caller, session.id)
    with pytest.raises(SessionNotFound):
        await house.conversation.say(caller, session.id, "Are you there?")
    with pytest.raises(TurnNotFound):
        await house.sessions.messages.reply(caller, reply.id)
    exported = b"".join([piece async for piece in await house.exports.export(caller, "json")])
    assert MARK.encode() not in exported
    fresh = await house.sessions.start(caller)
    assert (await say(house, caller, fresh, "What did I say of a canary?")).context_used in (None, [])

    await house.sessions.hidden.restore(caller, session.id, minutes=10)
    assert await house.sessions.get(caller, session.id) == session
    assert await house.sessions.messages.of(caller, session.id) == messages
    assert await house.memory.summary(caller, session.id) == summary
    assert session.id in [hit.message.session_id for hit in await house.recall.search(caller, "canary")]


async def test_nobody_else_restores_it_and_not_for_ever(house: House, caller: Caller) -> None:
    session, _ = await a_session(house, caller)
    await house.conversation.delete(caller, session.id)
    other = Caller((await house.identity.recognise(None)).user.id, "verified")
    with pytest.raises(SessionNotFound):
        await house.sessions.hidden.restore(other, session.id, minutes=10)
    with pytest.raises(SessionNotFound):  # its time was up before the job came by
        await house.sessions.hidden.restore(caller, session.id, minutes=0)
    await house.sessions.hidden.restore(caller, session.id, minutes=10)
    with pytest.raises(SessionNotFound):
        await house.sessions.hidden.restore(caller, session.id, minutes=10)


async def test_when_its_time_is_up_a_job_erases_it_for_good(
    open_a_house: OpenHouse, new_database: Callable[[], str]
) -> None:
    house: House = await open_a_house(work=False, database_url=SecretStr(new_database()), undo_minutes=10)
    caller = Caller((await house.identity.recognise(None)).user.id, "verified")
    due, _ = await a_session(house, caller)
    fresh, _ = await a_session(house, caller)
    kept, _ = await a_session(house, caller)
    for session in (due, fresh):
        await house.conversation.delete(caller, session.id)
    async with house.database.system() as connection:
        await connection.execute("SELECT set_config('rekindle.hidden_too', 'on', true)")
        await connection.execute(
            "UPDATE sessions SET hidden_at = hidden_at - interval '11 minutes' WHERE id = %s", (due.id,)
        )
    await house.jobs.find_work()
    async with house.database.connection() as connection:
        for table in ("messages", "session_summaries", "recall_blocks"):
            cursor = await connection.execute(f"SELECT DISTINCT session_id FROM {table}")
            assert {row["session_id"] for row in await cursor.fetchall()} == {fresh.id, kept.id}, table
    await house.sessions.hidden.restore(caller, fresh.id, minutes=10)
    await house.conversation.delete(caller, fresh.id)
    counts = await house.erasure.erase(caller.user_id)
    assert (counts["sessions"], counts["messages"]) == (2, 4)


async def test_every_table_of_sessions_leaves_hidden_ones_out(house: House) -> None:
    exempt = {"session_reviews", "usage_daily"}
    async with house.database.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT c.relname AS name, EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'shown')
                AS leaves_out
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'session_id'
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
            """
        )
        found = {row["name"]: row["leaves_out"] for row in await cursor.fetchall()}
    assert {name for name, leaves_out in found.items() if not leaves_out} == exempt


async def test_a_thread_is_free_for_another_session_meanwhile(house: House, caller: Caller) -> None:
    session, _ = await a_session(house, caller, thread="main")
    await house.conversation.delete(caller, session.id)
    other = await house.sessions.thread(caller, "main", anew=True)
    assert other != session.id
    await house.sessions.hidden.restore(caller, session.id, minutes=10)
    assert (await house.sessions.get(caller, session.id)).thread is None
    await house.sessions.delete(caller, other)
    again, _ = await a_session(house, caller, thread="main")
    await house.conversation.delete(caller, again.id)
    await house.sessions.hidden.restore(caller, again.id, minutes=10)
    assert (await house.sessions.get(caller, again.id)).thread == "main"


async def test_a_turn_that_waits_for_the_session_is_not_begun_in_a_hidden_one(house: House, caller: Caller) -> None:
    for _ in range(5):
        session = await house.sessions.start(caller)
        await say(house, caller, session, "Hello.")
        outcomes = await asyncio.gather(
            *(house.conversation.say(caller, session.id, "Quick!", on_busy="wait") for _ in range(4)),
            house.conversation.delete(caller, session.id),
            return_exceptions=True,
        )
        deleted = outcomes[-1] is None  # else others were always quicker, and it gave up
        if deleted:
            await house.sessions.hidden.restore(caller, session.id, minutes=10)
        messages = await house.sessions.messages.of(caller, session.id)
        assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
        assert (await house.sessions.get(caller, session.id)).last_seq == len(messages)
        assert not (deleted and messages[-1].status == "running")


async def test_an_answer_that_is_being_written_is_cancelled_first(
    open_a_house: OpenHouse, new_database: Callable[[], str], model: ModelServer
) -> None:
    house: House = await open_a_house(**asking_settings(model, database_url=SecretStr(new_database())))
    caller = Caller((await house.identity.recognise(None)).user.id, "verified")
    session = await house.sessions.start(caller)
    model.script(Hang())
    turn = await house.conversation.say(caller, session.id, "Take your time.")
    await house.conversation.delete(caller, session.id)
    assert house.runs.get(turn.id) is None
    await house.sessions.hidden.restore(caller, session.id, minutes=10)
    assert (await house.sessions.messages.reply(caller, turn.id)).status == "cancelled"


async def test_an_ended_session_is_reopened_and_is_not_idle_at_once(house: House, caller: Caller) -> None:
    session, _ = await a_session(house, caller)
    with pytest.raises(SessionEnded):
        await house.conversation.say(caller, session.id, "And?")
    opened = await house.sessions.reopen(caller, session.id)
    assert opened.ended_at is None
    assert opened.last_seen_at > session.last_seen_at
    assert await house.sessions.reopen(caller, session.id) == opened
    await say(house, caller, session, "And it sings on.")


async def test_a_question_is_asked_anew_in_the_stead_of_the_newest(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller)
    first = await say(house, caller, session, "My parrot is called Igor.")
    second = await say(house, caller, session, "What is quoth the ravven?")
    asked = (await house.sessions.messages.of(caller, session.id))[2]
    with pytest.raises(NotReplaceable):
        await say(house, caller, session, "No.", replaces=first.id)
    third = await say(house, caller, session, "What is quoth the raven?", replaces=asked.id)
    fourth = await say(house, caller, session, "How is my parrot called?", replaces=third.id)

    messages = await house.sessions.messages.of(caller, session.id)
    assert [message.seq for message in messages] == list(range(1, 9))
    assert [message.replaced for message in messages] == [False, False, True, True, True, True, False, False]
    assert {(messages[2].metadata or {})["replaced_by"], (messages[3].metadata or {})["replaced_by"]} == {str(third.id)}
    assert second.id == messages[3].id
    assert "Igor" in fourth.content  # it is in the window, however often the question was asked anew
    assert [i.question for i in await house.sessions.interactions.of(caller, session.id)] == [
        "My parrot is called Igor.",
        "How is my parrot called?",
    ]
    await house.recall.index(caller.user_id, session.id)
    assert not [hit for hit in await house.recall.search(caller, "quoth raven") if "raven" in hit.message.content]
    await house.conversation.end(caller, session.id)
    summary = await house.memory.summary(caller, session.id)
    assert summary
    assert "raven" not in summary.summary


async def test_the_window_is_as_long_as_ever_when_questions_were_replaced(
    open_a_house: OpenHouse, caller: Caller
) -> None:
    house: House = await open_a_house(work=False, window=4)
    session = await house.sessions.start(caller)
    for number in (1, 2):
        reply = await say(house, caller, session, f"Number {number} is said.")
    reply = await say(house, caller, session, "Draft?")
    for draft in range(4):
        reply = await say(house, caller, session, f"Draft {draft}?", replaces=reply.id)
    async with house.database.transaction(caller.user_id) as connection:
        cursor = await connection.execute(
            "SELECT recent FROM turn_context(%s, %s, 4, NULL)", (session.id, reply.seq + 1)
        )
        row = await cursor.fetchone()
    assert row
    assert [(role, text) for role, text in row["recent"] if role == "user"] == [
        ("user", "Number 2 is said."),
        ("user", "Draft 3?"),
    ]


async def test_a_first_question_that_is_replaced_is_not_the_title(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller)
    reply = await say(house, caller, session, "Wrong begining")
    await say(house, caller, session, "Right beginning", replaces=reply.id)
    assert (await house.sessions.get(caller, session.id)).title == "Right beginning"


async def test_a_copy_in_redis_never_shows_the_replaced_as_it_was(
    open_a_house: OpenHouse, redis: RedisServer, caller: Caller
) -> None:
    house: House = await open_a_house(work=False, redis_url=SecretStr(redis.url))
    session = await house.sessions.start(caller)
    reply = await say(house, caller, session, "Frist.")
    await house.sessions.messages.of(caller, session.id)
    await asyncio.sleep(0.1)
    await say(house, caller, session, "First.", replaces=reply.id)
    await asyncio.sleep(0.1)
    for _ in range(2):
        found = await house.sessions.messages.of(caller, session.id)
        assert [message.replaced for message in found] == [True, True, False, False]


async def test_a_users_own_word_of_a_session_stays(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller)
    await say(house, caller, session, "I moved to Oslo in May.")
    with pytest.raises(SummaryNotFound):
        await house.memory.correct(caller, session.id, text="Mine.")
    await house.conversation.end(caller, session.id)
    await house.memory.correct(caller, session.id, text="I moved to Bergen.")
    await house.memory.correct(caller, session.id, topics=["moving"])
    await house.sessions.reopen(caller, session.id)
    await say(house, caller, session, "I passed my driving test last week.")
    await house.conversation.end(caller, session.id)
    summary = await house.memory.summary(caller, session.id)
    assert summary
    assert (summary.summary, summary.metadata["topics"]) == ("I moved to Bergen.", ["moving"])
    assert summary.corrected.keys() == {"text", "topics", "at"}
    assert summary.through_seq == 4
    assert "driving test" in str(summary.metadata["milestones"])
    other = Caller((await house.identity.recognise(None)).user.id, "verified")
    with pytest.raises(SessionNotFound):
        await house.memory.correct(other, session.id, text="Theirs.")


async def test_word_of_a_change_comes_to_whoever_waits(open_a_house: OpenHouse, house: House, caller: Caller) -> None:
    other_server: House = await open_a_house(work=False)
    listing = house.sessions.listing
    versions = [await listing.version(caller)]
    assert await listing.version(caller, versions[0]) == versions[0]
    session = await house.sessions.start(caller)
    for change in (
        lambda: other_server.sessions.rename(caller, session.id, "Named elsewhere"),
        lambda: other_server.conversation.end(caller, session.id),
        lambda: other_server.conversation.delete(caller, session.id),
        lambda: other_server.sessions.hidden.restore(caller, session.id, minutes=10),
    ):
        before = await listing.version(caller)
        waiting = [asyncio.create_task(listing.version(caller, before, seconds=10)) for _ in range(3)]
        await asyncio.sleep(0.05)
        await change()
        (after,) = set(await asyncio.gather(*waiting))
        assert after != before
        versions.append(after)
    before = versions[-1]
    assert await listing.version(caller, before, seconds=0.1) == before
    waiting = [asyncio.create_task(listing.version(caller, before, seconds=30))]
    await asyncio.sleep(0.05)
    listing.leave()
    assert await asyncio.wait_for(waiting[0], 1) == before
    with pytest.raises(Forbidden):
        await listing.version(Caller(caller.user_id, "claimed", session.id))


async def test_the_list_has_a_line_of_summary_and_its_filters(house: House, caller: Caller) -> None:
    session, _ = await a_session(house, caller)
    silent = await house.sessions.start(caller, title="Percent 100%_ sure")
    listed = await house.sessions.listing.of(caller)
    assert [(one.session.id, bool(one.summary_line)) for one in listed] == [(silent.id, False), (session.id, True)]
    assert "canary" in str(listed[1].summary_line)

    async def ids(**wanted: object) -> list[UUID]:
        return [one.session.id for one in await house.sessions.listing.of(caller, Wanted(**wanted))]  # type: ignore[arg-type]

    assert await ids(title="100%_ SURE") == [silent.id]
    assert await ids(title="_anary") == []
    assert await ids(ended=True) == [session.id]
    assert await ids(assistant="nobody") == []
    assert await ids(since=silent.last_seen_at) == [silent.id]
    assert await ids(until=silent.last_seen_at) == [session.id]
