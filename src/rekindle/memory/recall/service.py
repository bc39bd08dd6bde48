"""Search in a person's past, and the keeping of it for search."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from rekindle.database import Connection, Database
from rekindle.errors import UserGone
from rekindle.identity.service import Caller
from rekindle.memory.minilm import Bits, MiniLM, Question
from rekindle.memory.recall import store
from rekindle.memory.recall.lines import BLOCK, BY_ASSISTANT, Line, pack
from rekindle.memory.recall.past import Past, Slices, gather, joined, packed
from rekindle.memory.recall.question import Asked, read
from rekindle.memory.recall.ranking import look, rank
from rekindle.memory.recall.shelf import Shelf
from rekindle.memory.recall.snippet import Snippet, snippet
from rekindle.memory.recall.store import Shown
from rekindle.sessions.service import Role

__all__ = ["LONGEST_QUERY", "Filters", "Hit", "Place", "Recall", "Shown"]

LATE_LINES = 2_000
"""Newest lines not yet kept for search that a search reads itself, for their words."""
LONGEST_QUERY = 1_000


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


class Recall:
    """Keeps what was said for search, and searches it; without a model by words alone."""

    def __init__(self, database: Database, model: MiniLM | None) -> None:
        self._database = database
        self._model = model
        self.shelf = Shelf()

    @property
    def by_meaning(self) -> bool:
        """Whether search knows more than words."""
        return self._model is not None

    async def unindexed(self, limit: int = 100) -> list[tuple[UUID, UUID]]:
        """User and session ids of sessions with lines that search does not know yet, or knows by another model."""
        async with self._database.system() as connection:
            name = self._model.name if self._model else None
            return await store.list_unindexed(connection, name, name, limit)

    async def catch_up(self) -> int:
        """Keep for search whatever is not yet, of all users, newest sessions first; how many lines were new."""
        total = 0
        while waiting := await self.unindexed():
            count = 0
            for user_id, session_id in waiting:
                try:
                    count += await self.index(user_id, session_id)
                except UserGone:
                    continue
            if not count:  # what is left waits for something else, such as the end of a reply
                break
            total += count
        return total

    async def index(self, user_id: UUID, session_id: UUID) -> int:
        """Keep a session's lines for search; how many were new. A session that is gone has none."""
        async with self._database.transaction(user_id) as connection:
            settled = await store.find_settled_seq(connection, session_id)
            kept = {block.number: block for block in await store.list_kept(connection, session_id)}
        count = 0
        for number in range(-(-settled // BLOCK)):
            first, last = number * BLOCK + 1, min((number + 1) * BLOCK, settled)
            block = kept.get(number)
            if block and block.through_seq >= last and (self._model is None or block.model == self._model.name):
                continue
            async with self._database.transaction(user_id) as connection:
                lines = await store.list_lines(connection, session_id, first, last)
            if len(lines) != last - first + 1:
                break  # deleted meanwhile
            packed = await asyncio.to_thread(pack, session_id, lines, self._model)
            async with self._database.transaction(user_id) as connection:
                await store.upsert_block(connection, user_id, packed)
            count += len(lines)
        return count

    async def search(
        self, caller: Caller, query: str, filters: Filters | None = None, *, after: Place | None = None, limit: int = 10
    ) -> list[Hit]:
        """The caller's messages that bear on a query, best first; of the best two hundred, those after `after`.

        A token that is good for one session finds what was said in that one.
        """
        filters = filters or Filters()
        query = query[:LONGEST_QUERY].encode(errors="replace").decode()  # a terminal may pass half characters
        async with self._database.transaction(caller.user_id) as connection:
            past = await self._past(connection, caller)
            limits = await _limits(connection, caller, filters)
            search = await asyncio.to_thread(_Search, self._model, query, past, filters, limits)
            tokens = await store.list_tokens(connection, search.wanted) if search.wanted else []
            found = await asyncio.to_thread(search.ranked, tokens)
            page = [place for place in found if after is None or place.order < after.order][:limit]
            shown = await store.list_shown(connection, [(p.session_id, p.seq) for p in page]) if page else []
        messages = {(message.session_id, message.seq): message for message in shown}
        return [
            Hit(
                place,
                message,
                snippet(message.content, search.asked.terms),
                messages.get((place.session_id, place.seq - 1)),
                messages.get((place.session_id, place.seq + 1)),
            )
            for place in page
            if (message := messages.get((place.session_id, place.seq)))
        ]

    async def _past(self, connection: Connection, caller: Caller) -> Past:
        """All that the caller may search, from memory where the database says that nothing has changed."""
        waiting = await store.find_waiting(connection, caller.user_id, caller.session_id)
        past = self.shelf.find(caller.user_id, waiting.version) if caller.session_id is None else None
        if past is None:
            past = await asyncio.to_thread(
                gather, await store.find_packed(connection, caller.user_id, caller.session_id)
            )
            if caller.session_id is None:
                self.shelf.put(caller.user_id, past)
        if not waiting.sessions:
            return past
        return joined(past, _late(await store.list_late_lines(connection, waiting, LATE_LINES), past))


@dataclass(frozen=True, slots=True)
class _Limits:
    """Filters as sets: which sessions, and which places in them; None for all."""

    sessions: set[UUID] | None
    places: set[tuple[UUID, int]] | None


class _Search:
    """One search between its trips to the database: `wanted` is what of the candidates it needs to see."""

    def __init__(self, model: MiniLM | None, query: str, past: Past, filters: Filters, limits: _Limits) -> None:
        self._past = past
        self.asked: Asked = read(query, (speaker for speaker in past.speakers if speaker), past.names)
        self._questions: tuple[Question, Question] | None = None
        vectors = {}
        if model and model.name in past.model:
            first, as_asked = model.questions([self.asked.first_person, query])
            self._questions = first, as_asked
            vectors[model.name] = first.whole
        self._looked = look(past, self.asked, vectors, _allowed(past, filters, limits))
        self.wanted: Slices | None = None
        if model and self._questions and len(self._looked.lines):
            self.wanted = past.token_slices(self._looked.lines, model.name)

    def ranked(self, tokens: list[Bits]) -> list[Place]:
        """The candidates, best first."""
        lines = self._looked.lines
        scores = rank(self._past, self.asked, self._looked, self._questions, tokens).round(5).tolist()
        seqs = self._past.seqs(lines).tolist()
        places = list(zip(scores, self._past.session_bytes(lines), seqs, strict=True))
        return [Place(score, UUID(bytes=session), seq) for score, session, seq in sorted(places, reverse=True)]


async def _limits(connection: Connection, caller: Caller, filters: Filters) -> _Limits:
    sessions = places = None
    if filters.assistant is not None:
        sessions = await store.list_session_ids(connection, caller.user_id, filters.assistant)
    if filters.session_id is not None:
        sessions = {filters.session_id} & sessions if sessions is not None else {filters.session_id}
    if filters.metadata is not None:
        places = await store.list_places(connection, caller.user_id, filters.metadata)
    return _Limits(sessions, places)


def _late(late: list[tuple[UUID, Line]], past: Past) -> Past:
    """Lines that are in no block yet, as a past of their own: words without vectors."""
    by_session: defaultdict[UUID, list[Line]] = defaultdict(list)
    for session_id, line in sorted(late, key=lambda found: (found[0].int, found[1].seq)):
        by_session[session_id].append(line)
    reached = {session_id: past.reaches(session_id) for session_id in by_session}
    new = {session: [line for line in lines if line.seq > reached[session]] for session, lines in by_session.items()}
    return gather(packed([pack(session, lines, None) for session, lines in new.items() if lines]))


def _allowed(past: Past, filters: Filters, limits: _Limits) -> NDArray[np.bool_]:
    allowed: NDArray[np.bool_] = past.length > 0
    if limits.sessions is not None:
        allowed &= np.array([session in limits.sessions for session in past.session_ids()], bool)[past.session]
    if filters.role is not None:
        by_assistant = (past.flags & BY_ASSISTANT) > 0
        allowed &= by_assistant == (filters.role == "assistant")
    if filters.since is not None:
        allowed &= past.said >= filters.since.timestamp()
    if filters.until is not None:
        allowed &= past.said < filters.until.timestamp()
    if filters.without is not None:
        session, first = filters.without
        here = np.array([known == session for known in past.session_ids()], bool)[past.session]
        allowed &= ~(here & (past.seqs(np.arange(len(past))) >= first))
    if limits.places is not None:
        ids = past.session_ids()
        places = zip(past.session, past.seqs(np.arange(len(past))), strict=True)
        allowed &= np.fromiter(((ids[s], int(seq)) in limits.places for s, seq in places), bool, len(past))
    return allowed
