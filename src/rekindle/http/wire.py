"""What comes over the wire and is no HTTP request, or one with headers too long or too late, is a problem too."""

import asyncio
import sys

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from rekindle.errors import InvalidRequest, RekindleError, RequestTooSlow
from rekindle.http.problems import problem_response


class UnreadableRequest(InvalidRequest):
    """This is no HTTP request that can be read.

    A header may hold a character that is not allowed there, such as NUL.
    """

    status = 400
    code = "unreadable_request"


class HeadersTooLarge(InvalidRequest):
    """The request's address and headers are longer than this server accepts."""

    status = 431
    code = "headers_too_large"


class Http(H11Protocol):
    """Uvicorn's protocol on h11; no application is asked about what it cannot read."""

    HEAD_SECONDS = 30.0
    """How long a request's line and headers are waited for, from the connection or their first byte on."""
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, not for ever."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what is begun and not whole is waited for since its first byte."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._waiting is None:
            self._wait_for_head()

    def send_400_response(self, msg: str) -> None:
        """Answer, unless an answer has begun, and hang up."""
        fault = sys.exc_info()[1]  # uvicorn calls this where it has caught what h11 raised
        too_large = isinstance(fault, h11.RemoteProtocolError) and fault.error_status_hint == HeadersTooLarge.status
        self._refuse(HeadersTooLarge() if too_large else UnreadableRequest())

    def _wait_for_head(self) -> None:
        self._waiting = self.loop.call_later(self.HEAD_SECONDS, lambda: self._refuse(RequestTooSlow()))

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None

    def _refuse(self, error: RekindleError) -> None:
        self._stop_waiting()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self.transport.is_closing():
            answer = problem_response(error)
            answer.headers["connection"] = "close"
            status, headers = answer.status_code, answer.raw_headers
            for event in (
                h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status]),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
