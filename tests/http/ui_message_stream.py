"""A strict reader of the AI SDK's UI message stream, version 1: each part by its shape, all of them in their order."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

HEADERS = {"content-type": "text/event-stream; charset=utf-8", "x-vercel-ai-ui-message-stream": "v1"}

ANY = object
FINISH_REASONS = ("stop", "length", "content-filter", "tool-calls", "error", "other")

NEEDED: dict[str, dict[str, type]] = {
    "start": {},
    "text-start": {"id": str},
    "text-delta": {"id": str, "delta": str},
    "text-end": {"id": str},
    "reasoning-start": {"id": str},
    "reasoning-delta": {"id": str, "delta": str},
    "reasoning-end": {"id": str},
    "tool-input-start": {"toolCallId": str, "toolName": str},
    "tool-input-delta": {"toolCallId": str, "inputTextDelta": str},
    "tool-input-available": {"toolCallId": str, "toolName": str, "input": ANY},
    "tool-input-error": {"toolCallId": str, "toolName": str, "input": ANY, "errorText": str},
    "tool-output-available": {"toolCallId": str, "output": ANY},
    "tool-output-error": {"toolCallId": str, "errorText": str},
    "source-url": {"sourceId": str, "url": str},
    "source-document": {"sourceId": str, "mediaType": str, "title": str},
    "file": {"url": str, "mediaType": str},
    "start-step": {},
    "finish-step": {},
    "message-metadata": {"messageMetadata": ANY},
    "finish": {},
    "abort": {},
    "error": {"errorText": str},
}
ALLOWED: dict[str, dict[str, type]] = {
    "start": {"messageId": str, "messageMetadata": ANY},
    "source-url": {"title": str},
    "source-document": {"filename": str},
    "finish": {"finishReason": str, "messageMetadata": ANY},
    "abort": {"reason": str},
}
DATA: dict[str, type] = {"data": ANY}
DATA_ALLOWED: dict[str, type] = {"id": str, "transient": bool}
LAST = ("finish", "abort", "error")


@dataclass
class UiMessage:
    """What `useChat` makes of a stream."""

    message_id: str | None = None
    text: str = ""
    parts: list[dict[str, Any]] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    """In the order they came."""
    text_after: dict[str, str] = field(default_factory=dict)
    """The text a reader had when each event id came."""

    @property
    def ending(self) -> dict[str, Any]:
        """The part that closed it: `finish`, `abort` or `error`."""
        return self.parts[-1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The parts of one type."""
        return [part for part in self.parts if part["type"] == kind]


def read(stream: bytes | Iterable[bytes]) -> UiMessage:
    """The message of a whole stream; raises AssertionError where the stream is not as the protocol has it."""
    body = (stream if isinstance(stream, bytes) else b"".join(stream)).decode()
    assert body.endswith("\n\n"), "the stream breaks off in the middle of an event"
    message = UiMessage()
    open_texts: set[str] = set()
    events = [event for event in body[:-2].split("\n\n") if not event.startswith(":")]
    assert events[-1] == "data: [DONE]", f"it ends with {events[-1]!r}, not [DONE]"
    for number, event in enumerate(events[:-1]):
        *head, line = event.split("\n")
        assert line.startswith("data: "), f"no data in {event!r}"
        assert len(head) <= 1, f"more than an id before {line!r}"
        part = json.loads(line[6:])
        _check_shape(part)
        assert (part["type"] == "start") == (number == 0), f"{part['type']} is part number {number}"
        assert not message.parts or message.parts[-1]["type"] not in LAST, "a part after the last"
        _check_texts(part, open_texts)
        message.parts.append(part)
        if part["type"] == "start":
            message.message_id = part.get("messageId")
        elif part["type"] == "text-delta":
            message.text += part["delta"]
        elif part["type"] == "data-restart":
            message.text = ""
        for event_id in head:
            assert event_id.startswith("id: ")
            message.event_ids.append(event_id[4:])
            message.text_after[event_id[4:]] = message.text
    assert message.ending["type"] in LAST, f"it ends with {message.ending}"
    return message


def _check_shape(part: dict[str, Any]) -> None:
    kind = part["type"]
    if kind.startswith("data-"):
        needed, allowed = DATA, DATA_ALLOWED
    else:
        assert kind in NEEDED, f"there is no part {kind!r}"
        needed, allowed = NEEDED[kind], ALLOWED.get(kind, {})
    fields = part.keys() - {"type"}
    assert needed.keys() <= fields, f"{kind} lacks {needed.keys() - fields}"
    assert fields <= needed.keys() | allowed.keys(), f"{kind} has {fields - needed.keys() - allowed.keys()} too many"
    for name in fields:
        assert isinstance(part[name], (needed | allowed)[name]), f"{kind}.{name} is {part[name]!r}"
    if "finishReason" in part:
        assert part["finishReason"] in FINISH_REASONS


def _check_texts(part: dict[str, Any], open_texts: set[str]) -> None:
    match part["type"]:
        case "text-start":
            assert part["id"] not in open_texts, "the text is open already"
            open_texts.add(part["id"])
        case "text-delta":
            assert part["id"] in open_texts, "a delta of a text that is not open"
        case "text-end":
            assert part["id"] in open_texts, "the end of a text that is not open"
            open_texts.remove(part["id"])
        case "finish" | "abort" | "error":
            assert not open_texts, "a text is left open"
