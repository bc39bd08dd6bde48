"""Work that follows: summaries that could not be written at once, idle sessions, retention. Queued in PostgreSQL.

What is to be done can always be read from the tables (an ended session without its summary), so a lost queue entry
loses nothing: `find_work` finds it again each minute. A job whose worker is gone is retried by another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import procrastinate
import structlog
from procrastinate import exceptions
from procrastinate.jobs import Job, Status
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker

from rekindle.errors import InvalidRequest, ModelError, NotFound, RekindleError, SessionNotFound, Unavailable, UserGone
from rekindle.jobs import store
from rekindle.jobs.store import FIRST, Place, Trouble
from rekindle.knowledge.prices.service import Prices
from rekindle.knowledge.service import Knowledge
from rekindle.memory.profile.service import Profile
from rekindle.memory.recall.service import Recall
from rekindle.memory.rolling.service import Rolling
from rekindle.memory.service import Memory, is_passing
from rekindle.memory.titles import Titles
from rekindle.sessions.service import Sessions

log = structlog.get_logger()

QUEUE = "rekindle"
REFUSALS = 3
"""After so many unusable answers of the model, a summary is made by quoting."""
ROLLS = 10
"""Versions of a rolling summary that one job writes of a session that is far behind."""
WAITING = 100
"""Summaries whose reading is queued at a time."""
GONE_SECONDS = 30
"""A worker without a heartbeat for so long is gone; heartbeats come every 10 s."""
KEPT_HOURS = 24 * 14
"""How long jobs that failed for good stay to be looked at."""
DELETED = (SessionNotFound, UserGone)
"""What a job was about is gone: nothing is left to do."""
AGAIN_SECONDS = 2.0
"""How long a worker that lost the database waits before it begins again."""
CLOSE_SECONDS = 6.0
"""Longest wait for a worker that ends: a little more than its jobs are given."""


class Patience(BaseRetryStrategy):
    """Retries after 2, 4, 8 … seconds, at most a minute apart, for about a quarter of an hour."""

    attempts = 20

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When to try again; None gives up, visibly, until the next search for work."""
        if job.attempts >= self.attempts:
            return None
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=min(60, 2 ** (job.attempts + 1))))


class Insistence(Patience):
    """The same, but for a model or database that is away, or busy, however long it takes; and soon done with others."""

    attempts = 5

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When to try again; None gives up, and then nothing but a person tries again."""
        passing = isinstance(exception, Unavailable) or (isinstance(exception, ModelError) and is_passing(exception))
        if passing:
            return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=min(60, 2 ** min(job.attempts + 1, 6))))
        return super().get_retry_decision(exception=exception, job=job)


class Jobs:
    """The queue, and this process's worker on it."""

    def __init__(self, conninfo: str, *, gone_seconds: float = GONE_SECONDS) -> None:
        self._connector = procrastinate.PsycopgConnector(
            conninfo=conninfo, min_size=1, max_size=4, kwargs={"application_name": "rekindle jobs"}
        )
        self._app = procrastinate.App(connector=self._connector)
        self._gone_seconds = gone_seconds
        self._worker: asyncio.Task[None] | None = None
        self._find_work: Callable[[], Awaitable[None]]

    def register(
        self,
        memory: Memory,
        recall: Recall,
        titles: Titles,
        sessions: Sessions,
        rolling: Rolling,
        knowledge: Knowledge,
        prices: Prices,
        *,
        profile: Profile | None,
        idle_minutes: float,
        retention_days: float,
        undo_minutes: float,
    ) -> None:
        """Say what the jobs do. Without a `profile` nothing is read from summaries of what is known of people."""

        @self._app.task(name="summarise", queue=QUEUE, retry=Patience(), pass_context=True)
        async def summarise(context: procrastinate.JobContext, user_id: str, session_id: str) -> None:
            refused = context.job.attempts >= REFUSALS
            with suppress(*DELETED):
                try:
                    await memory.summarise(UUID(user_id), UUID(session_id))
                except ModelError as error:
                    if is_passing(error) or not refused:
                        raise
                    await memory.summarise(UUID(user_id), UUID(session_id), quote=True)

        @self._app.task(name="roll_summary", queue=QUEUE, retry=Patience(), pass_context=True)
        async def roll_summary(context: procrastinate.JobContext, user_id: str, session_id: str) -> None:
            ids = UUID(user_id), UUID(session_id)
            with suppress(*DELETED):
                try:
                    for _ in range(ROLLS):
                        if not await rolling.write(*ids):
                            return
                except ModelError as error:
                    if is_passing(error) or context.job.attempts < REFUSALS:
                        raise
                    await rolling.write(*ids, quote=True)

        @self._app.task(name="name_session", queue=QUEUE, retry=Patience(), pass_context=True)
        async def name_session(context: procrastinate.JobContext, user_id: str, session_id: str) -> None:
            with suppress(*DELETED):
                try:
                    await titles.write(UUID(user_id), UUID(session_id))
                except ModelError as error:
                    if is_passing(error) and context.job.attempts < REFUSALS:
                        raise
                    await titles.write(UUID(user_id), UUID(session_id), quote=True)

        @self._app.task(name="derive", queue=QUEUE, retry=Insistence())
        async def derive(user_id: str, session_id: str, version: str) -> None:
            if profile:
                with suppress(*DELETED):
                    await profile.derive(UUID(user_id), UUID(session_id))

        @self._app.task(name="index", queue=QUEUE, queueing_lock="index", retry=Patience())
        async def index() -> None:
            await recall.catch_up()

        @self._app.task(name="embed_summaries", queue=QUEUE, queueing_lock="embed_summaries", retry=Patience())
        async def embed_summaries() -> None:
            while await memory.catch_up():
                pass

        @self._app.task(name="embed_knowledge", queue=QUEUE, queueing_lock="embed_knowledge", retry=Patience())
        async def embed_knowledge() -> None:
            await knowledge.catch_up()

        @self._app.task(name="ingest", queue=QUEUE, retry=Patience())
        async def ingest(source_id: str) -> None:
            with suppress(NotFound, InvalidRequest):  # kept with the source, for who looks at it
                await knowledge.reingest(UUID(source_id))

        @self._app.task(name="study", queue=QUEUE, retry=Patience())
        async def study(assistant: str, folder: str) -> None:
            documents, price_list = Path(folder, "knowledge"), Path(folder, "prices.csv")
            there = await asyncio.to_thread(lambda: [path for path in (documents, price_list) if path.exists()])
            if not there:
                log.warning("assistant.folder_not_here", assistant=assistant, folder=folder)
            try:
                if documents in there:
                    await knowledge.ingest(documents, assistant)
                if price_list in there:
                    await prices.import_file(price_list, assistant)
            except (NotFound, InvalidRequest) as error:  # what is wrong in the folder no second run mends
                log.error("assistant.not_studied", assistant=assistant, detail=error.detail)

        @self._app.task(name="read_summaries", queue=QUEUE, queueing_lock="read_summaries", retry=Patience())
        async def queue_derivations() -> None:
            if profile:
                for user_id, session_id, version in await profile.underived(WAITING):
                    await self._defer("derive", user_id, session_id, version=version.isoformat())

        async def find_work() -> None:
            await self.sweep()
            await sessions.end_idle(idle_minutes)
            await sessions.hidden.erase(undo_minutes)
            for user_id, session_id in await memory.unsummarised():
                await self.summarise_later(user_id, session_id)
            for user_id, session_id in await rolling.behind():
                await self._defer("roll_summary", user_id, session_id)
            for user_id, session_id in await titles.missing():
                await self._defer("name_session", user_id, session_id)
            await queue_derivations()
            if await recall.unindexed(limit=1):
                await self._queue("index", "index")
            if await memory.is_behind():
                await self._queue("embed_summaries", "embed_summaries")
            if await knowledge.is_behind():
                await self._queue("embed_knowledge", "embed_knowledge")

        @self._app.periodic(cron="* * * * *")
        @self._app.task(name="find_work", queue=QUEUE, queueing_lock="find_work")
        async def each_minute(timestamp: int) -> None:
            await find_work()

        @self._app.periodic(cron="17 3 * * *")
        @self._app.task(name="clean_up", queue=QUEUE, queueing_lock="clean_up", retry=Patience())
        async def each_night(timestamp: int) -> None:
            if retention_days:
                cleaned = await sessions.clean_up(retention_days)
                log.info("retention.done", sessions=cleaned.sessions, messages=cleaned.messages)
            await self._app.job_manager.delete_old_jobs(
                KEPT_HOURS, queue=QUEUE, include_failed=True, include_cancelled=True, include_aborted=True
            )

        self._find_work = find_work

    async def open(self) -> None:
        """Connect the queue."""
        await self._app.open_async()

    def start(self) -> None:
        """Begin to work on the queue, in this process, until `close`."""
        self._worker = asyncio.create_task(self._work(), name="jobs")

    async def close(self) -> None:
        """Let running jobs end, for 5 s, and disconnect. What does not end in time is retried by another worker.

        A database that is away does not hold the server up: what could not be said to it, the next worker finds.
        """
        if self._worker:
            for _ in range(2):  # the worker's own farewell waits for the database: a second word ends that too
                self._worker.cancel()
                await asyncio.wait({self._worker}, timeout=CLOSE_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._app.close_async()

    async def find_work(self) -> None:
        """What is done each minute: idle sessions end, missing summaries and stalled jobs are queued again."""
        await self._find_work()

    async def summarise_later(self, user_id: UUID, session_id: UUID) -> None:
        """Queue the summary of a session, unless it waits there already."""
        await self._defer("summarise", user_id, session_id)

    async def ingest_later(self, source_id: UUID) -> bool:
        """Queue another run over a source of documents; False when one waits already."""
        return await self._queue("ingest", f"ingest:{source_id}", {"source_id": str(source_id)})

    async def study_later(self, assistant: str, folder: Path) -> None:
        """Queue the reading of what an assistant knows: `knowledge/` and `prices.csv` in its folder."""
        arguments = {"assistant": assistant, "folder": str(folder)}
        await self._queue("study", f"study:{assistant}", arguments, alone=True)

    async def is_studying(self, assistant: str) -> bool:
        """Whether that waits or is being done."""
        try:
            jobs = await self._app.job_manager.list_jobs_async(queue=QUEUE, lock=f"study:{assistant}")
        except exceptions.ConnectorException:  # the database is away: whoever looks up is told so by the look itself
            return False
        return any(job.status in ("todo", "doing") for job in jobs)

    async def read_summaries(self) -> None:
        """Queue the reading of new summaries for what they tell; the next search for work does where this cannot."""
        try:
            await self._queue("read_summaries", "read_summaries")
        except exceptions.ConnectorException as error:
            log.warning("job.not_queued", task="read_summaries", error=type(error).__name__)

    async def _defer(self, name: str, user_id: UUID, session_id: UUID, **more: str) -> None:
        about = {"user_id": str(user_id), "session_id": str(session_id), **more}
        await self._queue(name, f"{name}:{session_id}", about)

    async def _queue(
        self, name: str, waiting: str, arguments: Mapping[str, str] | None = None, *, alone: bool = False
    ) -> bool:
        """Queue a job, unless one waits under the name `waiting`: then False. `alone`: not while another of it runs."""
        task = self._app.configure_task(name=name, queue=QUEUE, queueing_lock=waiting, lock=waiting if alone else None)
        try:
            await task.defer_async(**(arguments or {}))
        except exceptions.AlreadyEnqueued:
            log.debug("job.queued_already", task=name, waiting=waiting)
            return False
        return True

    async def sweep(self) -> int:
        """Queue again the jobs whose worker is gone; how many."""
        manager = self._app.job_manager
        stalled = await manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self._gone_seconds)
        count = 0
        for job in stalled:
            count += 1
            log.warning("job.stalled", job=job.id, task=job.task_name)
            try:
                await manager.retry_job(job)
            except exceptions.UniqueViolation:  # the same work has been queued since: one of the two is enough
                await manager.finish_job(job, Status.FAILED, delete_job=True)
        return count

    async def counts(self) -> dict[str, int]:
        """How many jobs wait (`todo`), run (`doing`) and failed for good (`failed`)."""
        queues = list(await self._app.job_manager.list_queues_async(queue=QUEUE))
        return {state: sum(int(queue.get(state) or 0) for queue in queues) for state in ("todo", "doing", "failed")}

    async def troubles(self, *, after: Place | None = None, limit: int = 100) -> list[Trouble]:
        """Jobs that failed for good, then those that failed and will be tried again; of each the newest first.

        The list goes on `after` the state and number of a job.
        """
        return await store.list_troubles(self._connector, QUEUE, after=after or FIRST, limit=limit)

    async def retry(self, job_id: int) -> Trouble:
        """Try a job that failed for good again, now; raises `NotFound` when there is no such job."""
        trouble = await store.find_failed(self._connector, QUEUE, job_id)
        if trouble is None:
            raise NotFound("There is no failed job with this number.")
        try:
            await self._app.job_manager.retry_job_by_id_async(job_id, datetime.now(UTC))
        except exceptions.UniqueViolation:
            log.debug("job.queued_already", job=job_id)
        return trouble

    async def _work(self) -> None:
        while True:
            try:
                await self._app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=2,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=5,
                    delete_jobs="successful",
                    stalled_worker_timeout=self._gone_seconds,
                    task_middleware=[_tell],
                )
            except exceptions.ConnectorException as error:  # the database went away: jobs wait for it
                log.warning("jobs.interrupted", error=type(error).__name__)
            except Exception as error:  # a fault must not leave a server that looks well and does no job any more
                log.exception("jobs.fault", error=type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)


async def _tell(call_next: Callable[[], Awaitable[Any]], context: procrastinate.JobContext, worker: Worker) -> Any:
    """Log a job's failure by its code: what people said never reaches the log."""
    try:
        return await call_next()
    except RekindleError as error:
        log.warning("job.failed", job=context.job.id, task=context.job.task_name, code=error.code)
        raise
