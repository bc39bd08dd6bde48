"""What pydantic-ai, OpenAI's client or HTTP report when a model fails, as our errors."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelTimeoutError,
    ModelUnavailableError,
)

from rekindle.assistants.text import folded
from rekindle.errors import (
    ModelBusy,
    ModelCutShort,
    ModelError,
    ModelRefused,
    ModelTimedOut,
    ModelUnreachable,
)

_MESSAGE_CHARS = 300
_READ_CHARS = 20_000
"""Of a server's message: some send a whole page."""
_FRAGMENT_CHARS = 24
"""A server's message that shares this much with the prompt is quoting it."""
_TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_KEY = re.compile(r"\b(?:sk|pk|key|gsk|xai)-[\w*.-]{6,}|\bBearer\s+\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an error must not repeat: the keys, and the prompt."""

    keys: Sequence[str] = ()
    prompt: str = ""

    def kept_from(self, message: str) -> str:
        """`message` on one line of at most 300 characters, without keys; empty when it quotes the prompt."""
        message = message[:_READ_CHARS]
        for key in self.keys:
            message = message.replace(key, "…")
        message = folded(_KEY.sub("…", _TAG.sub(" ", message)), _MESSAGE_CHARS)
        for start in range(len(message) - _FRAGMENT_CHARS + 1):
            if message[start : start + _FRAGMENT_CHARS] in self.prompt:
                return ""
        return message


def model_error(error: Exception, *, begun: bool, secrets: Secrets) -> ModelError:
    """The error that says what went wrong; `begun`: after the first sign of an answer.

    Its `extra` holds `retry_after` (seconds) where the server asked for a pause, and `model_status` where it
    answered with an HTTP error.
    """
    said = secrets.kept_from(_server_message(error))
    extra: dict[str, Any] = {}
    if isinstance(error, ModelHTTPError):
        extra["model_status"] = error.status_code
    if isinstance(error, ModelAPIError) and error.retry_after is not None:
        extra["retry_after"] = error.retry_after
    match error:
        case ModelError():
            return error
        case ModelRateLimitError() | ModelUnavailableError():
            return ModelBusy(_with("The model's server is overloaded", said), **extra)
        case ModelQuotaExceededError():
            return ModelRefused(_with("The account with the model's provider is exhausted", said), **extra)
        case ModelRequestRejectedError():
            status = f" ({error.status_code})" if isinstance(error, ModelHTTPError) else ""
            return ModelRefused(_with(f"The model's server refused the request{status}", said), **extra)
        case ModelTimeoutError(phase="connect" | "pool") | ModelConnectionError(phase="connect" | "pool"):
            return ModelUnreachable()
        case ModelRequestTimeout() | ModelTimeoutError() | TimeoutError():
            return ModelTimedOut()
        case ModelConnectionError() if not begun:
            return ModelUnreachable("The model's server hung up without an answer.")
    if begun:
        return ModelCutShort(_with("The model's answer broke off", said), **extra)
    if isinstance(error, ModelHTTPError):
        return ModelError(_with(f"The model's server failed ({error.status_code})", said), **extra)
    return ModelError(_with("The model's server gave no answer that can be read", said), **extra)


def _with(what: str, said: str) -> str:
    return f"{what}: {said}" if said else f"{what}."


def _server_message(error: Exception) -> str:
    """What the server itself wrote; nothing of what a library wrote, as that may hold the request."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error")
        body = inner if isinstance(inner, dict) else body
        for key in ("message", "detail", "error"):
            if isinstance(text := body.get(key), str):
                return text
        return ""
    return body if isinstance(body, str) else ""
