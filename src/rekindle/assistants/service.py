"""Asking assistants: the one door between the rest of the house and the models."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from rekindle.assistants.abilities import Abilities
from rekindle.assistants.answer import Answer, Spent
from rekindle.assistants.assistant import Assistant, Errand, Event, Prompt, Said, Text, Usage
from rekindle.assistants.context import clipped, compose
from rekindle.errors import ConfigurationError, ModelCutShort, ModelError, ModelRefused, ModelUnreachable
from rekindle.settings import Settings

if TYPE_CHECKING:
    from pydantic_ai.models import Model

    from rekindle.assistants.mcp import Remotes

Health = Literal["ok", "degraded", "down"]


class Assistants:
    """Asks models; one for each server, used on one event loop.

    Importing pydantic_ai takes over a second, so this module does not: `load()`, which the first answer waits
    for if nobody has called it, imports `asking` and `models` in a thread. That is the one place.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models: dict[str, Model] = {}
        self._outcomes: dict[str, ModelError | None] = {}
        self._loading = asyncio.Lock()
        self._unusable = False
        self._remotes: Remotes | None = None
        self.abilities = Abilities()

    @property
    def model_name(self) -> str:
        """The server's model: a pydantic-ai name, or `offline`."""
        return self._settings.model_name

    @property
    def is_offline(self) -> bool:
        """Whether the built-in model answers, which needs no key and no network."""
        return self.model_name == "offline"

    async def load(self, *assistants: Assistant) -> None:
        """Make ready to answer: the libraries, the server's model, the models and tools of `assistants`.

        Raises ConfigurationError for a model there is not, a missing key, or a tool no model can be told of.
        """
        try:
            for name in {self.model_name, *(assistant.model or self.model_name for assistant in assistants)}:
                await self._model(name)
            from rekindle.assistants.asking import toolset_of  # imported by now, in a thread

            for assistant in assistants:
                if assistant.tools:
                    toolset_of(assistant.tools, self._settings.tool_seconds)
                if assistant.mcp:
                    (await self._reached()).of(assistant.mcp)
        except ConfigurationError:
            self._unusable = True
            raise

    def answer(self, assistant: Assistant, prompt: Prompt, errand: Errand | None = None) -> Answer:
        """The assistant's answer to `prompt`, event by event; the last is always Usage.

        Without an errand, outside of a turn, it has its own tools and none of the house's.

        Raises ModelError, or a kind of it, while it is iterated, whatever the model or its server does; Usage
        comes before that too. For an answer given up in the middle, see `Answer.usage`.
        """
        name = assistant.model or self.model_name
        return Answer(Spent(name), partial(self._answer, assistant, prompt, errand))

    async def complete(
        self,
        instructions: str,
        text: str,
        *,
        model: str | None = None,
        spent: Callable[[Usage], None] = lambda usage: None,
    ) -> tuple[str, Usage]:
        """What a model makes of `text` under `instructions`, in one piece: for summaries and titles.

        `spent` is told what was used, whether or not it succeeds.
        Of a text longer than a prompt may be, the end is used; of an answer longer than a reply may be, the
        beginning. Raises ModelError, ModelCutShort for one that the model cut off at a limit of its own.
        """
        room = self._settings.prompt_tokens
        prompt = Prompt((Said("user", clipped(text, room)),))
        answer = self.answer(Assistant(instructions=instructions, model=model, abilities=()), prompt)
        pieces: list[str] = []
        length = 0
        try:
            async with aclosing(answer):
                async for event in answer:
                    if isinstance(event, Text):
                        pieces.append(event.text)
                        length += len(event.text)
                        if length >= self._settings.max_reply_chars:
                            break
        finally:
            spent(answer.usage)
        if answer.cut:
            raise ModelCutShort("The model's answer reached its limit of length.")
        return "".join(pieces)[: self._settings.max_reply_chars], answer.usage

    async def check(self) -> Health:
        """How the models did when last asked; asks nothing, as asking costs.

        `down`: one was out of reach or refused our key or its name; `degraded`: one failed otherwise.
        """
        if self._unusable:
            return "down"
        failures = [failure for failure in self._outcomes.values() if failure]
        if any(map(_is_down, failures)):
            return "down"
        return "degraded" if failures else "ok"

    async def close(self) -> None:
        """Close the connections to models and to servers of tools."""
        if self._remotes:
            await self._remotes.close()
        if self._models:
            from rekindle.assistants.models import close  # imported when the first model was made

            for model in self._models.values():
                await close(model)
            self._models.clear()

    async def _answer(
        self, assistant: Assistant, prompt: Prompt, errand: Errand | None, spent: Spent
    ) -> AsyncGenerator[Event]:
        model = await self._model(spent.model)
        from rekindle.assistants.asking import ask  # imported by now, in a thread
        from rekindle.assistants.models import CountedModel

        counted = CountedModel(model, self._settings, spent, measured=spent.model != "offline")
        context = compose(assistant.instructions, prompt, self._settings.prompt_tokens)
        key = self._settings.openai_api_key
        keys = (key.get_secret_value(),) if key else ()
        tools = (*assistant.tools, *await self.abilities.of(assistant, errand))
        remotes = (await self._reached()).of(assistant.mcp) if assistant.mcp else []
        try:
            async with aclosing(ask(counted, tools, errand, context, self._settings, keys, remotes)) as events:
                async for event in events:
                    yield event
        except ModelError as error:
            self._outcomes[spent.model] = error
            yield spent.usage
            raise
        self._outcomes[spent.model] = None
        yield spent.usage

    async def _reached(self) -> "Remotes":
        if self._remotes is None:
            await asyncio.to_thread(import_module, "rekindle.assistants.mcp")
            from rekindle.assistants.mcp import Remotes  # imported by now, in a thread

            self._remotes = self._remotes or Remotes(self._settings)
        return self._remotes

    async def _model(self, name: str) -> "Model":
        if name not in self._models:
            async with self._loading:
                if name not in self._models:
                    self._models[name] = await asyncio.to_thread(_load, name, self._settings)
        return self._models[name]


def _load(name: str, settings: Settings) -> "Model":
    from rekindle.assistants import asking as _warm  # noqa: F401
    from rekindle.assistants.models import model_by_name

    return model_by_name(name, settings)


def _is_down(error: ModelError) -> bool:
    if isinstance(error, ModelRefused):
        return error.extra.get("model_status") in (401, 402, 403, 404)
    return isinstance(error, ModelUnreachable)
