"""Tokens that end before their time: revoked here, known on every server; of the erased; of the host."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from rekindle.errors import Unauthenticated
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.identity.tokens import Tokens
from tests.conftest import SECRET as OWN_SECRET
from tests.conftest import OpenHouse
from tests.identity.keys import AUDIENCE, ISSUER, SECRET, token

HOST = {"host_secret": SECRET, "host_issuer": ISSUER, "host_audience": AUDIENCE}


async def refused(ask: Callable[[], Awaitable[object]], *, within: float = 2) -> float:
    """Seconds until it is refused."""
    began = time.monotonic()
    while time.monotonic() - began < within:
        try:
            await ask()
        except Unauthenticated:
            return time.monotonic() - began
        await asyncio.sleep(0.005)
    raise AssertionError("it is still accepted")


async def erase(house: House, user_id: UUID) -> None:
    async with house.database.system() as connection:
        await connection.execute("DELETE FROM users WHERE id = %s", (user_id,))


async def test_a_revoked_token_ends_and_no_other(house: House, email: str) -> None:
    one, other = await house.identity.vouch(email), await house.identity.vouch(email)
    await house.identity.revoke(one)
    with pytest.raises(Unauthenticated):
        await house.identity.read(one)
    assert (await house.identity.read(other)).level == "verified"
    with pytest.raises(Unauthenticated):
        await house.identity.revoke(one)


async def test_another_spelling_of_a_revoked_token_is_revoked(house: House, email: str) -> None:
    text = await house.identity.vouch(email)
    await house.identity.revoke(text)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for last in letters:  # the last letter of a signature has bits that mean nothing
        with pytest.raises(Unauthenticated):
            await house.identity.read(text[:-1] + last)


async def test_all_tokens_end_and_new_ones_begin(house: House, email: str) -> None:
    tokens = [await house.identity.vouch(email, days=days) for days in (1, 365)]
    caller = await house.identity.read(tokens[0])
    tokens.append(house.identity.issue(Caller(caller.user_id, "claimed")))
    await house.identity.revoke_all(caller.user_id)
    for text in tokens:
        with pytest.raises(Unauthenticated):
            await house.identity.read(text)
    await asyncio.sleep(0.002)
    assert (await house.identity.read(await house.identity.vouch(email))).user_id == caller.user_id


async def test_other_servers_learn_of_it_at_once(open_a_house: OpenHouse, email: str) -> None:
    one, other = await open_a_house(), await open_a_house()
    first, second = await one.identity.vouch(email), await one.identity.vouch(email)
    await asyncio.sleep(0.2)  # until the other one listens
    await other.identity.read(first)
    await one.identity.revoke(first)
    assert await refused(lambda: other.identity.read(first)) < 1
    await one.identity.revoke_all((await one.identity.read(second)).user_id)
    assert await refused(lambda: other.identity.read(second)) < 1


async def test_a_server_that_starts_later_knows(open_a_house: OpenHouse, email: str) -> None:
    one = await open_a_house(work=False)
    text = await one.identity.vouch(email)
    await one.identity.revoke(text)
    later = await open_a_house()
    with pytest.raises(Unauthenticated):
        await later.identity.read(text)


async def test_what_was_missed_while_the_database_was_away_is_caught_up(
    open_a_house: OpenHouse, conninfo: str, email: str
) -> None:
    one, other = await open_a_house(work=False), await open_a_house()
    text = await one.identity.vouch(email)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'rekindle notices' AND datname = current_database()"
        )
    await one.identity.revoke(text)
    assert await refused(lambda: other.identity.read(text), within=8) < 8


async def test_asking_about_a_token_asks_the_database_nothing(house: House, email: str) -> None:
    text = await house.identity.vouch(email)
    before = house.database.round_trips
    await house.identity.read(text)
    assert house.database.round_trips == before


async def test_revocations_are_forgotten_when_their_tokens_would_have_ended(house: House, email: str) -> None:
    await house.identity.revoke(await house.identity.vouch(email))
    async with house.database.system() as connection:
        await connection.execute(
            "UPDATE revocations r SET expires_at = now() FROM users u WHERE u.id = r.user_id AND u.email = %s", (email,)
        )
    await house.identity.revoke(await house.identity.vouch(email))
    async with house.database.system() as connection:
        cursor = await connection.execute(
            "SELECT count(*) AS n FROM revocations r JOIN users u ON u.id = r.user_id WHERE u.email = %s", (email,)
        )
        assert await cursor.fetchone() == {"n": 1}


async def test_a_hosts_user_is_made_at_first_sight_and_found_again(open_a_house: OpenHouse, email: str) -> None:
    house = await open_a_house(work=False, **HOST)
    caller = await house.identity.read(token(sub=email, email=email, name="Ann"))
    assert caller.level == "verified"
    user = await house.identity.user(caller.user_id)
    assert (user.email, user.name) == (email, "Ann")
    assert user.verified_at
    again = await open_a_house(work=False, **HOST)
    assert await again.identity.read(token(sub=email)) == caller
    assert (await again.identity.read(token(sub=f"{email} 2"))).user_id != caller.user_id


async def test_a_hosts_user_has_the_account_of_their_address(open_a_house: OpenHouse, email: str) -> None:
    house = await open_a_house(work=False, **HOST)
    account = await house.identity.owner(email)
    assert (await house.identity.read(token(sub=email, email=email.upper()))).user_id == account.user_id


@pytest.mark.parametrize("unproven", [{"email_verified": False}, {"email": "no address"}, {"email": None}])
async def test_an_unproven_address_opens_no_account(
    open_a_house: OpenHouse, email: str, unproven: dict[str, Any]
) -> None:
    house = await open_a_house(work=False, **HOST)
    account = await house.identity.owner(email)
    caller = await house.identity.read(token(**{"sub": email, "email": email, **unproven}))
    assert caller.user_id != account.user_id


async def test_an_address_that_changes_hands_takes_no_history_along(open_a_house: OpenHouse, email: str) -> None:
    house = await open_a_house(work=False, **HOST)
    first = await house.identity.read(token(sub=f"{email} 1", email=email))
    second = await house.identity.read(token(sub=f"{email} 2", email=email))
    assert first.user_id != second.user_id
    assert (await house.identity.user(second.user_id)).email is None


async def test_many_first_sights_at_once_make_one_user(open_a_house: OpenHouse, email: str) -> None:
    house = await open_a_house(work=False, **HOST)
    text = token(sub=email, email=email)
    callers = await asyncio.gather(*[house.identity.read(text) for _ in range(20)])
    assert len({caller.user_id for caller in callers}) == 1


async def test_people_to_whom_the_host_gives_one_address_at_once_stay_apart(
    open_a_house: OpenHouse, email: str
) -> None:
    house = await open_a_house(work=False, **HOST)
    for n in range(5):
        texts = [token(sub=f"{email} {n} {person}", email=f"{n}.{email}") for person in range(6)]
        callers = await asyncio.gather(*map(house.identity.read, texts))
        assert len({caller.user_id for caller in callers}) == 6


async def test_a_hosts_token_can_be_revoked(open_a_house: OpenHouse, email: str) -> None:
    house = await open_a_house(work=False, **HOST)
    text = token(sub=email)
    await house.identity.revoke(text)
    with pytest.raises(Unauthenticated):
        await house.identity.read(text)
    assert await house.identity.read(token(sub=email, exp=int(time.time()) + 299))


async def test_a_hosts_token_does_not_bring_the_erased_back(open_a_house: OpenHouse, email: str) -> None:
    house, other = await open_a_house(**HOST), await open_a_house(**HOST)
    old = token(sub=email, email=email, iat=int(time.time()) - 5)
    caller = await house.identity.read(old)
    await other.identity.read(old)
    await erase(house, caller.user_id)
    for server in (house, other):
        await refused(lambda server=server: server.identity.read(old))  # type: ignore[misc]
    assert await house.identity.users(email=email, before=None, limit=1) == []
    anew = await house.identity.read(token(sub=email, email=email, iat=int(time.time()) + 1))
    assert anew.user_id != caller.user_id


async def test_our_own_tokens_hold_beside_the_hosts(open_a_house: OpenHouse, email: str) -> None:
    house = await open_a_house(work=False, **HOST)
    assert (await house.identity.read(await house.identity.vouch(email))).level == "verified"
    forged = Tokens(SECRET).issue((await house.identity.owner(email)).user_id, "verified", None, days=1)
    with pytest.raises(Unauthenticated):  # the host's secret makes host's tokens, not ours
        await house.identity.read(forged)
    with pytest.raises(Unauthenticated):  # nor ours the host's
        await house.identity.read(token(OWN_SECRET, sub=email))
