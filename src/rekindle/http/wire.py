"""What comes over the wire and is no HTTP request, or one with headers too long, is answered with a problem too."""

import sys

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from rekindle.errors import InvalidRequest
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

    def send_400_response(self, msg: str) -> None:
        """Answer, unless an answer has begun, and hang up."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            fault = sys.exc_info()[1]  # uvicorn calls this where it has caught what h11 raised
            too_large = isinstance(fault, h11.RemoteProtocolError) and fault.error_status_hint == HeadersTooLarge.status
            answer = problem_response(HeadersTooLarge() if too_large else UnreadableRequest())
            headers, status = [*answer.raw_headers, (b"connection", b"close")], answer.status_code
            for event in (
                h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status]),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
