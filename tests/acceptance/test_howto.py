"""The how-to pages, tried: their commands, programs and files do what the pages say."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rekindle.assistants.folder import load_assistant
from rekindle.embedded import EmbeddedPostgres
from tests.acceptance.printed import ROOT, at, blocks, run_page, run_program
from tests.conftest import Serve, clean_environment
from tests.forked import rekindle

HOWTO = ROOT / "docs" / "howto"


def test_talking_from_curl_and_from_python_is_as_the_page_says(
    serve: Serve, new_database: Callable[[], str], tmp_path: Path
) -> None:
    server = serve(REKINDLE_DATABASE_URL=new_database())
    page = HOWTO / "talk.md"

    assert [(step.command, step.promised, step.said) for step in run_page(page, server) if not step.holds] == []

    program = tmp_path / "talk.py"
    [printed] = blocks(page, "python")
    program.write_text(at(server, printed))
    said = run_program(program, {**server.environment, "TOKEN": server.token("ada@example.com")})
    assert "chairs" in said


@pytest.mark.parametrize("name", ["people.md", "data.md"])
def test_what_is_said_to_the_server_is_answered_as_the_page_says(
    name: str, serve: Serve, new_database: Callable[[], str]
) -> None:
    server = serve(REKINDLE_DATABASE_URL=new_database())
    assert [(step.command, step.promised, step.said) for step in run_page(HOWTO / name, server) if not step.holds] == []


def test_the_house_opens_in_a_program_of_ones_own(new_database: Callable[[], str], tmp_path: Path) -> None:
    program = tmp_path / "shop.py"
    [printed] = blocks(HOWTO / "library.md", "python")
    program.write_text(printed)

    said = run_program(
        program,
        clean_environment(
            REKINDLE_DATABASE_URL=new_database(), REKINDLE_DATA_DIR=str(tmp_path), REKINDLE_MODEL="offline"
        ),
    )

    assert "10 chairs cost 490 euros" in said


def test_the_pages_assistant_answers_with_its_tool(serve: Serve, tmp_path: Path) -> None:
    page = HOWTO / "assistants.md"
    folder = tmp_path / "shop"
    folder.mkdir()
    definition, servers = blocks(page, "toml")
    (folder / "assistant.toml").write_text(definition.replace("openai:gpt-4o-mini", "offline"))
    tools, found = blocks(page, "python")
    (folder / "tools.py").write_text(tools)
    for name, toml, code in (("served", servers, tools), ("found", 'tools = ["opening_hours"]', found)):
        other = tmp_path / name
        other.mkdir()
        (other / "assistant.toml").write_text(toml)
        (other / "tools.py").write_text(code + ("" if name == "found" else '\n\n__all__ = ["chair_price"]\n'))
        load_assistant(other)

    server = serve(str(folder))
    client = server.client("ada@example.com")
    session = client.post("/api/v1/sessions", json={}).json()["id"]
    turn = client.post(f"/api/v1/sessions/{session}/turns", json={"message": "What is the price of 10 chairs?"}).json()

    assert "10 chairs cost 490 euros" in turn["reply"]["content"]
    assert turn["reply"]["tools_used"][0]["name"] == "chair_price"


def test_the_pages_talk_is_imported_and_recalled(new_database: Callable[[], str], tmp_path: Path) -> None:
    page = HOWTO / "import.md"
    [talks] = blocks(page, "json")
    (tmp_path / "talks.json").write_text(talks)
    environment = clean_environment(
        REKINDLE_DATABASE_URL=new_database(), REKINDLE_DATA_DIR=str(tmp_path), REKINDLE_MODEL="offline"
    )
    imported = rekindle("import", "talks.json", environment=environment, folder=tmp_path).stdout
    [address] = set(re.findall(r"[\w.-]+@locomo\.invalid", page.read_text()))
    assert address in imported

    asked = "How many hives do I have?\n"
    said = rekindle("chat", "--email", address, environment=environment, folder=tmp_path, said=asked).stdout
    assert "Two, behind the greenhouse" in said


@pytest.fixture
def another_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL with nothing in it, of which we are the superuser."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("own") / "postgres")
    yield server.start()
    server.stop(only_if_unused=False)


def test_a_database_prepared_as_the_page_says_serves(another_postgres: str, serve: Serve) -> None:
    [prepared] = blocks(HOWTO / "run.md", "sql")
    in_postgres, in_rekindle = re.split(r"^\\connect rekindle$", prepared.strip(), flags=re.MULTILINE)
    # The embedded one has made a database of this name for itself.
    with psycopg.connect(make_conninfo(another_postgres, dbname="postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE rekindle")
        for statement in in_postgres.strip().split("\n"):
            connection.execute(statement.encode())
    with psycopg.connect(another_postgres, autocommit=True) as connection:
        connection.execute(in_rekindle.encode())

    server = serve(REKINDLE_DATABASE_URL=make_conninfo(another_postgres, user="rekindle", password="change me"))
    client = server.client()
    session = client.post("/api/v1/session/create", json={"user_email": "ada@example.com"}).json()["session_id"]
    said = client.post("/api/v1/chat/message", json={"session_id": session, "message": "I keep bees."})
    assert said.status_code == 200
    ended = client.post(f"/api/v1/session/{session}/end")
    assert json.loads(ended.text) == {"status": "ended", "summary": "generated"}
