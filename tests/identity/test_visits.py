"""A visitor proves who they are: what they said becomes their account's, all of it and nothing else."""

import asyncio
from typing import Any

import pytest

from rekindle.errors import Forbidden, SessionNotFound, Unauthenticated, UserGone
from rekindle.house import House
from rekindle.identity.service import Caller, WrongCode
from rekindle.sessions.service import CheckIn
from rekindle.testing import ModelServer, Reply
from tests.conftest import OpenHouse, asking_settings, say
from tests.identity.conftest import MailBox


@pytest.fixture
async def house(open_a_house: OpenHouse, mail: MailBox) -> House:
    made: House = await open_a_house(smtp_url=mail.url, identity="verified")
    return made


async def visit(house: House, email: str | None, *texts: str, name: str | None = None) -> CheckIn:
    found = await house.sessions.check_in(name=name, email=email, phone=None)
    for text in texts:
        await say(house, found.caller, found.session, text)
    return found


async def code_for(house: House, mail: MailBox, email: str) -> str:
    await house.codes.send(email, local=False)
    return mail.code(email)


async def rows(house: House, sql: str, *values: Any) -> list[dict[str, Any]]:
    async with house.database.system() as connection:
        return await (await connection.execute(sql, values)).fetchall()


async def test_what_a_visitor_said_becomes_their_accounts(house: House, mail: MailBox, email: str) -> None:
    account = await house.identity.owner(email)
    old = await house.sessions.start(account)
    await say(house, account, old, "I was here before.")
    visitor = await visit(house, email, "Hello.", "My bicycle has a flat tyre.", name="Ann")
    assert await house.conversation.end(visitor.caller, visitor.session.id) == "generated"
    used = [(await house.usage.of(user)).total_tokens for user in (account.user_id, visitor.caller.user_id)]
    assert min(used) > 0

    proven = await house.visits.verify(visitor.caller, email, await code_for(house, mail, email))

    assert proven.adopted
    assert proven.caller == account
    caller = await house.identity.read(proven.token)
    assert caller.level == "verified"
    assert {s.id for s in await house.sessions.recent(caller)} == {old.id, visitor.session.id}
    messages = await house.sessions.messages.of(caller, visitor.session.id)
    assert [m.seq for m in messages] == [1, 2, 3, 4]
    assert {m.user_id for m in messages} == {account.user_id}
    summary = await house.memory.summary(caller, visitor.session.id)
    assert summary
    assert summary.user_id == account.user_id
    assert (await house.usage.of(account.user_id)).total_tokens == sum(used)
    assert (await house.usage.of(account.user_id)).turns == 3
    days = await house.usage.days(caller, 1)
    assert sum(day.input_tokens + day.output_tokens for day in days) == sum(used)
    await say(house, caller, await house.sessions.start(caller), "And again.")
    with pytest.raises(UserGone):
        await house.identity.user(visitor.caller.user_id)
    with pytest.raises(UserGone):
        await house.sessions.recent(visitor.caller)


async def test_every_table_that_knows_people_knows_of_it(house: House, mail: MailBox, email: str) -> None:
    """A new table with a `user_id` is seen to here, or the account would lose what the visitor had in it."""
    visitor = await visit(house, email, "Hello.")
    await house.conversation.end(visitor.caller, visitor.session.id)
    await house.visits.verify(visitor.caller, email, await code_for(house, mail, email))
    tables = await rows(
        house,
        """SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
           WHERE c.relkind = 'r' AND a.attname = 'user_id' AND NOT a.attisdropped
             AND c.relnamespace = 'public'::regnamespace""",
    )
    names = {row["name"] for row in tables}
    assert {"sessions", "messages", "session_summaries", "user_usage", "usage_daily"} <= names
    for name in sorted(names):
        left = await rows(house, f"SELECT * FROM {name} WHERE user_id = %s", visitor.caller.user_id)
        assert left == [], name
    following = await rows(
        house,
        """SELECT conrelid::regclass::text AS name FROM pg_constraint
           WHERE contype = 'f' AND confrelid = 'sessions'::regclass
             AND cardinality(confkey) = 2 AND confupdtype <> 'c'""",
    )
    assert following == []


async def test_where_an_address_is_to_be_proven_a_check_in_leaves_the_account_alone(house: House, email: str) -> None:
    account = await house.identity.owner(email)
    first, second = await visit(house, email, "Hello."), await visit(house, email, "Hello.")
    stranger = await visit(house, f"x{email}", "Hello.")
    assert {first.status, second.status, stranger.status} == {"created"}
    assert len({account.user_id, first.caller.user_id, second.caller.user_id, stranger.caller.user_id}) == 4
    assert await house.sessions.recent(account) == []


async def test_the_accounts_profile_is_filled_in_and_never_overwritten(house: House, mail: MailBox, email: str) -> None:
    visitor = await visit(house, email, name="Mallory")
    await house.visits.verify(visitor.caller, email, await code_for(house, mail, email))
    (user,) = await house.identity.users(email=email, before=None, limit=5)
    assert user.name == "Mallory"
    another = await visit(house, email, name="Trent")
    await house.visits.verify(another.caller, email, await code_for(house, mail, email))
    (user,) = await house.identity.users(email=email, before=None, limit=5)
    assert user.name == "Mallory"


async def test_a_wrong_code_changes_nothing(house: House, mail: MailBox, email: str) -> None:
    visitor = await visit(house, email, "Hello.")
    code = await code_for(house, mail, email)
    with pytest.raises(WrongCode):
        await house.visits.verify(visitor.caller, email, f"{(int(code) + 1) % 1_000_000:06}")
    assert [s.id for s in await house.sessions.recent(visitor.caller)] == [visitor.session.id]
    assert await house.identity.users(email=email, before=None, limit=5) == []


async def test_a_mistyped_address_is_put_right_and_the_other_account_keeps_what_is_its(
    open_a_house: OpenHouse, mail: MailBox, email: str
) -> None:
    house = await open_a_house(smtp_url=mail.url, identity="claimed")
    theirs = await visit(house, f"other.{email}", "This is mine.")
    mine = await visit(house, f"other.{email}", "I typed the wrong address.")
    assert mine.caller.user_id == theirs.caller.user_id
    proven = await house.visits.verify(mine.caller, email, await code_for(house, mail, email))
    assert [s.id for s in await house.sessions.recent(proven.caller)] == [mine.session.id]
    left = await house.sessions.messages.of(theirs.caller, theirs.session.id)
    assert left[0].content == "This is mine."
    assert (await house.usage.of(theirs.caller.user_id)).turns == 1
    assert (await house.usage.of(proven.caller.user_id)).turns == 1
    with pytest.raises(SessionNotFound):
        await house.sessions.messages.of(mine.caller, mine.session.id)


async def test_two_proven_accounts_are_never_joined(house: House, mail: MailBox, email: str) -> None:
    one = await house.identity.owner(email)
    session = await house.sessions.start(one)
    bound = Caller(one.user_id, "verified", session.id)
    proven = await house.visits.verify(bound, f"x{email}", await code_for(house, mail, f"x{email}"))
    assert not proven.adopted
    assert [s.id for s in await house.sessions.recent(one)] == [session.id]


async def test_an_answer_being_written_is_finished_first(
    open_a_house: OpenHouse, mail: MailBox, model: ModelServer, email: str
) -> None:
    house = await open_a_house(**asking_settings(model, smtp_url=mail.url, identity="verified"))
    visitor = await visit(house, email)
    model.script(Reply("one two three", delay=0.1))
    turn = await house.conversation.say(visitor.caller, visitor.session.id, "Count.")
    proven = await house.visits.verify(visitor.caller, email, await code_for(house, mail, email))
    reply = await house.sessions.messages.reply(proven.caller, turn.id)
    assert (reply.content, reply.status) == ("one two three", "complete")
    assert reply.user_id == proven.caller.user_id


async def test_turns_that_race_with_the_proof_lose_no_message(house: House, mail: MailBox, email: str) -> None:
    visitor = await visit(house, email, "Hello.")
    code = await code_for(house, mail, email)

    async def talk() -> None:
        for number in range(20):
            try:
                await say(house, visitor.caller, visitor.session, f"Number {number}.")
            except (Unauthenticated, SessionNotFound):
                return

    _, proven = await asyncio.gather(talk(), house.visits.verify(visitor.caller, email, code))
    messages = await house.sessions.messages.of(proven.caller, visitor.session.id, limit=100)
    assert [m.seq for m in messages] == list(range(1, len(messages) + 1))
    assert {m.user_id for m in messages} == {proven.caller.user_id}
    assert {m.status for m in messages} <= {"complete", "cancelled"}
    assert (await house.usage.of(proven.caller.user_id)).turns == len(messages) // 2


async def test_the_desk_goes_on_after_its_visitor_has_proven_who_they_are(
    house: House, mail: MailBox, email: str
) -> None:
    visitor = await visit(house, email, "Hello.")
    capability = visitor.session.cookie_sid
    assert capability
    desk = await house.sessions.enter(capability)
    proven = await house.visits.verify(desk, email, await code_for(house, mail, email))
    for _ in range(500):
        if (await house.sessions.enter(capability)).user_id == proven.caller.user_id:
            break
        await asyncio.sleep(0.02)
    again = await house.sessions.enter(capability)
    assert again.user_id == proven.caller.user_id
    await say(house, again, visitor.session, "Still here.")


async def test_who_only_typed_an_address_cannot_log_its_owner_out(
    open_a_house: OpenHouse, mail: MailBox, email: str
) -> None:
    house = await open_a_house(identity="claimed")
    token = await house.identity.vouch(email)
    stranger = await visit(house, email)
    own = house.identity.issue(stranger.caller)
    with pytest.raises(Forbidden):
        await house.visits.log_out(stranger.caller, own, everywhere=True)
    await house.visits.log_out(stranger.caller, own)
    with pytest.raises(Unauthenticated):
        await house.identity.read(own)
    assert (await house.identity.read(token)).user_id == stranger.caller.user_id


async def test_logging_out_ends_the_session_that_goes_on_until_then(house: House, email: str) -> None:
    token = await house.identity.vouch(email)
    caller = await house.identity.read(token)
    current = await house.sessions.current_or_start(caller)
    await house.visits.log_out(caller, token)
    assert (await house.sessions.get(caller, current.id)).ended_at is not None
