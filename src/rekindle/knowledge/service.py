"""What assistants may look up: documents of files, folders and sites, brought in, searched and looked at."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from rekindle.assistants.assistant import Errand
from rekindle.database import Database
from rekindle.errors import InvalidRequest, NotFound, RekindleError
from rekindle.knowledge import folder, store
from rekindle.knowledge.apart import Reader
from rekindle.knowledge.crawl import Bounds, Crawl, plain
from rekindle.knowledge.fetch import Fetcher
from rekindle.knowledge.ingest import Outcome, Run, Tell, run_items
from rekindle.knowledge.reading import is_web
from rekindle.knowledge.search.service import Found, Place, Search
from rekindle.knowledge.sources import store as sources
from rekindle.knowledge.sources.store import Source
from rekindle.knowledge.store import Chunk, Document, KeptLink
from rekindle.knowledge.study import Studies

__all__ = [
    "Chunk",
    "Document",
    "DocumentNotFound",
    "Filters",
    "KeptLink",
    "Knowledge",
    "Outcome",
    "Source",
    "SourceNotFound",
]

_FAULT = "Something went wrong: the server's log tells what. Run it again."

Progress = Callable[[Outcome, int | None], None]
"""Told after each document: what has been done, and of how many documents, where that is known."""


class DocumentNotFound(NotFound):
    """There is no such document."""

    code = "document_not_found"


class SourceNotFound(NotFound):
    """There is no such source of documents."""

    code = "source_not_found"


@dataclass(frozen=True, slots=True)
class Filters:
    """What documents are listed; None for no limit. `query`: part of a title, an address or a path."""

    assistant: str | None = None
    source: UUID | None = None
    kind: str | None = None
    query: str | None = None

    def as_values(self) -> dict[str, Any]:
        """As the store takes them."""
        return {"assistant": self.assistant, "source": self.source, "kind": self.kind, "query": self.query}


class Knowledge:
    """Documents of one server. `assistant`: whose they are, and who looks; None: every assistant's."""

    def __init__(self, database: Database, search: Search, fetcher: Fetcher, studies: Studies) -> None:
        self._database = database
        self._studies = studies
        self._search = search
        self._fetcher = fetcher

    # --- bringing in ---

    async def ingest(
        self,
        location: str | Path,
        assistant: str | None = None,
        *,
        bounds: Bounds | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Bring in a file, a folder or a site: write what is new or changed, forget what is gone, touch nothing else.

        It is committed in small batches: what was stopped goes on when it is run again. Documents that cannot be read
        are left out and named in the outcome. Raises `NotFound` for no such place, `FetchFailed`, `FetchRefused`.
        """
        tell = progress or (lambda outcome, total: None)
        if isinstance(location, str) and is_web(location):
            return await self._ingest_site(location, assistant, bounds or Bounds(), tell)
        if isinstance(location, str) and "://" in location:
            raise NotFound(f"{location[:200]} is not an address that begins with http:// or https://, and a host.")
        listing = await asyncio.to_thread(folder.list_files, Path(location))
        total = len(listing.files)
        place = folder.place_of(Path(location))
        async with self._run(place, assistant, listing.kind, {}, lambda outcome: tell(outcome, total)) as run:
            run.outcome.others = listing.others
            for closed, why in listing.closed:
                run.outcome.leave_out(listing.told(closed), why)
            if not listing.files and not listing.closed:
                await run.open()
                if run.known:
                    # An unmounted disk looks like an empty folder.
                    raise InvalidRequest(
                        f"There is nothing to read in {location}; {len(run.known):,} documents of it stay. "
                        "`rekindle ingest --forget` forgets them."
                    )
            async with Reader() as reader:
                await run_items(run, folder.items(listing, reader), listing.hides)
        return run.outcome

    async def _ingest_site(self, start: str, assistant: str | None, bounds: Bounds, tell: Progress) -> Outcome:
        def seen(outcome: Outcome) -> None:
            tell(outcome, outcome.seen + crawl.waiting)

        async with self._run(plain(start), assistant, "site", bounds.as_json(), seen) as run:
            await run.open()
            async with Reader() as reader:
                crawl = Crawl(self._fetcher, reader, start, bounds, dict(run.known), self._link_urls, run.outcome)
                async for page in crawl.pages():
                    await run.take(page)
            await run.close(remove=crawl.lost())
        return run.outcome

    @asynccontextmanager
    async def _run(
        self, location: str, assistant: str | None, kind: str, options: dict[str, Any], tell: Tell
    ) -> AsyncIterator[Run]:
        """A run over a source: what came of it is kept there, or why it failed."""
        async with self._database.system() as connection:
            source_id = await sources.begin_run(connection, assistant, location, kind, options)
        run = Run(self._database, self._search, source_id, assistant, tell)
        try:
            yield run
        except asyncio.CancelledError:
            async with self._database.system() as connection:
                await sources.update_outcome(connection, source_id, run.outcome.as_json(), stopped=True)
            raise
        except Exception as error:
            run.outcome.note = error.detail if isinstance(error, RekindleError) else _FAULT
            await self._finish(source_id, run.outcome, failed=True)
            raise
        await self._finish(source_id, run.outcome)

    async def _finish(self, source_id: UUID, outcome: Outcome, *, failed: bool = False) -> None:
        async with self._database.system() as connection:
            await sources.finish_run(connection, source_id, outcome.as_json(), failed=failed)
        self._search.forget()

    async def _link_urls(self, document_id: UUID) -> list[str]:
        async with self._database.system() as connection:
            return await store.list_link_urls(connection, document_id)

    async def reingest(self, source_id: UUID) -> Outcome | None:
        """Run a source again as it was run last; None when it is gone. What comes of it is kept with the source."""
        async with self._database.system() as connection:
            source = await sources.find_source(connection, source_id)
        if source is None:
            return None
        bounds = Bounds.read(source.options) if source.kind == "site" else None
        try:
            return await self.ingest(source.location, source.assistant, bounds=bounds)
        except NotFound as error:  # it did not even begin
            async with self._database.system() as connection:
                await sources.refuse_run(connection, source_id, error.detail)
            raise

    async def asked_for(self, source_id: UUID) -> None:
        """Note that another run over a source is queued."""
        async with self._database.system() as connection:
            await sources.update_queued(connection, source_id)

    async def forget(self, location: str, assistant: str | None = None) -> int:
        """Forget a place with all its documents; how many. Raises `SourceNotFound`."""
        place = plain(location) if is_web(location) else folder.place_of(Path(location))
        async with self._database.system() as connection:
            count = await sources.delete_source(connection, assistant, place)
        if count is None:
            raise SourceNotFound(f"Nothing was brought in from {location}.")
        self._search.forget()
        return count

    # --- looking up ---

    async def search(
        self,
        query: str,
        assistant: str | None = None,
        *,
        user_id: UUID | None = None,
        after: Place | None = None,
        limit: int = 10,
    ) -> Found:
        """The passages that bear on a question, best first: by words and meaning, or by words alone.

        While the assistant's folder is being read for this server's start, that is waited for.
        """
        await self._studies.over(assistant)
        return await self._search.find(query, assistant, user_id=user_id, after=after, limit=limit)

    @property
    def by_meaning(self) -> bool:
        """Whether search knows more than words."""
        return self._search.model is not None

    async def is_there_for(self, errand: Errand) -> bool:
        """Whether there is anything to look up for a turn's assistant."""
        return self._studies.under_way(errand.assistant) or await self._search.has_any(errand.assistant)

    async def is_behind(self) -> bool:
        """Whether passages lack a vector of the embedder that is set."""
        return await self._search.is_behind()

    async def catch_up(self) -> int:
        """Give vectors to the passages that lack one; how many. Raises `ModelError`."""
        return await self._search.catch_up()

    async def embedded(self) -> tuple[int, int]:
        """How many passages have a vector of the embedder that is set, and how many there are."""
        return await self._search.progress()

    # --- looking at what is there ---

    async def sources(self, *, after: UUID | None, limit: int) -> tuple[list[Source], int]:
        """Where documents come from, newest first, one more than `limit` where there are more; and how many."""
        async with self._database.system() as connection:
            return await sources.list_sources(connection, after, limit + 1), await sources.count_sources(connection)

    async def source(self, source_id: UUID) -> Source:
        """One source. Raises `SourceNotFound`."""
        async with self._database.system() as connection:
            found = await sources.find_source(connection, source_id)
        if found is None:
            raise SourceNotFound
        return found

    async def documents(self, filters: Filters, *, after: UUID | None, limit: int) -> tuple[list[Document], int]:
        """Documents, newest first, one more than `limit` where there are more; and how many there are in all."""
        values = filters.as_values()
        async with self._database.system() as connection:
            found = await store.list_documents(connection, values, self._search.model, after, limit + 1)
            return found, await store.count_documents(connection, values)

    async def document(self, document_id: UUID) -> Document:
        """One document. Raises `DocumentNotFound`."""
        async with self._database.system() as connection:
            found = await store.find_document(connection, document_id, self._search.model)
        if found is None:
            raise DocumentNotFound
        return found

    async def chunks(self, document_id: UUID, *, after: int, limit: int) -> list[Chunk]:
        """The passages of a document in order, one more than `limit` where there are more."""
        async with self._database.system() as connection:
            return await store.list_chunks(connection, document_id, after, limit + 1)

    async def links(
        self, *, document: UUID | None, query: str | None, after: UUID | None, limit: int
    ) -> tuple[list[KeptLink], int]:
        """Links of all documents or of one, one more than `limit` where there are more; and how many in all."""
        async with self._database.system() as connection:
            found = await store.list_links(connection, document, query, after, limit + 1)
            return found, await store.count_links(connection, document, query)
