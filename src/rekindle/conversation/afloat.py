"""While the database is away: live sessions go on from memory, and what is said is written when it is back."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from rekindle import metrics
from rekindle.assistants.assistant import Prompt, Said
from rekindle.conversation import store
from rekindle.conversation.store import Begun, Place, Result
from rekindle.database import Database, DatabaseDown
from rekindle.identity.service import Caller
from rekindle.sessions.copies import Copies
from rekindle.sessions.service import Message

log = structlog.get_logger()

LIVE_SESSIONS = 500
"""Sessions whose newest messages are kept in memory, the last used of them."""


@dataclass(slots=True)
class Live:
    """What is needed to go on with a session without asking the database."""

    user_id: UUID
    assistant: str
    prompt: Prompt
    last_seq: int
    keys: dict[str, tuple[str, UUID]] = field(default_factory=dict)
    """Idempotency keys used since the database went away: their message and turn."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A turn that has ended and is not in the database; `said` is set when its message is not there either.

    `reply` is what may be shown of it meanwhile.
    """

    place: Place
    result: Result
    reply: Message
    ended_at: datetime
    said: "SaidAfloat | None" = None


@dataclass(frozen=True, slots=True)
class SaidAfloat:
    """A message that was taken while the database was away."""

    message_id: UUID
    key: str | None
    text: str
    metadata: dict[str, Any]
    said_at: datetime


class Afloat:
    """Live sessions, and the turns that wait to be written: bounded in number and in time."""

    def __init__(self, database: Database, copies: Copies, *, window: int, turns: int, minutes: float) -> None:
        self._database = database
        self._copies = copies
        self._window = window
        self._turns = turns
        self._seconds = minutes * 60
        self._live: OrderedDict[UUID, Live] = OrderedDict()
        self._said: dict[UUID, SaidAfloat] = {}
        self._unwritten: list[Unwritten] = []
        self._since: float | None = None
        self._writing = asyncio.Lock()

    def remember(self, place: Place, assistant: str, prompt: Prompt) -> None:
        """A turn has begun: this is what its session is about now."""
        known = self._live.get(place.session_id)
        keys = known.keys if known else {}
        self._live[place.session_id] = Live(place.user_id, assistant, prompt, place.seq, keys)
        self._live.move_to_end(place.session_id)
        while len(self._live) > LIVE_SESSIONS:
            self._live.popitem(last=False)

    def heard(self, place: Place, text: str) -> None:
        """A turn has ended with this reply."""
        live = self._live.get(place.session_id)
        if live and live.last_seq == place.seq and text:
            window = (*live.prompt.window, Said("assistant", text))[-self._window :]
            live.prompt = replace(live.prompt, window=window)

    def sessions(self) -> set[UUID]:
        """The sessions that are live here."""
        return set(self._live)

    def forget_session(self, session_id: UUID) -> None:
        """The session has ended or is gone: nothing of it stays in memory but what is still to be written."""
        self._live.pop(session_id, None)

    def users(self) -> set[UUID]:
        """Whose sessions are live here."""
        return {live.user_id for live in self._live.values()}

    def forget_user(self, user_id: UUID) -> None:
        """The user is gone, or somebody else now: nothing of theirs is live here any more.

        What is still to be written finds its session, if that is there, and else nothing to write to.
        """
        for session_id in [session for session, live in self._live.items() if live.user_id == user_id]:
            del self._live[session_id]

    def begin(
        self,
        caller: Caller,
        session_id: UUID,
        *,
        message_id: UUID,
        turn_id: UUID,
        key: str | None,
        text: str,
        metadata: dict[str, Any],
    ) -> Begun:
        """Begin a turn in memory; raises `DatabaseDown` where the session is not live here, or enough waits."""
        live = self._live.get(session_id)
        if live is None or live.user_id != caller.user_id or self._full():
            raise DatabaseDown
        if key:
            live.keys[key] = (text, turn_id)
        place = Place(caller.user_id, session_id, live.last_seq + 2, turn_id, 1, afloat=True)
        window = (*live.prompt.window, Said("user", text))[-self._window - 1 :]
        self._said[turn_id] = SaidAfloat(message_id, key, text, metadata, datetime.now(UTC))
        self._since = self._since or time.monotonic()
        return Begun("begun", turn_id, 1, place, live.assistant, Prompt(window, live.prompt.recalled))

    def known(self, caller: Caller, session_id: UUID, key: str | None, text: str) -> Begun | None:
        """What is known here alone of this key: its turn was begun while the database was away."""
        live = self._live.get(session_id)
        if live is None or live.user_id != caller.user_id or key not in live.keys:
            return None
        before, turn_id = live.keys[key]
        return Begun("replayed" if before == text else "key_reused", turn_id, 1)

    def keep(self, place: Place, result: Result) -> Message:
        """Keep an ended turn until the database is back; the reply as it may be shown meanwhile."""
        now = datetime.now(UTC)
        said = self._said.pop(place.turn_id, None)
        began = said.said_at if said else now
        reply = result.as_message(
            place, created_at=began, completed_at=now, metadata={**(result.notes or {}), "persisted": False}
        )
        self._unwritten.append(Unwritten(place, result, reply, now, said))
        self._since = self._since or time.monotonic()
        metrics.TURNS_UNWRITTEN.set(len(self._unwritten))
        return reply

    def reply(self, caller: Caller, turn_id: UUID) -> Message | None:
        """The caller's reply that waits to be written, or None."""
        return next(
            (
                turn.reply
                for turn in self._unwritten
                if turn.place.turn_id == turn_id
                and turn.place.user_id == caller.user_id
                and caller.may_enter(turn.place.session_id)
            ),
            None,
        )

    def waiting(self, session_id: UUID) -> Place | None:
        """The first turn of this session that is still to be written: what is said next comes after it."""
        return next((turn.place for turn in self._unwritten if turn.place.session_id == session_id), None)

    @property
    def unwritten(self) -> Sequence[Unwritten]:
        """The turns that wait, in the order they ended."""
        return self._unwritten

    async def write(self) -> None:
        """Write what waits, each session's in order; raises `DatabaseDown` when the database is still away.

        What was said in a session where another server has a reply to end first goes on waiting.
        """
        waits: set[UUID] = set()
        async with self._writing:  # written by two at once, a turn would be none that was ours to one of them
            for turn in list(self._unwritten):
                if turn.place.session_id in waits:
                    continue
                written = await self._write(turn)
                if written is None:
                    waits.add(turn.place.session_id)
                    continue
                if not written:
                    # Its session was deleted for good, or the turn was tried again elsewhere.
                    log.warning("turn.not_written", turn=str(turn.place.turn_id))
                self._unwritten = [other for other in self._unwritten if other is not turn]
                metrics.TURNS_UNWRITTEN.set(len(self._unwritten))
        if not self._said and not self._unwritten:
            self._since = None
            for live in self._live.values():
                live.keys.clear()

    def _full(self) -> bool:
        if len(self._unwritten) + len(self._said) >= self._turns:
            return True
        return self._since is not None and time.monotonic() - self._since > self._seconds

    async def _write(self, turn: Unwritten) -> bool | None:
        async with self._database.system() as connection:
            owner = await store.find_owner(connection, turn.place.session_id)
        if owner is None:
            return False
        place = replace(turn.place, user_id=owner)  # a visitor may have come home meanwhile
        async with self._database.connection() as connection:
            if turn.said is not None:
                return await store.store_turn(
                    connection,
                    place,
                    turn.result,
                    message_id=turn.said.message_id,
                    key=turn.said.key,
                    text=turn.said.text,
                    metadata=turn.said.metadata,
                    said_at=turn.said.said_at,
                    ended_at=turn.ended_at,
                )
            finished = await store.finish_turn(connection, place, turn.result)
        if finished and finished.late:
            await self._copies.forget(turn.place.session_id)  # they may end in a later message, and have this in part
        return finished is not None
