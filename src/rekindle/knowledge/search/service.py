"""Search in documents: by words and by meaning, by words alone where there is no embedder."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog

from rekindle.database import Database
from rekindle.errors import ModelError
from rekindle.knowledge.known import KnownOf
from rekindle.knowledge.passages import LONGEST_WORD, lexeme, told
from rekindle.knowledge.search import store
from rekindle.knowledge.search.store import Candidate, Sizes
from rekindle.memory.embedder import Embedder
from rekindle.memory.recall.snippet import Snippet, snippet
from rekindle.memory.words import terms

log = structlog.get_logger()

LONGEST_QUERY = 1_000
RANKED = 100
"""The best so many are ranked; pages go through them."""
_MOST_TERMS = 24
_EACH = 80
"""Candidates that words find, and that meaning finds."""
_COMPARED = 5_000
"""So many passages are compared one by one: an index may miss some, the more so under a filter."""
_EMBED_SECONDS = 5.0
_BATCH = 64

_MEANING = 1.5
"""What nearness in meaning (cosine) counts beside the share of the question's words (0 to 1)."""
_NEAR = 0.25
"""A chunk with none of the words, and no nearer than this, has nothing to do with the question."""
_K1, _B = 1.2, 0.4
_PLACES = {"A": 1.5, "B": 1.5, "D": 1.0}
"""What a word counts in a title, in a heading, in the text; in titles and headings once."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hit stands in the order of hits: by score, then by id."""

    score: float
    chunk_id: UUID

    @property
    def order(self) -> tuple[float, bytes]:
        """Sorts the best first."""
        return -self.score, self.chunk_id.bytes


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that bears on a question. `url` of a web page, `path` of a file within what was ingested."""

    place: Place
    document_id: UUID
    title: str
    url: str | None
    path: str | None
    heading: str
    content: str
    snippet: Snippet


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, best first; `total`: of how many; `by_meaning`: whether more than words was known."""

    hits: tuple[Hit, ...]
    total: int
    by_meaning: bool


class Search:
    """Finds passages, and keeps the vectors of an embedder for them; None: by words alone."""

    def __init__(self, database: Database, embedder: Embedder | None) -> None:
        self._database = database
        self._embedder = embedder
        self._sizes = KnownOf[Sizes]()
        self._any = KnownOf[bool]()

    @property
    def model(self) -> str | None:
        """The embedder's name, kept beside each vector."""
        return self._embedder.name if self._embedder else None

    async def has_any(self, assistant: str | None) -> bool:
        """Whether there is anything for this assistant; asks the database every half minute at most."""

        async def ask() -> bool:
            async with self._database.system() as connection:
                return await store.has_any(connection, assistant)

        return await self._any.get(assistant, ask)

    def forget(self) -> None:
        """Documents have come or gone: what is known of the whole is asked again."""
        self._sizes.forget()
        self._any.forget()

    async def find(
        self,
        query: str,
        assistant: str | None = None,
        *,
        user_id: UUID | None = None,
        after: Place | None = None,
        limit: int = 10,
    ) -> Found:
        """The passages that bear on a question, best first; of the best hundred, those after `after`.

        `assistant`: only what it may look up; None: everything. `user_id`: who asks, if somebody does.
        """
        query = query[:LONGEST_QUERY].encode(errors="replace").decode()
        wanted = [term for term in dict.fromkeys(terms(query)) if len(term) <= LONGEST_WORD][:_MOST_TERMS]
        asked = await self._embedded(query)
        as_whom = self._database.transaction(user_id) if user_id else self._database.system()
        async with as_whom as connection:
            sizes = await self._sizes.get(assistant, partial(store.measure, connection, assistant))
            queries = [lexeme(term) for term in wanted]
            holding = await store.count_holding(connection, queries) if queries else []
            weights = [_rarity(sizes.chunks, count) for count in holding]
            rare = [place for place, count in enumerate(holding) if count < store.COMMON]
            ids: dict[UUID, None] = {}
            if rare:
                ids |= dict.fromkeys(
                    await store.list_by_words(
                        connection, [queries[i] for i in rare], [weights[i] for i in rare], assistant, _EACH
                    )
                )
            if len(rare) < len(queries):
                ids |= dict.fromkeys(await store.list_holding_all(connection, queries, assistant, _EACH))
            if asked is not None and self.model:
                index = sizes.own > _COMPARED
                ids |= dict.fromkeys(
                    await store.list_nearest(connection, asked, self.model, assistant, _EACH, index=index)
                )
            found = await store.list_candidates(connection, list(ids), wanted, asked, self.model) if ids else []
        ranked = _ranked(found, dict(zip(wanted, weights, strict=True)), sizes.words)
        page = [(place, each) for place, each in ranked if after is None or place.order > after.order][:limit]
        return Found(tuple(_hit(place, each, wanted) for place, each in page), len(ranked), asked is not None)

    async def embed(self, texts: Sequence[str]) -> list[list[float]] | None:
        """Vectors of what is to be found; None without an embedder. Raises `ModelError`."""
        return await self._embedder.embed(texts) if self._embedder else None

    async def is_behind(self) -> bool:
        """Whether passages lack a vector of this embedder."""
        if self.model is None:
            return False
        async with self._database.system() as connection:
            return bool(await store.list_bare(connection, self.model, 1))

    async def progress(self) -> tuple[int, int]:
        """How many passages have a vector of this embedder, and how many there are."""
        async with self._database.system() as connection:
            bare, total = await store.count_bare(connection, self.model or "")
        return total - bare, total

    async def catch_up(self) -> int:
        """Give vectors to all passages that lack one, as after a change of model; how many. Raises `ModelError`."""
        total = 0
        while self._embedder:
            async with self._database.system() as connection:
                bare = await store.list_bare(connection, self._embedder.name, _BATCH)
            if not bare:
                break
            texts = [told(each.title, each.heading, each.content) for each in bare]
            vectors = await self._embedder.embed(texts)
            async with self._database.system() as connection:
                count = await store.update_embeddings(connection, bare, vectors, self._embedder.name)
            total += count
            if not count:  # somebody else is at the same work
                break
        return total

    async def _embedded(self, query: str) -> list[float] | None:
        if self._embedder is None or not query.strip():
            return None
        try:
            async with asyncio.timeout(_EMBED_SECONDS):
                [vector] = await self._embedder.embed([query])
        except (ModelError, TimeoutError) as error:
            log.warning("knowledge.words_alone", error=type(error).__name__)
            return None
        return vector


def _ranked(found: Sequence[Candidate], weights: dict[str, float], usual: float) -> list[tuple[Place, Candidate]]:
    """Candidates, best first; of passages with the same text one, without those that have nothing to do with it."""
    most = sum(weights.values()) * (_K1 + 1) or 1.0
    rated = []
    for each in found:
        norm = _K1 * (1 - _B + _B * each.word_count / max(usual, 1.0))
        by_words = 0.0
        for term, places in each.found.items():
            count = places.count("D") + sum(_PLACES[where] for where in ("A", "B") if where in places)
            by_words += weights[term] * count * (_K1 + 1) / (count + norm)
        if by_words or (each.nearness or 0) >= _NEAR:
            score = by_words / most + _MEANING * max(each.nearness or 0.0, 0.0)
            rated.append((Place(round(score, 6), each.id), each))
    rated.sort(key=lambda pair: pair[0].order)
    alone = {each.content: (place, each) for place, each in reversed(rated)}
    return sorted(alone.values(), key=lambda pair: pair[0].order)[:RANKED]


def _rarity(chunks: int, holding: int) -> float:
    return math.log(1 + max(chunks - holding, 0) / (holding + 0.5) + 0.5 / (holding + 0.5))


def _hit(place: Place, each: Candidate, wanted: Sequence[str]) -> Hit:
    return Hit(
        place,
        each.document_id,
        each.title,
        each.url,
        each.path,
        each.heading,
        each.content,
        snippet(each.content, wanted),
    )
