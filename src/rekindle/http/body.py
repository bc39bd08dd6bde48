"""What comes in: request bodies bounded, and strict JSON whatever their declared type; no NUL in queries."""

import asyncio
import json
import re
import time

from pydantic_core import from_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rekindle.errors import BodyTooLarge, InvalidRequest, MalformedBody, RequestTooSlow
from rekindle.http.problems import problem_response

SECONDS = 60.0
STREAMED_SECONDS = 600.0
"""How long a body is waited for in all; not counted is what an endpoint does between its pieces."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL; after an even number of backslashes, as an odd one ends in an escaped backslash."""


class JsonBody:
    """Reads each body whole before anything acts on it.

    One that is too large, is not JSON, or holds what PostgreSQL cannot store (NUL, lone surrogates, NaN, nesting
    without end) is answered with a problem. `curl -d '{…}'` declares a form; nothing here takes forms, so any body is
    read as JSON, as the examples of door 000 have it.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, streamed: frozenset[str] = frozenset(), seconds: float = SECONDS
    ) -> None:
        """`streamed`: paths whose endpoint reads the body itself, piece by piece, and bounds it."""
        self._app = app
        self._max_bytes = max_bytes
        self._streamed = streamed
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if b"%00" in scope["query_string"]:
            error = InvalidRequest("The query holds a NUL character (%00), which nothing can be.")
            await problem_response(error)(scope, receive, send)
            return
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        if scope["path"] in self._streamed:
            await self._app(scope, _in_time(receive, STREAMED_SECONDS), send)
            return
        try:
            body = await self._read(scope, _in_time(receive, self._seconds))
            if body is None:
                return
            _check(body)
        except InvalidRequest as error:
            await problem_response(error)(scope, receive, send)
            return
        if body:
            headers = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            scope = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when the client left before it was whole."""
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        too_large = BodyTooLarge(f"The body is larger than {self._max_bytes:,} bytes.")
        if int(declared) > self._max_bytes:
            raise too_large
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > self._max_bytes:
                raise too_large
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)


def _check(body: bytes) -> None:
    if not body:
        return
    try:
        # Written again, since a number such as 1e400 is read as infinite.
        json.dumps(from_json(body, allow_inf_nan=False), allow_nan=False)
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON that can be stored: {error}.") from error
    if _NUL.search(body):
        raise MalformedBody("The body holds a NUL character (\\u0000), which cannot be stored.")


def _in_time(receive: Receive, seconds: float) -> Receive:
    """The same, which raises `RequestTooSlow` when the pieces of a body are waited for longer than this in all."""
    left, whole = seconds, False

    async def in_time() -> Message:
        nonlocal left, whole
        if whole:  # what follows is the client's leaving, however late
            return await receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(left):
                message = await receive()
        except TimeoutError as error:
            raise RequestTooSlow from error
        left -= time.monotonic() - began
        whole = not message.get("more_body")
        return message

    return in_time


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
