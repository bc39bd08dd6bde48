"""What is kept of the past: a summary of each session, with its embedding."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal
from uuid import UUID

import structlog

from rekindle import metrics
from rekindle.assistants.assistant import Said
from rekindle.database import Database
from rekindle.errors import (
    ModelBusy,
    ModelError,
    ModelTimedOut,
    ModelUnreachable,
    SummaryNotFound,
    Unavailable,
    UserGone,
)
from rekindle.identity.service import Caller
from rekindle.memory import store
from rekindle.memory.embedder import Embedder
from rekindle.memory.rolling.store import list_versions
from rekindle.memory.store import SessionSummary
from rekindle.memory.summary import ExtractiveSummaries, WriterFor
from rekindle.sessions.service import Session, Sessions

__all__ = ["Memory", "SessionSummary", "is_passing"]

log = structlog.get_logger()

SUMMARISED_MESSAGES = 400
"""The newest messages of a session that its summary is made from."""

VECTOR_SECONDS = 3.0
"""Longest wait for a summary's vector where somebody waits for the summary; it is made in the background then."""
AWAY_SECONDS = 20.0
"""How long an embedder that gave none is not waited for again."""
VECTORS = 50
"""Vectors that are made in one go."""

Later = Callable[[UUID, UUID], Awaitable[None]]
"""Sees to it that the summary of this user's session is written later."""


class Memory:
    """Writes and reads summaries."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        writer: WriterFor,
        embedder: Embedder,
        *,
        seconds: float,
        later: Later,
        written: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`written` is told of each summary that was written."""
        self._database = database
        self._sessions = sessions
        self._writer = writer
        self._embedder = embedder
        self._seconds = seconds
        self._later = later
        self._written = written
        self._away_until = 0.0

    async def summarise_or_later(self, session: Session) -> Literal["generated", "pending", "none"]:
        """Summarise an ended session now, or, when the model is down or slow, later."""
        if session.last_seq == 0:
            return "none"
        async with self._database.transaction(session.user_id) as connection:
            known = await store.find_summary(connection, session.id)
        if known and known.through_seq >= session.last_seq:
            return "generated"
        try:
            await self.summarise(session.user_id, session.id)
        except (ModelError, Unavailable) as error:
            metrics.SUMMARIES.labels("pending").inc()
            log.warning("summary.pending", session=str(session.id), error=error.code)
            await self._later(session.user_id, session.id)
            return "pending"
        return "generated"

    async def summarise(self, user_id: UUID, session_id: UUID, *, quote: bool = False) -> None:
        """Write a session's summary and, if it comes in time, its embedding; with `quote` by picking sentences, without
        the model.

        A summary that is there already is kept then, and what was said since is added to it.

        Raises `ModelError` when the model fails, `SessionNotFound`, `UserGone`.
        """
        owner = Caller(user_id, "verified")
        messages = await self._sessions.messages.of(owner, session_id, limit=SUMMARISED_MESSAGES)
        earlier = ""
        if quote and (known := await self.summary(owner, session_id)):
            earlier = known.summary
            messages = [message for message in messages if message.seq > known.through_seq]
        elif messages and messages[0].seq > 1:  # a session longer than what is read of it
            async with self._database.transaction(user_id) as connection:
                earlier = "".join([version.summary for version in await list_versions(connection, session_id, 1)])
        said = [Said(m.role, m.content) for m in messages if m.content and not m.replaced]
        if not said:
            return
        try:
            async with asyncio.timeout(self._seconds):
                by_quoting = ExtractiveSummaries(1_200) if earlier else ExtractiveSummaries()
                writer = by_quoting if quote else self._writer(user_id, session_id)
                summary = await writer.write(said, earlier)
        except TimeoutError as error:
            raise ModelTimedOut(f"The summary took longer than {self._seconds:g} seconds.") from error
        embedding = await self._vector(session_id, summary.text)
        async with self._database.transaction(user_id) as connection:
            await store.upsert_summary(
                connection,
                session_id=session_id,
                user_id=user_id,
                summary=summary.text,
                metadata=summary.to_metadata(),
                through_seq=messages[-1].seq,
                embedding=embedding,
                embedding_model=self._embedder.name if embedding else None,
            )
        metrics.SUMMARIES.labels("generated").inc()
        if self._written:
            await self._written()

    async def summary(self, caller: Caller, session_id: UUID) -> SessionSummary | None:
        """A session's summary, once it is written."""
        async with self._database.transaction(caller.user_id) as connection:
            return await store.find_summary(connection, session_id)

    async def correct(
        self, caller: Caller, session_id: UUID, *, text: str | None = None, **lists: list[str]
    ) -> SessionSummary:
        """Put the user's own words into a summary: its text, or one of its lists. They stay when it is written anew.

        Raises `SessionNotFound`, `SummaryNotFound`.
        """
        await self._sessions.get(caller, session_id)
        corrected: dict[str, Any] = {**({} if text is None else {"text": text}), **lists}
        embedding = await self._vector(session_id, text) if text is not None else None
        async with self._database.transaction(caller.user_id) as connection:
            model = self._embedder.name if embedding else None
            summary = await store.update_corrected(connection, session_id, corrected, embedding, model)
        if summary is None:
            raise SummaryNotFound
        if self._written:
            await self._written()
        return summary

    async def is_behind(self) -> bool:
        """Whether summaries wait for their vector."""
        async with self._database.system() as connection:
            return bool(await store.list_bare(connection, 1))

    async def catch_up(self) -> int:
        """Make the vectors that could not be had at once, of the newest summaries first; how many.

        Raises ModelError when the embedder is away.
        """
        async with self._database.system() as connection:
            bare = await store.list_bare(connection, VECTORS)
        vectors = await self._embedder.embed([text for _, _, text in bare]) if bare else []
        made = 0
        for (user_id, session_id, text), embedding in zip(bare, vectors, strict=True):
            with suppress(UserGone):
                async with self._database.transaction(user_id) as connection:
                    made += await store.update_embedding(connection, session_id, text, embedding, self._embedder.name)
        return made

    async def summaries(self, caller: Caller, limit: int = 3) -> list[SessionSummary]:
        """The caller's newest summaries."""
        async with self._database.transaction(caller.user_id) as connection:
            return await store.list_summaries(connection, caller.user_id, limit)

    async def unsummarised(self, limit: int = 100) -> list[tuple[UUID, UUID]]:
        """User and session ids of ended sessions that wait for their summary."""
        async with self._database.system() as connection:
            return await store.list_unsummarised(connection, limit)

    async def waiting(self) -> int:
        """How many ended sessions wait for their summary."""
        async with self._database.system() as connection:
            return await store.count_unsummarised(connection)

    async def _vector(self, session_id: UUID, text: str) -> list[float] | None:
        """A summary's vector; None where the embedder fails or takes too long: the summary counts without it."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(min(VECTOR_SECONDS, self._seconds)):
                [embedding] = await self._embedder.embed([text])
        except (ModelError, TimeoutError) as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            log.warning("summary.not_embedded", session=str(session_id), error=type(error).__name__)
            return None
        return embedding


def is_passing(error: ModelError) -> bool:
    """Whether the same request may well succeed later: the model is down, busy or slow, not unwilling."""
    return isinstance(error, ModelUnreachable | ModelBusy | ModelTimedOut)
