"""`rekindle chat`: a conversation in the terminal, with no server in between."""

import os
import secrets
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from rekindle.assistants.assistant import Assistant
from rekindle.assistants.folder import load_assistant
from rekindle.cli.console import console, plain_errors, read_settings
from rekindle.cli.logs import quiet_logs
from rekindle.cli.screen import shown
from rekindle.settings import Settings


def chat(
    assistant: Annotated[Path | None, typer.Argument(help="Folder of an assistant: assistant.toml, tools.py.")] = None,
    email: Annotated[
        str | None, typer.Option(help="Who you are. Unless given: the one person of this data folder.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call you.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Begin a new session, even if one is open.")] = False,
) -> None:
    """Talk in the terminal. Your open session goes on; what came before it is recalled."""
    settings = read_settings()
    quiet_logs()
    with plain_errors():
        answering = load_assistant(assistant) if assistant else Assistant()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)  # a closed window leaves the house in order, too
        try:
            if not _talk(settings, answering, email, name, new=new):
                raise typer.Exit(1)
        except BrokenPipeError:
            # Whoever read along has gone, such as `head`: there is nobody left to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None


def _talk(settings: Settings, assistant: Assistant, email: str | None, name: str | None, *, new: bool) -> bool:
    """Whether all went well: a script that feeds us lines learns it from the exit code."""
    # The house's libraries load only for the commands that use it.
    from anyio.from_thread import start_blocking_portal

    from rekindle.cli.prompt import Prompt
    from rekindle.cli.prose import Prose
    from rekindle.cli.talk import Talk
    from rekindle.house import open_house
    from rekindle.identity.service import Caller

    prompt = Prompt(console)
    model = assistant.model or settings.model_name
    about = ["offline (built in)" if model == "offline" else model]
    if assistant.name != Assistant().name:
        about.insert(0, assistant.name)
    if prompt.live:
        about.append("/help")
    console.print(Text.assemble(("Rekindle", "bold"), (shown("".join(f" · {part}" for part in about)), "dim")))
    console.print()
    prose = Prose(console)
    if prompt.live:
        prose.status("Opening…")
    try:
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(open_house(settings, (assistant,))) as house,
        ):
            if prompt.live:
                # The model's libraries take over a second: they load while the person types.
                portal.start_task_soon(house.assistants.load, assistant)
            address = email or own_address(settings.data_dir)
            person = portal.call(lambda: house.identity.recognise(address, name=name))
            # Whoever can open this house may open every user's: there is nothing to prove.
            caller = Caller(person.user.id, "verified")
            talk = Talk(portal, house, caller, assistant=assistant.name, console=console, prompt=prompt, prose=prose)
            talk.greet(name or person.user.name, returning=person.returning, new=new)
            talk.run()
            return talk.all_answered or prompt.live
    finally:
        prose.end_line()


def own_address(data_dir: Path) -> str:
    """The address of the one person who talks in the terminals of this data folder, made on first use.

    Not to be guessed: where a typed address recalls its past, nobody else should type this one by chance.
    """
    path = data_dir / "me"
    if not path.exists():
        made = path.with_name(f"me.{secrets.token_hex(8)}")
        made.touch(mode=0o600)
        made.write_text(f"{made.name}@localhost\n")
        try:
            os.link(made, path)  # whole or not at all, and never over another's
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
