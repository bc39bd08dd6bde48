"""Server-sent events: a turn's events as frames, and the streams that carry them."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, Protocol

from starlette.responses import StreamingResponse

from rekindle.conversation.channel import Event
from rekindle.errors import RekindleError

KEEP_ALIVE_SECONDS = 15.0

EVENTS: dict[str, Any] = {
    "description": "The events as they come",
    "content": {"text/event-stream": {}},
}
"""How the API's description calls an answer that is a stream."""


class Frames(Protocol):
    """Turns events into frames; made anew for each stream, so it may keep what it has sent."""

    def __call__(self, event: Event) -> Iterator[bytes]:
        """The frames of one event."""
        ...

    def broken(self, error: RekindleError) -> Iterator[bytes]:
        """The last frames of a stream that cannot go on: the session was deleted, or the database is gone."""
        ...


def frame(data: dict[str, Any], event_id: str | None = None) -> bytes:
    """One server-sent event that carries JSON."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def stream(
    events: AsyncGenerator[Event], frames: Frames, *, headers: dict[str, str] | None = None
) -> StreamingResponse:
    """An answer that goes on as long as the events do. When its reader leaves, only the reading ends."""
    return StreamingResponse(
        _frames(events, frames),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no", **(headers or {})},
    )


async def _frames(events: AsyncGenerator[Event], frames: Frames) -> AsyncIterator[bytes]:
    try:
        async with aclosing(_with_silences(events)) as beats:
            async for event in beats:
                if event is None:
                    yield b": still here\n\n"
                else:
                    for part in frames(event):
                        yield part
    except RekindleError as error:  # the status has been sent: what went wrong can only be said in the stream
        for part in frames.broken(error):
            yield part


async def _with_silences(events: AsyncGenerator[Event]) -> AsyncGenerator[Event | None]:
    """The events, and None for each stretch of silence, so that no proxy thinks the stream dead."""
    upcoming: asyncio.Future[Event] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({upcoming}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield None
                continue
            try:
                event = upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = None
            yield event
    finally:
        if upcoming:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
        await events.aclose()


class UiMessageStream:
    """The AI SDK's UI message stream, version 1: what `useChat` reads.

    Each frame carries the event id to come back with. A reader that comes back gets `start` and `text-start` again,
    then the characters it has not had.
    """

    headers = {"x-vercel-ai-ui-message-stream": "v1"}  # noqa: RUF012

    def __init__(self) -> None:
        self._started = False
        self._open_text: str | None = None
        self._sourced: set[str] = set()

    def __call__(self, event: Event) -> Iterator[bytes]:
        """The frames of one event."""
        turn, here = str(event.id.turn_id), str(event.id)
        if not self._started:
            self._started = True
            yield frame({"type": "start", "messageId": turn})
        match event.kind:
            case "status":
                yield frame({"type": "data-status", "data": {"text": event.text}, "transient": True}, here)
                if event.recalled:
                    yield frame({"type": "data-recall", "id": turn, "data": {"sources": event.recalled}}, here)
            case "source":
                yield from self._source(event.source or {}, here)
            case "token":
                if self._open_text is None:
                    self._open_text = turn
                    yield frame({"type": "text-start", "id": turn})
                yield frame({"type": "text-delta", "id": turn, "delta": event.text}, here)
            case "restart":
                yield from self._close_text()
                self._sourced.clear()
                yield frame({"type": "data-restart", "data": {"attempt": event.id.attempt}}, here)
            case "resume":
                yield from self._close_text()
                yield frame({"type": "data-resume", "data": {"last_event_id": here}}, here)
                yield frame({"type": "abort", "reason": "The server is stopping. Read on with Last-Event-ID."})
                yield b"data: [DONE]\n\n"
            case "end":
                yield from self._close_text()
                yield from self._end(event, here)

    def broken(self, error: RekindleError) -> Iterator[bytes]:
        """The last frames of a stream that cannot go on."""
        yield from self._close_text()
        yield frame({"type": "error", "errorText": error.detail})
        yield b"data: [DONE]\n\n"

    def _source(self, source: dict[str, Any], here: str | None = None) -> Iterator[bytes]:
        number, title = str(source.get("id", "")), str(source.get("title", ""))
        if number in self._sourced:
            return
        self._sourced.add(number)
        if url := source.get("url"):
            yield frame({"type": "source-url", "sourceId": number, "url": url, "title": title}, here)
        else:
            yield frame(
                {"type": "source-document", "sourceId": number, "mediaType": "text/plain", "title": title}, here
            )

    def _close_text(self) -> Iterator[bytes]:
        if self._open_text is not None:
            yield frame({"type": "text-end", "id": self._open_text})
            self._open_text = None

    def _end(self, event: Event, here: str) -> Iterator[bytes]:
        reply = event.reply
        assert reply is not None
        notes = reply.metadata or {}
        for source in notes.get("sources", ()):  # those that were found before this reader came
            yield from self._source(source)
        metadata = {
            **{key: notes[key] for key in notes if key != "attempts"},
            "status": reply.status,
            "seq": reply.seq,
            "persisted": reply.persisted,
            "session_id": str(reply.session_id),
            "usage": {
                "model": reply.model,
                "input_tokens": reply.input_tokens,
                "output_tokens": reply.output_tokens,
                "estimated": reply.tokens_estimated,
            },
            "tools_used": reply.tools_used or [],
            "context_used": reply.context_used or [],
        }
        match reply.status:
            case "complete":
                yield frame({"type": "finish", "finishReason": "stop", "messageMetadata": metadata}, here)
            case "cancelled":
                yield frame({"type": "message-metadata", "messageMetadata": metadata})
                yield frame({"type": "abort", "reason": "cancelled"}, here)
            case _:
                metadata["error"] = {"code": reply.error_code, "message": reply.error_message}
                yield frame({"type": "message-metadata", "messageMetadata": metadata})
                yield frame({"type": "error", "errorText": reply.error_message or "The answer failed."}, here)
        yield b"data: [DONE]\n\n"
