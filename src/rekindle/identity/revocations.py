"""Tokens that hold no more: known in memory, so that a request asks the database nothing about its token."""

import asyncio
import json
import time
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import structlog

from rekindle.database import Database, DatabaseDown
from rekindle.identity import store
from rekindle.identity.tokens import Mark

log = structlog.get_logger()

CHANNEL = "rekindle_identity"
QUIET_SECONDS = 5.0
"""A poller behind a pooler that swallows notices is this far behind; otherwise a server learns within milliseconds."""
RECONNECT_SECONDS = 1.0
OVERLAP_SECONDS = 30.0
"""A transaction commits later than the time its row bears: each look goes back this far."""
LOOK_SECONDS = 60.0
"""How often those remembered are looked for, where notices do not come."""


class Remembers(Protocol):
    """What keeps something of users in memory."""

    def users(self) -> AbstractSet[UUID]:
        """Of whom it keeps something."""
        ...

    def forget_user(self, user_id: UUID) -> None:
        """This user is gone: nothing of theirs is kept."""
        ...


class RemembersSessions(Protocol):
    """What keeps something of sessions in memory."""

    def sessions(self) -> AbstractSet[UUID]:
        """Of which it keeps something."""
        ...

    def forget_session(self, session_id: UUID) -> None:
        """This session has ended, is gone, or is somebody else's: nothing of it is kept."""
        ...


class Revocations:
    """What was revoked, on any server; kept until the tokens would have expired by themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tokens: dict[UUID, float] = {}
        """Revoked tokens and when they expire."""
        self._users: dict[UUID, tuple[float, float]] = {}
        """Users whose tokens issued up to a moment are void, and when the last of those expires."""
        self._seen: datetime | None = None
        self._listening: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._memories: list[Remembers] = []
        self._session_memories: list[RemembersSessions] = []

    def tell(self, memory: Remembers) -> None:
        """Tell `memory` of each user who is erased or merged, on whichever server."""
        self._memories.append(memory)

    def tell_of_sessions(self, memory: RemembersSessions) -> None:
        """Tell `memory` of each session that ends, is deleted or changes hands, on whichever server."""
        self._session_memories.append(memory)

    async def open(self) -> None:
        """Read what is revoked, and hear of it from then on."""
        await self._refresh()
        self._listening = asyncio.create_task(self._listen(), name="revocations")

    async def close(self) -> None:
        """Listen no more."""
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def hold(self, user_id: UUID, mark: Mark) -> bool:
        """Whether a token was revoked: by itself, or with all of its user's."""
        if mark.token in self._tokens:
            return True
        until = self._users.get(user_id)
        return until is not None and mark.issued_at <= until[0]

    async def revoke(self, user_id: UUID, mark: Mark) -> None:
        """Revoke one token."""
        await self._write(user_id, store.Revocation(mark.token, None, mark.expires_at))

    async def revoke_all(self, user_id: UUID, *, days: float) -> None:
        """Revoke all of a user's tokens issued until now; `days` is the longest that one can still be good for."""
        now = time.time()
        await self._write(user_id, store.Revocation(user_id, now, now + days * 86_400))

    async def _write(self, user_id: UUID, revocation: store.Revocation) -> None:
        async with self._database.transaction(user_id) as connection:
            await store.upsert_revocation(connection, user_id, revocation)
        self._heed(revocation)

    def _heed(self, revocation: store.Revocation) -> None:
        if revocation.issued_until is None:
            self._tokens[revocation.token] = revocation.expires_at
        else:
            self._users[revocation.token] = (revocation.issued_until, revocation.expires_at)

    async def _refresh(self) -> None:
        now = time.time()
        async with self._database.system() as connection:
            found, self._seen = await store.list_revocations(connection, self._seen, OVERLAP_SECONDS)
        for revocation in found:
            self._heed(revocation)
        self._tokens = {token: expires for token, expires in self._tokens.items() if expires > now}
        self._users = {user: kept for user, kept in self._users.items() if kept[1] > now}

    async def _look(self) -> None:
        """Look for what is remembered: some may have gone while nobody here listened."""
        self._looked_at = time.monotonic()
        known: set[UUID] = set().union(*(memory.users() for memory in self._memories))
        if known:
            async with self._database.system() as connection:
                here = await store.list_present(connection, known)
            for user_id in known - here:
                self._forget(user_id)
        sessions: set[UUID] = set().union(*(memory.sessions() for memory in self._session_memories))
        if sessions:
            async with self._database.system() as connection:
                open_ = await store.list_open_sessions(connection, sessions)
            for session_id in sessions - open_:
                self._forget_session(session_id)

    def _forget(self, user_id: UUID) -> None:
        for memory in self._memories:
            memory.forget_user(user_id)

    def _forget_session(self, session_id: UUID) -> None:
        for memory in self._session_memories:
            memory.forget_session(session_id)

    async def _listen(self) -> None:
        while True:
            try:
                self._looked_at = float("-inf")
                async with aclosing(self._database.notices(CHANNEL, quiet_seconds=QUIET_SECONDS)) as notices:
                    async for notice in notices:
                        if notice is None:
                            await self._refresh()
                            if time.monotonic() - self._looked_at > LOOK_SECONDS:
                                await self._look()
                        else:
                            self._hear(notice)
            except DatabaseDown:
                await asyncio.sleep(RECONNECT_SECONDS)
            except Exception as error:  # a fault of ours must not end what makes revoked tokens fail
                log.error("revocations.fault", error=type(error).__name__, exc_info=error)
                await asyncio.sleep(RECONNECT_SECONDS)

    def _hear(self, notice: str) -> None:
        told = json.loads(notice)
        if "gone" in told:
            self._forget(UUID(told["gone"]))
        elif "left" in told:
            self._forget_session(UUID(told["left"]))
        else:
            self._heed(store.Revocation(UUID(told["token"]), told["until"], told["expires"]))


def as_time(seconds: float) -> datetime:
    """Seconds since 1970 as a time, however far off a token says it is."""
    return datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), UTC)
