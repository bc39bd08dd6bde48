"""Rolling summaries: what left the window of a session is kept in a few lines, judged before it counts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rekindle.assistants.assistant import Said
from rekindle.assistants.service import Assistants
from rekindle.errors import InvalidRequest, ModelCutShort, ModelError
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.memory.rolling.service import RollingSummary
from rekindle.memory.summary import ModelSummaries
from rekindle.sessions.service import Session
from rekindle.testing import Asked, ModelServer, Reply
from tests.conftest import OpenHouse, asking_settings, make_settings
from tests.sessions.own_file import bring_back

WINDOW = 4
GOOD = "The user asked about pools in Austin. The assistant named three of them."


def written(text: str, **lists: list[str]) -> Reply:
    return Reply([json.dumps({"text": text, **lists})])


@pytest.fixture
async def house(open_a_house: OpenHouse, model: ModelServer) -> House:
    """A house of a small window, whose model is scripted and answers in a word."""
    opened: House = await open_a_house(work=False, window=WINDOW, **asking(model))
    return opened


def asking(model: ModelServer) -> dict[str, Any]:
    model.default = Reply("Aha.")
    return asking_settings(model)


@pytest.fixture
async def session(house: House, caller: Caller) -> Session:
    return await house.sessions.start(caller)


async def say(house: House, caller: Caller, session: Session, *messages: str) -> None:
    for message in messages:
        turn = await house.conversation.say(caller, session.id, message)
        await house.conversation.outcome(caller, turn.id)


def numbered(first: int, last: int) -> list[str]:
    return [f"Matter number {number} is about pool {number}." for number in range(first, last + 1)]


async def versions(house: House, caller: Caller, session: Session) -> list[tuple[int, int, int, str]]:
    found: list[RollingSummary] = await house.rolling.versions(caller, session.id)
    return [(v.version, v.first_seq, v.through_seq, v.summary) for v in found]


async def test_what_left_the_window_is_summed_up_by_versions_that_say_what_they_cover(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    await say(house, caller, session, *numbered(1, 2))
    assert not await house.rolling.write(caller.user_id, session.id)
    await say(house, caller, session, *numbered(3, 4))
    model.forget()
    model.script(written(GOOD, topics=["pools"]))
    assert await house.rolling.write(caller.user_id, session.id)
    assert await versions(house, caller, session) == [(1, 1, 4, GOOD)]
    [asked] = model.requests
    assert "record of the first part of a chat session that goes on" in asked.system
    assert [line["text"] for line in talk(asked)] == [numbered(1, 1)[0], "Aha.", numbered(2, 2)[0], "Aha."]

    await say(house, caller, session, *numbered(5, 6))
    model.forget()
    model.script(written("The user named two more pools."))
    assert await house.rolling.write(caller.user_id, session.id)
    assert await versions(house, caller, session) == [(2, 1, 8, "The user named two more pools."), (1, 1, 4, GOOD)]
    before, *new = talk(model.requests[0])
    assert before == {"record_so_far": GOOD}
    assert [line["text"] for line in new if line["role"] == "user"] == numbered(3, 4)
    assert not await house.rolling.write(caller.user_id, session.id)


def talk(asked: Asked) -> list[dict[str, str]]:
    return [json.loads(line) for line in asked.last.splitlines()[1:-1]]


async def test_the_model_is_given_it_before_the_window_and_nothing_falls_between(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    await say(house, caller, session, *numbered(1, 4))
    model.script(written(GOOD))
    await house.rolling.write(caller.user_id, session.id)
    await say(house, caller, session, *numbered(5, 5))
    model.forget()
    await say(house, caller, session, "And now?")
    [asked] = model.requests
    assert "EARLIER IN THIS SESSION" in asked.system
    assert f"1. {GOOD} [session {session.id}, messages 1 to 4, " in asked.system
    # Messages 5 and 6 have left the window of four since, and are shown until the summary has them.
    assert [m["content"] for m in asked.messages if m["role"] == "user"] == [*numbered(3, 5), "And now?"]
    reply = (await house.sessions.messages.of(caller, session.id, limit=1))[0]
    assert {"kind": "earlier", "session_id": str(session.id), "seq": 4} == {
        key: value for key, value in (reply.context_used or [])[0].items() if key != "date"
    }


NOT_SUMMARIES = {
    "empty": written(""),
    "nothing at all": Reply(" "),
    "dots": written("..."),
    "cut off in its json": Reply('{"text": "The user asked about pools and the'),
    "cut off in its text": Reply("The user asked about pools and the"),
    "cut off by its limit": Reply(json.dumps({"text": GOOD}), finish="length"),
    "cut off by the network": Reply(json.dumps({"text": GOOD}), then="end"),
    "a sentence again and again": written("The user asked about pools. " * 5),
    "the same words": written("the user said that the user said that " * 12),
    "a list going round": written(GOOD, topics=["pools pools pools. pools pools pools. pools pools pools."]),
    "an open thought": Reply("<think>The user wants a summary, so I"),
    "a thought left in a list": written(GOOD, topics=["Let me think: which topics?"]),
    "let me": written("Let me summarize this conversation: the user asked about pools."),
    "the user wants me": written("Okay, the user wants me to write a record of the talk."),
    "second thoughts": written("The user asked about pools. Wait, I should mention the price too."),
    "talk of the format": written("The user asked about pools. Now the JSON should have four lists."),
    "looking at": written("Looking at the conversation, there are two messages about pools."),
    "a refusal": Reply("I'm sorry, but I can't help with that."),
    "an essay": written("Pools are deep and wide and blue. " * 400),
}


@pytest.fixture
async def writer(model: ModelServer, conninfo: str, data_dir: Path) -> AsyncIterator[ModelSummaries]:
    """Asks the scripted model."""
    assistants = Assistants(make_settings(conninfo, data_dir, **asking(model)))
    yield ModelSummaries(assistants.complete)
    await assistants.close()


@pytest.mark.parametrize("reply", NOT_SUMMARIES.values(), ids=NOT_SUMMARIES.keys())
async def test_what_is_no_summary_is_refused(writer: ModelSummaries, model: ModelServer, reply: Reply) -> None:
    model.script(reply)
    with pytest.raises(ModelError):
        await writer.write([Said("user", "What about pools?"), Said("assistant", "They are deep.")])


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "The user will think about the offer and let the assistant know on Friday.",
        "The user asked the assistant to wait. The assistant said it would take three weeks.",
        "I18n was the topic: the user must translate a JSON schema into French.",
        "The user said they must write an essay on pools and need to include two quotes.",
        'The user asked what the JSON of the pool API is. The answer was a schema; they said: "let me check that".',
    ],
)
async def test_a_summary_that_speaks_of_such_things_is_none_of_them(
    writer: ModelSummaries, model: ModelServer, text: str
) -> None:
    model.script(written(text, open_questions=["I need to write an essay. Where do I begin?"]))
    assert (await writer.write([Said("user", "What about pools?")])).text == text


async def test_the_last_good_one_stays_when_the_next_is_refused(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    await say(house, caller, session, *numbered(1, 4))
    model.script(written(GOOD))
    await house.rolling.write(caller.user_id, session.id)
    await house.sessions.end(caller, session.id)
    model.script(written("The user asked about four pools."))
    await house.memory.summarise(caller.user_id, session.id)
    turn = await house.conversation.say(caller, session.id, numbered(5, 5)[0], reopen=True)
    await house.conversation.outcome(caller, turn.id)
    for name in ("empty", "cut off by its limit", "a sentence again and again", "let me"):
        model.script(NOT_SUMMARIES[name], NOT_SUMMARIES[name])
        with pytest.raises(ModelError):
            await house.rolling.write(caller.user_id, session.id)
        with pytest.raises(ModelError):
            await house.memory.summarise(caller.user_id, session.id)
    assert await versions(house, caller, session) == [(1, 1, 4, GOOD)]
    summary = await house.memory.summary(caller, session.id)
    assert summary is not None
    assert (summary.summary, summary.through_seq) == ("The user asked about four pools.", 8)
    await house.memory.summarise(caller.user_id, session.id, quote=True)  # as jobs do once it was refused thrice
    summary = await house.memory.summary(caller, session.id)
    assert summary is not None
    assert summary.summary.startswith("The user asked about four pools. ")
    assert '"Matter number 5 is about pool 5."' in summary.summary


async def test_quoting_goes_on_from_the_last_good_one(
    house: House, caller: Caller, session: Session, model: ModelServer
) -> None:
    await say(house, caller, session, "My boat is called Marabel.", *numbered(2, 4))
    model.script(written(GOOD))
    await house.rolling.write(caller.user_id, session.id)
    await say(house, caller, session, "I moor her in Split.", "She needs a new engine.", *numbered(7, 9))
    assert await house.rolling.write(caller.user_id, session.id, quote=True)
    (newest, *_) = await versions(house, caller, session)
    assert newest[:3] == (2, 1, 14)
    assert newest[3].startswith(GOOD)
    assert '"I moor her in Split."' in newest[3]


async def test_without_a_model_the_quotes_of_one_version_are_picked_from_for_the_next(
    open_a_house: OpenHouse, caller: Caller
) -> None:
    house = await open_a_house(work=False, window=WINDOW)
    session = await house.sessions.start(caller)
    await say(house, caller, session, "My name is Ann Lee.", "My boat is called Marabel.", *numbered(1, 3))
    assert await house.rolling.write(caller.user_id, session.id)
    for number in range(4, 40, 6):
        await say(house, caller, session, *numbered(number, number + 5))
        assert await house.rolling.write(caller.user_id, session.id)
    found = await versions(house, caller, session)
    assert [version for version, *_ in found] == [7, 6, 5, 4, 3], "the newest five are kept"
    assert '"My name is Ann Lee."' in found[0][3]
    assert len(found[0][3]) <= 1_300
    turn = await house.conversation.say(caller, session.id, "What is my name?")
    assert "My name is Ann Lee." in (await house.conversation.outcome(caller, turn.id)).content


async def test_jobs_write_it_of_sessions_that_go_on(
    open_a_house: OpenHouse, caller: Caller, new_database: Callable[[], str]
) -> None:
    house = await open_a_house(work=False, window=WINDOW, database_url=SecretStr(new_database()))
    caller = Caller((await house.identity.recognise("ann@example.com")).user.id, "verified")
    going, ended = await house.sessions.start(caller), await house.sessions.start(caller)
    for session in (going, ended):
        await say(house, caller, session, *numbered(1, 5))
    await house.sessions.end(caller, ended.id)
    assert await house.rolling.behind() == [(caller.user_id, going.id)]
    await house.jobs.find_work()
    async with house.database.connection() as connection:
        cursor = await connection.execute("SELECT args FROM procrastinate_jobs WHERE task_name = 'roll_summary'")
        assert [row["args"]["session_id"] for row in await cursor.fetchall()] == [str(going.id)]
    house.jobs.start()
    async with asyncio.timeout(30):
        while not (found := await versions(house, caller, going)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert found[0][:3] == (1, 1, 6)
    assert await house.rolling.behind() == []


async def test_two_jobs_at_once_write_one_version(house: House, caller: Caller, session: Session) -> None:
    await say(house, caller, session, *numbered(1, 5))
    first = await house.rolling.write(caller.user_id, session.id, quote=True)
    assert first
    assert len(await versions(house, caller, session)) == 1
    assert not await house.rolling.write(caller.user_id, session.id, quote=True)


async def test_it_is_gone_with_its_session_and_nobody_elses_is_read(
    house: House, caller: Caller, session: Session
) -> None:
    await say(house, caller, session, *numbered(1, 5))
    await house.rolling.write(caller.user_id, session.id, quote=True)
    stranger = Caller((await house.identity.recognise("stranger@example.com")).user.id, "verified")
    assert await house.rolling.versions(stranger, session.id) == []
    await house.sessions.delete(caller, session.id)
    assert await versions(house, caller, session) == []


async def test_its_versions_travel_with_a_session_and_go_on_where_they_arrive(
    house: House,
    caller: Caller,
    session: Session,
    open_a_house: OpenHouse,
    model: ModelServer,
    new_database: Callable[[], str],
) -> None:
    for first, last in ((1, 5), (6, 7)):
        await say(house, caller, session, *numbered(first, last))
        assert await house.rolling.write(caller.user_id, session.id, quote=True)
    kept = await house.rolling.versions(caller, session.id)
    document = b"".join([piece async for piece in await house.exports.export(caller, "json", session.id)])
    exported = json.loads(document)
    versions_out = [(r["version"], r["first_seq"], r["through_seq"]) for r in exported["sessions"][0]["rolling"]]
    assert versions_out == [(1, 1, 6), (2, 1, 10)]

    settings = {"window": WINDOW, **asking(model)}
    for way in ("the command", "over HTTP"):
        elsewhere = await open_a_house(work=False, database_url=SecretStr(new_database()), **settings)
        other = Caller((await elsewhere.identity.recognise("ada@example.com")).user.id, "verified")
        if way == "the command":
            await bring_back(elsewhere, exported, other.user_id)
        else:
            await elsewhere.exports.bring_in(other, pieces_of(document), most_bytes=10**7)
        assert [replace(v, metadata={}) for v in await elsewhere.rolling.versions(other, session.id)] == [
            replace(v, metadata={}) for v in kept
        ], way
        assert await elsewhere.rolling.behind() == []
        await say(elsewhere, other, session, *numbered(8, 9))
        assert await elsewhere.rolling.write(other.user_id, session.id, quote=True)
        assert (await versions(elsewhere, other, session))[0][:3] == (3, 1, 14)


@pytest.mark.parametrize(
    "ranges",
    [[(1, 1, 99)], [(1, 3, 2)], [(2, 1, 4), (1, 1, 6)], [(1, 1, 4), (2, 1, 4)]],
    ids=["beyond the end", "backwards", "out of order", "twice"],
)
async def test_a_range_that_no_version_can_cover_does_not_arrive(
    house: House, caller: Caller, session: Session, ranges: list[tuple[int, int, int]]
) -> None:
    await say(house, caller, session, *numbered(1, 5))
    await house.rolling.write(caller.user_id, session.id, quote=True)
    document = json.loads(b"".join([piece async for piece in await house.exports.export(caller, "json", session.id)]))
    (version,) = document["sessions"][0]["rolling"]
    document["sessions"][0]["rolling"] = [
        {**version, "version": number, "first_seq": first, "through_seq": through} for number, first, through in ranges
    ]
    await house.sessions.delete(caller, session.id)
    with pytest.raises(InvalidRequest):
        await house.exports.bring_in(caller, pieces_of(json.dumps(document).encode()), most_bytes=10**7)


async def pieces_of(document: bytes) -> AsyncIterator[bytes]:
    yield document


async def test_a_cut_off_completion_is_never_taken_for_whole(house: House, model: ModelServer) -> None:
    model.script(Reply("A whole sentence, it seems.", finish="length"))
    with pytest.raises(ModelCutShort):
        await house.assistants.complete("Be brief.", "Hello")
