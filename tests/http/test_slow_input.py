"""Input that comes too slowly, or never: answered with a problem, and not waited for without end."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rekindle.http.body import JsonBody
from rekindle.http.wire import Http


class Hasty(Http):
    HEAD_SECONDS = 0.3


async def repeat(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await JSONResponse(json.loads(body or b"null"))(scope, receive, send)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Where a server waits 0.3 seconds for a head, and as long for a body."""
    app: ASGIApp = JsonBody(repeat, max_bytes=1_000, seconds=0.3)
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Hasty, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n"


@pytest.mark.parametrize(
    "sent", [b"", HEAD[:20], HEAD, HEAD + b'{"a"'], ids=["nothing", "half a head", "a head", "half"]
)
async def test_what_does_not_come_in_time_is_refused_and_hung_up_on(port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["code"] == "request_too_slow"
    writer.close()


async def test_what_comes_in_pieces_but_in_time_is_answered_and_so_is_the_next(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for said in (b'{"a": 1}', b'{"b": 2}'):
        for piece in (HEAD[:20], HEAD[20:], said[:4], said[4:]):
            writer.write(piece)
            await asyncio.sleep(0.02)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        assert head.startswith(b"HTTP/1.1 200 ")
        assert json.loads(body) == json.loads(said)
    writer.close()
