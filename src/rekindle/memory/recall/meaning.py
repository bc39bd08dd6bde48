"""Which model knows lines as wholes: the embedder that is set, else the built-in one, else none."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import structlog

from rekindle.errors import ConfigurationError, ModelError
from rekindle.memory.embedder import Embedder
from rekindle.memory.minilm import MiniLM, Vectors

log = structlog.get_logger()

QUESTION_SECONDS = 5.0
"""Longest time a search waits for an embedding server, if it has twice as much; then it goes on without."""
AWAY_SECONDS = 20.0
"""How long one that did not answer is not asked again, by who would wait for it no longer."""


class Meaning:
    """Embeds lines by the model that is set, and questions by each model that lines were embedded by."""

    def __init__(
        self, model: MiniLM | None, embedder: Embedder | None, named: Callable[[str], Embedder | None] | None = None
    ) -> None:
        """`named` gives the embedder that lines were embedded by before another was set, while it can still be had."""
        self._model = model
        self._embedder = None if isinstance(embedder, MiniLM) else embedder
        self._named = named
        self._others: dict[str, Embedder | None] = {}
        self._away: dict[str, tuple[float, float]] = {}
        """Until when it is taken to be away, and how long it was waited for."""
        self._met: set[str] = set()

    @property
    def name(self) -> str | None:
        """The model that lines are embedded by now."""
        chosen = self._embedder or self._model
        return chosen.name if chosen else None

    async def of_lines(self, texts: Sequence[str]) -> tuple[str, Vectors] | None:
        """The model's name and a vector for each line; None where the built-in one does it. Raises ModelError."""
        if self._embedder is None:
            return None
        return self._embedder.name, np.array(await self._embedder.embed(texts), np.float32)

    def foreign(self, names: Iterable[str]) -> list[str]:
        """Of these models, those that have to be asked over the network."""
        return [name for name in names if self._model is None or name != self._model.name]

    async def of_question(self, text: str, names: Iterable[str], seconds: float) -> Mapping[str, Vectors]:
        """The question's vector by each of these models that answers in time; `seconds` are what the search has."""
        # The first time libraries load, which is no fault of the server's.
        limits = {name: min(QUESTION_SECONDS if name in self._met else math.inf, seconds / 2) for name in names}
        asked = {name: limit for name, limit in limits.items() if not self._is_away(name, limit)}
        found = await asyncio.gather(*(self._ask(name, text, limit) for name, limit in asked.items()))
        return {name: vector for name, vector in zip(asked, found, strict=True) if vector is not None}

    async def aclose(self) -> None:
        """Close the connections of models that are no longer set."""
        others, self._others = self._others, {}
        for embedder in others.values():
            if embedder:
                await embedder.aclose()

    async def _ask(self, name: str, text: str, seconds: float) -> Vectors | None:
        embedder = self._find(name)
        if embedder is None:
            return None
        try:
            async with asyncio.timeout(seconds):
                [vector] = await embedder.embed([text])
        except (ModelError, ConfigurationError, TimeoutError) as error:
            log.warning("search.embedder_away", model=name, error=type(error).__name__)
            # A turn waits a moment only: what is too slow for that may well answer who has more time.
            waited = seconds if isinstance(error, TimeoutError) else math.inf
            self._away[name] = time.monotonic() + AWAY_SECONDS, waited
            return None
        self._met.add(name)
        return np.array(vector, np.float32)

    def _is_away(self, name: str, seconds: float) -> bool:
        until, waited = self._away.get(name, (0.0, 0.0))
        return seconds <= waited and time.monotonic() < until

    def _find(self, name: str) -> Embedder | None:
        if self._embedder is not None and name == self._embedder.name:
            return self._embedder
        if name not in self._others:
            self._others[name] = self._named(name) if self._named else None
        return self._others[name]
