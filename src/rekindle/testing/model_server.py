"""A loopback server that speaks OpenAI's Chat Completions, and misbehaves as scripted."""

import asyncio
import json
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk

Then: TypeAlias = Literal["done", "end", "cut", "silence", "comments", "garbage", "error"]
"""What follows a reply's last token:

- `done`: finish reason, usage and `[DONE]`, as it should be;
- `end`: the response ends, whole by HTTP's rules, but without a finish reason;
- `cut`: the connection breaks off in the middle;
- `silence`: nothing more is sent, the connection stays open;
- `comments`: only keep-alive comments, for ever;
- `garbage`: a line that is not JSON;
- `error`: an error object, as OpenAI sends it in mid-stream.
"""

_TOKEN = re.compile(r"\S+\s*|\s+")
_COMMENT_SECONDS = 0.05
_LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool the model makes instead of, or after, its text."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    """A text is sent as it is, JSON or not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A streamed answer, whole or broken."""

    text: str | Sequence[str] = "Hello there."
    """Sent word by word; a sequence is sent piece by piece, as it is."""
    then: Then = "done"
    usage: tuple[int, int] | None = (11, 7)
    """Tokens of prompt and answer; None: the server counts nothing."""
    counting: bool = False
    """Whether every chunk tells the count so far, as some servers do."""
    tool_calls: Sequence[ToolCall] = ()
    reasoning: Sequence[str] = ()
    """Pieces of `reasoning_content`, sent before the text."""
    delay: float = 0
    """Seconds before each token."""
    finish: str | None = None
    """The finish reason, instead of the one that fits."""

    @property
    def pieces(self) -> tuple[str, ...]:
        """The tokens it is sent in."""
        return tuple(_TOKEN.findall(self.text) if isinstance(self.text, str) else self.text)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error."""

    status: int
    message: str = "This server was told to refuse."
    code: str | None = None
    retry_after: float | None = None
    """Seconds."""
    body: str | None = None
    """Sent as it is, instead of OpenAI's error object."""


@dataclass(frozen=True, slots=True)
class Hang:
    """The request is read and nothing is answered, not even headers."""


Step: TypeAlias = Reply | Refusal | Hang


@dataclass(slots=True)
class Asked:
    """A request the server got."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when its answer is over, either way."""
    left: bool = False
    """Whether the client hung up first."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What the model was told."""
        return list(self.body.get("messages", []))

    @property
    def system(self) -> str:
        """The system messages, as one text."""
        return "\n\n".join(_content(said) for said in self.messages if said["role"] == "system")

    @property
    def last(self) -> str:
        """The last message's text."""
        return _content(self.messages[-1]) if self.messages else ""


Answering: TypeAlias = Callable[[Asked], Step]


def _echo(asked: Asked) -> Step:
    return Reply(f"You said: {asked.last}")


class ModelServer:
    """An OpenAI-compatible server on a free port of 127.0.0.1, in a thread of its own.

    `with ModelServer() as server:` or `async with`. Each request takes the next scripted step; without one it
    is answered by `default`, which repeats the last message. All requests are kept in `requests`.
    """

    def __init__(self, default: Step | Answering = _echo) -> None:
        self.default = default
        self.requests: list[Asked] = []
        self._steps: deque[Step | Answering] = deque()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-server", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What to set OPENAI_BASE_URL to."""
        if self._server is None:
            raise RuntimeError("The server is not running: use it in a `with`.")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def script(self, *steps: Step | Answering) -> None:
        """Add steps, one for each request to come; a function makes its step of the request."""
        self._steps.extend(steps)

    def forget(self) -> None:
        """Forget the requests there were and the steps that are left."""
        self._steps.clear()
        self.requests.clear()

    def wait(self, count: int = 1, seconds: float = 5) -> Asked:
        """The request number `count`, as soon as it is there. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while len(self.requests) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"The model server got {len(self.requests)} requests, not {count}.")
            time.sleep(0.005)
        return self.requests[count - 1]

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def _call(self, job: Any) -> None:
        asyncio.run_coroutine_threadsafe(job, self._loop).result(10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # lets closed transports go

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        if connection is not None:
            self._connections.add(connection)
            connection.add_done_callback(self._connections.discard)
        try:
            while (asked := await _read(reader)) is not None:
                self.requests.append(asked)
                if not await self._answer(asked, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the server is stopping: asyncio would log either as a fault
        finally:
            writer.close()

    async def _answer(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection can take another."""
        step: Step | Answering = self._steps.popleft() if self._steps else self.default
        if callable(step):
            step = step(asked)
        sending = asyncio.ensure_future(_send(step, asked, writer))
        leaving = asyncio.ensure_future(_gone(reader))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            asked.left = not sending.done()
            return not asked.left and await sending
        finally:
            for task in (sending, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError, ConnectionError):
                    await task
            asked.ended.set()


async def _gone(reader: asyncio.StreamReader) -> None:
    # Reading would tell at once, but might take the first byte of the next request.
    while not reader.at_eof():  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    line = await reader.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (header := (await reader.readline()).decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(line.decode("latin-1").split()[1], headers, json.loads(body) if body else {})


async def _send(step: Step, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    match step:
        case Hang():
            await asyncio.Event().wait()
        case Refusal():
            await _respond(writer, step.status, _refused(step), _pause(step))
        case Reply() if not asked.body.get("stream"):
            await _respond(writer, 200, _whole(step, asked))
        case Reply():
            return await _stream(step, asked, writer)
    return True


async def _respond(
    writer: asyncio.StreamWriter, status: int, body: str, headers: Mapping[str, str] | None = None
) -> None:
    data = body.encode()
    lines = [f"HTTP/1.1 {status} Scripted", "content-type: application/json", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    await writer.drain()


def _pause(step: Refusal) -> dict[str, str]:
    if step.retry_after is None:
        return {}
    # Both, as OpenAI does: Retry-After knows whole seconds only.
    return {
        "retry-after": f"{math.ceil(step.retry_after)}",
        "retry-after-ms": f"{step.retry_after * 1000:g}",
    }


def _refused(step: Refusal) -> str:
    if step.body is not None:
        return step.body
    return json.dumps({"error": {"message": step.message, "type": "scripted", "code": step.code}})


async def _stream(reply: Reply, asked: Asked, writer: asyncio.StreamWriter) -> bool:
    def line(data: str) -> None:
        chunk = f"data: {data}\n\n".encode()
        writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")

    sofar = _usage((reply.usage[0], 1)) if reply.usage and reply.counting else None

    def delta(finish: str | None = None, **content: Any) -> None:
        line(_chunk(asked, [{"index": 0, "delta": content, "finish_reason": finish}], sofar))

    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    delta(role="assistant", content="")
    deltas: list[dict[str, Any]] = [
        *({"reasoning_content": piece} for piece in reply.reasoning),
        *({"content": piece} for piece in reply.pieces),
        *({"tool_calls": [_called(index, call)]} for index, call in enumerate(reply.tool_calls)),
    ]
    for content in deltas:
        if reply.delay:
            await asyncio.sleep(reply.delay)
        delta(**content)
        await writer.drain()
    match reply.then:
        case "done":
            delta(reply.finish or ("tool_calls" if reply.tool_calls else "stop"))
            if reply.usage and asked.body.get("stream_options", {}).get("include_usage"):
                line(_chunk(asked, [], _usage(reply.usage)))
            line("[DONE]")
        case "garbage":
            line('{"choices": [oh dear')
        case "error":
            line(json.dumps({"error": {"message": "The model's worker died.", "type": "server_error"}}))
        case "cut":
            await writer.drain()
            writer.transport.abort()
            return False
        case "comments":
            while True:
                writer.write(b"e\r\n: keep-alive\n\n\r\n")
                await writer.drain()
                await asyncio.sleep(_COMMENT_SECONDS)
        case "silence":
            await writer.drain()
            await asyncio.Event().wait()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _chunk(asked: Asked, choices: list[dict[str, Any]], usage: CompletionUsage | None = None) -> str:
    chunk = ChatCompletionChunk.model_validate(
        {
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": asked.body.get("model", "scripted"),
            "choices": choices,
            "usage": usage,
        }
    )
    # json.dumps, as pydantic's own writer refuses the lone surrogates that a test may want to send.
    return json.dumps(chunk.model_dump(exclude_unset=True))


def _whole(reply: Reply, asked: Asked) -> str:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(reply.pieces) or None}
    if reply.tool_calls:
        message["tool_calls"] = [_called(index, call) for index, call in enumerate(reply.tool_calls)]
    finish = reply.finish or ("tool_calls" if reply.tool_calls else "stop")
    completion = ChatCompletion.model_validate(
        {
            "id": "chatcmpl-scripted",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.body.get("model", "scripted"),
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": _usage(reply.usage) if reply.usage else None,
        }
    )
    return json.dumps(completion.model_dump(exclude_unset=True))


def _usage(usage: tuple[int, int]) -> CompletionUsage:
    prompt, answer = usage
    return CompletionUsage(prompt_tokens=prompt, completion_tokens=answer, total_tokens=prompt + answer)


def _called(index: int, call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(dict(call.arguments))
    return {
        "index": index,
        "id": f"call_{index}_{call.name}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""
