"""One attempt of one turn: asks the assistant, says what comes into the channel, and ends in a result."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any, Literal

import structlog

from rekindle.assistants.assistant import Assistant, Errand, Prompt, Recalled, Sourced, Status, Text, ToolUsed
from rekindle.assistants.service import Assistants
from rekindle.conversation.channel import Channel
from rekindle.conversation.notes import Notes
from rekindle.conversation.store import Place, Progress, Result
from rekindle.errors import ModelCutShort, ModelTimedOut, RekindleError
from rekindle.sessions.copies import Opening
from rekindle.sessions.service import Status as MessageStatus

log = structlog.get_logger()

Stop = Literal["cancelled", "lost", "released"]


class Run:
    """A running turn of this server. Its task is kept by the engine; leaving readers do not touch it."""

    def __init__(
        self, place: Place, assistant: Assistant, prompt: Prompt, errand: Errand, opening: Opening | None = None
    ) -> None:
        self.place = place
        self.assistant = assistant
        self.prompt = prompt
        self.errand = errand
        self.opening = opening
        """What it was begun with, where copies are to have it."""
        self.noted = False
        """Whether the begin noted something as recalled."""
        self.channel = Channel(place.turn_id, place.attempt)
        self.task: asyncio.Task[None] | None = None
        self.stopped: Stop | None = None
        self.performing = False
        self.finishing = False
        self._saved_length = 0
        self._saved_at = time.monotonic()

    def stop(self, reason: Stop) -> None:
        """Break the attempt off; the first reason holds."""
        if self.stopped or self.finishing:
            return
        self.stopped = reason
        if self.task and self.performing:  # a task cancelled before its first step would not run even its end
            self.task.cancel()

    def progress(self, renew_after: float) -> Progress | None:
        """What a checkpoint would keep: new text, or the lease alone once it is `renew_after` seconds old."""
        if self.finishing or self.place.afloat:
            return None
        length = self.channel.length
        if length == self._saved_length and time.monotonic() - self._saved_at < renew_after:
            return None
        text = self.channel.text if length != self._saved_length else None
        self._saved_length = length
        self._saved_at = time.monotonic()
        return Progress(self.place, text)

    def unsaved(self) -> None:
        """The last checkpoint failed: the next one keeps everything."""
        self._saved_length = -1

    def recall(self, recalled: tuple[Recalled, ...]) -> None:
        """Take in the past that the model is given. Readers are told of other sessions that come in with it."""
        begins = len(self.prompt.window) == 1
        self.noted = bool(self.prompt.recalled)
        self.prompt = replace(self.prompt, recalled=recalled)
        new = [r for r in recalled if r.kind != "fact" and not r.here and (begins or r.nearest)]
        if count := len({record.session_id for record in new}):
            self.channel.recall(f"Recalling {count} past session{'s' if count > 1 else ''}", self.sources)

    @property
    def sources(self) -> list[dict[str, Any]]:
        """Where what is recalled stands; each place once, however much of it is from there."""
        found = [record.as_json() for record in self.prompt.recalled]
        return [source for number, source in enumerate(found) if source not in found[:number]]

    async def perform(
        self, assistants: Assistants, *, seconds: float, max_chars: int, said: Callable[[], None]
    ) -> Result | None:
        """Ask the assistant and say what comes; None when the turn is no longer ours to finish.

        `said` is called when the first token has come.
        """
        began = time.monotonic()
        tools: list[dict[str, Any]] = []
        notes = Notes()
        answer = assistants.answer(self.assistant, self.prompt, self.errand)
        error: RekindleError | None = None
        status: MessageStatus = "complete"
        self.performing = True
        try:
            if self.stopped:
                raise asyncio.CancelledError
            async with (
                asyncio.timeout(seconds),
                aclosing(answer) as events,
            ):
                async for event in events:
                    match event:
                        case Text(text):
                            room = max_chars - self.channel.length
                            if self.channel.length == 0:
                                said()
                            self.channel.token(text[:room])
                            if len(text) >= room:
                                raise ModelCutShort(f"The answer reached the limit of {max_chars} characters.")
                        case Status(text):
                            self.channel.status(text)
                        case ToolUsed():
                            tools.append(asdict(event))
                        case Sourced():
                            for source in notes.add(event):
                                self.channel.source(source)
        except asyncio.CancelledError:
            if self.stopped is None:
                raise  # the whole server is being torn down: the lease runs out and another takes over
            if task := asyncio.current_task():
                task.uncancel()
            status = "cancelled" if self.stopped == "cancelled" else "interrupted"
        except TimeoutError:
            status, error = "failed", ModelTimedOut(f"The answer took longer than {seconds:g} seconds.")
        except RekindleError as failure:
            status, error = "failed", failure
        except Exception as failure:  # a fault of ours or of a tool: the turn ends all the same, and says so
            log.exception("turn.fault", turn=str(self.place.turn_id), error=type(failure).__name__)
            status, error = "failed", RekindleError("Something went wrong while answering. Retry the turn.")
        self.finishing = True
        if self.stopped in ("lost", "released") and not self.place.afloat:
            return None  # one that is in this server's memory only, nobody else can take over
        text, usage = self.channel.text, answer.usage
        code, told = (error.code, error.detail) if error else (None, None)
        if status == "interrupted":
            code, told = status, "The server stopped in the middle of this answer."
        return Result(
            status=status,
            text=text,
            model=usage.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            tokens_estimated=usage.estimated,
            milliseconds=round((time.monotonic() - began) * 1000),
            tools_used=tools or None,
            error_code=code,
            error_message=told,
            notes=notes.as_json,
            context_used=self.sources if self.sources or self.noted else None,
        )
