"""What the tests stand on: real PostgreSQL, real servers, a real model server; nothing is patched."""

import asyncio
import gc
import json
import os
import signal
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import hypothesis
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr
from pydantic_settings import PydanticBaseSettingsSource

from rekindle.embedded import EmbeddedPostgres
from rekindle.house import House, open_house
from rekindle.identity.service import Caller
from rekindle.migrations import migrate
from rekindle.sessions.service import Message, Session
from rekindle.settings import Settings
from rekindle.testing import Asked, ModelServer, Reply
from tests.forked import Forked
from tests.redis_server import RedisServer

# How long an example takes is this machine's affair: timings fail no test.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

UNUSED_TLS = ssl.create_default_context()
"""For clients of loopback servers: one that makes a context of its own reads all certificates, 20 ms each time."""
SECRET = "a secret key that only the tests know, 32+"
ADMIN = "admin@example.com"
"""Who administrates the servers under test."""
START_SECONDS = 60


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded stays: the garbage collector need not go through all of it time and again."""
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    return result


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL for the whole run: how to connect to it."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("shared") / "postgres")
    yield server.start()
    server.stop(only_if_unused=False)


NewDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def empty_database(postgres: str) -> NewDatabase:
    """Makes an empty database: how to connect to it."""
    return lambda: make_database(postgres)


@pytest.fixture(scope="session")
def new_database(postgres: str) -> NewDatabase:
    """Makes a migrated database in which nothing is yet: how to connect to it."""
    template = make_database(postgres)
    migrate(template)
    return lambda: make_database(postgres, template=conninfo_to_dict(template)["dbname"])


def make_database(postgres: str, template: object = "template1") -> str:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        # The other strategy writes, and compresses, each page into the log: six times the work.
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(str(template))))
    return make_conninfo(postgres, dbname=name)


@pytest.fixture(scope="session")
def conninfo(new_database: NewDatabase) -> str:
    """The database of the houses that tests open in this process; each test keeps to its own users."""
    return new_database()


@pytest.fixture(scope="session")
def served_database(new_database: NewDatabase) -> str:
    """The database of the servers, whose jobs would do the work that a test in this process watches."""
    return new_database()


@pytest.fixture
def email() -> str:
    """An address nobody else has."""
    return f"{uuid4().hex[:12]}@example.com"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data folder")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    yield from run_redis()


def run_redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory() as folder:  # of a short name: a socket's path has 107 characters at most
        server = RedisServer(Path(folder))
        server.start()
        yield server
        server.stop()


OpenHouse = Callable[..., Any]


@pytest.fixture
async def open_a_house(conninfo: str, data_dir: Path) -> AsyncIterator[OpenHouse]:
    """Opens houses in this process, with the settings given; closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(*crew: Any, work: bool = True, **settings: Any) -> House:
            return await stack.enter_async_context(
                open_house(make_settings(conninfo, data_dir, **settings), crew, work=work)
            )

        yield make


@pytest.fixture(scope="session")
async def quiet_house(conninfo: str, data_dir: Path) -> AsyncIterator[House]:
    """A house that answers offline and does no work by itself, for all tests: each keeps to its own users."""
    async with open_house(make_settings(conninfo, data_dir), work=False) as opened:
        yield opened


@pytest.fixture
def house(quiet_house: House) -> House:
    """Where a test's people are; modules that need another house have one of their own."""
    return quiet_house


async def say(house: House, caller: Caller, session: Session, text: str = "Hello.", **how: Any) -> Message:
    """Say something in a session: the reply, once it is whole."""
    turn = await house.conversation.say(caller, session.id, text, **how)
    return await house.conversation.outcome(caller, turn.id)


class GivenSettings(Settings):
    """Settings that are what they are given: no environment and no file is looked at."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: Any, init_settings: PydanticBaseSettingsSource, *others: Any, **named: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def make_settings(conninfo: str, data_dir: Path, **changes: Any) -> Settings:
    """Settings for a house under test: the built-in model unless told otherwise."""
    values: dict[str, Any] = {
        "database_url": SecretStr(conninfo),
        "data_dir": data_dir,
        "secret_key": SecretStr(SECRET),
        "model": "offline",
        "titles": "phrases",
        "profile": "phrases",
        # Houses share a database: one would do the work that another test watches.
        "jobs_in_server": False,
        "database_pool": 5,
        "grace_seconds": 1,
        "recall_seconds": 20,
        **changes,
    }
    return GivenSettings(**values)


def asking_settings(model: ModelServer, /, **changes: Any) -> dict[str, Any]:
    """The settings of a house that asks `model`."""
    return {
        "model": "openai:test",
        "openai_base_url": model.url,
        "openai_api_key": SecretStr("sk-test"),
        "model_retries": 0,
        **changes,
    }


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """A model's server that speaks OpenAI's protocol on loopback."""
    with ModelServer() as server:
        yield server


@dataclass
class RunningServer:
    """A real `rekindle serve`."""

    process: Forked
    url: str
    environment: dict[str, str]
    log: Path
    seconds_to_ready: float = 0.0
    tokens: dict[str, str] = field(default_factory=dict)
    clients: list[httpx.Client] = field(default_factory=list)
    connection: psycopg.Connection[Any] | None = None

    def token(self, email: str) -> str:
        """A token such as `rekindle token EMAIL` prints; issued here, as the command takes half a second."""
        if email not in self.tokens:
            with ThreadPoolExecutor(1) as pool:  # a loop of its own: the test may run in one
                self.tokens[email] = pool.submit(asyncio.run, self._vouch(email)).result()
        return self.tokens[email]

    async def _vouch(self, email: str) -> str:
        settings = make_settings(self.environment["REKINDLE_DATABASE_URL"], Path(self.environment["REKINDLE_DATA_DIR"]))
        async with open_house(settings, work=False) as house:
            return await house.identity.vouch(email)

    def client(self, email: str | None = None, **options: Any) -> httpx.Client:
        """A client, closed with the server at the latest; with an address, one that carries its token."""
        headers = {"Authorization": f"Bearer {self.token(email)}"} if email else {}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=UNUSED_TLS, **options)
        self.clients.append(client)
        return client

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection to its database that sees every row; kept from one use to the next."""
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(self.environment["REKINDLE_DATABASE_URL"], autocommit=True)
        yield self.connection

    def stop(self, number: int = signal.SIGTERM, *, wait: float = 30) -> int:
        """Send a signal and wait for the end; the exit code."""
        for client in self.clients:
            client.close()
        if self.connection:
            self.connection.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(wait)


Serve = Callable[..., RunningServer]


@pytest.fixture(scope="session")
def serve_for_all(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    yield from _servers(served_database, tmp_path_factory.mktemp("served"))


@pytest.fixture
def serve(served_database: str, tmp_path: Path) -> Iterator[Serve]:
    """Starts real servers with the environment variables given; stopped at the end."""
    yield from _servers(served_database, tmp_path)


@pytest.fixture(scope="session")
def server(serve_for_all: Serve) -> RunningServer:
    """The server that most tests share: it answers offline."""
    return serve_for_all()


@dataclass(frozen=True)
class Asking:
    """A server, and the model that it asks."""

    server: RunningServer
    model: ModelServer


@pytest.fixture(scope="session")
def asking_for_all(serve_for_all: Serve, new_database: Callable[[], str]) -> Iterator[Asking]:
    # A database of its own: no other server's left-over summaries are written by this model.
    with ModelServer() as model:
        yield Asking(serve_for_all(**asks(model, REKINDLE_DATABASE_URL=new_database())), model)


@pytest.fixture
def asking(asking_for_all: Asking) -> Asking:
    """A shared server whose model is scripted; the model repeats what it is told, and summarises in one sentence."""
    asking_for_all.model.forget()
    asking_for_all.model.default = repeats
    return asking_for_all


def asks(model: ModelServer, **variables: str) -> dict[str, str]:
    """The environment of a server that asks `model`."""
    return {
        "REKINDLE_MODEL": "openai:test",
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "sk-test",
        "REKINDLE_MODEL_RETRIES": "0",
        **variables,
    }


SUMMARY = "The user spoke of summaries that are written by a model."


def repeats(asked: Asked) -> Reply:
    """What the model says when a test scripts nothing."""
    if "record of one finished chat session" in asked.system:
        return Reply(json.dumps({"text": SUMMARY, "topics": ["summaries"]}))
    return Reply(f"You said: {asked.last}")


def _servers(conninfo: str, folder: Path) -> Iterator[Serve]:
    running: list[RunningServer] = []

    def start(*arguments: str, **variables: str) -> RunningServer:
        server = start_server(
            folder / f"server {len(running)}.log",
            *arguments,
            **{
                "REKINDLE_DATABASE_URL": conninfo,
                "REKINDLE_DATA_DIR": str(folder / "data"),
                "REKINDLE_SECRET_KEY": SECRET,
                "REKINDLE_MODEL": "offline",
                "REKINDLE_ADMIN_EMAILS": ADMIN,
                # All tests come from one address.
                **{f"REKINDLE_{which}_LIMIT": "100000/minute" for which in ("CHECK_IN", "CODE", "ADDRESS")},
                "REKINDLE_TITLES": "phrases",
                "REKINDLE_PROFILE": "phrases",
                "REKINDLE_RECALL_SECONDS": "20",
                **variables,
            },
        )
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop(signal.SIGTERM)


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without the settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REKINDLE_", "OPENAI_"))}
    return {**kept, **variables}


def start_server(log: Path, *arguments: str, **variables: str) -> RunningServer:
    port = free_port()
    environment = clean_environment(**variables)
    began = time.monotonic()
    process = Forked(["serve", *arguments, "--port", str(port)], environment, log.parent, output=log)
    server = RunningServer(process, f"http://127.0.0.1:{port}", environment, log)
    while True:
        try:
            if httpx.get(f"{server.url}/ready", timeout=2, verify=UNUSED_TLS).status_code == 200:
                break
        except httpx.TransportError:
            pass
        if process.poll() is not None or time.monotonic() - began > START_SECONDS:
            process.kill()
            raise AssertionError(f"The server did not start:\n{log.read_text()}")
        time.sleep(0.02)
    server.seconds_to_ready = time.monotonic() - began
    return server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def read_events(response: httpx.Response) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """The id and the JSON of each server-sent event."""
    event_id: str | None = None
    for line in response.iter_lines():
        if line.startswith("id: "):
            event_id = line[4:]
        elif line.startswith("data: ") and line != "data: [DONE]":
            yield event_id, json.loads(line[6:])
        elif not line:
            event_id = None


@pytest.fixture
async def caller(quiet_house: House, email: str) -> Caller:
    """A verified user of their own."""
    user = (await quiet_house.identity.recognise(email)).user
    return Caller(user.id, "verified")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured: those that `record_property("figure", …)`."""
    figures = [
        str(value)
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in getattr(report, "user_properties", ())
        if name == "figure" and report.when == "call"
    ]
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(figures))
