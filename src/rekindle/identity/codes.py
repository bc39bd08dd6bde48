"""Six-digit codes that prove an e-mail address: sent, kept as digests, redeemed once."""

import hashlib
import hmac
import secrets
from datetime import timedelta

from rekindle.database import Database
from rekindle.errors import InvalidRequest
from rekindle.identity import store
from rekindle.identity.address import clean_email
from rekindle.identity.limits import Limit, RateLimits
from rekindle.identity.mail import Post, code_letter

MINUTES = 10
TRIES = 5
DIGITS = 6


class WrongCode(InvalidRequest):
    """This code is wrong, used up or older than ten minutes. Ask for a new one."""

    code = "wrong_code"


class Codes:
    """One live code an address; known or not, each address costs the same work and gets the same answer."""

    def __init__(
        self, database: Database, secret: str, post: Post, limits: RateLimits, limit: Limit, *, sender: str
    ) -> None:
        self._database = database
        self._post = post
        self._limits = limits
        self._limit = limit
        self._sender = sender
        # Keyed: a million codes are tried in a second against a plain digest, were the table to leak.
        self._key = hashlib.sha256(b"rekindle codes\0" + secret.encode()).digest()

    async def send(self, email: str, *, local: bool) -> None:
        """Send a new code to an address; one sent before is void. `local`: this machine asks for it.

        Raises `InvalidRequest`, `TooManyRequests` when too many were sent there, `MailNotSent`.
        """
        address = clean_email(email)
        key = self._of_address(address)
        await self._limits.spend(self._limit, "code", key.hex())
        code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        async with self._database.system() as connection:
            await store.delete_expired_codes(connection)
            await store.upsert_code(connection, key, self._of_code(address, code), timedelta(minutes=MINUTES))
        await self._post.send(code_letter(address, code, sender=self._sender, minutes=MINUTES), local=local)

    async def redeem(self, email: str, code: str) -> str:
        """Use up the live code of an address, which is proven then; raises `WrongCode`.

        Each wrong try counts; five end the code.
        """
        address = clean_email(email)
        key = self._of_address(address)
        async with self._database.system() as connection:  # the try is counted before anything is compared
            kept = await store.update_code_tried(connection, key, TRIES)
        # Compared also when there is none: how long it takes tells nothing.
        if not hmac.compare_digest(kept or bytes(32), self._of_code(address, code)) or kept is None:
            raise WrongCode
        async with self._database.system() as connection:
            if not await store.delete_code(connection, key, kept):
                raise WrongCode
        return address

    def _of_address(self, address: str) -> bytes:
        return hmac.digest(self._key, b"address\0" + address.encode(), "sha256")

    def _of_code(self, address: str, code: str) -> bytes:
        return hmac.digest(self._key, b"code\0" + address.encode() + b"\0" + code.encode(), "sha256")
