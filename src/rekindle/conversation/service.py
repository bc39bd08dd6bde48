"""The turn engine: a message is said, a reply is run by this server, and anyone of its session may follow it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from rekindle.conversation import store
from rekindle.conversation.channel import Event, EventId
from rekindle.conversation.live import POLL_SECONDS, Live
from rekindle.conversation.run import Run
from rekindle.conversation.runs import Runs
from rekindle.database import Database, DatabaseDown
from rekindle.errors import (
    InvalidRequest,
    KeyReused,
    NotReplaceable,
    NotRetryable,
    SessionBusy,
    SessionEnded,
    SessionNotFound,
    TurnNotFound,
    Unavailable,
)
from rekindle.identity.service import Caller
from rekindle.ids import uuid7
from rekindle.memory.recollection.service import opens
from rekindle.memory.service import Memory
from rekindle.sessions.copies import Copies, Opening
from rekindle.sessions.service import Message, Sessions
from rekindle.settings import Settings
from rekindle.usage import quotas

OnBusy = Literal["reject", "wait", "interrupt"]

END_WAITS_SECONDS = 5.0
DELETE_TRIES = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """An accepted turn. `replayed`: the same idempotency key had begun it before."""

    id: UUID
    attempt: int
    replayed: bool = False


class Conversation:
    """What can be done in a session: say, follow, cancel, retry, end."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        memory: Memory,
        runs: Runs,
        copies: Copies,
        live: Live,
        settings: Settings,
        limits: dict[str, Any] | None = None,
    ) -> None:
        """`limits` are those of `usage.quotas`; None: there is no quota."""
        self._database = database
        self._sessions = sessions
        self._memory = memory
        self._runs = runs
        self._copies = copies
        self._live = live
        self._settings = settings
        self._limits = limits

    async def say(
        self,
        caller: Caller,
        session_id: UUID,
        text: str,
        *,
        key: str | None = None,
        metadata: dict[str, Any] | None = None,
        on_busy: OnBusy = "reject",
        reopen: bool = False,
        replaces: UUID | None = None,
    ) -> Turn:
        """Store the message and begin its reply, in one round trip; the same `key` gives the same turn.

        With `replaces`, the id of the session's newest question or of its turn, that question is asked anew: it and
        its answer stay in the history, marked, and are in no window, summary or search any more.

        Raises `SessionNotFound`, `SessionEnded` (unless `reopen`), `KeyReused`, `NotReplaceable`, `SessionBusy` (at
        once, or with `on_busy="wait"` or `"interrupt"` when the running turn does not end in time), `QuotaExceeded`,
        `Unavailable`.
        """
        if self._runs.draining:
            raise Unavailable("This server is stopping. Send the message again.", retry_after=1)
        caller.check_session(session_id)
        self.check(text)
        message_id, turn_id = uuid7(), uuid7()
        deadline = asyncio.get_running_loop().time() + self._settings.busy_wait_seconds
        while True:
            known = self._runs.afloat.known(caller, session_id, key, text)
            try:
                if (begun := known or await self._runs.unwritten(caller, session_id)) is None:
                    async with self._database.connection() as connection:
                        begun = await store.begin_turn(
                            connection,
                            user_id=caller.user_id,
                            session_id=session_id,
                            message_id=message_id,
                            turn_id=turn_id,
                            key=key,
                            text=text,
                            metadata=metadata or {},
                            window=self._settings.window,
                            recall=self._recall(caller),
                            server=self._runs.server,
                            lease=self._runs.lease,
                            reopen=reopen,
                            replaces=replaces,
                            limits=self._limits,
                        )
            except DatabaseDown:
                if replaces:
                    raise  # what is to be replaced cannot be marked
                if (run := self._runs.of_session(session_id)) and self._reaches(caller, run):
                    begun = store.Begun("busy", run.place.turn_id, run.place.attempt)
                else:
                    begun = self._runs.afloat.begin(
                        caller,
                        session_id,
                        message_id=message_id,
                        turn_id=turn_id,
                        key=key,
                        text=text,
                        metadata=metadata or {},
                    )
            if begun.place and replaces:
                await self._copies.forget(session_id)  # a copy has the replaced as they were
            if begun.outcome == "missing":
                await self._sessions.get(caller, session_id)  # tells which is gone: the session, or its user
            if begun.outcome != "busy":
                # What replaces is no end of a copy: that lacks what came before.
                return self._started(begun, caller, None if replaces else Opening(message_id, text, metadata or {}))
            assert begun.turn_id is not None
            if on_busy == "reject" or asyncio.get_running_loop().time() >= deadline or self._runs.draining:
                raise SessionBusy(turn_id=str(begun.turn_id))
            if on_busy == "interrupt":
                await self.cancel(caller, begun.turn_id)
            await self._wait_a_little(begun.turn_id, deadline)

    async def retry(self, caller: Caller, turn_id: UUID) -> Turn:
        """Run the newest turn of a session again, when it did not complete; what it had said is kept aside."""
        if self._runs.draining:
            raise Unavailable("This server is stopping. Retry in a moment.", retry_after=1)
        await self._sessions.messages.reply(caller, turn_id)
        async with self._database.connection() as connection:
            begun = await store.retry_turn(
                connection,
                user_id=caller.user_id,
                turn_id=turn_id,
                window=self._settings.window,
                server=self._runs.server,
                lease=self._runs.lease,
                limits=self._limits,
            )
        if begun.outcome == "busy":
            raise SessionBusy(turn_id=str(turn_id))
        return self._started(begun, caller)

    async def cancel(self, caller: Caller, turn_id: UUID) -> Message:
        """Stop a running turn, on whichever server it runs; one that has ended stays as it is."""
        run = self._runs.get(turn_id)
        if run and self._reaches(caller, run):
            run.stop("cancelled")
            return await self.outcome(caller, turn_id)
        reply = self._runs.afloat.reply(caller, turn_id) or await self._sessions.messages.reply(caller, turn_id)
        if reply.status != "running":
            return reply
        async with self._database.transaction(caller.user_id) as connection:
            await store.update_cancel_requested(connection, turn_id)
        self._live.cancel(turn_id)
        return await self.outcome(caller, turn_id)

    async def outcome(self, caller: Caller, turn_id: UUID) -> Message:
        """The reply once its turn is over; raises `TurnNotFound`, or `Unavailable` when this server stops first."""
        async with aclosing(self.follow(caller, turn_id, leave_early=False)) as events:
            async for event in events:
                if event.reply:
                    return event.reply
        raise Unavailable(
            "This server is stopping. The message is kept: read its answer by the turn's id.",
            turn_id=str(turn_id),
            retry_after=1,
        )

    async def follow(
        self, caller: Caller, turn_id: UUID, after: EventId | None = None, *, leave_early: bool = True
    ) -> AsyncGenerator[Event]:
        """The turn's events from where the reader stands; ends with `end`, or `resume` when the server stops.

        Joins a turn of this server live. One of another server is read from what that tells, as far as it does, and
        from its checkpoints. `restart` also where more was read than was kept, its server being gone.
        """
        attempt, offset = (after.attempt, after.offset) if after else (0, 0)
        async with self._live.elsewhere(turn_id, after) as elsewhere:
            while True:
                run = self._runs.get(turn_id)
                if run and self._reaches(caller, run):
                    if attempt and attempt != run.place.attempt:
                        offset = 0
                        yield Event("restart", EventId(turn_id, run.place.attempt, 0))
                    attempt = run.place.attempt
                    if self._runs.draining and leave_early:
                        run.channel.leave()
                    async with aclosing(run.channel.follow(offset, leave=leave_early)) as events:
                        async for event in events:
                            offset = event.id.offset
                            yield event
                            if event.kind in ("end", "resume"):
                                return
                    if run.stopped == "released":
                        return
                    continue  # the turn was lost to another server: read on from its row
                reply = self._runs.afloat.reply(caller, turn_id)
                reply = reply or await self._sessions.messages.reply(caller, turn_id)
                ended = reply.status != "running"
                if attempt and (attempt != reply.attempt or (ended and offset > len(reply.content))):
                    offset = 0
                    yield Event("restart", EventId(turn_id, reply.attempt, 0))
                attempt = reply.attempt
                if len(reply.content) > offset:
                    piece = reply.content[offset:]
                    offset = len(reply.content)
                    yield Event("token", EventId(turn_id, attempt, offset), piece)
                if ended:
                    yield Event("end", EventId(turn_id, attempt, len(reply.content)), reply=reply)
                    return
                if self._runs.draining:
                    if leave_early:
                        yield Event("resume", EventId(turn_id, attempt, offset))
                    return
                async with aclosing(elsewhere.events(attempt, offset)) as events:
                    async for event in events:
                        offset = event.id.offset
                        yield event

    async def settle(self, caller: Caller, session_id: UUID) -> None:
        """Give the reply that is being written in a session a moment to complete; cancel it then."""
        if running := await self._sessions.messages.running(caller, session_id):
            try:
                async with asyncio.timeout(END_WAITS_SECONDS):
                    await self.outcome(caller, running.id)
            except TimeoutError:
                await self.cancel(caller, running.id)

    async def end(self, caller: Caller, session_id: UUID) -> Literal["generated", "pending", "none"]:
        """End a session and summarise it; a reply still being written gets a moment, then is cancelled.

        `pending`: the model or the embedder is down or slow, and the summary follows when it is back. `none`:
        nothing was said.
        """
        await self.settle(caller, session_id)
        session = await self._sessions.end(caller, session_id)
        self._runs.afloat.forget_session(session_id)
        return await self._memory.summarise_or_later(session)

    async def delete(self, caller: Caller, session_id: UUID) -> None:
        """Delete a session so that `sessions.hidden.restore` brings it back for a while; a running reply is cancelled.

        Raises `SessionNotFound`, `SessionBusy` when replies go on being begun.
        """
        if not self._settings.undo_minutes:
            await self._sessions.delete(caller, session_id)
            return
        for _ in range(DELETE_TRIES):
            running = await self._sessions.hidden.hide(caller, session_id)
            if running is None:
                self._runs.afloat.forget_session(session_id)
                return
            await self.cancel(caller, running)
        raise SessionBusy

    def check(self, text: str) -> None:
        """Raises `InvalidRequest` for what cannot be said; for those who make a session for it first."""
        limit = self._settings.max_message_chars
        if not text.strip():
            raise InvalidRequest("The message is empty.")
        if len(text) > limit:
            raise InvalidRequest(
                f"The message has {len(text):,} characters; {limit:,} is the most that can be sent at once."
            )
        if "\0" in text or (not text.isprintable() and any("\ud800" <= c <= "\udfff" for c in text)):
            raise InvalidRequest("The message holds characters that are not text (NUL or half of a surrogate pair).")

    @staticmethod
    def _reaches(caller: Caller, run: Run) -> bool:
        return run.place.user_id == caller.user_id and caller.may_enter(run.place.session_id)

    def _recall(self, caller: Caller) -> int:
        closed = opens(caller, self._settings.identity_rule) == "nothing"
        return 0 if closed else self._settings.recall_summaries

    def _started(self, begun: store.Begun, caller: Caller, opening: Opening | None = None) -> Turn:
        match begun.outcome:
            case "missing":
                raise SessionNotFound
            case "ended":
                raise SessionEnded
            case "key_reused":
                raise KeyReused
            case "not_retryable":
                raise NotRetryable
            case "not_replaceable":
                raise NotReplaceable
            case "quota_user":
                raise quotas.exceeded("user")
            case "quota_total":
                raise quotas.exceeded("total")
        if begun.turn_id is None or begun.attempt is None:
            raise TurnNotFound
        if begun.place and begun.prompt:
            self._runs.start(begun.place, begun.assistant, begun.prompt, caller, opening)
        return Turn(begun.turn_id, begun.attempt, replayed=begun.outcome == "replayed")

    async def _wait_a_little(self, turn_id: UUID, deadline: float) -> None:
        remaining = max(0.0, deadline - asyncio.get_running_loop().time())
        run = self._runs.get(turn_id)
        if run and run.task:
            await asyncio.wait({run.task}, timeout=remaining)
        else:
            await asyncio.sleep(min(POLL_SECONDS, remaining))
