"""The conversation of `rekindle chat`: greets, reads, has it answered, shows the answer as it comes.

The house lives on an event loop in a thread of its own. This thread waits for the person, so that line editing and
Ctrl-C work as they do everywhere, while answers, leases and jobs go on.
"""

import re
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import SimpleQueue
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid4

from anyio.from_thread import BlockingPortal
from rich.console import Console
from rich.text import Text

from rekindle.assistants.text import folded
from rekindle.cli.prompt import Prompt
from rekindle.cli.prose import MARGIN, Prose
from rekindle.cli.screen import print_table
from rekindle.conversation.channel import Event
from rekindle.errors import InvalidRequest, RekindleError, SessionBusy, SessionNotFound
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.sessions.service import Message, Session

T = TypeVar("T")

SHOWN_MESSAGES = 4
"""Messages of a resumed session that are shown."""
SHOWN_CHARS = 600
LISTED_SESSIONS = 10

COMMANDS = {
    "/new": "begin another session; this one stays open until it is idle",
    "/end": "end this session and see what is kept of it",
    "/sessions": "your last sessions",
    "/retry": "have the last message answered again, when it was not",
    "/help": "this list",
    "/quit": "leave; so do Ctrl-D and, at the prompt, Ctrl-C",
}


class Talk:
    """One person's conversation with one assistant in this terminal."""

    def __init__(
        self,
        portal: BlockingPortal,
        house: House,
        caller: Caller,
        *,
        assistant: str,
        console: Console,
        prompt: Prompt,
        prose: Prose,
    ) -> None:
        self._portal = portal
        self._house = house
        self._caller = caller
        self._assistant = assistant
        self._console = console
        self._prompt = prompt
        self._prose = prose
        self._session: Session | None = None
        self._turn: UUID | None = None
        self._unsent: tuple[str, str] | None = None
        """A message that could not be stored, and its key: sent again, it is not said twice."""
        self.all_answered = True
        """Whether every message was answered to the end."""

    def greet(self, name: str | None, *, returning: bool, new: bool) -> None:
        """Say hello; go on with the session that is open, unless a `new` one is wanted."""
        with self._prompt.deaf():
            if returning and self._prompt.live:
                self._prose.status("Looking for where you were…")
            resumed = None if new else self._wait(self._open_session)
            last = self._wait(self._last_time) if returning and not resumed else None
        self._prose.end_line()
        hello = f"Welcome{' back' if returning else ''}{f', {folded(name, 60)}' if name else ''}."
        if resumed:
            messages = self._wait(self._house.sessions.messages.of, self._caller, resumed.id, limit=SHOWN_MESSAGES)
            self._tell(f"{hello} You were here ({_day(resumed.last_seen_at)}):")
            self._resume(resumed, messages)
        elif last:
            self._tell(f"{hello} Last time ({_day(last[0])}): {folded(last[1], 300)}")
        else:
            self._tell(hello if returning else f"{hello} What you say here is kept, and recalled when you come back.")

    def run(self) -> None:
        """Read and answer until the person leaves."""
        while True:
            self._console.print()
            try:
                text = self._prompt.read()
            except (EOFError, KeyboardInterrupt):
                if self._prompt.live:
                    self._console.print()
                break
            if not text.strip():
                continue
            try:
                with self._prompt.deaf():
                    if text.strip() == "/quit":
                        break
                    self._do(text)
            except RekindleError as error:
                self._complain(error.detail)
            except KeyboardInterrupt:
                self._prose.end_line()
                self._note("Stopped.")
        if self._session and self._session.ended_at is None:
            minutes = self._house.settings.idle_minutes
            long = f"{minutes / 60:g} hours" if minutes >= 120 else f"{minutes:g} minutes"
            self._note(f"Your session stays open for {long}: `rekindle chat` goes on with it.")

    def _do(self, text: str) -> None:
        word = text.strip()
        self._console.print()
        if not re.fullmatch(r"/[a-z]+", word):
            self._say(text, str(uuid4()))
        elif word in COMMANDS:
            getattr(self, f"_{word[1:]}")()
        else:
            self._complain(f"There is no {word}. /help lists what there is.")

    # --- commands ---

    def _new(self) -> None:
        self._session = self._turn = self._unsent = None
        self._tell("A new session. What you said before is recalled once its session has ended.")

    def _end(self) -> None:
        session, self._session = self._session, None
        self._turn = self._unsent = None
        if session is None:
            self._tell("No session is open.")
            return
        self._prose.status("Ending, and summing up…")
        kept = self._wait(self._house.conversation.end, self._caller, session.id)
        self._prose.end_line()
        summary = self._wait(self._house.memory.summary, self._caller, session.id) if kept == "generated" else None
        if summary is None:
            self._tell("The session has ended. " + ("Its summary follows." if kept == "pending" else ""))
            return
        self._tell("The session has ended. What is kept of it:")
        self._console.print()
        self._tell(summary.summary)
        if topics := summary.metadata.get("topics"):
            self._note("Topics: " + ", ".join(topics))

    def _sessions(self) -> None:
        sessions = self._wait(self._house.sessions.recent, self._caller, limit=LISTED_SESSIONS)
        if not sessions:
            self._tell("There are none yet.")
            return
        rows = [
            (
                _day(session.last_seen_at),
                folded(session.title or "", 48),
                f"{session.last_seq:,}",
                "this one" if self._session and session.id == self._session.id
                else "ended" if session.ended_at else "open",
            )
            for session in sessions
        ]  # fmt: skip
        print_table(self._console, ("Last used", "About", "Messages #", ""), rows, margin=len(MARGIN))

    def _retry(self) -> None:
        if self._unsent:
            self._say(*self._unsent)
        elif self._turn is None:
            self._tell("There is nothing to answer again.")
        else:
            turn = self._wait(self._house.conversation.retry, self._caller, self._turn)
            self._follow(turn.id)

    def _help(self) -> None:
        for name, what in COMMANDS.items():
            line = Text(f"{MARGIN}{name:<11}", style="bold")
            line.append(what, style="not bold")
            self._console.print(line)

    # --- turns ---

    def _say(self, text: str, key: str) -> None:
        self._unsent = (text, key)
        if self._console.is_terminal:
            self._prose.status("…")
        say = partial(
            self._house.conversation.say, self._caller, text=text, key=key, reopen=True, metadata={"from": "terminal"}
        )
        try:
            try:
                turn = self._wait(say, self._here())
            except SessionBusy:
                self._prose.status("Waiting for another answer in this session…")
                turn = self._wait(say, self._here(), on_busy="wait")
            except SessionNotFound:
                self._session = None  # deleted elsewhere
                turn = self._wait(say, self._here())
        except InvalidRequest as error:
            self._unsent = None  # it would be refused again
            self._complain(error.detail + (" It is not sent: ↑ brings it back." if self._prompt.live else ""))
            return
        except RekindleError as error:
            self._complain(f"{error.detail} It is not sent: /retry sends it again.")
            return
        self._unsent = None
        self._follow(turn.id)

    def _here(self) -> UUID:
        # Begun with its first message, so that a look inside leaves no empty session behind.
        if self._session is None:
            self._session = self._wait(self._house.sessions.start, self._caller)
        return self._session.id

    def _follow(self, turn_id: UUID) -> None:
        """Show the answer as it comes. Ctrl-C stops it; a second one stops waiting for it."""
        self._turn = turn_id
        events: SimpleQueue[Event | Literal["ctrl-c", "over"]] = SimpleQueue()

        async def listen() -> None:
            try:
                async with aclosing(self._house.conversation.follow(self._caller, turn_id)) as following:
                    async for event in following:
                        events.put(event)
            finally:
                events.put("over")

        # Ctrl-C takes its turn among the events: raised wherever this thread is just then, it might go unheard.
        with _on_ctrl_c(lambda: events.put("ctrl-c")):
            listening = self._portal.start_task_soon(listen)
            stopping = False
            while (event := events.get()) != "over":
                if event != "ctrl-c":
                    self._show(event)
                elif stopping:
                    listening.cancel()
                    raise KeyboardInterrupt
                else:
                    stopping = True
                    self._portal.start_task_soon(self._house.conversation.cancel, self._caller, turn_id)
        listening.result()

    def _show(self, event: Event) -> None:
        match event.kind:
            case "token":
                self._prose.write(event.text)
            case "status":
                self._prose.status(f"{event.text.rstrip('.…')}…")
            case "restart":
                self._prose.end_line()
                self._note("The server it ran on is gone; answering again.")
            case "end" if event.reply:
                self._prose.end_line()
                self._close(event.reply)
            case _:
                self._prose.end_line()

    def _close(self, reply: Message) -> None:
        if reply.status != "complete":
            self.all_answered = False
        match reply.status:
            case "complete":
                used = [source for source in reply.context_used or [] if source["kind"] in ("summary", "message")]
                past = len({source["session_id"] for source in used} - {str(reply.session_id)})
                if reply.seq == 2 and past and self._console.is_terminal:
                    self._note(f"With {past} past session{'s' * (past > 1)} in mind.")
            case "cancelled":
                self._note("Stopped. What it had said is kept; /retry has it answered again.")
            case "interrupted":
                self._note("Broken off, as its server stopped. /retry has it answered again.")
            case _:
                self._complain(f"{reply.error_message or 'It failed.'} /retry tries again.")

    # --- where the person was ---

    async def _open_session(self) -> Session | None:
        """The session to go on with. One that went idle while no server ran is ended first, so that it is recalled."""
        found = await self._house.sessions.recent(self._caller, ended=False, limit=LISTED_SESSIONS)
        session = next((s for s in found if s.assistant == self._assistant and s.last_seq), None)
        if session is None:
            return None
        if datetime.now(UTC) - session.last_seen_at < timedelta(minutes=self._house.settings.idle_minutes):
            return session
        await self._house.conversation.end(self._caller, session.id)
        return None

    async def _last_time(self) -> tuple[datetime, str] | None:
        summaries = await self._house.memory.summaries(self._caller, limit=1)
        if not summaries:
            return None
        session = await self._house.sessions.get(self._caller, summaries[0].session_id)
        return session.started_at, summaries[0].summary

    def _resume(self, session: Session, messages: Sequence[Message]) -> None:
        self._session = session
        for message in messages:
            self._console.print()
            if message.role == "user":
                said = Prose(self._console, "dim", mark="› ")
                said.write(("" if self._console.is_terminal else "> ") + _shortened(message.content))
                said.end_line()
                continue
            self._turn = message.id
            if message.status == "running":
                self._follow(message.id)
                continue
            self._note(_shortened(message.content))
            if message.status != "complete":
                self._close(message)

    # --- words ---

    def _tell(self, text: str, style: str = "") -> None:
        self._prose.end_line()
        said = Prose(self._console, style)
        said.write(text)
        said.end_line()

    def _note(self, text: str) -> None:
        self._tell(text, "dim")

    def _complain(self, text: str) -> None:
        self.all_answered = False
        self._tell(f"✗ {text}", "red")

    def _wait(self, call: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """What `call` gives, run on the house's loop; Ctrl-C gives it up."""
        future = self._portal.start_task_soon(partial(call, *arguments, **options))
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise


@contextmanager
def _on_ctrl_c(act: Callable[[], None]) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, lambda number, frame: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def _day(when: datetime) -> str:
    """A time as people say it: `today 14:05`, `yesterday 9:30`, `3 May`, `3 May 2023`."""
    here, today = when.astimezone(), datetime.now().astimezone()
    days = (today.date() - here.date()).days
    if days in (0, 1):
        return f"{'yesterday' if days else 'today'} {here.hour}:{here:%M}"
    return f"{here.day} {here:%B}" + (f" {here.year}" if here.year != today.year else "")
