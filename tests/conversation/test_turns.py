"""The turn engine, on real PostgreSQL and a model served over HTTP."""

import asyncio
import time
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from bench.turns import fill

from rekindle.conversation import store
from rekindle.conversation.channel import Event, EventId
from rekindle.conversation.service import Conversation
from rekindle.errors import (
    InvalidRequest,
    KeyReused,
    NotRetryable,
    SessionBusy,
    SessionEnded,
    SessionNotFound,
    TurnNotFound,
    Unavailable,
)
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.ids import uuid7
from rekindle.sessions.service import Message, Session
from rekindle.testing import Hang, ModelServer, Refusal, Reply
from tests.conftest import OpenHouse, asking_settings


@pytest.fixture
async def house(open_a_house: OpenHouse, model: ModelServer) -> House:
    """A house whose model is the loopback server."""
    opened: House = await open_a_house(**asking_settings(model))
    return opened


@pytest.fixture
async def session(house: House, caller: Caller) -> Session:
    return await house.sessions.start(caller)


async def heard(conversation: Conversation, caller: Caller, turn_id: UUID, after: EventId | None = None) -> list[Event]:
    return [event async for event in conversation.follow(caller, turn_id, after)]


async def said(house: House, caller: Caller, session: Session) -> list[Message]:
    return await house.sessions.messages.of(caller, session.id, after=0, limit=100)


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if event.kind == "token")


async def until_running(house: House, caller: Caller, turn_id: UUID, text: str) -> None:
    """Wait until readers of the turn have been shown `text`."""
    async with aclosing(house.conversation.follow(caller, turn_id)) as events:
        shown = ""
        async for event in events:
            shown += event.text if event.kind == "token" else ""
            if text in shown:
                return
    raise AssertionError(f"the turn ended before it said {text!r}: {shown!r}")


async def test_a_message_and_its_reply_are_kept_in_order(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply("Hello Ada, how are you?", usage=(21, 6)))
    turn = await house.conversation.say(caller, session.id, "Hi, I am Ada.")
    reply = await house.conversation.outcome(caller, turn.id)
    assert reply.status == "complete"
    assert reply.content == "Hello Ada, how are you?"
    assert (reply.input_tokens, reply.output_tokens, reply.tokens_estimated) == (21, 6, False)
    messages = await said(house, caller, session)
    assert [(m.seq, m.role, m.content, m.status) for m in messages] == [
        (1, "user", "Hi, I am Ada.", "complete"),
        (2, "assistant", "Hello Ada, how are you?", "complete"),
    ]
    assert messages[1] == reply
    assert (await house.usage.of(caller.user_id)).total_tokens == 27


async def test_the_message_and_the_running_reply_are_on_disk_before_the_model_is_called(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Hang())
    turn = await house.conversation.say(caller, session.id, "Are you there?")
    messages = await said(house, caller, session)
    assert [(m.role, m.content, m.status) for m in messages] == [
        ("user", "Are you there?", "complete"),
        ("assistant", "", "running"),
    ]
    await house.conversation.cancel(caller, turn.id)


async def test_the_model_is_given_the_window_and_the_new_message(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking_settings(model, window=4))
    session = await house.sessions.start(caller)
    for number in range(4):
        turn = await house.conversation.say(caller, session.id, f"question {number}")
        await house.conversation.outcome(caller, turn.id)
    asked = await asyncio.to_thread(model.wait, 4)
    contents = [m["content"] for m in asked.messages if m["role"] != "system"]
    assert contents[-1] == "question 3"
    assert len(contents) == 5
    assert contents[-3] == "question 2"


async def test_readers_join_late_and_all_read_the_same_bytes(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    words = " ".join(f"word{n}" for n in range(60))
    model.script(Reply(words, delay=0.005))
    turn = await house.conversation.say(caller, session.id, "Count.")
    readers = []
    for _ in range(20):
        readers.append(asyncio.create_task(heard(house.conversation, caller, turn.id)))
        await asyncio.sleep(0.01)
    after_the_end = await house.conversation.outcome(caller, turn.id)
    for events in await asyncio.gather(*readers):
        assert text_of(events) == words
        assert events[-1].kind == "end"
        assert events[-1].reply == after_the_end
    assert text_of(await heard(house.conversation, caller, turn.id)) == words


async def test_a_reader_comes_back_and_gets_exactly_what_is_missing(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    words = "Größe 漢字 😀 " * 20
    model.script(Reply([words[i : i + 3] for i in range(0, len(words), 3)], delay=0.003))
    turn = await house.conversation.say(caller, session.id, "Go.")
    had: list[Event] = []
    async with aclosing(house.conversation.follow(caller, turn.id)) as events:
        async for event in events:
            had.append(event)
            if event.id.offset >= 50:
                break
    live = await heard(house.conversation, caller, turn.id, had[-1].id)
    assert text_of(had) + text_of(live) == words
    for offset in (0, 1, 50, len(words) - 1, len(words)):
        later = await heard(house.conversation, caller, turn.id, EventId(turn.id, 1, offset))
        assert text_of(later) == words[offset:]
        assert later[-1].kind == "end"


async def test_a_turn_goes_on_when_every_reader_has_left(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply("one two three four five six", delay=0.03))
    turn = await house.conversation.say(caller, session.id, "Count.")
    await until_running(house, caller, turn.id, "one")
    await asyncio.sleep(0.5)
    assert [m.content for m in await said(house, caller, session)] == [
        "Count.",
        "one two three four five six",
    ]


async def test_the_same_key_is_the_same_turn_and_the_model_is_called_once(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    first, second = await asyncio.gather(
        house.conversation.say(caller, session.id, "Once.", key="k"),
        house.conversation.say(caller, session.id, "Once.", key="k"),
    )
    assert first.id == second.id
    assert {first.replayed, second.replayed} == {True, False}
    await house.conversation.outcome(caller, first.id)
    await house.sessions.end(caller, session.id)
    third = await house.conversation.say(caller, session.id, "Once.", key="k")
    assert third.id == first.id
    assert len(await said(house, caller, session)) == 2
    assert len(model.requests) == 1


async def test_a_key_with_another_message_is_refused(house: House, caller: Caller, session: Session) -> None:
    turn = await house.conversation.say(caller, session.id, "One thing.", key="k")
    await house.conversation.outcome(caller, turn.id)
    with pytest.raises(KeyReused):
        await house.conversation.say(caller, session.id, "Another thing.", key="k")
    assert len(await said(house, caller, session)) == 2


async def test_a_busy_session_refuses_waits_or_interrupts_as_asked(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply("a slow answer that takes its time", delay=0.05), Reply("second"), Hang(), Reply("fourth"))
    first = await house.conversation.say(caller, session.id, "One.")
    with pytest.raises(SessionBusy) as busy:
        await house.conversation.say(caller, session.id, "Two.")
    assert busy.value.extra["turn_id"] == str(first.id)
    second = await house.conversation.say(caller, session.id, "Two.", on_busy="wait")
    assert (await house.conversation.outcome(caller, first.id)).content == "a slow answer that takes its time"
    await house.conversation.outcome(caller, second.id)
    third = await house.conversation.say(caller, session.id, "Three.")
    await asyncio.to_thread(model.wait, 3)
    fourth = await house.conversation.say(caller, session.id, "Four.", on_busy="interrupt")
    assert (await house.conversation.outcome(caller, third.id)).status == "cancelled"
    assert (await house.conversation.outcome(caller, fourth.id)).content == "fourth"
    messages = await said(house, caller, session)
    assert [m.seq for m in messages] == list(range(1, 9))
    assert [m.content for m in messages if m.role == "user"] == ["One.", "Two.", "Three.", "Four."]


async def test_64_turns_at_once_on_one_session_number_their_messages_without_a_gap(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    turns = await asyncio.gather(
        *(house.conversation.say(caller, session.id, f"{n}", on_busy="wait") for n in range(64))
    )
    replies = [await house.conversation.outcome(caller, turn.id) for turn in turns]
    assert all(reply.status == "complete" for reply in replies)
    messages = await house.sessions.messages.of(caller, session.id, after=0, limit=200)
    assert [m.seq for m in messages] == list(range(1, 129))
    assert [m.role for m in messages] == ["user", "assistant"] * 64
    for question, answer in zip(messages[::2], messages[1::2], strict=True):
        assert answer.seq == question.seq + 1
        assert answer.created_at >= question.created_at
    for earlier, later in zip(messages[1::2], messages[2::2], strict=False):
        assert earlier.completed_at is not None
        assert earlier.completed_at <= later.created_at


async def test_a_turn_cancelled_before_its_first_step_ends_too(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    turn = await house.conversation.say(caller, session.id, "Never mind.")
    reply = await house.conversation.cancel(caller, turn.id)
    assert (reply.status, reply.content) == ("cancelled", "")
    assert model.requests == []


async def test_cancelling_keeps_what_was_said(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply("This much and then nothing", then="silence"))
    turn = await house.conversation.say(caller, session.id, "Talk.")
    await until_running(house, caller, turn.id, "nothing")
    reply = await house.conversation.cancel(caller, turn.id)
    assert (reply.status, reply.content) == ("cancelled", "This much and then nothing")
    assert reply.tokens_estimated
    assert (await house.usage.of(caller.user_id)).output_tokens > 0
    assert await house.conversation.cancel(caller, turn.id) == reply


@pytest.mark.parametrize(
    ("step", "code", "kept"),
    [
        (Reply("Half an ans", then="cut"), "model_cut_short", "Half an ans"),
        (Reply("No reason to end", then="end"), "model_cut_short", "No reason to end"),
        (Reply("And then silence", then="silence"), "model_timed_out", "And then silence"),
        (Refusal(500), "model_error", ""),
        (Refusal(401), "model_refused", ""),
        (Refusal(429), "model_busy", ""),
    ],
)
async def test_a_model_that_fails_leaves_a_failed_reply_with_what_it_said(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer, step: Any, code: str, kept: str
) -> None:
    house = await open_a_house(**asking_settings(model, token_gap_seconds=0.3))
    session = await house.sessions.start(caller)
    model.script(step, Reply("Better now."))
    turn = await house.conversation.say(caller, session.id, "Well?")
    reply = await house.conversation.outcome(caller, turn.id)
    assert (reply.status, reply.error_code, reply.content) == ("failed", code, kept)
    assert reply.error_message
    again = await house.conversation.retry(caller, turn.id)
    assert (again.id, again.attempt) == (turn.id, 2)
    reply = await house.conversation.outcome(caller, turn.id)
    assert (reply.status, reply.content, reply.error_code, reply.attempt) == (
        "complete",
        "Better now.",
        None,
        2,
    )
    assert len(await said(house, caller, session)) == 2
    assert reply.metadata
    assert [(a["attempt"], a["status"], a["content"]) for a in reply.metadata["attempts"]] == [(1, "failed", kept)]


async def test_a_reader_of_an_earlier_attempt_is_told_to_begin_anew(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply("First try", then="cut"), Reply("Second try"))
    turn = await house.conversation.say(caller, session.id, "Go.")
    first = await heard(house.conversation, caller, turn.id)
    await house.conversation.retry(caller, turn.id)
    events = await heard(house.conversation, caller, turn.id, first[-1].id)
    assert events[0].kind == "restart"
    assert text_of(events) == "Second try"


async def test_only_the_newest_turn_that_did_not_complete_can_be_retried(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Refusal(500), Reply("fine"))
    failed = await house.conversation.say(caller, session.id, "One.")
    await house.conversation.outcome(caller, failed.id)
    fine = await house.conversation.say(caller, session.id, "Two.")
    await house.conversation.outcome(caller, fine.id)
    for turn in (failed, fine):
        with pytest.raises(NotRetryable):
            await house.conversation.retry(caller, turn.id)


async def test_a_reply_without_end_is_cut_at_the_limit(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking_settings(model, max_reply_chars=1000))
    session = await house.sessions.start(caller)
    model.script(Reply(["x" * 300] * 100))
    turn = await house.conversation.say(caller, session.id, "Go on for ever.")
    reply = await house.conversation.outcome(caller, turn.id)
    assert (reply.status, reply.error_code, len(reply.content)) == ("failed", "model_cut_short", 1000)


async def test_somebody_elses_session_or_turn_is_not_there(house: House, caller: Caller, session: Session) -> None:
    turn = await house.conversation.say(caller, session.id, "Mine.")
    await house.conversation.outcome(caller, turn.id)
    stranger = Caller((await house.identity.recognise(None)).user.id, "verified")
    other_session = Caller(caller.user_id, "claimed", uuid7())
    for foreign in (stranger, other_session):
        with pytest.raises(SessionNotFound):
            await house.conversation.say(foreign, session.id, "Let me in.")
        for attempt in (
            house.conversation.cancel(foreign, turn.id),
            house.conversation.retry(foreign, turn.id),
            house.conversation.outcome(foreign, turn.id),
        ):
            with pytest.raises(TurnNotFound):
                await attempt
    assert len(await said(house, caller, session)) == 2


async def test_an_ended_session_takes_no_message(house: House, caller: Caller, session: Session) -> None:
    await house.sessions.end(caller, session.id)
    with pytest.raises(SessionEnded):
        await house.conversation.say(caller, session.id, "Hello?")


@pytest.mark.parametrize("text", ["", "  \n ", "a\0b", "\ud800", "x" * 32_001])
async def test_a_message_that_cannot_be_kept_is_refused(
    house: House, caller: Caller, session: Session, text: str
) -> None:
    with pytest.raises(InvalidRequest):
        await house.conversation.say(caller, session.id, text)
    assert await said(house, caller, session) == []


@pytest.mark.parametrize(("recall_seconds", "more"), [(0, 0), (20, 3)])
async def test_a_turn_takes_two_round_trips_however_long_the_session_and_recall_its_own_three(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer, recall_seconds: float, more: int
) -> None:
    house = await open_a_house(**asking_settings(model, recall_seconds=recall_seconds), work=False)
    session = await house.sessions.start(caller)
    for _ in range(30):
        turn = await house.conversation.say(caller, session.id, "Again.")
        await house.conversation.outcome(caller, turn.id)
        assert house.database.round_trips > 0
        before = house.database.round_trips
        turn = await house.conversation.say(caller, session.id, "Which pools have I named?")
        run_end = [e async for e in house.conversation.follow(caller, turn.id)][-1]
        assert run_end.kind == "end"
        assert house.database.round_trips - before == 2 + more


async def test_another_server_reads_and_cancels_a_turn(
    open_a_house: OpenHouse, house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    model.script(Reply("a few words and then", then="silence"))
    other = await open_a_house(**asking_settings(model))
    turn = await house.conversation.say(caller, session.id, "Talk.")
    await until_running(other, caller, turn.id, "a few words and then")
    reading = asyncio.create_task(heard(other.conversation, caller, turn.id))
    reply = await other.conversation.cancel(caller, turn.id)
    assert (reply.status, reply.content) == ("cancelled", "a few words and then")
    assert text_of(await reading) == "a few words and then"


async def test_a_stopping_server_tells_readers_to_come_back_and_lets_the_turn_end(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking_settings(model, grace_seconds=5))
    session = await house.sessions.start(caller)
    model.script(Reply("one two three four five", delay=0.1))
    turn = await house.conversation.say(caller, session.id, "Count.")
    await until_running(house, caller, turn.id, "one")
    reading = asyncio.create_task(heard(house.conversation, caller, turn.id))
    waiting = asyncio.create_task(house.conversation.outcome(caller, turn.id))
    await asyncio.sleep(0.05)
    house.runs.drain()
    assert (await reading)[-1].kind == "resume"
    with pytest.raises(Unavailable):
        await house.conversation.say(caller, session.id, "One more?")
    assert (await waiting).content == "one two three four five"
    await house.runs.close()


async def test_a_turn_that_outlasts_the_grace_period_is_released_at_once(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking_settings(model, grace_seconds=0.2, lease_seconds=60))
    session = await house.sessions.start(caller)
    quiet = await house.sessions.start(caller)
    model.script(Reply("I had begun", then="silence"))
    begun = await house.conversation.say(caller, session.id, "Talk.")
    await until_running(house, caller, begun.id, "I had begun")
    model.script(Hang(), Reply("Here I am."))
    unheard = await house.conversation.say(caller, quiet.id, "Hello?")
    await asyncio.to_thread(model.wait, 2)
    await house.runs.close()
    began = time.monotonic()
    successor = await open_a_house(**asking_settings(model, lease_seconds=60))
    reply = await successor.conversation.outcome(caller, begun.id)
    assert (reply.status, reply.content) == ("interrupted", "I had begun")
    reply = await successor.conversation.outcome(caller, unheard.id)
    assert (reply.status, reply.content, reply.attempt) == ("complete", "Here I am.", 2)
    assert time.monotonic() - began < 10


async def test_a_turn_lost_to_another_server_is_fenced_off(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking_settings(model), work=False)  # keeps no leases: as if it hung
    session = await house.sessions.start(caller)
    model.script(Reply("too late", delay=2.5), Reply("in time"))
    house.runs.lease /= 20
    turn = await house.conversation.say(caller, session.id, "Who answers?")
    reading = asyncio.create_task(heard(house.conversation, caller, turn.id))
    other = await open_a_house(**asking_settings(model))
    reply = await other.conversation.outcome(caller, turn.id)
    assert (reply.status, reply.content, reply.attempt) == ("complete", "in time", 2)
    assert (await reading)[-1].reply == reply
    assert [m.content for m in await said(house, caller, session)] == ["Who answers?", "in time"]


async def test_beginning_a_turn_reads_no_more_of_a_long_session_than_the_window(
    open_a_house: OpenHouse, caller: Caller
) -> None:
    house = await open_a_house(work=False)
    session = await house.sessions.start(caller)
    await fill(house, caller.user_id, session.id, 20_000)
    async with house.database.connection() as connection, connection.transaction(force_rollback=True):
        begun = await store.begin_turn(
            connection,
            user_id=caller.user_id,
            session_id=session.id,
            message_id=uuid7(),
            turn_id=uuid7(),
            key="a key",
            text="How long is this?",
            metadata={},
            window=20,
            recall=3,
            server="test",
            lease=timedelta(seconds=10),
            reopen=False,
        )
        cursor = await connection.execute(
            """
            SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS read
            FROM pg_stat_xact_user_tables WHERE relname = 'messages'
            """
        )
        row = await cursor.fetchone()
    assert begun.prompt is not None
    assert len(begun.prompt.window) == 21
    assert row is not None
    assert row["read"] <= 24  # the window, the reply before, the recall's references
