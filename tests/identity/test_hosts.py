"""Tokens of the host application: what of them holds, and what does not."""

import asyncio
import base64
import hmac
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from rekindle.errors import ConfigurationError, Unauthenticated, Unavailable
from rekindle.identity.hosts import HostTokens, PublishedKeys, SharedSecret, build_host_tokens
from rekindle.settings import Settings
from tests.conftest import make_settings
from tests.identity.keys import AUDIENCE, ISSUER, SECRET, KeyServer, claims, key_server, token

RSA = RSAKey.generate_key(2048, {"kid": "rsa 1"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa 2"})
with warnings.catch_warnings():  # it is too small: that is what it is for
    warnings.simplefilter("ignore")
    SMALL_RSA = RSAKey.generate_key(1024, {"kid": "small"})
EC = ECKey.generate_key("P-256", {"kid": "ec 1"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed 1"})


@pytest.fixture
def published() -> Iterator[KeyServer]:
    with key_server() as server:
        server.publish(RSA, EC)
        yield server


def by_secret(*algorithms: str) -> HostTokens:
    return HostTokens(SharedSecret(SECRET), algorithms=algorithms or ("HS256",), issuer=ISSUER, audience=AUDIENCE)


def by_keys(server: KeyServer, *algorithms: str, refetch_seconds: float = 0) -> HostTokens:
    return HostTokens(
        PublishedKeys(server.url, refetch_seconds=refetch_seconds),
        algorithms=algorithms or ("RS256", "ES256", "Ed25519"),
        issuer=ISSUER,
        audience=AUDIENCE,
    )


def settings(**values: Any) -> Settings:
    return make_settings("", Path("nowhere"), **{"host_issuer": ISSUER, "host_audience": AUDIENCE, **values})


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_a_token_signed_with_the_shared_secret_says_who_they_are() -> None:
    guest = await by_secret().read(token(email="ann@example.com", name="Ann"))
    assert (guest.issuer, guest.subject, guest.email, guest.name) == (ISSUER, "user 1", "ann@example.com", "Ann")


async def test_an_address_the_host_calls_unproven_is_not_taken() -> None:
    assert (await by_secret().read(token(email="ann@example.com", email_verified=False))).email is None
    assert (await by_secret().read(token(email="ann@example.com", email_verified="true"))).email is None
    assert (await by_secret().read(token(email="ann@example.com", email_verified=True))).email == "ann@example.com"
    assert (await by_secret().read(token(email={"a": 1}))).email is None


def forged(secret: str, header: dict[str, Any], **changes: Any) -> str:
    """A token signed with HS256 by hand: the library will not take a public key for a secret, an attacker does."""
    signed = f"{part({'alg': 'HS256', **header})}.{part(claims(**changes))}"
    digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


async def test_a_forged_token_is_what_it_says_to_be() -> None:
    assert (await by_secret().read(forged(SECRET, {}))).subject == "user 1"


async def test_what_cannot_be_stored_is_no_name_and_no_subject() -> None:
    assert (await by_secret().read(forged(SECRET, {}, name="Ann\ud800"))).name is None
    with pytest.raises(Unauthenticated):
        await by_secret().read(forged(SECRET, {}, sub="a\ud800b"))


NOW = int(time.time())
WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "shop"},
    "no audience": {"aud": None},
    "other audiences": {"aud": ["shop", "mail"]},
    "nobody": {"sub": None},
    "an empty subject": {"sub": ""},
    "a number for a subject": {"sub": 17},
    "a subject without end": {"sub": "x" * 256},
    "NUL in the subject": {"sub": "a\0b"},
    "expired": {"exp": NOW - 60},
    "no end": {"exp": None},
    "an end that is no time": {"exp": "tomorrow"},
    "an end that is NaN": {"exp": float("nan")},
    "an end that is true": {"exp": True},
    "an end beyond all numbers": {"exp": 10**400},
    "not good yet": {"nbf": NOW + 36_000},
    "issued in the future": {"iat": NOW + 36_000},
    "another secret": {"key": "another secret of 32 characters or more"},
    "another algorithm": {"algorithm": "HS512"},
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_token_that_does_not_hold_is_refused(what: str) -> None:
    with pytest.raises(Unauthenticated):
        await by_secret().read(token(**WRONG[what]))


async def test_clocks_may_differ_by_half_a_minute() -> None:
    now = int(time.time())
    near: list[dict[str, Any]] = [{"exp": now - 15}, {"nbf": now + 15}, {"iat": now + 15}]
    for changes in near:
        assert (await by_secret().read(token(**changes))).subject == "user 1"


async def test_one_of_several_audiences_may_be_ours() -> None:
    assert (await by_secret().read(token(aud=["shop", AUDIENCE]))).subject == "user 1"


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "[].[].x", f"{part([])}.{part({})}.x", "x" * 5000, "{" * 3000],
)
async def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await by_secret().read(text)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 1, ["HS256"], {"HS256": 1}])
async def test_a_token_does_not_choose_to_be_unsigned(algorithm: Any) -> None:
    _, claims, signature = token().split(".")
    header = part({"alg": algorithm, "typ": "JWT"})
    for text in (f"{header}.{claims}.", f"{header}.{claims}.{signature}"):
        with pytest.raises(Unauthenticated):
            await by_secret().read(text)


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "Ed25519")])
async def test_a_token_signed_with_a_published_key_holds(published: KeyServer, key: Any, algorithm: str) -> None:
    published.publish(RSA, EC, ED)
    with_id = token(key, algorithm, {"kid": key.kid})
    assert (await by_keys(published).read(with_id)).subject == "user 1"
    assert (await by_keys(published).read(token(key, algorithm))).subject == "user 1"  # one key fits: no id is needed


async def test_a_public_key_is_not_taken_for_a_secret(published: KeyServer) -> None:
    tokens = by_keys(published)
    for secret in (RSA.as_pem(private=False).decode(), json.dumps(RSA.as_dict(private=False)), str(RSA["n"])):
        for header in ({}, {"kid": "rsa 1"}):
            with pytest.raises(Unauthenticated):
                await tokens.read(forged(secret, header))


async def test_the_key_decides_what_algorithm_it_is_for(published: KeyServer) -> None:
    tokens = by_keys(published, "RS256", "ES256", "PS256")
    with pytest.raises(Unauthenticated):  # the right key, whose id the token gives to another kind
        await tokens.read(token(EC, "ES256", {"kid": "rsa 1"}))
    published.keys[0]["alg"] = "PS256"
    with pytest.raises(Unauthenticated):
        await by_keys(published, "RS256", "PS256").read(token(RSA, "RS256", {"kid": "rsa 1"}))


@pytest.mark.parametrize(
    "kid", ["rsa 2", "", "../../etc/passwd", "' OR 1=1 --", "http://127.0.0.1/", 1, ["rsa 1"], {"rsa 1": 1}]
)
async def test_a_key_id_finds_a_published_key_or_none(published: KeyServer, kid: Any) -> None:
    _, claims, signature = token(RSA, "RS256").split(".")
    with pytest.raises(Unauthenticated):
        await by_keys(published).read(f"{part({'alg': 'RS256', 'kid': kid})}.{claims}.{signature}")


async def test_a_token_does_not_bring_its_own_key(published: KeyServer) -> None:
    own = OTHER_RSA.as_dict(private=False)
    for header in ({"jwk": own}, {"jwk": own, "kid": "rsa 1"}, {"jku": published.url}, {"x5u": published.url}):
        with pytest.raises(Unauthenticated):
            await by_keys(published).read(token(OTHER_RSA, "RS256", header))


async def test_a_token_with_extensions_that_must_be_understood_is_refused(published: KeyServer) -> None:
    _, claims, signature = token(RSA, "RS256").split(".")
    with pytest.raises(Unauthenticated):
        await by_keys(published).read(f"{part({'alg': 'RS256', 'crit': ['exp'], 'exp': 1})}.{claims}.{signature}")


async def test_keys_that_are_weak_secret_or_not_for_signing_are_not_used(published: KeyServer) -> None:
    published.publish(SMALL_RSA)
    published.keys += [
        {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "secret"},
        {**RSA.as_dict(private=False), "use": "enc"},
        {"kty": "RSA"},
        {"kty": "unheard of"},
        {},
        "no key",  # type: ignore[list-item]
    ]
    tokens = by_keys(published)
    with pytest.raises(Unavailable):
        await tokens.read(token(RSA, "RS256", {"kid": "rsa 1"}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weak = token(SMALL_RSA, "RS256", {"kid": "small"})
    with pytest.raises(Unavailable):
        await tokens.read(weak)


async def test_a_new_key_is_fetched_when_a_token_names_it(published: KeyServer) -> None:
    tokens = by_keys(published)
    await tokens.read(token(RSA, "RS256", {"kid": "rsa 1"}))
    published.publish(OTHER_RSA)
    assert (await tokens.read(token(OTHER_RSA, "RS256", {"kid": "rsa 2"}))).subject == "user 1"
    with pytest.raises(Unauthenticated):
        await tokens.read(token(RSA, "RS256", {"kid": "rsa 1"}))  # withdrawn


async def test_unknown_key_ids_do_not_make_us_hammer_the_host(published: KeyServer) -> None:
    tokens = by_keys(published, refetch_seconds=60)
    await tokens.read(token(RSA, "RS256", {"kid": "rsa 1"}))
    for number in range(50):
        with pytest.raises(Unauthenticated):
            await tokens.read(token(OTHER_RSA, "RS256", {"kid": f"made up {number}"}))
    assert published.asked == 1


async def test_many_at_once_fetch_the_keys_once(published: KeyServer) -> None:
    tokens = by_keys(published, refetch_seconds=60)
    guests = await asyncio.gather(*[tokens.read(token(RSA, "RS256", {"kid": "rsa 1"})) for _ in range(50)])
    assert len(guests) == 50
    assert published.asked == 1


@pytest.mark.parametrize("failure", ["status", "no json", "no set", "too large", "empty"])
async def test_the_last_good_keys_outlive_an_outage(published: KeyServer, failure: str) -> None:
    tokens = by_keys(published)
    await tokens.read(token(RSA, "RS256", {"kid": "rsa 1"}))
    match failure:
        case "status":
            published.status = 500
        case "no json":
            published.body = b"<html>"
        case "no set":
            published.body = b'{"keys": 1}'
        case "too large":
            published.body = b'{"keys": [' + b" " * 300_000 + b"]}"
        case "empty":
            published.keys = []
    with pytest.raises(Unauthenticated):
        await tokens.read(token(OTHER_RSA, "RS256", {"kid": "rsa 2"}))  # has them fetched again, in vain
    assert (await tokens.read(token(RSA, "RS256", {"kid": "rsa 1"}))).subject == "user 1"
    assert published.asked > 1


async def test_without_any_keys_ever_it_is_our_fault_not_the_callers(published: KeyServer) -> None:
    published.status = 503
    with pytest.raises(Unavailable):
        await by_keys(published).read(token(RSA, "RS256", {"kid": "rsa 1"}))


@pytest.mark.parametrize(
    "values",
    [
        {"host_secret": SECRET, "host_jwks_url": "https://host.example/jwks"},
        {"host_secret": "short"},
        {"host_secret": RSA.as_pem(private=False).decode()},
        {"host_secret": SECRET, "host_algorithms": "RS256"},
        {"host_secret": SECRET, "host_algorithms": "none"},
        {"host_jwks_url": "https://host.example/jwks", "host_algorithms": "HS256,RS256"},
        {"host_jwks_url": "http://host.example/jwks"},
        {"host_jwks_url": "file:///etc/passwd"},
        {"host_secret": SECRET, "host_issuer": None},
        {"host_secret": SECRET, "host_audience": None},
        {"host_secret": SECRET, "host_issuer": "rekindle"},
    ],
)
def test_settings_that_would_not_be_safe_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        build_host_tokens(settings(**values))


async def test_the_settings_say_how_tokens_are_signed(published: KeyServer) -> None:
    shared = build_host_tokens(settings(host_secret=SECRET))
    assert shared
    assert (await shared.read(token())).subject == "user 1"
    keys = build_host_tokens(settings(host_jwks_url=published.url))
    assert keys
    assert (await keys.read(token(EC, "ES256"))).subject == "user 1"
    assert build_host_tokens(settings()) is None
