"""The turns this server runs: started, kept alive, ended; those of servers that are gone taken over; released."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from rekindle import metrics
from rekindle.assistants.assistant import Errand, Prompt, Recalled
from rekindle.assistants.context import fitting, recall_room
from rekindle.assistants.crew import Crew
from rekindle.assistants.service import Assistants
from rekindle.conversation import store
from rekindle.conversation.afloat import Afloat
from rekindle.conversation.run import Run
from rekindle.conversation.store import Place
from rekindle.database import Database, DatabaseDown
from rekindle.identity.service import Caller
from rekindle.knowledge.fetch import Fetcher
from rekindle.memory.recollection.service import Recollection
from rekindle.sessions.copies import Copies, Opening
from rekindle.sessions.service import Message
from rekindle.settings import Settings

log = structlog.get_logger()

CHECKPOINT_SECONDS = 0.5
FIRST_CHECKPOINT_SECONDS = 0.05
FINISH_RETRY_SECONDS = 0.5
TAKE_OVER_AT_ONCE = 20


class Runs:
    """The running turns of this server, each a task that no reader's leaving touches."""

    def __init__(
        self,
        database: Database,
        copies: Copies,
        assistants: Assistants,
        settings: Settings,
        crew: Crew,
        about: Callable[[Caller, UUID], Awaitable[dict[str, Any]]],
        web: Fetcher,
        recollection: Recollection,
    ) -> None:
        """`about`: the metadata of a caller's session, for tools that ask for it; `web`: for those that fetch."""
        self._web = web
        self._recollection = recollection
        self._database = database
        self._copies = copies
        self._assistants = assistants
        self._settings = settings
        self._crew = crew
        self._about = about
        self.afloat = Afloat(
            database, copies, window=settings.window, turns=settings.afloat_turns, minutes=settings.afloat_minutes
        )
        self._runs: dict[UUID, Run] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._token_came = asyncio.Event()
        self._release: asyncio.Task[None] | None = None
        self._was_away = False
        """Whether the database was away when it was last asked for turns to take over."""
        self.server = f"{socket.gethostname()}:{os.getpid()}"
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.draining = False

    def get(self, turn_id: UUID) -> Run | None:
        """The run of a turn, if it is one of this server's."""
        return self._runs.get(turn_id)

    def start(
        self, place: Place, assistant: str, prompt: Prompt, caller: Caller | None = None, opening: Opening | None = None
    ) -> None:
        """Run a turn that has begun, with the assistant of this name."""
        self.afloat.remember(place, assistant, prompt)
        chosen = self._crew.of_session(assistant)
        # Whoever began a turn that is taken over is not here to ask: its tools see what the session itself opens.
        caller = caller or Caller(place.user_id, "claimed", place.session_id)
        about = partial(self._about, caller, place.session_id)
        errand = Errand(caller, place.session_id, place.seq - 1, chosen.name, about, self._web)
        run = Run(place, chosen, prompt, errand, opening)
        self._runs[place.turn_id] = run
        metrics.TURNS_RUNNING.inc()
        run.task = asyncio.create_task(self._perform(run), name=f"turn {place.turn_id}")

    async def open(self) -> None:
        """Begin to keep this server's turns, and to take over those of servers that are gone."""
        self._keepers = [
            asyncio.create_task(self._keep(self._checkpoint_when_due), name="checkpoints"),
            asyncio.create_task(self._keep(self._take_over_when_due), name="take-over"),
            asyncio.create_task(self._keep(self._write_when_due), name="writing"),
        ]

    def drain(self) -> None:
        """Take no more turns; tell readers to come back; release what runs when the grace period is over."""
        if self.draining:
            return
        self.draining = True
        for run in self._runs.values():
            run.channel.leave()
        self._release = asyncio.create_task(self._release_after_grace(), name="release")

    async def close(self) -> None:
        """Drain, then wait until every turn of this server has ended or is released."""
        self.drain()
        assert self._release is not None
        await self._release
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _perform(self, run: Run) -> None:
        try:
            run.recall(await self._recalled(run))
            result = await run.perform(
                self._assistants,
                seconds=self._settings.turn_seconds,
                max_chars=self._settings.max_reply_chars,
                said=self._token_came.set,
            )
            reply = await self._finish(run.place, result) if result else None
        finally:
            metrics.TURNS_RUNNING.dec()
            if self._runs.get(run.place.turn_id) is run:
                del self._runs[run.place.turn_id]
            run.channel.close()
        if reply:
            run.channel.end(reply)
            if run.opening:
                self._copies.replied(run.opening, reply)
            _count(reply)

    async def _recalled(self, run: Run) -> tuple[Recalled, ...]:
        """The past that the model is given: what came with the begin, what is near to the message; as far as fits."""
        policy, place = run.assistant.recall, run.place
        recalled = [record for record in run.prompt.recalled if record.here or policy != "off"]
        if not place.afloat:
            through = next((record.seq or 0 for record in recalled if record.kind == "earlier"), place.seq)
            before = max(1, min(place.seq - 1 - self._settings.window, through + 1))
            found = await self._recollection.of_turn(
                run.errand.caller, place.session_id, run.prompt.window[-1].text, before=before, policy=policy
            )
            known = {record.session_id for record in recalled if record.kind == "summary"}
            recalled += [record for record in found if record.kind != "summary" or record.session_id not in known]
        return fitting(recalled, recall_room(self._settings.recall_tokens, self._settings.prompt_tokens))

    async def _finish(self, place: Place, result: store.Result) -> Message | None:
        self.afloat.heard(place, result.text)
        if place.afloat:
            return self.afloat.keep(place, result)
        try:
            async with self._database.connection() as connection:
                finished = await store.finish_turn(connection, place, result)
        except DatabaseDown:
            return self.afloat.keep(place, result)
        if finished and finished.late:
            await self._copies.forget(place.session_id)
        return finished.reply if finished else None

    def of_session(self, session_id: UUID) -> Run | None:
        """The run of this server in a session, if there is one."""
        return next((run for run in self._runs.values() if run.place.session_id == session_id), None)

    async def unwritten(self, caller: Caller, session_id: UUID) -> store.Begun | None:
        """What was said in a session while the database was away and must be written first, so that the order stays.

        What has ended is written now; raises `DatabaseDown`. None: what is said next may be begun.
        """
        run = self.of_session(session_id)
        place = run.place if run and run.place.afloat else None
        if place is None and self.afloat.waiting(session_id):
            await self.afloat.write()
            place = self.afloat.waiting(session_id)
        if place is None or place.user_id != caller.user_id:  # of another's session nobody is told that it is there
            return None
        return store.Begun("busy", place.turn_id, place.attempt)

    def look_at(self, run: Run) -> None:
        """Something was asked of this turn in its row: read it at once."""
        run.unsaved()
        self._token_came.set()

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except DatabaseDown:
                await asyncio.sleep(CHECKPOINT_SECONDS)
            except Exception as error:  # a fault of ours must not end what keeps every turn alive
                log.exception("keeper.fault", error=type(error).__name__)
                await asyncio.sleep(CHECKPOINT_SECONDS)

    async def _checkpoint_when_due(self) -> None:
        try:
            async with asyncio.timeout(CHECKPOINT_SECONDS):
                await self._token_came.wait()
            # A first token is kept almost at once: what a reader may have seen decides what a take-over does.
            await asyncio.sleep(FIRST_CHECKPOINT_SECONDS)
        except TimeoutError:
            pass
        self._token_came.clear()
        await self._checkpoint()

    async def _checkpoint(self) -> None:
        """Keep what running turns have said and renew their leases, all of them in one statement."""
        progress = [
            p for run in self._runs.values() if (p := run.progress(renew_after=self._settings.lease_seconds / 5))
        ]
        if not progress:
            return
        try:
            async with self._database.connection() as connection:
                ours = await store.checkpoint_turns(connection, progress, self.lease)
        except DatabaseDown:
            for part in progress:
                if run := self._runs.get(part.place.turn_id):
                    run.unsaved()
            return
        for part in progress:
            run = self._runs.get(part.place.turn_id)
            if run is None or run.place.attempt != part.place.attempt:
                continue
            if part.place.turn_id not in ours:
                run.stop("lost")
            elif ours[part.place.turn_id]:
                run.stop("cancelled")

    async def _write_when_due(self) -> None:
        await asyncio.sleep(FINISH_RETRY_SECONDS)
        await self.afloat.write()

    async def _take_over_when_due(self) -> None:
        if not self.draining:
            try:
                if self._was_away:
                    await self._database.check()
                    # Nobody could renew a lease meanwhile: those who carried their turns on come first.
                    await asyncio.sleep(self._settings.lease_seconds)
                    self._was_away = False
                await self._take_over()
            except DatabaseDown:
                self._was_away = True
                raise
        await asyncio.sleep(min(1.0, self._settings.lease_seconds / 5))

    async def _take_over(self) -> None:
        async with self._database.connection() as connection:
            taken = await store.take_over_turns(
                connection,
                server=self.server,
                lease=self.lease,
                window=self._settings.window,
                limit=TAKE_OVER_AT_ONCE,
                here=[*self._runs, *(turn.place.turn_id for turn in self.afloat.unwritten)],
            )
        for turn in taken:
            metrics.TURNS_TAKEN_OVER.labels(turn.status).inc()
            log.info("turn.taken_over", turn=str(turn.place.turn_id), becomes=turn.status)
            if turn.status == "running":
                self.start(turn.place, turn.assistant, turn.prompt)

    async def _release_after_grace(self) -> None:
        tasks = [run.task for run in self._runs.values() if run.task]
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.grace_seconds)
        left = [run for run in self._runs.values() if not run.finishing]
        for run in left:
            run.stop("released")
        waiting = [run.task for run in self._runs.values() if run.task]
        if waiting:
            await asyncio.wait(waiting, timeout=self._settings.grace_seconds + FINISH_RETRY_SECONDS)
        left = [run for run in left if not run.place.afloat]
        end = time.monotonic() + self._settings.grace_seconds
        while left or self.afloat.unwritten:
            try:
                async with self._database.connection() as connection:
                    await store.release_turns(connection, [store.Progress(r.place, r.channel.text) for r in left])
                left = []
                await self.afloat.write()
            except DatabaseDown:
                pass  # it may be back in time
            if time.monotonic() >= end or not (left or self.afloat.unwritten):
                break
            await asyncio.sleep(FINISH_RETRY_SECONDS)
        if left or self.afloat.unwritten:
            log.error("turns.left", running=len(left), unwritten=len(self.afloat.unwritten))


def _count(reply: Message) -> None:
    metrics.TURNS.labels(reply.status).inc()
    metrics.TURN_SECONDS.observe((reply.processing_time_ms or 0) / 1000)
    metrics.TOKENS.labels(reply.model, "input").inc(reply.input_tokens or 0)
    metrics.TOKENS.labels(reply.model, "output").inc(reply.output_tokens or 0)
