"""Turns between servers: what a reply says as it comes, and the word that one is to be cancelled.

The server that runs a turn says nothing of it until somebody asks, on `turns`, from where they read. Then it says
what they have not had on `turn:{id}`, and goes on for as long as anybody listens. Each piece of the reply tells its
place, and what is told beside it (what is being done, what was found where) its number. So what comes twice is had
once, and a piece that does not come leaves a gap that is seen: it is filled from the row, which is read anyway now and
then, and whenever nobody answers. Nothing depends on what is heard here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from rekindle import metrics
from rekindle.cache.cache import Cache, Ear
from rekindle.conversation.channel import Event, EventId
from rekindle.conversation.run import Run
from rekindle.conversation.runs import Runs

TURNS = "turns"
POLL_SECONDS = 0.25
"""Between two readings of the row of a turn that nobody tells about."""
ROW_SECONDS = 1.0
"""Between two readings of the row of a turn that is told about: is it still there, still ours, still running?"""
RELAY_SECONDS = 0.02
"""Between two pieces: tokens that come closer together go together."""


@dataclass(frozen=True, slots=True)
class Word:
    """To the server that runs the turn: say it from `offset` on, or look whether it is to be cancelled.

    Who asks began at `begin`, and has been told of what is beside the text as far as number `told`.
    """

    kind: Literal["ask", "cancel"]
    turn_id: UUID
    attempt: int = 0
    offset: int = 0
    begin: int = 0
    told: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """To the turn's readers: `text` begins at `offset` of the reply. Empty, it says that the turn goes on; `over`, that
    its row tells how it ended. What is told beside the text comes as the event it is, with its number and the place of
    the one before it.
    """

    kind: Literal["token", "status", "source", "over"]
    attempt: int
    offset: int
    text: str = ""
    number: int = 0
    before: int = -1
    source: dict[str, Any] | None = None
    recalled: tuple[dict[str, Any], ...] = ()


_WORD = TypeAdapter(Word)
_PIECE = TypeAdapter(Piece)


class Live:
    """This server's part: it tells about the turns it runs, and listens to those it does not."""

    def __init__(self, cache: Cache, runs: Runs) -> None:
        self._cache = cache
        self._runs = runs
        self._relays: dict[UUID, asyncio.Task[None]] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to listen to what other servers ask."""
        self._listening = asyncio.create_task(self._listen(), name="turns of other servers")

    async def close(self) -> None:
        """Ask and answer no more."""
        tasks = [*self._relays.values(), *self._answers, *([self._listening] if self._listening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cancel(self, turn_id: UUID) -> None:
        """The turn's row says that it is to be cancelled: whoever runs it should look at once."""
        self._cache.tell(TURNS, _WORD.dump_json(Word("cancel", turn_id)))

    @asynccontextmanager
    async def elsewhere(self, turn_id: UUID, after: EventId | None = None) -> AsyncIterator["Elsewhere"]:
        """Who reads on after an event of a turn that another server may run; it listens once it has to."""
        async with AsyncExitStack() as stack:
            yield Elsewhere(self._cache, turn_id, stack, after)

    async def _listen(self) -> None:
        async with self._cache.listen(TURNS) as ear:
            while True:
                message = await ear.next()
                try:
                    word = _WORD.validate_json(message or b"")
                except ValidationError:
                    continue  # another version's
                if run := self._runs.get(word.turn_id):
                    self._heed(run, word)

    def _heed(self, run: Run, word: Word) -> None:
        if word.kind == "cancel":
            self._runs.look_at(run)
            return
        if word.attempt != run.place.attempt:
            word = Word("ask", word.turn_id, run.place.attempt)
        answer = asyncio.create_task(self._answer(run, word), name=f"answer {run.place.turn_id}")
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, run: Run, word: Word) -> None:
        """Say what the reader who asks has not had, and go on saying what comes."""
        length = run.channel.length
        missed = [piece for event in run.channel.missed(word.offset, word.begin, word.told) if (piece := _piece(event))]
        for piece in missed or [Piece("token", word.attempt, word.offset)]:
            if not await self._say(run, piece):
                return
        relay = self._relays.get(run.place.turn_id)
        if relay is None or relay.done():
            self._relays[run.place.turn_id] = asyncio.create_task(
                self._relay(run, length), name=f"relay {run.place.turn_id}"
            )

    async def _relay(self, run: Run, offset: int) -> None:
        try:
            async with aclosing(run.channel.follow(offset, leave=False)) as events:
                async for event in events:
                    piece = _piece(event)
                    if piece and not await self._say(run, piece):
                        return
                    if event.kind == "token":
                        await asyncio.sleep(RELAY_SECONDS)
            await self._say(run, Piece("over", run.place.attempt, run.channel.length))
        finally:
            self._relays.pop(run.place.turn_id, None)

    async def _say(self, run: Run, piece: Piece) -> int:
        heard = await self._cache.publish(_channel(run.place.turn_id), _PIECE.dump_json(piece))
        metrics.PIECES.labels("said").inc(heard)
        return heard


class Elsewhere:
    """A reader's ear for one turn."""

    def __init__(self, cache: Cache, turn_id: UUID, stack: AsyncExitStack, after: EventId | None) -> None:
        self._cache = cache
        self._turn_id = turn_id
        self._stack = stack
        self._ear: Ear | None = None
        self._attempt, self._begin = (after.attempt, after.offset) if after else (0, 0)
        self._told = 0

    async def events(self, attempt: int, offset: int) -> AsyncGenerator[Event]:
        """What is said of this attempt from `offset` on, until it is time to read the row."""
        ear = self._ear
        if ear is None:
            ear = self._ear = await self._stack.enter_async_context(self._cache.listen(_channel(self._turn_id)))
        if attempt != self._attempt:
            self._attempt, self._begin, self._told = attempt, 0, 0
        clock = asyncio.get_running_loop().time
        end = clock() + ROW_SECONDS
        self._ask(attempt, offset)
        asked = True
        while clock() < end:
            message = await ear.next(POLL_SECONDS if asked else POLL_SECONDS / 2)
            if message is None:
                if asked:
                    return
                self._ask(attempt, offset)
                asked = True
                continue
            try:
                piece = _PIECE.validate_json(message)
            except ValidationError:
                return
            if piece.attempt < attempt:
                continue  # it was on its way when the turn began anew
            if piece.kind == "over" or piece.attempt > attempt:
                return
            if piece.number and (piece.number <= self._told or piece.offset < self._begin):
                continue  # said again, for another reader
            # Something between did not come, or comes yet: whoever runs it can say it again.
            if piece.offset > offset or (piece.number and self._lacks_one_before(piece)):
                if not asked:
                    self._ask(attempt, offset)
                    asked = True
                continue
            asked = False
            metrics.PIECES.labels("heard").inc()
            here = EventId(self._turn_id, attempt, offset)
            if piece.kind != "token":
                self._told = piece.number
                yield Event(piece.kind, here, piece.text, None, piece.source, piece.recalled, piece.number)
            elif text := piece.text[offset - piece.offset :]:
                offset += len(text)
                yield Event("token", EventId(self._turn_id, attempt, offset), text)

    def _lacks_one_before(self, piece: Piece) -> bool:
        """Whether this comes too early: it was said for another reader, who has had what this one has not."""
        return piece.number > self._told + 1 if self._told else piece.before >= self._begin

    def _ask(self, attempt: int, offset: int) -> None:
        word = Word("ask", self._turn_id, attempt, offset, self._begin, self._told)
        self._cache.tell(TURNS, _WORD.dump_json(word))


def _piece(event: Event) -> Piece | None:
    """What is said of an event to readers elsewhere; how a turn ended they read for themselves."""
    match event.kind:
        case "token":
            start = event.id.offset - len(event.text)
            return Piece("token", event.id.attempt, start, event.text)
        case "status" | "source":
            return Piece(
                event.kind,
                event.id.attempt,
                event.id.offset,
                event.text,
                event.number,
                event.before,
                event.source,
                event.recalled,
            )
    return None


def _channel(turn_id: UUID) -> str:
    return f"turn:{turn_id}"
