"""What is kept of the past: a summary of each session, with its embedding."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal
from uuid import UUID

import structlog

from rekindle import metrics
from rekindle.assistants.assistant import Said
from rekindle.database import Database
from rekindle.errors import ModelBusy, ModelError, ModelTimedOut, ModelUnreachable, Unavailable
from rekindle.identity.service import Caller
from rekindle.memory import store
from rekindle.memory.embedder import Embedder
from rekindle.memory.store import SessionSummary
from rekindle.memory.summary import ExtractiveSummaries, SummaryWriter
from rekindle.sessions.service import Session, Sessions

log = structlog.get_logger()

SUMMARISED_MESSAGES = 400
"""The newest messages of a session that its summary is made from."""

Later = Callable[[UUID, UUID], Awaitable[None]]
"""Sees to it that the summary of this user's session is written later."""


class Memory:
    """Writes and reads summaries."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        writer: SummaryWriter,
        embedder: Embedder,
        *,
        seconds: float,
        later: Later,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._writer = writer
        self._embedder = embedder
        self._seconds = seconds
        self._later = later

    async def summarise_or_later(self, session: Session) -> Literal["generated", "pending", "none"]:
        """Summarise an ended session now, or, when the model is down or slow, later."""
        if session.last_seq == 0:
            return "none"
        try:
            await self.summarise(session.user_id, session.id)
        except (ModelError, Unavailable) as error:
            metrics.SUMMARIES.labels("pending").inc()
            log.warning("summary.pending", session=str(session.id), error=error.code)
            await self._later(session.user_id, session.id)
            return "pending"
        return "generated"

    async def summarise(self, user_id: UUID, session_id: UUID, *, quote: bool = False) -> None:
        """Write a session's summary and its embedding; with `quote` by picking sentences, without the model.

        Raises `ModelError` when the model or the embedder fails, `SessionNotFound`.
        """
        messages = await self._sessions.messages.of(Caller(user_id, "verified"), session_id, limit=SUMMARISED_MESSAGES)
        said = [Said(m.role, m.content) for m in messages if m.content]
        if not said:
            return
        try:
            async with asyncio.timeout(self._seconds):
                summary = await (ExtractiveSummaries() if quote else self._writer).write(said)
                [embedding] = await self._embedder.embed([summary.text])
        except TimeoutError as error:
            raise ModelTimedOut(f"The summary took longer than {self._seconds:g} seconds.") from error
        async with self._database.transaction(user_id) as connection:
            await store.upsert_summary(
                connection,
                session_id=session_id,
                user_id=user_id,
                summary=summary.text,
                metadata=summary.to_metadata(),
                through_seq=messages[-1].seq,
                embedding=embedding,
                embedding_model=self._embedder.name,
            )
        metrics.SUMMARIES.labels("generated").inc()

    async def summary(self, caller: Caller, session_id: UUID) -> SessionSummary | None:
        """A session's summary, once it is written."""
        async with self._database.transaction(caller.user_id) as connection:
            return await store.find_summary(connection, session_id)

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


def is_passing(error: ModelError) -> bool:
    """Whether the same request may well succeed later: the model is down, busy or slow, not unwilling."""
    return isinstance(error, ModelUnreachable | ModelBusy | ModelTimedOut)
