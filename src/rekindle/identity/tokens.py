"""Our own bearer tokens: JWTs signed with HS256; issuer and audience pinned."""

import base64
import hashlib
import json
import math
import os
import secrets
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, OctKey

from rekindle.errors import ConfigurationError, Unauthenticated
from rekindle.ids import parse_uuid

Level = Literal["anonymous", "claimed", "verified"]

ISSUER = "rekindle"
MAX_LENGTH = 4096  # characters; ours have about 400
LEEWAY = 5
"""Seconds by which the clocks of our servers may differ."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What of a token tells whether it was revoked. Times are seconds since 1970."""

    token: UUID
    issued_at: float
    expires_at: float

    @classmethod
    def of(cls, token: str, claims: dict[str, Any]) -> "Mark":
        """The mark of a token that has been verified."""
        # Of what is signed, not of the signature: base64 has several spellings of one signature.
        signed = token.rpartition(".")[0]
        digest = hashlib.sha256(signed.encode()).digest()
        return cls(UUID(bytes=digest[:16]), float(claims.get("iat", 0)), float(claims["exp"]))


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. `email` is the address that a visitor claims and has not proven."""

    user_id: UUID
    level: Level
    session_id: UUID | None
    email: str | None
    mark: Mark


class Tokens:
    """Signs and reads tokens with one secret key."""

    def __init__(self, secret: str) -> None:
        if len(secret) < 32:
            raise ConfigurationError("REKINDLE_SECRET_KEY is too short: it needs at least 32 characters.")
        self._key = OctKey.import_key(secret)
        self._rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": ISSUER},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )

    def issue(
        self, user_id: UUID, level: Level, session_id: UUID | None, *, days: float, email: str | None = None
    ) -> str:
        """A token for `user_id`, good for `days` days; for one session only if `session_id` is given."""
        now = math.floor(time.time() * 1000) / 1000  # never later than it is: what is revoked now includes it
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": str(user_id),
            "level": level,
            "iat": now,
            "exp": int(now + days * 86_400),
            "jti": secrets.token_urlsafe(8),
        }
        if session_id:
            claims["sid"] = str(session_id)
        if email:
            claims["email"] = email
        return jwt.encode({"alg": "HS256"}, claims, self._key)

    def read(self, token: str) -> Claims:
        """What the token says; raises `Unauthenticated` unless it is ours, whole and in date."""
        if len(token) > MAX_LENGTH:
            raise Unauthenticated
        claims, mark = read_proven(token, self._key, "HS256", self._rules)
        user_id = parse_uuid(str(claims["sub"]))
        level = claims.get("level")
        session_id = parse_uuid(str(claims["sid"])) if "sid" in claims else None
        if user_id is None or level not in get_args(Level) or ("sid" in claims and session_id is None):
            raise Unauthenticated
        return Claims(user_id, cast("Level", level), session_id, claims.get("email"), mark)


def read_proven(token: str, key: Key, algorithm: str, rules: jwt.JWTClaimsRegistry) -> tuple[dict[str, Any], Mark]:
    """The claims of a token that `key` signed and that keeps the `rules`, and its mark; raises `Unauthenticated`."""
    try:
        claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        rules.validate(claims)
        return claims, Mark.of(token, claims)
    except (JoseError, ValueError, TypeError, OverflowError) as error:  # its header may be of any shape
        raise Unauthenticated from error


def read_unproven(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they stand, before anything is verified: good for choosing a key, and for nothing else.

    Raises `Unauthenticated` for what is no token.
    """
    if len(token) > MAX_LENGTH or token.count(".") != 2:
        raise Unauthenticated
    try:
        header, claims = (json.loads(_unpadded(part)) for part in token.split(".")[:2])
    except (ValueError, RecursionError) as error:
        raise Unauthenticated from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Unauthenticated
    return header, claims


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def keep_secret(folder: Path) -> str:
    """The secret key kept in the data folder, made on first use and readable by its owner alone."""
    path = folder / "secret.key"
    if not path.exists():
        # Written whole before it gets its name, which the first to come gives: servers may start at once.
        descriptor, written = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(written, path)
        Path(written).unlink()
    return path.read_text().strip()
