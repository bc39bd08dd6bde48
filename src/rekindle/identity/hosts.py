"""Tokens of the host application: signed with its secret or its published keys; algorithm, issuer, audience pinned."""

import asyncio
import ipaddress
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2 as httpx
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey, import_key

from rekindle.assistants.text import clean
from rekindle.errors import ConfigurationError, Unauthenticated, Unavailable
from rekindle.identity.tokens import ISSUER, Mark, read_proven, read_unproven
from rekindle.settings import Settings
from rekindle.tls import authorities

log = structlog.get_logger()

LEEWAY = 30
"""Seconds by which the host's clock may differ from ours."""
FRESH_SECONDS = 600.0
"""How long fetched keys are used without asking again."""
REFETCH_SECONDS = 10.0
"""The least time between two fetches, whatever tokens come: an unknown key id must not make us hammer the host."""
FETCH_SECONDS = 5.0
MAX_BYTES = 256 * 1024
MAX_KEYS = 100
MIN_RSA_CHARS = 342
"""Base64 of 2048 bits: shorter RSA keys have been broken."""

SYMMETRIC = frozenset({"HS256", "HS384", "HS512"})
KEY_TYPES: Mapping[str, tuple[type[Key], str | None]] = {
    "RS256": (RSAKey, None),
    "RS384": (RSAKey, None),
    "RS512": (RSAKey, None),
    "PS256": (RSAKey, None),
    "PS384": (RSAKey, None),
    "PS512": (RSAKey, None),
    "ES256": (ECKey, "P-256"),
    "ES384": (ECKey, "P-384"),
    "ES512": (ECKey, "P-521"),
    "Ed25519": (OKPKey, "Ed25519"),
}
"""What key an algorithm takes: the key decides, not the token."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Who a host's token speaks for. `email` is there only if the host does not say that it is unproven."""

    issuer: str
    subject: str
    email: str | None
    name: str | None
    mark: Mark


class Keys(Protocol):
    """Where the keys that a host signs with are found."""

    async def find(self, kid: str | None, algorithm: str) -> Key:
        """The key for this id and algorithm; raises `Unauthenticated`."""
        ...


class SharedSecret:
    """One secret that the host and we know."""

    def __init__(self, secret: str) -> None:
        if len(secret) < 32 or "-----BEGIN" in secret:
            raise ConfigurationError(
                "REKINDLE_HOST_SECRET needs at least 32 random characters; it is not for a public key (that goes to "
                "REKINDLE_HOST_JWKS_URL)."
            )
        self._key = OctKey.import_key(secret)

    async def find(self, kid: str | None, algorithm: str) -> Key:
        """The secret, whatever key id the token names."""
        return self._key


class PublishedKeys:
    """The keys a host publishes as a JWK set: fetched when first needed, and again when a token names a new one.

    The last good set goes on to be used while the host's server is out of reach.
    """

    def __init__(self, url: str, *, refetch_seconds: float = REFETCH_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise ConfigurationError("REKINDLE_HOST_JWKS_URL must begin with https:// (http:// only on loopback).")
        self._url = url
        self._refetch_seconds = refetch_seconds
        self._keys: tuple[Key, ...] = ()
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> Key:
        """The key for this id and algorithm; raises `Unauthenticated`, `Unavailable` if no keys were ever fetched."""
        if time.monotonic() - self._fetched_at > FRESH_SECONDS:
            await self._refresh()
        found = self._match(kid, algorithm)
        if not found and await self._refresh():
            found = self._match(kid, algorithm)
        if not self._keys:
            raise Unavailable("The keys of the host application cannot be had just now. Try again in a moment.")
        if len(found) != 1:  # none; or several and a token that does not say which
            raise Unauthenticated
        return found[0]

    def _match(self, kid: str | None, algorithm: str) -> list[Key]:
        kind, curve = KEY_TYPES[algorithm]
        return [
            key
            for key in self._keys
            if isinstance(key, kind)
            and (curve is None or key.get("crv") == curve)
            and key.get("alg") in (None, algorithm)
            and (kid is None or key.get("kid") == kid)
        ]

    async def _refresh(self) -> bool:
        """Fetch the keys again unless that was tried just now; whether they are newer than before."""
        before = self._fetched_at
        async with self._fetching:
            if self._fetched_at > before:
                return True  # somebody else's wait brought them
            if time.monotonic() - self._tried_at < self._refetch_seconds:
                return False
            self._tried_at = time.monotonic()
            try:
                keys = _usable_keys(await self._fetch())
            except (httpx.HTTPError, ValueError, TimeoutError) as error:
                log.warning("host_keys.unreachable", error=type(error).__name__)
                return False
            if not keys:
                log.warning("host_keys.none_usable")
                return False
            self._keys = keys
            self._fetched_at = time.monotonic()
            return True

    async def _fetch(self) -> Any:
        body = bytearray()
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx.AsyncClient(timeout=FETCH_SECONDS, verify=authorities()) as client,
            client.stream("GET", self._url, headers={"accept": "application/json"}) as response,
        ):
            response.raise_for_status()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise ValueError("too large a key set")
        return httpx.Response(200, content=bytes(body)).json()


class HostTokens:
    """Reads the host application's tokens."""

    def __init__(self, keys: Keys, *, algorithms: Collection[str], issuer: str, audience: str) -> None:
        self.issuer = issuer
        self._keys = keys
        self._algorithms = sorted(algorithms)
        self._rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )

    async def read(self, token: str) -> Guest:
        """Who the token speaks for; raises `Unauthenticated` unless it is the host's, whole, in date and for us."""
        header, _ = read_unproven(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms or not isinstance(kid, str | None):
            raise Unauthenticated
        key = await self._keys.find(kid, algorithm)
        claims, mark = read_proven(token, key, algorithm, self._rules)
        subject, email, name = _text(claims["sub"]), _text(claims.get("email")), _text(claims.get("name"))
        if not subject or len(subject) > 255:
            raise Unauthenticated
        # A host that has not proven an address says so; such a claim must not open somebody's account.
        trusted = claims.get("email_verified", True) is True
        return Guest(self.issuer, subject, email if trusted else None, name[:200] if name else None, mark)


def build_host_tokens(settings: Settings) -> HostTokens | None:
    """What reads the host's tokens, if one is set; raises `ConfigurationError` for settings that do not fit."""
    if settings.host_secret is None and settings.host_jwks_url is None:
        return None
    if settings.host_secret and settings.host_jwks_url:
        raise ConfigurationError("Set REKINDLE_HOST_SECRET or REKINDLE_HOST_JWKS_URL, not both.")
    if not settings.host_issuer or not settings.host_audience:
        raise ConfigurationError("The host's tokens need REKINDLE_HOST_ISSUER and REKINDLE_HOST_AUDIENCE.")
    if settings.host_issuer == ISSUER:
        raise ConfigurationError(f"REKINDLE_HOST_ISSUER cannot be {ISSUER!r}: that is who issues our own tokens.")
    allowed = SYMMETRIC if settings.host_secret else frozenset(KEY_TYPES)
    algorithms = settings.host_algorithms or (frozenset({"HS256"}) if settings.host_secret else {"RS256", "ES256"})
    if not algorithms <= allowed:
        raise ConfigurationError(f"REKINDLE_HOST_ALGORITHMS may name {', '.join(sorted(allowed))} here.")
    keys: Keys = (
        SharedSecret(settings.host_secret.get_secret_value())
        if settings.host_secret
        else PublishedKeys(str(settings.host_jwks_url))
    )
    return HostTokens(keys, algorithms=algorithms, issuer=settings.host_issuer, audience=settings.host_audience)


def _usable_keys(body: Any) -> tuple[Key, ...]:
    """The public signing keys of a JWK set; raises `ValueError` for what is none. Secrets are not for publishing."""
    if not isinstance(body, dict) or not isinstance(body.get("keys"), list):
        raise ValueError("not a key set")
    usable = []
    for entry in body["keys"][:MAX_KEYS]:
        if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
            continue
        if entry.get("kty") == "RSA" and len(str(entry.get("n"))) < MIN_RSA_CHARS:
            continue
        try:
            key = import_key(entry)
        except (JoseError, ValueError, KeyError, TypeError):
            continue  # one key of a kind that is not known here must not cost the others
        usable.append(key)
    return tuple(usable)


def _text(claim: object) -> str | None:
    """A claim that is a text, and one that can be stored: without NUL or half of a surrogate pair."""
    return claim if isinstance(claim, str) and clean(claim) == claim else None


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
