"""Who is talking: users found or made, and the tokens that speak for them, ours and the host's."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from rekindle.database import Database, DatabaseDown
from rekindle.errors import Forbidden, InvalidRequest, NotFound, SessionNotFound, Unauthenticated, UserGone
from rekindle.identity import store
from rekindle.identity.address import clean_email
from rekindle.identity.codes import Codes, WrongCode
from rekindle.identity.hosts import Guest, HostTokens, build_host_tokens
from rekindle.identity.known import Known
from rekindle.identity.revocations import Revocations, as_time
from rekindle.identity.store import AuditEntry, User
from rekindle.identity.tokens import Level, Mark, Tokens, read_unproven
from rekindle.ids import uuid7
from rekindle.settings import Identity as Rule
from rekindle.settings import Settings

__all__ = [
    "AuditEntry",
    "Caller",
    "Codes",
    "Identity",
    "Recognised",
    "User",
    "WrongCode",
    "build_identity",
    "clean_email",
]

HOST_PROGRAM = "host program"
"""The issuer of those whom a program that uses this as a library knows by a number."""
KNOWN_SECONDS = 60.0
TOKEN_DAYS = 30.0
LONGEST_DAYS = 3650.0
"""The longest that `rekindle token` gives one."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The person a request speaks for.

    `session_id` is set when the token is good for that one session only; `email` is the address they claim, and is
    not proven by it.
    """

    user_id: UUID
    level: Level
    session_id: UUID | None = None
    email: str | None = None

    def may_enter(self, session_id: UUID) -> bool:
        """Whether a token that is good for one session is good for this one. Whose it is, the database checks."""
        return self.session_id is None or self.session_id == session_id

    def check_session(self, session_id: UUID) -> None:
        """Raise `SessionNotFound` where `may_enter` says no: another's session is as good as none."""
        if not self.may_enter(session_id):
            raise SessionNotFound

    def check_whole(self) -> None:
        """Raise `Forbidden` for a token that is good for one session only."""
        if self.session_id is not None:
            raise Forbidden("This token is good for one session only.")


@dataclass(frozen=True, slots=True)
class Recognised:
    """A user, and whether they had been here before."""

    user: User
    returning: bool


class Identity:
    """Finds and makes users; issues, reads and revokes their tokens."""

    def __init__(
        self,
        database: Database,
        tokens: Tokens,
        *,
        hosts: HostTokens | None = None,
        rule: Rule = "claimed",
        admins: Collection[str] = (),
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._hosts = hosts
        self._rule = rule
        self._admins = admins
        self._guests: Known[str, tuple[UUID, float]] = Known()
        """The host's subjects: who they are, and until when that need not be asked again."""
        self.revocations = Revocations(database)
        self.revocations.tell(self._guests)

    async def open(self) -> None:
        """Begin to hear of what other servers revoke."""
        await self.revocations.open()

    async def close(self) -> None:
        """Hear no more."""
        await self.revocations.close()

    async def recognise(
        self,
        email: str | None,
        *,
        name: str | None = None,
        phone: str | None = None,
        since: datetime | None = None,
    ) -> Recognised:
        """The user with this address, made if there is none; without an address, a new anonymous user.

        A known user's profile stays as it is: what is typed is a claim. `since` dates a user who is brought in
        from elsewhere.
        """
        address = clean_email(email) if email else None
        async with self._database.system() as connection:
            if address and (known := await store.find_user_by_email(connection, address)):
                return Recognised(known, returning=True)
            metadata = {"name": name} if name else {}
            user = await store.insert_user(connection, uuid7(since), address, phone, metadata)
            if user is None and address:  # somebody else's check-in with this address came between
                user = await store.find_user_by_email(connection, address)
                if user:
                    return Recognised(user, returning=True)
        if user is None:
            raise InvalidRequest("That e-mail address cannot be used just now. Try again.")
        return Recognised(user, returning=False)

    async def welcome(self, email: str | None, *, name: str | None = None, phone: str | None = None) -> Recognised:
        """The user a visitor's check-in is for.

        Under the rule `verified` that is a new one each time, whoever's address was typed: until it is proven, the
        account is neither reached nor does anything, an id or the time it takes, tell that there is one.
        """
        if self._rule == "verified" and email:
            clean_email(email)
            return await self.recognise(None, name=name, phone=phone)
        return await self.recognise(email, name=name, phone=phone)

    async def vouch(self, email: str, *, days: float = TOKEN_DAYS) -> str:
        """A bearer token for the verified owner of `email`: the operator's word that it is theirs."""
        return self.issue(await self.owner(email), days=days)

    async def owner(self, email: str) -> Caller:
        """The verified owner of `email`, whose proof the caller of this has seen; made if there is none."""
        user = (await self.recognise(email)).user
        async with self._database.transaction(user.id) as connection:
            await store.update_verified(connection, user.id)
        return Caller(user.id, "verified")

    async def of_host(self, number: str) -> UUID:
        """Whoever the program in whose process this is knows under this number; made if there is none."""
        async with self._database.connection() as connection:
            user_id = await store.host_user(
                connection,
                issuer=HOST_PROGRAM,
                subject=number,
                email=None,
                name=None,
                new_id=uuid7(),
                issued_at=datetime.now(UTC),
            )
        if user_id is None:
            raise UserGone
        return user_id

    async def user(self, user_id: UUID) -> User | None:
        """The user's record; raises `UserGone` when they are no longer here."""
        async with self._database.transaction(user_id) as connection:
            return await store.find_user(connection, user_id)

    async def look_up(self, email: str) -> User:
        """The user with this address; raises `NotFound`. For the operator: it tells who is here."""
        async with self._database.system() as connection:
            user = await store.find_user_by_email(connection, email.strip().lower())
        if user is None:
            raise NotFound(f"There is nobody with the address {email}.")
        return user

    async def is_admin(self, caller: Caller) -> bool:
        """Whether the caller is an administrator: proven to own an address that is set as one."""
        if caller.level != "verified" or caller.session_id is not None or not self._admins:
            return False
        user = await self.user(caller.user_id)
        return user is not None and user.verified_at is not None and user.email in self._admins

    async def users(self, *, email: str | None, before: UUID | None, limit: int) -> list[User]:
        """Users, newest first, for administrators."""
        async with self._database.system() as connection:
            return await store.list_users(
                connection, email=email.strip().lower() if email else None, before=before, limit=limit
            )

    async def count_users(self, *, email: str | None, most: int) -> int:
        """How many users `users` would list, counted up to `most`."""
        async with self._database.system() as connection:
            return await store.count_users(connection, email=email.strip().lower() if email else None, most=most)

    async def count_audit(self, *, subject_id: UUID | None, most: int) -> int:
        """How many entries `audit_entries` would list, counted up to `most`."""
        async with self._database.system() as connection:
            return await store.count_audit(connection, subject_id=subject_id, most=most)

    async def note(self, admin: Caller, action: str, subjects: Sequence[UUID], **detail: str) -> None:
        """Write down that an administrator looks at these people's data, one line each."""
        whose: Sequence[UUID | None] = subjects or [None]
        async with self._database.connection() as connection:
            await store.insert_audit(connection, [uuid7() for _ in whose], admin.user_id, action, whose, detail)

    async def audit_entries(self, *, subject_id: UUID | None, before: UUID | None, limit: int) -> list[AuditEntry]:
        """What administrators looked at, newest first."""
        async with self._database.system() as connection:
            return await store.list_audit(connection, subject_id=subject_id, before=before, limit=limit)

    def issue(self, caller: Caller, *, days: float = TOKEN_DAYS) -> str:
        """A bearer token that speaks for `caller` for so many days."""
        return self._tokens.issue(caller.user_id, caller.level, caller.session_id, days=days, email=caller.email)

    async def read(self, token: str) -> Caller:
        """The caller a bearer token speaks for, ours or the host's; raises `Unauthenticated`, `Unavailable`."""
        return (await self._read(token))[0]

    async def revoke(self, token: str) -> None:
        """End a token that holds; raises `Unauthenticated` for one that does not."""
        caller, mark = await self._read(token)
        await self.revocations.revoke(caller.user_id, mark)

    async def revoke_all(self, user_id: UUID) -> None:
        """End all tokens of a user that were issued until now."""
        await self.revocations.revoke_all(user_id, days=LONGEST_DAYS)

    async def adopt(self, visitor: Caller, account: Caller) -> bool:
        """Give the visitor's session to the account they proved theirs; False while an answer is being written."""
        if visitor.session_id is None or visitor.user_id == account.user_id:
            return True
        async with self._database.connection() as connection:
            return await store.adopt_session(connection, visitor.user_id, account.user_id, visitor.session_id)

    async def _read(self, token: str) -> tuple[Caller, Mark]:
        if self._hosts and read_unproven(token)[1].get("iss") == self._hosts.issuer:
            guest = await self._hosts.read(token)
            caller, mark = Caller(await self._user_of(guest), "verified"), guest.mark
        else:
            claims = self._tokens.read(token)
            caller, mark = Caller(claims.user_id, claims.level, claims.session_id, claims.email), claims.mark
        if self.revocations.hold(caller.user_id, mark):
            raise Unauthenticated("This token was revoked: sign in again.")
        return caller, mark

    async def _user_of(self, guest: Guest) -> UUID:
        known = self._guests.find(guest.subject)
        if known and time.monotonic() < known[1]:
            return known[0]
        try:
            email = clean_email(guest.email) if guest.email else None
        except InvalidRequest:
            email = None  # the host knows them by their subject; the address is an extra
        try:
            async with self._database.connection() as connection:
                user_id = await store.host_user(
                    connection,
                    issuer=guest.issuer,
                    subject=guest.subject,
                    email=email,
                    name=guest.name,
                    new_id=uuid7(),
                    issued_at=as_time(guest.mark.issued_at),
                )
        except DatabaseDown:
            if known:  # nobody was erased or merged since: that, too, takes the database
                return known[0]
            raise
        if user_id is None:
            raise Unauthenticated("This token is older than the erasure of its user: sign in again.")
        self._guests.keep(guest.subject, user_id, (user_id, time.monotonic() + KNOWN_SECONDS))
        return user_id


def build_identity(database: Database, settings: Settings, secret: str) -> Identity:
    """The identity of a house, as it is set; raises `ConfigurationError`."""
    return Identity(
        database,
        Tokens(secret),
        hosts=build_host_tokens(settings),
        rule=settings.identity_rule,
        admins=settings.admin_emails,
    )
