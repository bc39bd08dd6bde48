"""Asking a model: one streamed request, or with tools as many as it takes; its events as they come.

Not by pydantic-ai's Agent, whose runs leave a task behind for ever when they are cancelled as they start,
and which takes half as much time again for a token. Imports pydantic_ai (over a second): see `models`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache, wraps
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any

from pydantic_ai import RunContext
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.toolsets import FunctionToolset

from rekindle.assistants.assistant import Errand, Event, Status, Text
from rekindle.assistants.calls import Calls
from rekindle.assistants.context import Context
from rekindle.assistants.failures import Secrets, model_error
from rekindle.assistants.models import CountedModel, messages_of
from rekindle.assistants.text import clean, folded
from rekindle.errors import ConfigurationError, ModelCutShort, ModelError
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.assistants.mcp import Remote

_REQUESTS = 20
"""Requests one answer may take: a model that still calls tools after that is going in circles."""


@lru_cache(maxsize=64)
def toolset_of(tools: tuple[Callable[..., Any], ...], tool_seconds: float) -> FunctionToolset[Errand | None]:
    """The functions as a model is told of them; cheap to ask for again.

    Raises ConfigurationError when a function's signature cannot be told to a model.
    """
    toolset = FunctionToolset[Errand | None](timeout=tool_seconds)
    for tool in tools:
        try:
            if takes_errand(tool):
                toolset.add_function(_bound(tool), takes_ctx=True)
            else:
                toolset.add_function(tool)
        except Exception as error:  # pydantic and pydantic-ai raise half a dozen kinds here
            told = folded(str(error), 500)
            raise ConfigurationError(f"The tool {tool.__name__!r} cannot be used: {told}") from error
    return toolset


def takes_errand(tool: Callable[..., Any]) -> bool:
    """Whether a tool's first parameter is the turn's Errand."""
    first = next(iter(signature(tool).parameters.values()), None)
    return first is not None and first.annotation in (Errand, "Errand")


def _bound(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The tool as pydantic-ai calls one that takes a context: the errand is what the context carries."""
    if iscoroutinefunction(tool):

        @wraps(tool)
        async def bound(context: RunContext[Errand], *args: Any, **named: Any) -> Any:
            return await tool(context.deps, *args, **named)
    else:

        @wraps(tool)
        def bound(context: RunContext[Errand], *args: Any, **named: Any) -> Any:
            return tool(context.deps, *args, **named)

    told = signature(tool)
    first, *others = told.parameters.values()
    takes = RunContext[Errand]
    bound.__annotations__ = {**tool.__annotations__, first.name: takes}
    bound.__signature__ = told.replace(parameters=[first.replace(annotation=takes), *others])  # type: ignore[attr-defined]
    return bound


async def ask(
    model: CountedModel,
    tools: tuple[Callable[..., Any], ...],
    errand: Errand | None,
    context: Context,
    settings: Settings,
    keys: tuple[str, ...],
    remotes: "Sequence[Remote]" = (),
) -> AsyncGenerator[Event]:
    """The model's answer to `context` as it comes: all events but the last, Usage.

    Raises ModelError, or a kind of it, whatever the model or its server does.
    """
    reader = _Reader()
    calls = Calls(toolset_of(tools, settings.tool_seconds), tools, model, errand, remotes)
    messages = messages_of(context)
    try:
        async with aclosing(calls.open()) as events:
            async for event in events:
                yield event
        for _ in range(_REQUESTS):
            async with aclosing(_request(model, messages, calls, settings, reader)) as events:
                async for event in events:
                    yield event
            if not calls.wanted:
                return
            async with aclosing(calls.run()) as events:
                async for event in events:
                    yield event
            messages.append(ModelRequest(calls.results))
        raise ModelError("The model kept calling tools and gave no answer.")
    except Exception as error:  # strange servers make libraries fail in ways of their own
        raise model_error(error, begun=reader.begun, secrets=Secrets(keys, context.text)) from error


async def _request(
    model: CountedModel,
    messages: list[ModelMessage],
    calls: Calls,
    settings: Settings,
    reader: "_Reader",
) -> AsyncGenerator[Event]:
    """One request; the response is added to `messages`, the tools it calls for are left in `calls`."""
    reader.start()
    async with model_request_stream(
        model,
        messages,
        model_settings=_model_settings(model, settings),
        model_request_parameters=ModelRequestParameters(function_tools=calls.definitions),
    ) as stream:
        async for event in _paced(aiter(stream), settings.token_gap_seconds):
            for read in reader.read(event):
                yield read
        response = _sendable(stream.get())
    messages.append(response)
    calls.want(response)
    if refusal := clean(str((response.provider_details or {}).get("refusal") or "")):
        yield Text(refusal)
    elif response.finish_reason == "content_filter":
        raise ModelCutShort("The model's provider filtered this answer.")
    elif not reader.said and not calls.wanted:
        raise ModelError("The model gave an empty answer.")


def _sendable(response: ModelResponse) -> ModelResponse:
    # What a tool's result is sent after is sent back itself, and half a character cannot be sent.
    parts: list[ModelResponsePart] = []
    for part in response.parts:
        if isinstance(part, TextPart | ThinkingPart):
            part = replace(part, content=clean(part.content))
        elif isinstance(part, ToolCallPart) and isinstance(part.args, str):
            part = replace(part, args=clean(part.args))
        parts.append(part)
    return replace(response, parts=parts)


def _model_settings(model: CountedModel, settings: Settings) -> ModelSettings:
    # first_event_timeout covers opening the stream with all its retries; what follows, `_paced` limits.
    chosen = ModelSettings(first_event_timeout=settings.first_token_seconds)
    if "max_retries" not in model.wrapped.unsupported_settings:
        chosen["max_retries"] = 0  # CountedModel retries
    return chosen


async def _paced(
    events: AsyncIterator[ModelResponseStreamEvent], gap: float
) -> AsyncGenerator[ModelResponseStreamEvent]:
    """The events, as long as no silence after the first lasts over `gap` seconds.

    Measured between events that carry something: comments and empty chunks, which some servers send to keep
    connections open, do not count. Raises TimeoutError.
    """
    limit: float | None = None
    while True:
        try:
            async with asyncio.timeout(limit):
                event = await anext(events)
        except StopAsyncIteration:
            return
        limit = gap
        yield event


class _Reader:
    """Turns pydantic-ai's events into ours, over all requests of one answer."""

    def __init__(self) -> None:
        self.begun = False
        """Whether the model has given any sign of an answer."""
        self.said = False
        """Whether any text of it was read."""
        self._parted = False
        self._thinking = False
        self._half = ""
        """The first half of a surrogate pair whose second half is still to come."""

    def start(self) -> None:
        """The next request begins."""
        self._parted, self._thinking, self._half = self.said, False, ""

    def read(self, event: ModelResponseStreamEvent) -> Iterator[Event]:
        self.begun = True
        match event:
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                yield from self._text(text)
            case PartStartEvent(part=TextPart(content=text)):
                yield from self._text(text)
            case PartStartEvent(part=ThinkingPart()) if not self._thinking:
                self._thinking = True
                yield Status("Thinking…")

    def _text(self, piece: str) -> Iterator[Event]:
        # Servers that count in UTF-16 cut pieces in the middle of a character.
        piece, self._half = self._half + piece, ""
        if "\ud800" <= piece[-1:] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        if not (piece := clean(piece)):
            return
        if self._parted:
            # What was said before a tool was called and what is said after are two paragraphs.
            piece = "\n\n" + piece.lstrip("\n")
            self._parted = False
        self.said = True
        yield Text(piece)
