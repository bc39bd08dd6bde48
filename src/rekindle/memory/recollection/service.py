"""What of a user's past goes into a turn beside the last summaries: bounded in time, and never in the answer's way."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Literal, TypeAlias
from uuid import UUID

import structlog

from rekindle import metrics
from rekindle.assistants.assistant import Policy, Recalled
from rekindle.assistants.voice import without_frames
from rekindle.database import Database
from rekindle.errors import RekindleError
from rekindle.identity.service import Caller
from rekindle.memory.cues import is_question, is_small_talk
from rekindle.memory.profile.service import Profile
from rekindle.memory.recall.service import SECONDS, Filters, Hit, Recall, Shown
from rekindle.memory.recollection import store
from rekindle.memory.words import sentences, words
from rekindle.settings import Identity as Rule

log = structlog.get_logger()

Opens: TypeAlias = Literal["words", "summaries", "nothing"]

HITS = 8
_LOOKED_AT = 3 * HITS
"""What tells nothing is passed over: the same question asked before, and that it had no answer."""
_MEANT = 3
"""Of the hits so many are taken that share no word with the message, being near in meaning."""
_SESSIONS = 3
"""Sessions whose summaries are given where the words themselves are not open."""
_FACTS = 12
_PASSAGE_CHARS = 600
_SHORT_CHARS = 80
"""Of an answer that may say nothing by itself: "Paprika.", to what a cat's name is."""


def opens(caller: Caller, rule: Rule) -> Opens:
    """What of other sessions may go into an answer: what was said, once the user has proven who they are; on a claim
    the summaries, where the rule has it so.
    """
    if caller.level == "verified":
        return "words"
    return "summaries" if caller.level == "claimed" and rule == "claimed" else "nothing"


class Recollection:
    """Finds what is near to a message, and what is known of who says it."""

    def __init__(self, database: Database, recall: Recall, profile: Profile, *, rule: Rule, seconds: float) -> None:
        self._database = database
        self._recall = recall
        self._profile = profile
        self._rule = rule
        self._seconds = seconds
        self._late: set[asyncio.Task[list[Recalled] | None]] = set()

    async def of_turn(
        self, caller: Caller, session_id: UUID, message: str, *, before: int, policy: Policy = "nearest"
    ) -> list[Recalled]:
        """What the message calls for, best first of each kind; `before`: the seq with which the window begins.

        Never fails: what cannot be had, or not in time, is left out, and counted.
        """
        if not self._seconds:
            return []
        wanted = [self._found(self._nearest(caller, session_id, message, before, policy))]
        if policy != "off":
            wanted.append(self._found(self._facts(caller)))
        tasks = [asyncio.create_task(work) for work in wanted]
        began = time.perf_counter()
        try:
            done, late = await asyncio.wait(tasks, timeout=self._seconds)
        finally:
            for task in tasks:
                self._let_go(task)
        metrics.RECALL_SECONDS.observe(time.perf_counter() - began)
        results = [task.result() for task in tasks if task in done]
        found = [record for result in results for record in result or ()]
        outcome = "failed" if None in results else "late" if late else "found" if found else "nothing"
        metrics.RECALLS.labels(outcome).inc()
        return found

    async def near(
        self, caller: Caller, message: str, *, session_id: UUID, before: int, seconds: float = SECONDS
    ) -> list[Recalled]:
        """What was said near to a message, as far as it is open to the caller: elsewhere, or here before `before`.

        While the user has paused remembering, here alone. `seconds`: what the search has. Raises `SearchTooSlow`.
        """
        allowed = opens(caller, self._rule)
        if allowed != "nothing":
            async with self._database.transaction(caller.user_id) as connection:
                allowed = "nothing" if await store.is_paused(connection, caller.user_id) else allowed
        if not message.strip() or (allowed == "nothing" and before <= 1):
            return []
        filters = Filters(session_id=None if allowed != "nothing" else session_id, without=(session_id, before))
        owner = Caller(caller.user_id, "verified")
        ranked = await self._recall.search(owner, message, filters, limit=_LOOKED_AT, seconds=seconds)
        given = [(hit, _records(hit, message, session_id, before)) for hit in ranked]
        told = [(hit, records) for hit, records in given if records]
        hits = [(hit, r) for place, (hit, r) in enumerate(told) if place < _MEANT or hit.snippet.highlights][:HITS]
        said = [hit for hit, _ in hits if allowed == "words" or hit.message.session_id == session_id]
        found = [record for hit, records in hits if hit in said for record in records]
        found = list({" ".join(record.text.split()).lower(): record for record in reversed(found)}.values())[::-1]
        elsewhere = dict.fromkeys(hit.message.session_id for hit, _ in hits if hit not in said)
        if elsewhere:
            async with self._database.transaction(caller.user_id) as connection:
                found += await store.list_summaries_of(connection, list(elsewhere)[:_SESSIONS])
        return found

    async def _nearest(
        self, caller: Caller, session_id: UUID, message: str, before: int, policy: Policy
    ) -> list[Recalled]:
        if policy != "nearest":  # what this session itself holds is its own in any case
            caller = Caller(caller.user_id, "anonymous")
        if _says_nothing(message):
            return []
        return await self.near(caller, message, session_id=session_id, before=before, seconds=self._seconds)

    async def _facts(self, caller: Caller) -> list[Recalled]:
        return [
            Recalled(known.session_id, known.date, known.text, "fact", known.seq, what=known.kind)
            for known in await self._profile.known(caller, _FACTS)
        ]

    async def _found(self, work: Coroutine[Any, Any, list[Recalled]]) -> list[Recalled] | None:
        """What came of the work; None when it failed."""
        try:
            return await work
        except RekindleError as error:
            log.warning("recall.failed", code=error.code)
        except Exception as error:  # a fault of ours costs an answer its memories, not the answer
            log.exception("recall.fault", error=type(error).__name__)
        return None

    def _let_go(self, task: asyncio.Task[list[Recalled] | None]) -> None:
        """Give a task up without waiting for it: a database that hangs takes its time to hear of that."""
        if not task.done():
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            task.cancel()


def _says_nothing(text: str) -> bool:
    return all(is_small_talk(sentence) for sentence in sentences(text[:2_000]))


def _records(hit: Hit, message: str, session_id: UUID, before: int) -> list[Recalled]:
    """What a hit gives: nothing that is in the window, says nothing, or is the same question, asked before."""
    echoed = words(message)
    return [
        record
        for shown in _with_counterpart(hit)
        if (shown.session_id != session_id or shown.seq < before)
        and (record := _message(hit, shown, session_id))
        and not (record.by == "user" and is_question(record.text) and words(record.text) == echoed)
    ]


def _with_counterpart(hit: Hit) -> list[Shown]:
    """The message of a hit, and the answer to what it asks; of a short answer the question too."""
    if hit.after and hit.after.role != hit.message.role and is_question(hit.message.content[-500:]):
        return [hit.message, hit.after]
    short = hit.message.role == "user" and len(hit.message.content) <= _SHORT_CHARS
    if short and hit.before and hit.before.role == "assistant" and is_question(hit.before.content[-500:]):
        return [hit.before, hit.message]
    return [hit.message]


def _message(hit: Hit, shown: Shown, session_id: UUID) -> Recalled | None:
    content = shown.content if shown.role == "user" else without_frames(shown.content)
    text = " ".join(content.split())
    if _says_nothing(text):
        return None
    if len(text) > _PASSAGE_CHARS:
        core = hit.snippet.text.strip("…")
        at = max(0, text.find(core) - _PASSAGE_CHARS // 4) if shown is hit.message else 0
        text = f"{'…' * (at > 0)}{text[at : at + _PASSAGE_CHARS]}{'…' * (at + _PASSAGE_CHARS < len(text))}"
    here = shown.session_id == session_id
    return Recalled(
        shown.session_id, shown.created_at, text, "message", shown.seq, shown.id, shown.role, nearest=True, here=here
    )
