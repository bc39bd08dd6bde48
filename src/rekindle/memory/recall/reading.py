"""A question as the model reads it: begun before it is known for sure what the past is, as it mostly is as it was."""

import asyncio
from typing import Self

import structlog

from rekindle.errors import ConfigurationError
from rekindle.memory.minilm import MiniLM, Question
from rekindle.memory.recall.past import Past
from rekindle.memory.recall.question import Asked, read

log = structlog.get_logger()

Questions = tuple[Question, Question]
"""In the first person, and as asked."""


class Reading:
    """One question, read in a thread while the database is asked for the past."""

    def __init__(self, model: MiniLM | None, query: str, past: Past | None) -> None:
        """`past` is as it was when it was last searched; None where that is not known."""
        self._model = model
        self._query = query
        self._texts: tuple[str, ...] = ()
        self._task: asyncio.Task[Questions | None] | None = None
        if past is not None:
            self.asked(past)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._stop()

    def asked(self, past: Past) -> Asked:
        """The question to this past. The model begins to read it, if it does not do so already."""
        asked = read(self._query, (speaker for speaker in past.speakers if speaker), past.names)
        texts = tuple(dict.fromkeys((asked.first_person, asked.text)))  # most questions name nobody
        if texts != self._texts and self._model and MiniLM.name in past.model:
            self._stop()
            self._texts = texts
            self._task = asyncio.create_task(asyncio.to_thread(_questions, self._model, texts))
        return asked

    async def questions(self, past: Past) -> Questions | None:
        """What was asked last; None where no line has vectors by this model, or its weights are unusable."""
        return await self._task if self._task and MiniLM.name in past.model else None

    def _stop(self) -> None:
        if self._task:
            self._task.cancel()


def _questions(model: MiniLM, texts: tuple[str, ...]) -> Questions | None:
    try:
        found = model.questions(texts)
    except ConfigurationError:  # its weights have been broken or taken away: words are left
        log.exception("search.model_unusable", model=model.name)
        return None
    return found[0], found[-1]
