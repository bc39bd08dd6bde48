"""How often one may come: counted, told when it opens again, and never a reason to stand still."""

import asyncio
import time
from pathlib import Path

import httpx2 as httpx
import pytest
from starlette.requests import Request

from rekindle.app import create_app
from rekindle.errors import ConfigurationError, TooManyRequests
from rekindle.http.client import client_of, is_local
from rekindle.identity.limits import RateLimits, read_limit
from tests.conftest import Serve, make_settings
from tests.redis_server import RedisServer


async def count_until_refused(limits: RateLimits, limit: str, who: str, most: int = 50) -> int:
    for number in range(most):
        try:
            await limits.spend(read_limit(limit, "LIMIT"), who)
        except TooManyRequests:
            return number
    return most


async def test_so_many_and_no_more_each_for_themselves() -> None:
    limits = RateLimits()
    assert await count_until_refused(limits, "5/hour", "ann") == 5
    assert await count_until_refused(limits, "5/hour", "bob") == 5
    assert await count_until_refused(limits, "100/hour; 7/hour", "cleo") == 7


async def test_who_is_refused_is_told_when_it_opens_again() -> None:
    limits = RateLimits()
    for _ in range(2):
        await limits.spend(read_limit("2/second", "LIMIT"), "ann")
    with pytest.raises(TooManyRequests) as refused:
        await limits.spend(read_limit("2/second", "LIMIT"), "ann")
    seconds = refused.value.extra["retry_after"]
    assert seconds == 1
    await asyncio.sleep(seconds + 0.05)
    await limits.spend(read_limit("2/second", "LIMIT"), "ann")


async def test_servers_count_together_by_redis(redis: RedisServer) -> None:
    one, other = RateLimits(redis.url), RateLimits(redis.url)
    for limits in (one, other, one, other):
        await limits.spend(read_limit("4/hour", "LIMIT"), "ann")
    for limits in (one, other):
        with pytest.raises(TooManyRequests):
            await limits.spend(read_limit("4/hour", "LIMIT"), "ann")
        await limits.close()


@pytest.mark.parametrize("how", ["gone", "frozen"])
async def test_without_its_redis_a_server_counts_for_itself(redis: RedisServer, how: str) -> None:
    limits = RateLimits(redis.url)
    await limits.spend(read_limit("3/hour", "LIMIT"), "ann")
    redis.stop() if how == "gone" else redis.freeze()
    began = time.monotonic()
    assert await count_until_refused(limits, "3/hour", "ann") == 3
    assert time.monotonic() - began < 10
    redis.resume()
    await limits.close()


@pytest.mark.parametrize("text", ["many", "5", "5/fortnight", "/hour"])
def test_a_limit_that_cannot_be_read_stops_the_server_from_starting(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="REKINDLE_CHECK_IN_LIMIT"):
        create_app(make_settings("", tmp_path, check_in_limit=text))


def test_a_proxy_that_cannot_be_read_stops_the_server_from_starting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="REKINDLE_TRUSTED_PROXIES"):
        create_app(make_settings("", tmp_path, trusted_proxies="localhost"))


def asked_from(address: str, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return Request({"type": "http", "headers": headers, "client": (address, 1)})


def test_what_was_forwarded_counts_as_far_as_trusted_proxies_wrote_it() -> None:
    none, proxies = frozenset[str](), frozenset({"10.0.0.0/8", "::1"})
    assert client_of(asked_from("10.0.0.1", "1.2.3.4"), none) == "10.0.0.1"
    assert client_of(asked_from("9.9.9.9", "1.2.3.4"), proxies) == "9.9.9.9"
    assert client_of(asked_from("10.0.0.1", "1.2.3.4"), proxies) == "1.2.3.4"
    assert client_of(asked_from("10.0.0.1", "6.6.6.6, 1.2.3.4"), proxies) == "1.2.3.4"
    assert client_of(asked_from("10.0.0.1", "6.6.6.6", "1.2.3.4, 10.0.0.2"), proxies) == "1.2.3.4"
    assert client_of(asked_from("::1", "2001:db8::1"), proxies) == "2001:db8::1"
    assert client_of(asked_from("10.0.0.1"), proxies) == "10.0.0.1"


def test_only_who_is_on_this_machine_is_local() -> None:
    assert is_local(asked_from("127.0.0.1"))
    assert is_local(asked_from("::1"))
    assert not is_local(asked_from("127.0.0.1", "1.2.3.4"))
    assert not is_local(asked_from("192.168.1.5"))
    assert not is_local(Request({"type": "http", "headers": [], "client": None}))


def test_check_ins_and_codes_are_limited_by_where_they_come_from(serve: Serve) -> None:
    server = serve(REKINDLE_CHECK_IN_LIMIT="3/hour", REKINDLE_CODE_LIMIT="2/hour", REKINDLE_TRUSTED_PROXIES="127.0.0.1")
    with httpx.Client(base_url=server.url) as http:

        def ask(path: str, client: str, body: dict[str, str]) -> httpx.Response:
            return http.post(path, json=body, headers={"X-Forwarded-For": client})

        doors = ("/api/v1/identity/check-in", "/api/v1/session/create")
        answers = [ask(doors[n % 2], "1.2.3.4", {}) for n in range(4)]
        assert [answer.status_code for answer in answers] == [201, 200, 201, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 3600
        assert answers[-1].json()["code"] == "too_many_requests"
        assert ask(doors[0], "1.2.3.5", {}).status_code == 201
        # One IPv6 customer is one client, however many addresses they have.
        six = [ask(doors[0], f"2001:db8:1:2::{n}", {}).status_code for n in range(4)]
        assert six == [201, 201, 201, 429]
        guess = {"email": "ann@example.com", "code": "000000"}
        codes = [ask("/api/v1/identity/verify", "1.2.3.4", guess).status_code for _ in range(3)]
        assert codes == [422, 422, 429]


def test_the_commands_server_believes_no_proxy_by_itself(serve: Serve) -> None:
    server = serve(REKINDLE_CHECK_IN_LIMIT="2/hour")
    with httpx.Client(base_url=server.url) as http:
        answers = [
            http.post("/api/v1/identity/check-in", headers={"X-Forwarded-For": f"1.2.3.{n}"}).status_code
            for n in range(3)
        ]
    assert answers == [201, 201, 429]
