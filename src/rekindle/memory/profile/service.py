"""What is known of a person: seen, corrected, forgotten and paused by them; derived from summaries; recalled."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from rekindle.database import Database
from rekindle.errors import Forbidden, ModelTimedOut, NotFound
from rekindle.identity.service import Caller
from rekindle.memory.profile import store
from rekindle.memory.profile.derivation import Deriver
from rekindle.memory.profile.likeness import Bars, gist
from rekindle.memory.profile.settling import Settling, Talk
from rekindle.memory.profile.store import Kept, Kind, State, Thing
from rekindle.sessions.service import Sessions
from rekindle.settings import Identity as IdentityRule

__all__ = ["Kept", "Kind", "Known", "Profile", "State", "Thing", "ThingNotFound"]

log = structlog.get_logger()

MOST_THINGS = 1_000
"""Derived things kept of one user: beyond that, those that hold no more go, then those not said for longest."""
COMPARED = 3_000
SHOWN_TO_DERIVER = 300
READ_MESSAGES = 400
"""The newest messages of a session in which what its summary tells is looked up."""


class ThingNotFound(NotFound):
    """There is no such thing in what is remembered."""

    code = "memory_not_found"


@dataclass(frozen=True, slots=True)
class Known:
    """A short line of what is known, for a prompt: quoted data, with the day and the place it was said.

    `session_id` and `seq` are None where the user said it by correcting what was remembered.
    """

    id: UUID
    kind: Kind
    text: str
    date: datetime
    session_id: UUID | None
    seq: int | None

    @classmethod
    def of(cls, thing: Thing) -> "Known":
        """The line of a thing that is in effect."""
        return cls(thing.id, thing.kind, thing.text or "", thing.seen_at, thing.session_id, thing.first_seq)


class Profile:
    """What is known of each user; each method reaches what is known of its caller alone."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        deriver: Callable[[UUID, UUID], Deriver],
        *,
        secret: str,
        rule: IdentityRule,
        seconds: float = 30,
    ) -> None:
        """`deriver` is who reads the summary of this user's session; `seconds`: how long one may take."""
        self._database = database
        self._sessions = sessions
        self._deriver = deriver
        self._seconds = seconds
        self._bars = Bars(secret)
        self._rule = rule

    async def known(self, caller: Caller, limit: int = 20) -> list[Known]:
        """What is in effect, a few of each kind, the newest first: one read. Empty while paused.

        Opens to whom past summaries open: the verified, and under the rule `claimed` those who claim an address.
        """
        opens = caller.level == "verified" or (caller.level == "claimed" and self._rule == "claimed")
        if not opens or limit < 1:
            return []
        async with self._database.transaction(caller.user_id) as connection:
            return [Known.of(thing) for thing in await store.list_recalled(connection, caller.user_id, limit)]

    async def things(
        self, caller: Caller, *, kind: Kind | None = None, state: State | None = None, before: UUID | None, limit: int
    ) -> list[Thing]:
        """What is or was known of the caller, newest first; what is forgotten only when `state` asks for it."""
        check_own(caller)
        async with self._database.transaction(caller.user_id) as connection:
            return await store.list_things(
                connection, caller.user_id, kind=kind, state=state, before=before, limit=limit
            )

    async def correct(self, caller: Caller, thing_id: UUID, text: str) -> Thing:
        """Put a thing into the caller's own words: these win over what is derived. Raises `ThingNotFound`."""
        if not is_own(caller):
            raise ThingNotFound
        async with self._database.transaction(caller.user_id) as connection:
            await store.lock_user(connection, caller.user_id)
            thing = await store.find_thing(connection, thing_id)
            if thing is None or thing.text is None:
                raise ThingNotFound
            corrected = await store.update_corrected(connection, thing_id, text, self._bars.of(thing.text))
        if corrected is None:
            raise ThingNotFound
        return corrected

    async def forget(self, caller: Caller, thing_id: UUID) -> None:
        """Forget a thing: its text goes, and the same is not derived again. Raises `ThingNotFound`.

        An interest from the same message that is made of its words goes with it.
        """
        if not is_own(caller):
            raise ThingNotFound
        async with self._database.transaction(caller.user_id) as connection:
            await store.lock_user(connection, caller.user_id)
            thing = await store.find_thing(connection, thing_id)
            if thing is None:
                raise ThingNotFound
            if thing.text is None:
                return
            if thing.session_id and thing.first_seq:
                beside = await store.list_interests_from(connection, thing.session_id, thing.first_seq)
                stems = gist(thing.text)
                for one in beside:
                    if one.id != thing_id and one.text and gist(one.text) <= stems:
                        await store.update_forgotten(connection, one.id, self._bars.of(one.text))
            await store.update_forgotten(connection, thing_id, self._bars.of(thing.text))

    async def paused_since(self, caller: Caller) -> datetime | None:
        """Since when nothing is derived and nothing recalled; None when it is not paused."""
        check_own(caller)
        async with self._database.transaction(caller.user_id) as connection:
            return await store.find_paused_since(connection, caller.user_id)

    async def pause(self, caller: Caller, *, paused: bool) -> datetime | None:
        """Pause, or go on; since when it is paused. What is said while paused is not derived afterwards either."""
        check_own(caller)
        async with self._database.transaction(caller.user_id) as connection:
            await store.lock_user(connection, caller.user_id)
            since = await store.find_paused_since(connection, caller.user_id)
            if since and not paused:
                await store.pass_over(connection, caller.user_id, since)
            await store.upsert_paused(connection, caller.user_id, paused=paused)
            return await store.find_paused_since(connection, caller.user_id)

    async def summaries(self, caller: Caller, *, before: UUID | None, limit: int) -> list[Kept]:
        """The caller's summaries with their sessions, newest first."""
        check_own(caller)
        async with self._database.transaction(caller.user_id) as connection:
            return await store.list_kept(connection, caller.user_id, before=before, limit=limit)

    async def underived(self, limit: int = 100) -> list[tuple[UUID, UUID, datetime]]:
        """User, session and version of the summaries that wait to be read for what they tell."""
        async with self._database.system() as connection:
            return await store.list_underived(connection, limit)

    async def derive(self, user_id: UUID, session_id: UUID) -> int:
        """Read a session's summary for what it tells of its user; how many things were new. Doing it again changes
        nothing. Raises `ModelError`, `SessionNotFound`, `UserGone`.
        """
        async with self._database.transaction(user_id) as connection:
            kept = await store.find_kept(connection, session_id)
            if kept is None or await store.find_paused_since(connection, user_id):
                return 0
            if await store.is_derived(connection, session_id, kept.updated_at):
                return 0
            known = await store.list_in_effect(connection, user_id, SHOWN_TO_DERIVER)
        messages = await self._sessions.messages.of(Caller(user_id, "verified"), session_id, limit=READ_MESSAGES)
        if not messages:
            return 0
        try:
            async with asyncio.timeout(self._seconds):
                derived = await self._deriver(user_id, session_id).derive(kept, known)
        except TimeoutError as error:
            raise ModelTimedOut(f"Reading a summary took longer than {self._seconds:g} seconds.") from error
        talk = await asyncio.to_thread(Talk, session_id, messages)
        async with self._database.transaction(user_id) as connection:
            await store.lock_user(connection, user_id)
            now = await store.find_kept(connection, session_id)
            if now is None or now.updated_at != kept.updated_at or await store.find_paused_since(connection, user_id):
                return 0  # what it says now is for another job to read, or for none
            if await store.is_derived(connection, session_id, kept.updated_at):
                return 0
            if kept.metadata.get("corrected"):
                await store.delete_unsaid(connection, session_id)
            known = await store.list_all_things(connection, user_id, COMPARED)
            settling = Settling(known, self._bars)
            await asyncio.to_thread(settling.settle, derived, talk)
            await store.insert_things(connection, user_id, settling.new)
            await store.update_things(connection, settling.changed)
            await store.upsert_derivation(connection, session_id, user_id, kept.updated_at)
            await store.delete_least(connection, user_id, MOST_THINGS)
        log.info("profile.derived", session=str(session_id), new=len(settling.new), changed=len(settling.changed))
        return len(settling.new)


def is_own(caller: Caller) -> bool:
    """Whether the caller has proven who they are, with a token that is good for more than one session."""
    return caller.level == "verified" and caller.session_id is None


def check_own(caller: Caller) -> None:
    """Raise `Forbidden` for whom a profile does not open to."""
    if not is_own(caller):
        raise Forbidden("What is remembered of a person is shown to them alone, once they have proven who they are.")
