"""`rekindle serve`: the server."""

import ipaddress
import os
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from rekindle.assistants.assistant import Assistant
from rekindle.assistants.crew import Crew
from rekindle.assistants.folder import load_assistants
from rekindle.cli.console import console, fail, plain_errors, read_settings
from rekindle.cli.logs import server_logs
from rekindle.errors import ConfigurationError
from rekindle.settings import Settings

DATABASE_VARIABLE = "REKINDLE_DATABASE_URL"
"""Tells worker processes, which know only their environment, where the database is that was started for them."""
ASSISTANTS_VARIABLE = "REKINDLE_SERVED_ASSISTANTS"
"""Tells them the assistants' folders."""


def serve(
    assistants: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="ASSISTANT",
            help="Folders of assistants (assistant.toml, tools.py, knowledge/), or a folder of such. The first one "
            "answers where none is named.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
) -> None:
    """Serve the page, the API and the docs."""
    settings = read_settings()
    with plain_errors(), ExitStack() as stack:
        check_exposure(settings, host)
        crew = load_assistants(assistants or [])
        Crew(crew)
        _check_free(host, port)
        server_logs()
        import uvicorn  # the server's libraries load only for the command that serves

        from rekindle.house import database_for
        from rekindle.migrations import migrate

        # Before the server, so that what is wrong with the database is said in a sentence, and once for all workers.
        conninfo = database_for(settings, stack)
        migrate(conninfo)
        _greet(settings, crew, host, port, workers)
        options = {
            "host": host,
            "port": port,
            "log_config": None,
            "access_log": False,  # a path may hold a session's capability
            "server_header": False,
            "proxy_headers": False,  # whose word counts is REKINDLE_TRUSTED_PROXIES, not whoever is on loopback
            "http": "rekindle.http.wire:Http",  # on h11: the other one, httptools, takes headers of any size
            "timeout_graceful_shutdown": int(settings.grace_seconds) + 5,
            "h11_max_incomplete_event_size": 64 * 1024,
        }
        # Uvicorn hands a signal on once it has stopped: by then all is done, and stopping as asked is no failure.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        if workers == 1:
            from rekindle.app import create_app

            there = settings.model_copy(update={"database_url": SecretStr(conninfo)})
            uvicorn.run(create_app(there, crew, own_process=True), **options)  # type: ignore[arg-type]
        else:
            os.environ[DATABASE_VARIABLE] = conninfo
            os.environ[ASSISTANTS_VARIABLE] = os.pathsep.join(str(path.resolve()) for path in assistants or [])
            uvicorn.run("rekindle.cli.serve:worker", factory=True, workers=workers, **options)  # type: ignore[arg-type]


def worker() -> object:
    """The application of one of several worker processes."""
    from rekindle.app import create_app

    server_logs()
    folders = [Path(path) for path in os.environ.get(ASSISTANTS_VARIABLE, "").split(os.pathsep) if path]
    return create_app(Settings(), load_assistants(folders), own_process=True)


def check_exposure(settings: Settings, host: str) -> None:
    """Refuse to be reachable from elsewhere until the key and the identity rule are chosen."""
    if _is_loopback(host):
        return
    missing = [
        name
        for name, value in (
            ("REKINDLE_SECRET_KEY", settings.secret_key),
            ("REKINDLE_IDENTITY", settings.identity),
        )
        if value is None
    ]
    if missing:
        raise ConfigurationError(
            f"Listening on {host} lets others in, so set {' and '.join(missing)} first. REKINDLE_SECRET_KEY: at least "
            "32 random characters. REKINDLE_IDENTITY: `verified`, or `claimed` if a typed e-mail address may recall "
            "past summaries."
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_free(host: str, port: int) -> None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        fail(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port (or PORT= with make).")


def _greet(settings: Settings, crew: tuple[Assistant, ...], host: str, port: int, workers: int) -> None:
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    model = (crew[0].model if crew else None) or settings.model_name
    where = "PostgreSQL at REKINDLE_DATABASE_URL" if settings.database_url else "embedded PostgreSQL"
    rows = [
        ("Page", base + "/"),
        ("Docs", base + "/docs"),
        ("Data", f"{settings.data_dir} ({where})"),
        ("Model", model + (" (built in: it quotes, it does not think)" if model == "offline" else "")),
        ("Identity", _RULES[settings.identity_rule]),
    ]
    if settings.smtp_url is None:
        rows.append(("Mail", "not set up: codes are printed here, for this machine only (REKINDLE_SMTP_URL)"))
    if workers > 1 and settings.redis_url is None:
        rows.append(("Limits", f"{workers} processes count check-ins and codes each for itself (REKINDLE_REDIS_URL)"))
    if crew:
        rows.append(("Answering", ", ".join(assistant.title or assistant.name for assistant in crew)))
    console.print("\n[bold]Rekindle[/] Chat sessions that pick up where they left off.\n")
    for name, value in rows:
        console.print(f"  [bold]{name:<10}[/]", end="")
        console.print(value, markup=False)
    console.print("\n  Stop with Ctrl+C.\n")


_RULES = {
    "claimed": "claimed (a typed e-mail address recalls its past summaries; history stays closed)",
    "verified": "verified (nothing is recalled until the address is proven)",
}
