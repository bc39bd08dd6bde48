"""Every error a caller can meet, in one tree.

RekindleError
├── InvalidRequest (422)        what was sent cannot be used
│   ├── MalformedBody (400)
│   └── BodyTooLarge (413)
├── Unauthenticated (401)       no token, or one that does not hold
│   └── UserGone                it names somebody who was erased
├── Forbidden (403)             the token holds, but not for this
├── NotFound (404)              nothing there, or nothing of yours: the answer is the same
│   ├── SessionNotFound
│   ├── TurnNotFound
│   └── SummaryNotFound
├── Conflict (409)              what is there does not allow it now
│   ├── SessionBusy
│   ├── SessionEnded
│   ├── KeyReused
│   ├── NotRetryable
│   └── NotReplaceable
├── TooManyRequests (429)
│   └── QuotaExceeded           spent for today; `opens_at` says until when
├── ModelError (502)            the model failed; what was said is kept
│   ├── ModelUnreachable
│   ├── ModelBusy (503)
│   ├── ModelTimedOut (504)
│   ├── ModelRefused
│   └── ModelCutShort
├── Unavailable (503)           a part of this server is down, or it is stopping
└── ConfigurationError (500)    the server cannot run as it is set up

The docstring's first sentence is the title, the whole docstring the default message; the class carries
the HTTP status and the stable `code` that clients branch on. At the HTTP edge each becomes
`application/problem+json` with `type, title, status, detail, code`.
"""

from typing import Any, ClassVar


class RekindleError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        self.detail = detail or " ".join((self.__doc__ or "").split())
        self.extra = extra
        """Further members of the problem document, such as `turn_id` or `retry_after` (seconds)."""
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The error's name for people: the first sentence of its docstring."""
        return " ".join((cls.__doc__ or "").split()).partition(". ")[0].rstrip(".")


class InvalidRequest(RekindleError):
    """The request cannot be used as it was sent."""

    status = 422
    code = "invalid_request"


class MalformedBody(InvalidRequest):
    """The request's body is not JSON that can be stored."""

    status = 400
    code = "malformed_body"


class BodyTooLarge(InvalidRequest):
    """The request's body is larger than this server accepts."""

    status = 413
    code = "body_too_large"


class RequestTooSlow(InvalidRequest):
    """The request did not arrive in time. Send it again."""

    status = 408
    code = "request_too_slow"


class Unauthenticated(RekindleError):
    """A bearer token is needed, and this is none that holds."""

    status = 401
    code = "unauthenticated"


class UserGone(Unauthenticated):
    """The user of this token is no longer here."""


class Forbidden(RekindleError):
    """This token does not open that."""

    status = 403
    code = "forbidden"


class NotFound(RekindleError):
    """There is nothing here."""

    status = 404
    code = "not_found"


class SessionNotFound(NotFound):
    """There is no such session."""

    code = "session_not_found"


class TurnNotFound(NotFound):
    """There is no such turn."""

    code = "turn_not_found"


class SummaryNotFound(NotFound):
    """This session has no summary yet. It gets one when it ends."""

    code = "summary_not_found"


class Conflict(RekindleError):
    """What is there does not allow this now."""

    status = 409
    code = "conflict"


class SessionBusy(Conflict):
    """An answer is still being written in this session.

    Wait for it, cancel it, or send the message again with `"on_busy": "wait"` or `"interrupt"`.
    """

    code = "session_busy"


class SessionEnded(Conflict):
    """This session has ended. Start a new one: it will recall this one."""

    code = "session_ended"


class KeyReused(Conflict):
    """This idempotency key was used before with another message."""

    code = "idempotency_key_reused"


class NotRetryable(Conflict):
    """Only the newest turn of a session can be retried, and only when it did not complete."""

    code = "turn_not_retryable"


class NotReplaceable(Conflict):
    """Only the newest message of a session can be replaced."""

    code = "message_not_replaceable"


class TooManyRequests(RekindleError):
    """Too many requests. Try again later."""

    status = 429
    code = "too_many_requests"


class QuotaExceeded(TooManyRequests):
    """The quota for today is used up. The message was not stored; send it again when the quota opens."""

    code = "quota_exceeded"


class ModelError(RekindleError):
    """The model failed. The message is kept; retry the turn."""

    status = 502
    code = "model_error"


class ModelUnreachable(ModelError):
    """The model's server cannot be reached. The message is kept; retry the turn."""

    code = "model_unreachable"


class ModelBusy(ModelError):
    """The model's server is overloaded. The message is kept; retry the turn in a while."""

    status = 503
    code = "model_busy"


class ModelTimedOut(ModelError):
    """The model did not answer in time. What it had said is kept; retry the turn."""

    status = 504
    code = "model_timed_out"


class ModelRefused(ModelError):
    """The model's server refused the request: check the model's name and key."""

    code = "model_refused"


class ModelCutShort(ModelError):
    """The model's answer broke off. What it had said is kept; retry the turn."""

    code = "model_cut_short"


class Unavailable(RekindleError):
    """The server cannot do this just now. Try again in a moment."""

    status = 503
    code = "unavailable"


class ConfigurationError(RekindleError):
    """The server cannot run as it is set up."""

    code = "configuration"
