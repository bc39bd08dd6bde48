"""Rolling summaries: what left the window of a session that goes on, told in a few lines.

Written by jobs, each version from the one before it and the messages that left since, so that its cost does not grow
with the session. What a model writes is judged first; one that is refused leaves the last good version in its place.
"""

import asyncio
from uuid import UUID

from rekindle import metrics
from rekindle.assistants.assistant import Said
from rekindle.database import Database
from rekindle.errors import ModelTimedOut
from rekindle.identity.service import Caller
from rekindle.memory.rolling import store
from rekindle.memory.rolling.store import RollingSummary
from rekindle.memory.summary import ExtractiveSummaries, Summary, SummaryWriter, WriterFor
from rekindle.sessions.service import Sessions

__all__ = ["Rolling", "RollingSummary"]

LONGEST, MOST = 1_200, 14
"""Characters and sentences of one that is made by quoting."""
_AT_ONCE = 100
"""Messages that one version takes in at most; of a long session that was imported, many follow each other."""
_VERSIONS = 5
_VERSIONS_READ = 20


class Rolling:
    """Writes and reads rolling summaries."""

    def __init__(
        self, database: Database, sessions: Sessions, writer: WriterFor, *, window: int, seconds: float
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._writer = writer
        self._window = window
        self._seconds = seconds

    @property
    def step(self) -> int:
        """How many messages leave the window before the summary takes them in: a quarter of it."""
        return max(2, self._window // 4)

    async def behind(self, limit: int = 100) -> list[tuple[UUID, UUID]]:
        """User and session ids of sessions whose summary is to take in what left their window."""
        async with self._database.system() as connection:
            return await store.list_behind(connection, self._window, self.step, limit)

    async def versions(self, caller: Caller, session_id: UUID) -> list[RollingSummary]:
        """What is kept of a session's, the newest first."""
        async with self._database.transaction(caller.user_id) as connection:
            return await store.list_versions(connection, session_id, _VERSIONS_READ)

    async def write(self, user_id: UUID, session_id: UUID, *, quote: bool = False) -> bool:
        """Take in what left a session's window; whether it has a new version. With `quote` without the model.

        Raises `ModelError` when the model fails, or writes what is no summary; `SessionNotFound`.
        """
        owner = Caller(user_id, "verified")
        newest = next(iter(await self.versions(owner, session_id)), None)
        after = newest.through_seq if newest else 0
        session = await self._sessions.get(owner, session_id)
        through = session.last_seq - self._window
        if through - after < self.step:
            return False
        messages = await self._sessions.messages.of(
            owner, session_id, after=after, limit=min(through - after, _AT_ONCE)
        )
        said = [Said(m.role, m.content) for m in messages if m.content and not m.replaced]
        earlier = newest.summary if newest else ""
        if said:
            writer = ExtractiveSummaries(LONGEST, MOST) if quote else self._writer(user_id, session_id)
            summary = await self._summary(writer, said, earlier)
        else:  # nothing but turns that failed, or were asked anew
            summary = Summary(earlier or "Nothing was said.")
        async with self._database.transaction(user_id) as connection:
            written = await store.insert_version(
                connection,
                session_id=session_id,
                user_id=user_id,
                after=after,
                through_seq=messages[-1].seq,
                summary=summary.text,
                metadata=summary.to_metadata(),
            )
            await store.delete_old_versions(connection, session_id, _VERSIONS)
        metrics.SUMMARIES.labels("rolled").inc()
        return written

    async def _summary(self, writer: SummaryWriter, said: list[Said], earlier: str) -> Summary:
        try:
            async with asyncio.timeout(self._seconds):
                return await writer.write(said, earlier)
        except TimeoutError as error:
            raise ModelTimedOut(f"The summary took longer than {self._seconds:g} seconds.") from error
