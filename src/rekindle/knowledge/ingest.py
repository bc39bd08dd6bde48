"""One run over a source: what is new or has changed is written, what is gone is forgotten, the rest is not touched."""

import asyncio
import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import structlog

from rekindle.database import Database
from rekindle.errors import ModelError
from rekindle.knowledge import store
from rekindle.knowledge.passages import Passage, cut, told
from rekindle.knowledge.reading import VERSION, Kind, Read, Unreadable
from rekindle.knowledge.search.service import Search
from rekindle.knowledge.sources import store as sources
from rekindle.knowledge.store import Written

log = structlog.get_logger()

_BATCH_PASSAGES = 128
_BATCH_DOCUMENTS = 64
_AT_ONCE = 96
"""Texts embedded together: a book has thousands of passages, and who stops the run waits for these only."""
_PATIENCE = 3
"""After so many failures of the embedder in a row, the rest is left to the server's job."""
_LONGEST_WAIT = 5.0
"""Seconds that a document may wait to be written, so that a slow site is not read in vain when it is stopped."""
_SIGN_SECONDS = 2.0
"""Between two signs of life of a run, with what it has done so far."""
_LONGEST_URI = 2_400
"""In bytes: what an index of PostgreSQL takes."""
_MOST_TOLD = 100
"""Documents left out that an outcome names."""


class Item(ABC):
    """A document as its source finds it."""

    uri: str
    path: str | None
    url: str | None
    kind: Kind
    size: int
    metadata: dict[str, Any] | None = None

    @abstractmethod
    def digest(self) -> bytes:
        """What tells this state of it from others. Raises `Unreadable`."""

    @abstractmethod
    async def read(self) -> Read:
        """It as a document. Raises `Unreadable`."""


def digest_of(content: bytes, kind: Kind) -> bytes:
    """A document's hash: of its content, and of the way it is read."""
    return hashlib.sha256(b"%d %s " % (VERSION, kind.encode()) + content).digest()


@dataclass(slots=True)
class Outcome:
    """What a run did, in documents; `passages` and `links` are those written, `waiting` those without a vector yet."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    passages: int = 0
    links: int = 0
    waiting: int = 0
    others: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    left_out_more: int = 0
    note: str | None = None

    @property
    def seen(self) -> int:
        """How many documents were looked at."""
        return self.added + self.changed + self.unchanged + len(self.left_out) + self.left_out_more

    def leave_out(self, name: str, why: str) -> None:
        """Say that a document was not read."""
        if len(self.left_out) < _MOST_TOLD:
            self.left_out.append((name, why))
        else:
            self.left_out_more += 1

    def as_json(self) -> dict[str, Any]:
        """The outcome as it is kept."""
        return asdict(self)


Tell = Callable[[Outcome], None]


class Run:
    """A run over one source. What is written is committed batch by batch: a run that stops goes on when run again."""

    def __init__(
        self, database: Database, search: Search, source_id: UUID, assistant: str | None, tell: Tell | None = None
    ) -> None:
        self.outcome = Outcome()
        self.known: dict[str, store.Known] = {}
        """What the source held before, by uri; what is seen is taken out."""
        self._database = database
        self._search = search
        self._source_id = source_id
        self._assistant = assistant
        self._tell = tell or (lambda _: None)
        self._batch: list[Written] = []
        self._seen: set[str] = set()
        self._failures = 0
        self._signed = self._flushed = time.monotonic()

    async def open(self) -> None:
        """Learn what the source held before."""
        async with self._database.system() as connection:
            self.known = await store.list_known(connection, self._source_id)

    async def take(self, item: Item) -> None:
        """Write a document where it is new or has changed."""
        await self._sign()
        if item.uri in self._seen:
            return
        self._seen.add(item.uri)
        before = self.known.pop(item.uri, None)
        name = item.path or item.uri
        try:
            if len(item.uri.encode()) > _LONGEST_URI:
                raise Unreadable("Its path or address is too long.")
            digest = await asyncio.to_thread(item.digest)
            if before is not None and before.digest == digest:
                self.outcome.unchanged += 1
                self._tell(self.outcome)
                return
            read = await item.read()
            passages = await asyncio.to_thread(cut, read)
            if not passages:
                if before is not None:  # it has been emptied: what it said holds no more
                    self.known[item.uri] = before
                raise Unreadable("There is no text in it.")
        except Unreadable as error:  # what was read of it before stays
            self.outcome.leave_out(name, error.detail)
            self._tell(self.outcome)
            return
        if before is None:
            self.outcome.added += 1
        else:
            self.outcome.changed += 1
        self._tell(self.outcome)
        await self.write(_written(item, read, passages, digest))

    async def write(self, document: Written) -> None:
        """Put a document into the batch, and the batch into the database once it is full."""
        self._batch.append(document)
        full = len(self._batch) >= _BATCH_DOCUMENTS or sum(len(d.passages) for d in self._batch) >= _BATCH_PASSAGES
        if full or time.monotonic() - self._flushed > _LONGEST_WAIT:
            await self._flush()
            self._flushed = time.monotonic()

    async def close(self, *, remove: set[str] | None = None) -> Outcome:
        """Write what is left, and forget what is gone: of `known`, all or those in `remove`."""
        await self._flush()
        gone = [known.id for uri, known in self.known.items() if remove is None or uri in remove]
        for start in range(0, len(gone), 500):
            async with self._database.system() as connection:
                self.outcome.removed += await store.delete_documents(connection, gone[start : start + 500])
        return self.outcome

    async def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        texts = [told(document.title, p.heading, p.content) for document in batch for p in document.passages]
        vectors = await self._vectors(texts)
        async with self._database.system() as connection:
            await store.write_documents(
                connection, self._source_id, self._assistant, batch, vectors, self._search.model if vectors else None
            )
        self.outcome.passages += len(texts)
        self.outcome.links += sum(len(document.links) for document in batch)
        if vectors is None and self._search.model:
            self.outcome.waiting += len(texts)
        self._tell(self.outcome)

    async def _sign(self) -> None:
        if time.monotonic() - self._signed > _SIGN_SECONDS:
            self._signed = time.monotonic()
            async with self._database.system() as connection:
                await sources.update_outcome(connection, self._source_id, self.outcome.as_json())

    async def _vectors(self, texts: list[str]) -> list[list[float]] | None:
        if self._failures >= _PATIENCE:
            return None
        vectors: list[list[float]] = []
        try:
            for start in range(0, len(texts), _AT_ONCE):
                await self._sign()
                part = await self._search.embed(texts[start : start + _AT_ONCE])
                if part is None:
                    return None
                vectors += part
        except ModelError as error:
            log.warning("ingest.no_vectors", error=error.code)
            self._failures += 1
            return None
        self._failures = 0
        return vectors


def _written(item: Item, read: Read, passages: list[Passage], digest: bytes) -> Written:
    return Written(
        uri=item.uri,
        # A file may say where people find it.
        url=item.url or read.url,
        path=item.path,
        title=read.title,
        kind=item.kind,
        digest=digest,
        size=item.size,
        passages=passages,
        links=read.links,
        metadata=item.metadata or {},
    )


async def run_items(run: Run, found: AsyncIterator[Item], hides: Callable[[str], bool]) -> Outcome:
    """A run over all items of a source; those that are not among them, and that it does not hide, are gone."""
    await run.open()
    async for item in found:
        await run.take(item)
    return await run.close(remove={uri for uri in run.known if not hides(uri)})
