"""Sessions: start, find, list, rename, end, delete; check-in of a visitor."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from rekindle.database import Database, DatabaseDown
from rekindle.errors import SessionNotFound
from rekindle.identity.known import Known
from rekindle.identity.service import Caller, Identity, clean_email
from rekindle.ids import parse_uuid, uuid7
from rekindle.sessions import store
from rekindle.sessions.copies import Copies
from rekindle.sessions.doors import store as doors
from rekindle.sessions.doors.service import Interactions
from rekindle.sessions.doors.store import Interaction
from rekindle.sessions.hidden.service import Hidden
from rekindle.sessions.listing.service import Listing, Wanted
from rekindle.sessions.messages.service import Message, Messages, Role, Status
from rekindle.sessions.storable import check_storable, check_title
from rekindle.sessions.store import Session
from rekindle.settings import Identity as IdentityRule

__all__ = ["CheckIn", "Interaction", "Message", "Role", "Session", "Sessions", "Status"]


@dataclass(frozen=True, slots=True)
class CheckIn:
    """A visitor's new session. `status` is what may be told: under the rule `verified`, always `created`."""

    session: Session
    caller: Caller
    status: Literal["created", "returning_user"]


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """How many sessions left, with how many messages."""

    sessions: int
    messages: int


class Sessions:
    """The sessions of all users; each method reaches those of its caller alone."""

    def __init__(
        self, database: Database, copies: Copies, identity: Identity, *, assistant: str, rule: IdentityRule
    ) -> None:
        self._database = database
        self.messages = Messages(database, copies)
        self.interactions = Interactions(database)
        self.listing = Listing(database)
        self.hidden = Hidden(database, copies)
        self._copies = copies
        self._identity = identity
        self._assistant = assistant
        self._rule = rule
        self._capabilities: Known[UUID, Caller] = Known()
        self._threads: Known[tuple[UUID, str], UUID] = Known()
        self._current: Known[UUID, Session] = Known(1_000)  # for as many as may be live without a database
        for known in (self._capabilities, self._threads, self._current):
            identity.revocations.tell(known)
            identity.revocations.tell_of_sessions(known)

    async def check_in(
        self, *, name: str | None, email: str | None, phone: str | None, assistant: str | None = None
    ) -> CheckIn:
        """Recognise a visitor by e-mail address and start a session for them; without one they are anonymous.

        The session is with the server's first assistant unless another is named; so it is wherever one is started.
        """
        recognised = await self._identity.welcome(email, name=name, phone=phone)
        typed = {"user_name": name, "user_phone": phone}
        session = await self._start(
            recognised.user.id,
            assistant=assistant,
            cookie_sid=str(uuid4()),
            metadata={key: value for key, value in typed.items() if value},
        )
        address = clean_email(email) if email else None
        caller = Caller(recognised.user.id, "claimed" if address else "anonymous", session.id, address)
        known = recognised.returning and self._rule == "claimed"
        return CheckIn(session, caller, "returning_user" if known else "created")

    async def enter(self, cookie_sid: str) -> Caller:
        """The caller that a session's capability speaks for: its user, in that session only."""
        capability = parse_uuid(cookie_sid)
        if capability is None:
            raise SessionNotFound
        if caller := self._capabilities.find(capability):
            return caller
        async with self._database.system() as connection:
            session = await store.find_session_by_sid(connection, str(capability))
        if session is None:
            raise SessionNotFound
        # What a capability opens changes only when its session changes hands or goes, which is told, and a deleted
        # session is missed by its row, so it may be remembered: it spares this door's turns a round trip.
        caller = Caller(session.user_id, "claimed", session.id)
        self._capabilities.keep(capability, caller.user_id, caller, session_id=session.id)
        return caller

    async def start(
        self,
        caller: Caller,
        *,
        assistant: str | None = None,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        lasting: bool = False,
    ) -> Session:
        """A new session of the caller's; a `lasting` one is never ended for idleness.

        Raises `Forbidden` when their token is good for one session only.
        """
        caller.check_whole()
        check_title(title)
        check_storable(title, metadata, state)
        return await self._start(
            caller.user_id, assistant=assistant, title=title, metadata=metadata, state=state, lasting=lasting
        )

    async def current(self, caller: Caller) -> Session:
        """The caller's newest lasting session that has not ended; raises `SessionNotFound`."""
        async with self._database.transaction(caller.user_id) as connection:
            session = await store.find_current_session(connection, caller.user_id)
        return self._found(session, caller)

    async def current_or_start(self, caller: Caller, *, assistant: str | None = None) -> Session:
        """The same, started if there is none: one only, however many ask at once.

        While the database is away, the one that was current when it was last asked.
        """
        caller.check_whole()
        try:
            async with self._database.transaction(caller.user_id) as connection:
                session = await store.find_current_session(connection, caller.user_id)
                session = session or await store.find_current_session(connection, caller.user_id, alone=True)
                session = session or await store.insert_session(
                    connection, uuid7(), caller.user_id, assistant or self._assistant, lasting=True
                )
        except DatabaseDown:
            if known := self._current.find(caller.user_id):
                return known
            raise
        self._current.keep(caller.user_id, caller.user_id, session, session_id=session.id)
        return session

    async def adopt(
        self, session_id: UUID, user_id: UUID | None, metadata: dict[str, Any], *, assistant: str | None = None
    ) -> bool:
        """A session under an id its host chose, of this user or of a new anonymous one; False when it is taken.

        Raises `InvalidRequest` for metadata that cannot be stored; so does `start`.
        """
        check_storable(metadata)
        async with self._database.system() as connection:
            answers = assistant or self._assistant
            return await doors.insert_named_session(connection, session_id, user_id, answers, metadata)

    async def owner(self, session_id: UUID) -> Caller:
        """Whoever a session belongs to, for a host that vouches for who asks; raises `SessionNotFound`."""
        async with self._database.system() as connection:
            session = await store.find_session(connection, session_id)
        if session is None:
            raise SessionNotFound
        return Caller(session.user_id, "claimed")

    async def thread(self, caller: Caller, name: str, *, anew: bool = False, assistant: str | None = None) -> UUID:
        """The id of the caller's one session under this name, started if there is none.

        It is remembered until it ends or is deleted, and a moment longer: who finds it gone asks `anew`. Raises
        `Forbidden` as `start` does.
        """
        caller.check_whole()
        known = None if anew else self._threads.find((caller.user_id, name))
        if known:
            return known
        session = await self.find_thread(caller, name)
        session = session or await self._start(caller.user_id, assistant=assistant, thread=name)
        self._threads.keep((caller.user_id, name), caller.user_id, session.id, session_id=session.id)
        return session.id

    async def find_thread(self, caller: Caller, name: str) -> Session | None:
        """The caller's one session under this name, or None; raises `Forbidden` as `start` does."""
        caller.check_whole()
        async with self._database.transaction(caller.user_id) as connection:
            return await store.find_session_by_thread(connection, caller.user_id, name)

    async def get(self, caller: Caller, session_id: UUID) -> Session:
        """One session of the caller's; raises `SessionNotFound`."""
        async with self._database.transaction(caller.user_id) as connection:
            return self._found(await store.find_session(connection, session_id), caller)

    async def about(self, caller: Caller, session_id: UUID) -> dict[str, Any]:
        """A session's metadata."""
        return (await self.get(caller, session_id)).metadata

    async def recent(
        self,
        caller: Caller,
        *,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 20,
        ended: bool | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> list[Session]:
        """The caller's sessions, last used first; with `metadata`, those whose own holds it.

        `before` is the `last_seen_at` and id of the last one seen.
        """
        wanted = Wanted(ended=ended, metadata=metadata)
        return [listed.session for listed in await self.listing.of(caller, wanted, before=before, limit=limit)]

    async def rename(self, caller: Caller, session_id: UUID, title: str) -> Session:
        """Give a session another title."""
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            return self._found(await store.update_title(connection, session_id, title), caller)

    async def entitle(self, user_id: UUID, session_id: UUID, title: str) -> None:
        """Give a session its first title, unless it has been named."""
        async with self._database.transaction(user_id) as connection:
            await store.update_title(connection, session_id, title, unless_named=True)

    async def untitled(self, limit: int = 100) -> list[tuple[UUID, UUID]]:
        """User and session ids of sessions with an exchange in them that nobody has named."""
        async with self._database.system() as connection:
            return await store.list_untitled(connection, limit)

    async def end_lasting(self, caller: Caller) -> list[Session]:
        """End the sessions that go on until their user logs out; the caller has."""
        caller.check_whole()
        async with self._database.transaction(caller.user_id) as connection:
            return await store.update_lasting_ended(connection, caller.user_id)

    async def end(self, caller: Caller, session_id: UUID) -> Session:
        """Mark a session as ended; one that has ended stays as it is."""
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            return self._found(await store.update_ended(connection, session_id), caller)

    async def reopen(self, caller: Caller, session_id: UUID) -> Session:
        """Let an ended session go on, used just now; one that goes on stays as it is."""
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            return self._found(await store.update_reopened(connection, session_id), caller)

    async def delete(self, caller: Caller, session_id: UUID) -> None:
        """Delete a session with its messages and its summary, for good."""
        caller.check_session(session_id)
        async with self._database.transaction(caller.user_id) as connection:
            if not await store.delete_session(connection, session_id):
                raise SessionNotFound
        await self._copies.forget(session_id)

    async def end_idle(self, idle_minutes: float, *, limit: int = 100) -> list[Session]:
        """End sessions that have had no message for so long; at most `limit` at a time."""
        async with self._database.system() as connection:
            return await store.update_idle_ended(connection, idle_minutes, limit)

    async def clean_up(self, days: float, *, dry_run: bool = False, batch: int = 500) -> CleanedUp:
        """Delete the sessions of all users that have had no message for `days` days, some at a time.

        With `dry_run` nothing is deleted: the counts are of what would be.
        """
        before = datetime.now(UTC) - timedelta(days=days)
        if dry_run:
            async with self._database.system() as connection:
                return CleanedUp(*await store.count_untouched(connection, before))
        sessions = messages = 0
        after = UUID(int=0)
        while True:
            async with self._database.system() as connection:
                gone = await store.delete_untouched(connection, before, after=after, limit=batch)
            await self._copies.forget(*(session for session, _ in gone))
            sessions += len(gone)
            messages += sum(count for _, count in gone)
            if len(gone) < batch:
                return CleanedUp(sessions, messages)
            after = gone[-1][0]

    async def bring_in(self, session: Session, messages: list[Message]) -> bool:
        """Store a past session with its messages, all or nothing; False when it is here already."""
        async with self._database.transaction(session.user_id) as connection:
            if not await doors.insert_past_session(connection, session):
                return False
            await doors.insert_past_messages(connection, messages)
        return True

    async def _start(
        self,
        user_id: UUID,
        *,
        assistant: str | None = None,
        cookie_sid: str | None = None,
        thread: str | None = None,
        title: str | None = None,
        metadata: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        lasting: bool = False,
    ) -> Session:
        async with self._database.transaction(user_id) as connection:
            return await store.insert_session(
                connection,
                uuid7(),
                user_id,
                assistant or self._assistant,
                cookie_sid=cookie_sid,
                thread=thread,
                title=title,
                metadata=metadata,
                state=state,
                lasting=lasting,
            )

    def forget(self, cookie_sid: str) -> None:
        """Look a capability up anew when it is next used."""
        if capability := parse_uuid(cookie_sid):
            self._capabilities.forget(capability)

    @staticmethod
    def _found(session: Session | None, caller: Caller) -> Session:
        if session is None:
            raise SessionNotFound
        caller.check_session(session.id)
        return session
