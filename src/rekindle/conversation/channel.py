"""A running turn's channel: what is said goes in once, and any number of readers follow, early or late."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, Self
from uuid import UUID

from rekindle.ids import parse_uuid
from rekindle.sessions.service import Message

Kind = Literal["token", "status", "source", "end", "restart", "resume"]


@dataclass(frozen=True, slots=True)
class EventId:
    """Where a reader stands: `turn:attempt:offset`, the offset in characters of the reply."""

    turn_id: UUID
    attempt: int
    offset: int

    def __str__(self) -> str:
        return f"{self.turn_id}:{self.attempt}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The id that `text` spells, or None."""
        parts = text.split(":")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts[1:]):
            return None
        turn_id = parse_uuid(parts[0])
        return cls(turn_id, int(parts[1]), int(parts[2])) if turn_id else None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a reader is told.

    `token`: the next `text` of the reply. `status`: what the assistant is doing. `source`: where something
    that it uses stands; the reply's metadata holds them all. `end`: the turn is over; `reply` is
    its row. `restart`: what was read so far belongs to an attempt that is gone; begin anew. `resume`: this server
    is stopping; come back with the last id. `id` is where a reader stands once it has had the event.
    """

    kind: Kind
    id: EventId
    text: str = ""
    reply: Message | None = None
    source: dict[str, Any] | None = None
    recalled: tuple[dict[str, Any], ...] = ()
    """With a status that says so: where what is recalled stands; the reply's `context_used` holds it too."""
    number: int = 0
    """Of what is told beside the text in this attempt, this is the first, second, …; 0 for text and the end."""
    before: int = -1
    """The offset at which the one before it was told; -1 for the first."""


class Channel:
    """The events of one attempt of a turn, for as long as this server runs it."""

    def __init__(self, turn_id: UUID, attempt: int) -> None:
        self.turn_id = turn_id
        self.attempt = attempt
        self.length = 0
        self._events: list[Event] = []
        self._beside, self._beside_at = 0, -1
        self._closed = False
        self._leaving = False
        self._changed = asyncio.Event()

    @property
    def text(self) -> str:
        """The reply so far."""
        return "".join(event.text for event in self._events if event.kind == "token")

    @property
    def ended(self) -> Message | None:
        """The finished reply, once there is one."""
        return self._events[-1].reply if self._events else None

    def token(self, text: str) -> None:
        """The reply goes on with `text`."""
        self.length += len(text)
        self._publish("token", text)

    def status(self, text: str) -> None:
        """The assistant is doing `text`."""
        self._publish("status", text)

    def recall(self, text: str, sources: list[dict[str, Any]]) -> None:
        """The assistant recalls what stands there; `text` says so."""
        self._publish("status", text, recalled=tuple(sources))

    def source(self, source: dict[str, Any]) -> None:
        """The assistant uses something that stands there."""
        self._publish("source", source=source)

    def end(self, reply: Message) -> None:
        """The turn is over."""
        # A reader who is late finds the same characters in the row; what was read is never longer than it.
        self._publish("end", reply=reply)
        self.close()

    def close(self) -> None:
        """No more will come here: the turn has ended, or it is no longer this server's."""
        self._closed = True
        self._wake()

    def leave(self) -> None:
        """The server is stopping: readers are told to come back, wherever they are."""
        self._leaving = True
        self._wake()

    async def follow(self, offset: int = 0, *, leave: bool = True) -> AsyncGenerator[Event]:
        """All events from `offset` on, then the live ones until the channel closes.

        A reader who is behind gets the pieces that wait for it as one. One that will not `leave` when the server
        stops stays until the turn has ended or is released.
        """
        seen = 0
        while True:
            waiting = self._events[seen:]
            seen += len(waiting)
            for event in self._from(offset, waiting):
                offset = event.id.offset
                yield event
            if seen < len(self._events):
                continue
            if leave and self._leaving and not self.ended:
                yield Event("resume", EventId(self.turn_id, self.attempt, offset))
                return
            if self._closed:
                return
            await self._changed.wait()

    def missed(self, offset: int, begin: int, told: int) -> list[Event]:
        """What a reader has not had who began at `begin`, stands at `offset` and was told as far as number `told`."""
        beside = [event for event in self._events if event.number > told and begin <= event.id.offset < offset]
        return beside + self._from(offset, [event for event in self._events if not 0 < event.number <= told])

    def _from(self, offset: int, events: list[Event]) -> list[Event]:
        found: list[Event] = []
        pieces: list[Event] = []
        for event in events:
            if event.kind == "token":
                pieces.append(event)
            elif event.kind == "end" or event.id.offset >= offset:
                found += self._joined(pieces, offset)
                pieces = []
                found.append(event)
        return found + self._joined(pieces, offset)

    def _joined(self, pieces: list[Event], offset: int) -> list[Event]:
        pieces = [piece for piece in pieces if piece.id.offset > offset]
        if not pieces:
            return []
        start = pieces[0].id.offset - len(pieces[0].text)
        if len(pieces) == 1 and start >= offset:
            return pieces
        text = "".join(piece.text for piece in pieces)[max(0, offset - start) :]
        return [Event("token", pieces[-1].id, text)]

    def _publish(self, kind: Kind, text: str = "", **more: Any) -> None:
        if kind in ("status", "source"):
            self._beside += 1
            more |= {"number": self._beside, "before": self._beside_at}
            self._beside_at = self.length
        self._events.append(Event(kind, EventId(self.turn_id, self.attempt, self.length), text, **more))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
