"""What is used is counted where a reply ends, whoever ends it; quotas hold however many ask at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from rekindle.assistants.assistant import Assistant
from rekindle.conversation import store
from rekindle.errors import ConfigurationError, ModelError, QuotaExceeded
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.ids import uuid7
from rekindle.sessions.service import Session
from rekindle.testing import Hang, ModelServer, Refusal, Reply
from rekindle.usage.quotas import FOUND_ALLOWANCE, INSTRUCTION_ALLOWANCE, REPLY_ALLOWANCE
from rekindle.usage.service import DayUsage
from tests.conftest import OpenHouse, asking_settings

MODEL = "openai:gpt-4o-mini"
"""Its price is known: $0.15 and $0.60 for a million tokens."""


def asking(model: ModelServer, /, **changes: Any) -> dict[str, Any]:
    return asking_settings(model, **{"model": MODEL, **changes})


async def say(house: House, caller: Caller, session: Session, text: str = "Hello") -> str:
    turn = await house.conversation.say(caller, session.id, text)
    return (await house.conversation.outcome(caller, turn.id)).status


async def the_day(house: House, caller: Caller) -> DayUsage:
    [day] = await house.usage.days(caller)
    return day


async def quota_of(house: House, caller: Caller) -> tuple[int, int]:
    """Tokens spent and reserved today, and reservations that are open."""
    async with house.database.system() as connection:
        cursor = await connection.execute(
            """
            SELECT (SELECT coalesce(sum(tokens), 0)::bigint FROM quota_days WHERE user_id = %(u)s) AS spent,
                   (SELECT count(*) FROM quota_reservations WHERE user_id = %(u)s) AS open
            """,
            {"u": caller.user_id},
        )
        row = await cursor.fetchone()
    assert row
    return row["spent"], row["open"]


async def test_a_reply_is_counted_by_day_and_model_with_its_cost(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking(model))
    session = await house.sessions.start(caller)
    model.script(Reply("One.", usage=(1000, 100)), Reply("Two.", usage=(2000, 200)))
    await say(house, caller, session)
    await say(house, caller, session)
    assert await the_day(house, caller) == DayUsage(
        day=datetime.now(UTC).date(),
        model=MODEL,
        input_tokens=3000,
        output_tokens=300,
        estimated_tokens=0,
        background_tokens=0,
        turns=2,
        failed=0,
        cost_micros=210 + 420,
    )
    assert (await house.usage.of(caller.user_id)).total_tokens == 3300


async def test_what_the_house_asks_by_itself_is_counted_apart_and_never_refused(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking(model, titles="model", user_tokens_per_day=5_000))
    session = await house.sessions.start(caller)
    model.script(Reply("Dear.", usage=(4_000, 900)), Reply("The user said hello.", usage=(300, 30)))
    await say(house, caller, session)
    for _ in range(2):  # it is summarised already: the model is not asked again
        assert await house.conversation.end(caller, session.id) == "generated"
    assert len(model.requests) == 2
    day = await the_day(house, caller)
    assert (day.turns, day.input_tokens, day.output_tokens, day.background_tokens) == (1, 4_300, 930, 330)
    assert day.cost_micros == 645 + 558
    assert await quota_of(house, caller) == (5_230, 0)
    assert (await house.usage.of(caller.user_id)).total_tokens == 5_230

    model.script(Reply("", usage=(50, 0)))
    with pytest.raises(ModelError):  # no summary at all: it has been paid for all the same
        await house.memory.summarise(caller.user_id, session.id)
    assert (await the_day(house, caller)).background_tokens == 380


async def test_failed_and_cancelled_turns_are_counted_too(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking(model))
    session = await house.sessions.start(caller)
    model.script(Refusal(500), Hang())
    assert await say(house, caller, session) == "failed"
    turn = await house.conversation.say(caller, session.id, "And now?")
    await asyncio.to_thread(model.wait, 2)
    assert (await house.conversation.cancel(caller, turn.id)).status == "cancelled"
    day = await the_day(house, caller)
    assert (day.turns, day.failed) == (2, 2)
    assert day.input_tokens == (await house.usage.of(caller.user_id)).input_tokens > 0


async def test_a_turn_whose_server_is_gone_is_counted_by_an_estimate(open_a_house: OpenHouse, caller: Caller) -> None:
    house = await open_a_house(work=False, user_tokens_per_day=100_000)
    session = await house.sessions.start(caller)
    await begin(house, caller, session, "x" * 400, lease=timedelta(0), limits=LIMITS | {"user_tokens": 100_000})
    async with house.database.system() as connection:
        await connection.execute(
            "UPDATE messages SET content = %s WHERE session_id = %s AND seq = 2", (Jsonb("y" * 40), session.id)
        )
    spent, reserved = await quota_of(house, caller)
    assert reserved == 1
    assert spent > REPLY_ALLOWANCE
    async with house.database.connection() as connection:
        await store.take_over_turns(connection, server="b", lease=timedelta(seconds=10), window=20, limit=100)
    day = await the_day(house, caller)
    assert (day.model, day.input_tokens, day.output_tokens, day.estimated_tokens) == ("offline", 100, 10, 110)
    assert (day.turns, day.failed) == (1, 1)
    assert await quota_of(house, caller) == (110, 0)


LIMITS = {
    "assistants": {},
    "otherwise": {"model": "offline", "recalls": True, "found": None},
    "overhead": 0,
    "recall": 2_000,
    "window": 20,
    "reply": REPLY_ALLOWANCE,
    "longest": 60_000,
}


async def begin(
    house: House, caller: Caller, session: Session, text: str, *, lease: timedelta, limits: dict[str, Any]
) -> store.Begun:
    async with house.database.connection() as connection:
        return await store.begin_turn(
            connection,
            user_id=caller.user_id,
            session_id=session.id,
            message_id=uuid7(),
            turn_id=uuid7(),
            key=None,
            text=text,
            metadata={},
            window=20,
            recall=0,
            server="a",
            lease=lease,
            reopen=False,
            limits=limits,
        )


async def test_a_used_up_quota_refuses_and_stores_nothing(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking(model, user_tokens_per_day=5_000))
    session = await house.sessions.start(caller)
    model.script(Reply("Dear.", usage=(4_000, 500)))
    assert await say(house, caller, session) == "complete"
    before = house.database.round_trips
    with pytest.raises(QuotaExceeded) as refused:
        await house.conversation.say(caller, session.id, "More")
    assert house.database.round_trips == before + 1
    opens = datetime.fromisoformat(refused.value.extra["opens_at"])
    assert opens > datetime.now(UTC)
    assert (opens.hour, opens.minute) == (0, 0)
    assert 0 < refused.value.extra["retry_after"] <= 86_401
    assert len(await house.sessions.messages.of(caller, session.id)) == 2
    assert (await house.sessions.get(caller, session.id)).last_seq == 2
    assert await quota_of(house, caller) == (4_500, 0)


async def test_what_was_reserved_is_settled_to_what_was_used(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(**asking(model, user_tokens_per_day=5_000))
    session = await house.sessions.start(caller)
    model.script(Reply("Cheap.", usage=(10, 2)))
    await say(house, caller, session)
    assert await quota_of(house, caller) == (12, 0)


async def test_a_retry_is_reserved_too(open_a_house: OpenHouse, caller: Caller, model: ModelServer) -> None:
    house = await open_a_house(**asking(model, user_tokens_per_day=REPLY_ALLOWANCE + INSTRUCTION_ALLOWANCE + 100))
    session = await house.sessions.start(caller)
    model.script(Refusal(500))
    turn = await house.conversation.say(caller, session.id, "x" * 200)
    assert (await house.conversation.outcome(caller, turn.id)).status == "failed"
    async with house.database.system() as connection:
        await connection.execute("UPDATE quota_days SET tokens = 900 WHERE user_id = %s", (caller.user_id,))
    with pytest.raises(QuotaExceeded):
        await house.conversation.retry(caller, turn.id)
    assert (await house.sessions.messages.reply(caller, turn.id)).status == "failed"


@pytest.mark.parametrize("name", ["plain", "desk", "quiet"])
async def test_what_recall_and_look_ups_will_add_is_reserved_too_and_settled(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer, name: str
) -> None:
    async def price() -> str:
        return "It costs 250 dollars."

    crew = [Assistant("plain"), Assistant("desk", tools=(price,)), Assistant("quiet", recall="off")]
    house = await open_a_house(*crew, work=False, **asking(model, user_tokens_per_day=50_000))
    model.script(Hang(), Hang())
    reserved, spent = [], 0
    for asked in (1, 2):
        session = await house.sessions.start(caller, assistant=name)
        turn = await house.conversation.say(caller, session.id, "Hello")
        await asyncio.to_thread(model.wait, asked)
        reserved.append((await quota_of(house, caller))[0] - spent)
        await house.conversation.cancel(caller, turn.id)
        spent, left = await quota_of(house, caller)
        assert left == 0
        assert spent < 1_000, "what was reserved and not used is given back"
    prompt, past = INSTRUCTION_ALLOWANCE + 2, house.settings.recall_tokens
    times, found = (2, FOUND_ALLOWANCE) if name == "desk" else (1, 0)
    first, returning = (
        REPLY_ALLOWANCE + times * (prompt + more) + found for more in (0, 0 if name == "quiet" else past)
    )
    assert reserved == [pytest.approx(first, abs=4), pytest.approx(returning, abs=4)]


async def test_turns_at_once_do_not_overshoot_a_quota(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    each = REPLY_ALLOWANCE + INSTRUCTION_ALLOWANCE
    # Without recall: what is reserved for it depends on which of them have begun.
    alike = Assistant("alike", recall="off")
    house = await open_a_house(alike, **asking(model, user_tokens_per_day=each * 3 + 100))
    sessions = [await house.sessions.start(caller) for _ in range(10)]
    model.script(*[Hang()] * 10)
    begun = await asyncio.gather(
        *(house.conversation.say(caller, session.id, "Hi") for session in sessions), return_exceptions=True
    )
    turns = [turn for turn in begun if not isinstance(turn, BaseException)]
    assert len(turns) == 3
    assert all(isinstance(turn, QuotaExceeded) for turn in begun if isinstance(turn, BaseException))
    spent, reserved = await quota_of(house, caller)
    assert spent <= each * 3 + 100
    assert reserved == 3
    for turn in turns:
        await house.conversation.cancel(caller, turn.id)
    assert (await quota_of(house, caller))[1] == 0


async def test_a_quota_of_all_users_holds_for_all_together(
    open_a_house: OpenHouse, new_database: Any, model: ModelServer
) -> None:
    house = await open_a_house(**asking(model, total_tokens_per_day=5_000, database_url=SecretStr(new_database())))
    ada = Caller((await house.identity.recognise("ada@example.com")).user.id, "verified")
    bob = Caller((await house.identity.recognise("bob@example.com")).user.id, "verified")
    model.script(Reply("Dear.", usage=(4_000, 500)))
    await say(house, ada, await house.sessions.start(ada))
    with pytest.raises(QuotaExceeded, match="server's"):
        await say(house, bob, await house.sessions.start(bob))


async def test_a_quota_in_money_counts_money(open_a_house: OpenHouse, caller: Caller, model: ModelServer) -> None:
    house = await open_a_house(**asking(model, user_cost_per_day=0.01))
    session = await house.sessions.start(caller)
    model.script(Reply("Dear.", usage=(60_000, 1_500)))  # $0.0099
    await say(house, caller, session)
    with pytest.raises(QuotaExceeded):
        await house.conversation.say(caller, session.id, "More")


async def test_a_quota_in_money_needs_a_known_price(open_a_house: OpenHouse, model: ModelServer) -> None:
    with pytest.raises(ConfigurationError, match="openai:nobody-knows"):
        await open_a_house(**asking(model, model="openai:nobody-knows", user_cost_per_day=1.0))
