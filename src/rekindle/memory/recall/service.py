"""Search in a person's past, and the keeping of it for search."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray

from rekindle.database import Connection, Database
from rekindle.errors import ModelError, RekindleError, Unavailable, UserGone
from rekindle.identity.service import Caller
from rekindle.memory.minilm import MiniLM, Vectors
from rekindle.memory.recall import store
from rekindle.memory.recall.lines import BLOCK, BY_ASSISTANT, Line, moment, pack
from rekindle.memory.recall.meaning import Meaning
from rekindle.memory.recall.packed import Packed, packed
from rekindle.memory.recall.past import Past, Tokens, all_of, brought_up, joined, missing
from rekindle.memory.recall.question import Asked
from rekindle.memory.recall.ranking import COMPARED, Matched, look, match, rank
from rekindle.memory.recall.reading import Questions, Reading
from rekindle.memory.recall.shelf import Shelf
from rekindle.memory.recall.snippet import Snippet, snippet
from rekindle.memory.recall.store import Fetch, Shown
from rekindle.sessions.service import Role

__all__ = ["LONGEST_QUERY", "Filters", "Hit", "Hits", "Place", "Progress", "Recall", "SearchTooSlow", "Shown"]

log = structlog.get_logger()

Given = TypeVarTuple("Given")
Made = TypeVar("Made")

LATE_LINES = 2_000
"""Newest lines not yet kept for search that a search reads itself, for their words."""
FEW_LINES = 15_000
"""Looked at in a millisecond or two."""
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


@dataclass(frozen=True, slots=True)
class _Limits:
    """Filters as sets: which sessions, and which places in them; None for all."""

    sessions: set[UUID] | None
    places: set[tuple[UUID, int]] | None


@dataclass(frozen=True, slots=True)
class _Search:
    """One search, before its candidates are known."""

    past: Past
    asked: Asked
    matched: Matched
    questions: Questions | None
    allowed: NDArray[np.bool_]


class Recall:
    """Keeps what was said for search, and searches it; without a model by words alone."""

    def __init__(
        self,
        database: Database,
        model: MiniLM | None,
        meaning: Meaning | None = None,
        *,
        few_lines: int = FEW_LINES,
    ) -> None:
        """`model` compares token by token; `meaning` knows lines as wholes, by another model if one is set.

        A past of more than `few_lines` is looked at in a thread.
        """
        self._database = database
        self._model = model
        self._meaning = meaning or Meaning(model, None)
        self._few_lines = few_lines
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

        Raises ModelError when the embedder that is set is away; new lines are kept without it then. Where a session
        cannot be kept, all others are before its error is raised.
        """
        total = 0
        away: ModelError | None = None
        broken: dict[UUID, Exception] = {}
        while waiting := await self.unindexed(100 + len(broken), whole=away is None):
            count, was_there = 0, away is None
            for user_id, session_id in waiting:
                if session_id in broken:
                    continue
                try:
                    count += await self.index(user_id, session_id, whole=away is None)
                except UserGone:
                    continue
                except ModelError as error:
                    away = error
                    break
                except RekindleError:
                    raise
                except Exception as error:  # a fault in one session must not keep everybody else's from search
                    log.error("search.not_kept", session=str(session_id), error=type(error).__name__)
                    broken[session_id] = error
            total += count
            if not count and was_there == (away is None):  # what is left waits for something, such as a reply's end
                break
        for fault in (away, *broken.values()):
            if fault:
                raise fault
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
        """The caller's messages that bear on a query, best first; of the best 256, those after `after`.

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
        async with (
            Reading(self._model, query, self._known(caller)) as reading,
            self._database.transaction(caller.user_id) as connection,
        ):
            past = await self._past(connection, caller)
            limits = await _limits(connection, caller, filters)
            asked = reading.asked(past)
            matched = await self._of_lines(past, match, past, asked)  # while the model reads
            questions = await reading.questions(past)
            search = _Search(past, asked, matched, questions, _allowed(past, filters, limits))
            vectors = {MiniLM.name: questions[0].whole} if questions else {}
            foreign = self._meaning.foreign(past.meanings)
            if not foreign:
                page, fetch = await self._found(connection, search, vectors, after, limit)
        if foreign:  # no connection is held while another server is asked
            vectors |= await self._meaning.of_question(asked.first_person, foreign, seconds)
            async with self._database.transaction(caller.user_id) as connection:
                page, fetch = await self._found(connection, search, vectors, after, limit)
        # These rows have come with the answer to COMMIT: read before it, they would be a round trip of their own.
        hits = _hits(page, await fetch(), asked.terms)
        return Hits(hits, by_meaning=not vectors.keys().isdisjoint(past.meanings))

    async def _found(
        self, connection: Connection, search: _Search, vectors: Mapping[str, Vectors], after: Place | None, limit: int
    ) -> tuple[list[Place], Fetch]:
        """The best of the candidates, or the best of those after a place; and how to fetch what is shown of them."""
        past = search.past
        looked = await self._of_lines(past, look, past, search.asked, search.matched, vectors, search.allowed)
        tokens = Tokens.none()
        if search.questions and len(looked.lines):
            tokens = await store.find_tokens(connection, past.token_slices(looked.lines[:COMPARED], MiniLM.name))
        scores = rank(past, looked, search.questions, tokens).round(5).tolist()
        ids, seqs = past.session_bytes(looked.lines), past.seqs(looked.lines).tolist()
        places = sorted(zip(scores, ids, seqs, strict=True), reverse=True)
        if after is not None:
            places = [place for place in places if place < after.order]
        page = [Place(score, UUID(bytes=session), seq) for score, session, seq in places[:limit]]
        return page, await store.ask_for_shown(connection, [(place.session_id, place.seq) for place in page])

    async def _of_lines(self, past: Past, work: Callable[[*Given], Made], *given: *Given) -> Made:
        """Work on all lines: in a thread where others would wait for it; of few, the way there takes half as long."""
        return work(*given) if len(past) <= self._few_lines else await asyncio.to_thread(work, *given)

    def _known(self, caller: Caller) -> Past | None:
        """All that the caller might search, as it was when it was last searched."""
        return self.shelf.find(caller.user_id) if caller.session_id is None else None

    async def _past(self, connection: Connection, caller: Caller) -> Past:
        """All that the caller may search, from memory where the database says that nothing has changed."""
        forgotten = self.shelf.forgotten
        waiting = await store.find_waiting(connection, caller.user_id, caller.session_id)
        past = self._known(caller)
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


def _hits(page: list[Place], shown: list[Shown], terms: Collection[str]) -> Iterator[Hit]:
    messages = {(message.session_id, message.seq): message for message in shown}
    for place in page:
        if message := messages.get((place.session_id, place.seq)):
            before, after = (messages.get((place.session_id, place.seq + step)) for step in (-1, 1))
            yield Hit(place, message, snippet(message.content, terms), before, after)


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
        allowed &= past.said >= moment(filters.since)
    if filters.until is not None:
        allowed &= past.said < moment(filters.until)
    if filters.without is not None:
        session, first = filters.without
        allowed &= ~(past.among([session]) & (past.seqs(np.arange(len(past))) >= first))
    if limits.places is not None:
        allowed &= past.at(limits.places)
    return allowed
