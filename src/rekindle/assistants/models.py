"""Models by name, and how one request is made to them: patiently before the first token, counted always.

Imports pydantic_ai (over a second), so nothing on the way to a server's start imports this module;
`Assistants.load()` does, in a thread.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import openai
import pydantic_ai
from pydantic_ai import RunContext
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelServerError,
    ModelUnavailableError,
    UserError,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, infer_model, known_model_names
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIStreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from rekindle.assistants.answer import Spent
from rekindle.assistants.context import Context
from rekindle.assistants.offline import offline_model
from rekindle.assistants.text import tokens
from rekindle.errors import ConfigurationError
from rekindle.settings import Settings
from rekindle.tls import authorities

pydantic_ai.BANNER_ENABLED = False  # a server's standard error is its log

_CONNECT_SECONDS = 5.0
_MOST_TOKENS = 50_000_000
"""More than a request can use: a server that counts more has not counted."""
_NO_KEY = "no-key"
"""What servers that ask for no key are given: OpenAI's client insists on one."""
_WHOLE = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
"""Without it a stream that breaks off cleanly between two tokens passes for an answer."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0


def model_by_name(name: str, settings: Settings) -> Model:
    """The model called `name`: `offline`, or a pydantic-ai name such as `openai:gpt-4o-mini`.

    Makes no request. Raises ConfigurationError when there is no such provider, its package is not installed
    or its key is not set.
    """
    if name == "offline":
        return offline_model()
    provider, _, model = name.partition(":")
    if provider in ("openai", "openai-chat") and model:
        return _openai_model(model, settings)
    try:
        found = infer_model(name)
        if isinstance(found, OpenAIChatModel) and found.provider is not None:
            return type(found)(found.model_name, provider=found.provider, profile=_WHOLE)
        return found
    except (UserError, ImportError, ValueError) as error:
        raise ConfigurationError(f"The model {name!r} cannot be used: {error} {_possible()}") from error


def _openai_model(name: str, settings: Settings) -> Model:
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else None
    if key is None and settings.openai_base_url is None:
        raise ConfigurationError(
            f"The model 'openai:{name}' needs a key: set OPENAI_API_KEY. "
            "Or set OPENAI_BASE_URL to a server that needs none, or REKINDLE_MODEL=offline."
        )
    client = openai.AsyncOpenAI(
        api_key=key or _NO_KEY,
        base_url=settings.openai_base_url,
        max_retries=0,  # CountedModel retries, for all providers alike
        # No limit on reading: `asking` limits the silence between tokens, which keep-alives do not break.
        http_client=httpx2.AsyncClient(
            verify=authorities(),
            timeout=httpx2.Timeout(None, connect=_CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=1_000, max_keepalive_connections=100),
        ),
    )
    return _ChatModel(
        name,
        provider=OpenAIProvider(openai_client=client),
        # Templates of vLLM and llama.cpp refuse a second system message.
        profile=_WHOLE | OpenAIModelProfile(openai_chat_supports_multiple_system_messages=False),
    )


class _ChatStream(OpenAIStreamedResponse):
    """A stream that believes the last usage it is told.

    OpenAI counts once, at the end. Some servers tell the count so far with every chunk; adding these up, as
    pydantic-ai does unless asked to ask for them, makes a thousand tokens of forty.
    """

    def _add_usage(self, usage: RequestUsage, *, reported: bool, cumulative: bool = False) -> None:
        super()._add_usage(usage, reported=reported, cumulative=cumulative or reported)


class _ChatModel(OpenAIChatModel):
    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return _ChatStream


def _possible() -> str:
    providers = sorted({known.partition(":")[0] for known in known_model_names() if ":" in known})
    return f"Possible are `offline` and PROVIDER:NAME, with a provider of {', '.join(providers)}."


async def close(model: Model) -> None:
    """Close the model's connections."""
    if isinstance(model, OpenAIChatModel):
        await model.client.close()
    elif model.provider is not None:
        async with model:
            pass  # a provider closes its own client when the last one leaves it


def messages_of(context: Context) -> list[ModelMessage]:
    """The context as pydantic-ai's messages; the last is a request, as both ways of asking want it."""
    messages: list[ModelMessage] = [ModelRequest([SystemPromptPart(text) for text in context.system])]
    for said in context.window:
        if said.role == "user":
            messages.append(ModelRequest([UserPromptPart(said.text)]))
        else:
            messages.append(ModelResponse([TextPart(said.text)]))
    return messages


class CountedModel(WrapperModel):
    """A model for one answer: asks again on failures that pass, and counts what every request used.

    Retries on 429 and 5xx answers and failed connections, only before the first token, and only when the
    pause (the server's Retry-After, else growing) ends within `first_token_seconds` of the request.
    """

    def __init__(self, wrapped: Model, settings: Settings, spent: Spent, *, measured: bool) -> None:
        super().__init__(wrapped)
        self._retries = settings.model_retries
        self._patience = settings.first_token_seconds
        self._spent = spent
        self._measured = measured

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """One request, which may take several attempts to open."""
        async with AsyncExitStack() as stack:
            try:
                response = await self._open(stack, messages, model_settings, model_request_parameters, run_context)
            except ModelAPIError:
                raise  # refused or never reached: nothing was used
            except BaseException:
                self._count(messages, None)  # given up: the server has read the prompt all the same
                raise
            try:
                yield response
            finally:
                self._count(messages, response)

    async def _open(
        self,
        stack: AsyncExitStack,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None,
    ) -> StreamedResponse:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._patience
        attempt = 0
        while True:
            try:
                return await stack.enter_async_context(
                    self.wrapped.request_stream(messages, model_settings, parameters, run_context)
                )
            except ModelAPIError as error:
                pause = error.retry_after
                if pause is None:
                    pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.75, 1)  # noqa: S311
                if attempt >= self._retries or not _passes(error) or clock() + pause >= deadline:
                    raise
            attempt += 1
            await asyncio.sleep(pause)

    def _count(self, messages: list[ModelMessage], response: StreamedResponse | None) -> None:
        if response is not None:
            self._spent.cut = response.finish_reason == "length"
        if self._measured and response is not None:
            counts = response.usage.input_tokens, response.usage.output_tokens
            if any(counts) and all(0 <= count <= _MOST_TOKENS for count in counts):
                self._spent.add(*counts, estimated=False)
                return
        said = _size(response.get()) if response is not None else 0
        self._spent.add(sum(map(_size, messages)), said, estimated=True)


def _passes(error: ModelAPIError) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, ModelQuotaExceededError):
        return False  # a 429 as well, but one that waits for money
    if isinstance(error, ModelHTTPError):
        if error.provider_retry_hint is not None:
            return error.provider_retry_hint
        return error.status_code == 429 or error.status_code >= 500
    return isinstance(error, ModelConnectionError | ModelUnavailableError | ModelServerError)


def _size(message: ModelMessage) -> int:
    total = 0
    for part in message.parts:
        if hasattr(part, "args_as_json_str"):
            total += tokens(part.args_as_json_str())
        elif hasattr(part, "model_response_str"):
            total += tokens(part.model_response_str())
        elif isinstance(content := getattr(part, "content", None), str):
            total += tokens(content)
    return total
