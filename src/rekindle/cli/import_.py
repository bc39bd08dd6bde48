"""`rekindle import`: talks from elsewhere, as the past sessions of the people who had them."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from rekindle.cli.console import complaints, console, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.restore import restored
from rekindle.cli.screen import bar, counted, print_table, shown
from rekindle.errors import ModelError, RekindleError, Unavailable
from rekindle.settings import Settings

if TYPE_CHECKING:
    from rekindle.house import House
    from rekindle.sessions.locomo import Person, Sitting, Talk

AT_ONCE = 4
"""Sessions brought in side by side: a model that writes their summaries takes seconds for each."""
PATIENCE = 3
"""After so many failures of the model in a row, the other summaries are left to the server."""


def import_(
    file: Annotated[
        Path, typer.Argument(help="A JSON export, or a file of talks as LoCoMo has them.", show_default=False)
    ],
    assistant: Annotated[str, typer.Option(help="The assistant whose sessions talks become.")] = "assistant",
    email: Annotated[str | None, typer.Option(help="Whose an export becomes, if not its own user's.")] = None,
) -> None:
    """Bring back a JSON export, or bring in talks of a LoCoMo file as past sessions of both of their people.

    What is here already stays as it is: a stopped import, run again, goes on where it stopped.
    """
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        if restored(file, settings, email):
            return
        from rekindle.sessions.locomo import Fault, read_talks  # with it comes the database's driver

        found = read_talks(file)
        faults = [talk for talk in found if isinstance(talk, Fault)]
        for fault in faults:
            complaints.print("[bold red]Left out[/] ", end="")
            complaints.print(shown(f"{fault}."), markup=False)
        talks = [talk for talk in found if not isinstance(talk, Fault)]
        coming = Import(talks, assistant)
        if talks:
            try:
                asyncio.run(coming.run(settings))
            except KeyboardInterrupt:
                complaints.print("Stopped. Run it again: it goes on from here.")
                raise
        coming.report(file)
        if faults:
            raise typer.Exit(1)


class Import:
    """One run of an import: what is to come in, and what has."""

    def __init__(self, talks: "list[Talk]", assistant: str) -> None:
        self._talks = talks
        self._assistant = assistant
        self._new: Counter[str] = Counter()
        self._new_messages = 0
        self._caught_up = 0
        self._waiting = 0
        self._failures = 0
        self._failure: RekindleError | None = None

    async def run(self, settings: Settings) -> None:
        """Bring in what is not here; write the summaries that are not there."""
        from rekindle.house import open_house  # the server's libraries load only for the commands that use it

        async with open_house(settings, work=False) as house:
            users = {
                person.email: await self._user(house, talk, person) for talk in self._talks for person in talk.people
            }
            with bar(console, "sessions", width=24) as progress:
                task = progress.add_task("", total=sum(2 * len(talk.sittings) for talk in self._talks))
                sittings = self._sittings()

                async def work() -> None:
                    for talk, person, sitting in sittings:  # one iterator for all: each takes the next
                        progress.update(task, description=shown(f"{talk.id}: {person.name}"))
                        await self._bring_in(house, talk, person, sitting, users[person.email])
                        progress.advance(task)

                try:
                    async with asyncio.TaskGroup() as workers:
                        for _ in range(AT_ONCE):
                            workers.create_task(work())
                except* RekindleError as errors:
                    raise errors.exceptions[0] from None

    def report(self, file: Path) -> None:
        """Say what has come in, and how to sign its people in."""
        total = sum(2 * len(talk.sittings) for talk in self._talks)
        new = self._new.total()
        if new:
            before = f" {counted(total - new, 'was', 'were')} here already." if new < total else ""
            messages = counted(self._new_messages, "message")
            console.print(f"Brought in {counted(new, 'session')} with {messages}.{before}")
        elif self._talks:
            here = f"{counted(total, 'session')} of it are here already"
            console.print(f"Nothing is new in {shown(file.name)}: all {here}.", markup=False)
        if self._caught_up:
            console.print(f"Wrote {counted(self._caught_up, 'summary', 'summaries')} that had been waiting.")
        if mended := sum(talk.mended for talk in self._talks):
            console.print(f"{counted(mended, 'text')} mended: there were characters that cannot be stored.")
        if self._waiting:
            why = self._failure.detail if self._failure else ""
            waiting = counted(self._waiting, "summary is", "summaries are")
            console.print(f"[yellow]{waiting} still to be written[/]: a running server sees to it. ", end="")
            console.print(f"({why})", markup=False)
        if not self._talks:
            return
        console.print()
        rows = [
            (
                person.email,
                person.name,
                f"{len(talk.sittings):,}",
                f"{sum(len(sitting.lines) for sitting in talk.sittings):,}",
                f"{self._new[person.email]:,}",
            )
            for talk in self._talks
            for person in talk.people
        ]
        print_table(console, ("E-mail", "Name", "Sessions #", "Messages #", "New #"), rows)
        console.print("\nTalk as one of them: rekindle chat --email E-MAIL. Sign one in: rekindle token E-MAIL.")

    def _sittings(self) -> "Iterator[tuple[Talk, Person, Sitting]]":
        for talk in self._talks:
            for person in talk.people:
                for sitting in talk.sittings:
                    yield talk, person, sitting

    @staticmethod
    async def _user(house: "House", talk: "Talk", person: "Person") -> UUID:
        since = min(sitting.began for sitting in talk.sittings)
        return (await house.identity.recognise(person.email, name=person.name, since=since)).user.id

    async def _bring_in(
        self, house: "House", talk: "Talk", person: "Person", sitting: "Sitting", user_id: UUID
    ) -> None:
        from rekindle.identity.service import Caller
        from rekindle.sessions.locomo import as_past

        session, messages = as_past(talk, sitting, person, user_id, self._assistant)
        if new := await house.sessions.bring_in(session, messages):
            self._new[person.email] += 1
            self._new_messages += len(messages)
        elif await house.memory.summary(Caller(user_id, "verified"), session.id):
            return
        if self._failures >= PATIENCE:
            self._waiting += 1
            return
        try:
            await house.memory.summarise(user_id, session.id)
        except (ModelError, Unavailable) as error:
            self._failure = error
            self._failures += 1
            self._waiting += 1
        else:
            self._failures = 0
            self._caught_up += not new
