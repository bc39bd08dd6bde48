"""Search in a person's past, and the keeping of it for search."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray

from rekindle.database import Connection, Database
from rekindle.errors import ConfigurationError, ModelError, Unavailable, UserGone
from rekindle.identity.service import Caller
from rekindle.memory.minilm import MiniLM, Question, Vectors
from rekindle.memory.recall import store
from rekindle.memory.recall.lines import BLOCK, BY_ASSISTANT, Line, pack
from rekindle.memory.recall.meaning import Meaning
from rekindle.memory.recall.packed import Packed, packed
from rekindle.memory.recall.past import Past, Slices, Tokens, all_of, brought_up, joined, missing
from rekindle.memory.recall.question import Asked, read
from rekindle.memory.recall.ranking import Looked, look, rank
from rekindle.memory.recall.shelf import Shelf
from rekindle.memory.recall.snippet import Snippet, snippet
from rekindle.memory.recall.store import Shown
from rekindle.sessions.service import Role

__all__ = ["LONGEST_QUERY", "Filters", "Hit", "Hits", "Place", "Progress", "Recall", "SearchTooSlow", "Shown"]

log = structlog.get_logger()

LATE_LINES = 2_000
"""Newest lines not yet kept for search that a search reads itself, for their words."""
LONGEST_QUERY = 1_000
SECONDS = 10.0
"""Longest time a search takes, unless its caller says less."""


class SearchTooSlow(Unavailable):
    """The search took too long. Try again, or search in one session."""

    code = "search_too_slow"


@dataclass(frozen=True, slots=True)
class Filters:
    """What hits are limited to; None for no limit. `since` is included, `until` is not."""

    session_id: UUID | None = None
    role: Role | None = None
    since: datetime | None = None
    until: datetime | None = None
    assistant: str | None = None
    metadata: dict[str, Any] | None = None
    without: tuple[UUID, int] | None = None
    """A session, and the seq from which on what was said in it is left out: its reader has that before them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hit stands in the order of hits: by score, then by session and seq."""

    score: float
    session_id: UUID
    seq: int

    @property
    def order(self) -> tuple[float, bytes, int]:
        """Greater is better, of equally good ones newer."""
        return self.score, self.session_id.bytes, self.seq


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that bears on what was asked; `before` and `after` are its neighbours in the session."""

    place: Place
    message: Shown
    snippet: Snippet
    before: Shown | None
    after: Shown | None


class Hits(list[Hit]):
    """Hits, best first; `by_meaning` tells whether more than their words was compared."""

    def __init__(self, hits: Iterable[Hit] = (), *, by_meaning: bool = False) -> None:
        super().__init__(hits)
        self.by_meaning = by_meaning


@dataclass(frozen=True, slots=True)
class Progress:
    """Blocks of lines that are kept for search; `current` of them by `model`, the one that is set (None: by words)."""

    blocks: int
    current: int
    model: str | None


class Recall:
    """Keeps what was said for search, and searches it; without a model by words alone."""

    def __init__(self, database: Database, model: MiniLM | None, meaning: Meaning | None = None) -> None:
        """`model` compares token by token; `meaning` knows lines as wholes, by another model if one is set."""
        self._database = database
        self._model = model
        self._meaning = meaning or Meaning(model, None)
        self.shelf = Shelf()

    @property
    def by_meaning(self) -> bool:
        """Whether search knows more than words, once it has kept them."""
        return self._meaning.name is not None

    async def warm_up(self) -> None:
        """Load what reads a question: the first turn would wait for it longer than its recall may take.

        Raises ConfigurationError for weights that cannot be read.
        """
        if self._model:
            await asyncio.to_thread(self._model.question, "warm")

    async def aclose(self) -> None:
        """Forget what was searched, and close connections of embedders that are no longer set."""
        self.shelf.clear()
        await self._meaning.aclose()

    async def unindexed(self, limit: int = 100, *, whole: bool = True) -> list[tuple[UUID, UUID]]:
        """User and session ids of sessions with lines that search does not know yet, or knows by another model.

        Without `whole`, another model that knows them as wholes will do.
        """
        async with self._database.system() as connection:
            token_model = self._model.name if self._model else None
            return await store.list_unindexed(connection, token_model, self._meaning.name if whole else None, limit)

    async def progress(self) -> Progress:
        """How far the keeping of lines by the model that is set has come; counts all blocks there are."""
        async with self._database.system() as connection:
            return Progress(*await store.count_blocks(connection, self._meaning.name), self._meaning.name)

    async def catch_up(self) -> int:
        """Keep for search whatever is not yet, of all users, newest sessions first; how many lines were new.

        Raises ModelError when the embedder that is set is away; new lines are kept without it then.
        """
        total = 0
        away: ModelError | None = None
        while waiting := await self.unindexed(whole=away is None):
            count, was_there = 0, away is None
            for user_id, session_id in waiting:
                try:
                    count += await self.index(user_id, session_id, whole=away is None)
                except UserGone:
                    continue
                except ModelError as error:
                    away = error
                    break
            total += count
            if not count and was_there == (away is None):  # what is left waits for something, such as a reply's end
                break
        if away:
            raise away
        return total

    async def index(self, user_id: UUID, session_id: UUID, *, whole: bool = True) -> int:
        """Keep a session's lines for search; how many were new. A session that is gone has none.

        Without `whole` an embedder that is set is not asked. Raises its ModelError.
        """
        async with self._database.transaction(user_id) as connection:
            settled = await store.find_settled_seq(connection, session_id)
            kept = {block.number: block for block in await store.list_kept(connection, session_id)}
        count = 0
        for number in range(-(-settled // BLOCK)):
            first, last = number * BLOCK + 1, min((number + 1) * BLOCK, settled)
            if (block := kept.get(number)) and block.through_seq >= last and self._is_up_to_date(block, whole=whole):
                continue
            async with self._database.transaction(user_id) as connection:
                lines = await store.list_lines(connection, session_id, first, last)
            if len(lines) != last - first + 1:
                break  # deleted meanwhile
            vectors = await self._meaning.of_lines([line.content for line in lines]) if whole else None
            packed = await asyncio.to_thread(pack, session_id, lines, self._model, vectors)
            async with self._database.transaction(user_id) as connection:
                await store.upsert_block(connection, user_id, packed)
            count += len(lines)
        return count

    def _is_up_to_date(self, block: store.Kept, *, whole: bool) -> bool:
        by_tokens = self._model is None or block.model == self._model.name
        return by_tokens and (not whole or self._meaning.name is None or block.meaning == self._meaning.name)

    async def search(
        self,
        caller: Caller,
        query: str,
        filters: Filters | None = None,
        *,
        after: Place | None = None,
        limit: int = 10,
        seconds: float = SECONDS,
    ) -> Hits:
        """The caller's messages that bear on a query, best first; of the best 128, those after `after`.

        A token that is good for one session finds what was said in that one. Raises `SearchTooSlow`.
        """
        query = query[:LONGEST_QUERY].encode(errors="replace").decode()  # a terminal may pass half characters
        try:
            async with asyncio.timeout(seconds):
                return await self._search(caller, query, filters or Filters(), after, limit, seconds)
        except TimeoutError as error:
            raise SearchTooSlow from error

    async def _search(
        self, caller: Caller, query: str, filters: Filters, after: Place | None, limit: int, seconds: float
    ) -> Hits:
        async with self._database.transaction(caller.user_id) as connection:
            past = await self._past(connection, caller)
            search = _Search(self._model, query, past, filters, await _limits(connection, caller, filters))
            foreign = self._meaning.foreign(past.meanings)
            if not foreign:
                return await _found(connection, search, {}, after, limit)
        # No connection is held while another server is asked.
        vectors = await self._meaning.of_question(search.asked.first_person, foreign, seconds)
        async with self._database.transaction(caller.user_id) as connection:
            return await _found(connection, search, vectors, after, limit)

    async def _past(self, connection: Connection, caller: Caller) -> Past:
        """All that the caller may search, from memory where the database says that nothing has changed."""
        forgotten = self.shelf.forgotten
        waiting = await store.find_waiting(connection, caller.user_id, caller.session_id)
        past = self.shelf.find(caller.user_id) if caller.session_id is None else None
        if past is None:
            kept = await store.find_packed(connection, caller.user_id, caller.session_id)
            past = await asyncio.to_thread(all_of, kept)
        elif past.version != waiting.version:
            past = await _updated(connection, caller.user_id, past)
        if caller.session_id is None and forgotten == self.shelf.forgotten:  # else they may have been erased meanwhile
            self.shelf.put(caller.user_id, past)
        if not waiting.sessions:
            return past
        late = await store.list_late_lines(connection, waiting, LATE_LINES)
        return await asyncio.to_thread(_with_late, past, late)


@dataclass(frozen=True, slots=True)
class _Limits:
    """Filters as sets: which sessions, and which places in them; None for all."""

    sessions: set[UUID] | None
    places: set[tuple[UUID, int]] | None


class _Search:
    """One search between its trips to the database."""

    def __init__(self, model: MiniLM | None, query: str, past: Past, filters: Filters, limits: _Limits) -> None:
        self._model = model
        self._past = past
        self._filters = filters
        self._limits = limits
        self._questions: tuple[Question, Question] | None = None
        self._looked: Looked
        self.asked: Asked = read(query, (speaker for speaker in past.speakers if speaker), past.names)
        self.by_meaning = False

    def looked(self, vectors: Mapping[str, Vectors]) -> Slices | None:
        """Where the tokens are that it needs to see, if any. `vectors`: the question's, by models elsewhere."""
        past, model = self._past, self._model
        vectors = dict(vectors)
        if model and model.name in past.model:
            try:
                texts = dict.fromkeys((self.asked.first_person, self.asked.text))  # most questions name nobody
                first, *others = model.questions(list(texts))
            except ConfigurationError:  # its weights have been broken or taken away: words are left
                log.exception("search.model_unusable", model=model.name)
            else:
                self._questions = first, others[0] if others else first
                vectors[model.name] = first.whole
        self.by_meaning = not vectors.keys().isdisjoint(past.meanings)
        self._looked = look(past, self.asked, vectors, _allowed(past, self._filters, self._limits))
        if not model or not self._questions or not len(self._looked.lines):
            return None
        return past.token_slices(self._looked.lines, model.name)

    def ranked(self, tokens: Tokens, after: Place | None, limit: int) -> list[Place]:
        """The best of the candidates, or the best of those after a place."""
        lines = self._looked.lines
        scores = rank(self._past, self.asked, self._looked, self._questions, tokens).round(5).tolist()
        seqs = self._past.seqs(lines).tolist()
        places = sorted(zip(scores, self._past.session_bytes(lines), seqs, strict=True), reverse=True)
        if after is not None:
            places = [place for place in places if place < after.order]
        return [Place(score, UUID(bytes=session), seq) for score, session, seq in places[:limit]]


async def _found(
    connection: Connection, search: _Search, vectors: Mapping[str, Vectors], after: Place | None, limit: int
) -> Hits:
    slices = await asyncio.to_thread(search.looked, vectors)
    tokens = await store.find_tokens(connection, slices) if slices else Tokens.none()
    page = search.ranked(tokens, after, limit)  # of few lines: the way to a thread and back costs half as much
    shown = await store.list_shown(connection, [(p.session_id, p.seq) for p in page]) if page else []
    messages = {(message.session_id, message.seq): message for message in shown}
    return Hits(
        (
            Hit(
                place,
                message,
                snippet(message.content, search.asked.terms),
                messages.get((place.session_id, place.seq - 1)),
                messages.get((place.session_id, place.seq + 1)),
            )
            for place in page
            if (message := messages.get((place.session_id, place.seq)))
        ),
        by_meaning=search.by_meaning,
    )


async def _limits(connection: Connection, caller: Caller, filters: Filters) -> _Limits:
    sessions = places = None
    if filters.assistant is not None:
        sessions = await store.list_session_ids(connection, caller.user_id, filters.assistant)
    if filters.session_id is not None:
        sessions = {filters.session_id} & sessions if sessions is not None else {filters.session_id}
    if filters.metadata is not None:
        places = await store.list_places(connection, caller.user_id, filters.metadata)
    return _Limits(sessions, places)


async def _updated(connection: Connection, user_id: UUID, past: Past) -> Past:
    """The past as it is now: only the blocks that are new are read."""
    marks = await store.find_marks(connection, user_id)
    new = missing(past, marks)
    fresh = await store.find_packed(connection, user_id, marked=new) if new else Packed()
    return await asyncio.to_thread(brought_up, past, marks, fresh)


def _with_late(past: Past, late: list[tuple[UUID, Line]]) -> Past:
    """A past with lines that are in no block yet: words without vectors."""
    by_session: defaultdict[UUID, list[Line]] = defaultdict(list)
    for session_id, line in sorted(late, key=lambda found: (found[0].int, found[1].seq)):
        by_session[session_id].append(line)
    reached = {session_id: past.reaches(session_id) for session_id in by_session}
    new = {session: [line for line in lines if line.seq > reached[session]] for session, lines in by_session.items()}
    return joined(past, packed([pack(session, lines, None) for session, lines in new.items() if lines]))


def _allowed(past: Past, filters: Filters, limits: _Limits) -> NDArray[np.bool_]:
    allowed: NDArray[np.bool_] = past.length > 0
    if limits.sessions is not None:
        allowed &= past.among(limits.sessions)
    if filters.role is not None:
        by_assistant = (past.flags & BY_ASSISTANT) > 0
        allowed &= by_assistant == (filters.role == "assistant")
    if filters.since is not None:
        allowed &= past.said >= filters.since.timestamp()
    if filters.until is not None:
        allowed &= past.said < filters.until.timestamp()
    if filters.without is not None:
        session, first = filters.without
        allowed &= ~(past.among([session]) & (past.seqs(np.arange(len(past))) >= first))
    if limits.places is not None:
        allowed &= past.at(limits.places)
    return allowed
