"""`rekindle doctor`: says what is well and what is not, and never a secret."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from rekindle.testing import ModelServer, Reply
from tests.cli.conftest import OpenTerminal, Rekindle
from tests.conftest import SECRET, asks


def lines(said: str) -> dict[str, str]:
    """Each check's line, by its name."""
    return {line[6:18].strip(): f"{line[:4].strip()}: {line[20:]}" for line in said.splitlines() if line[:4].strip()}


def test_a_healthy_house_is_well(rekindle: Rekindle, tmp_path: Path, new_database: Callable[[], str]) -> None:
    own = {"REKINDLE_DATABASE_URL": new_database()}  # in which nobody has said anything
    rekindle("token", "ada@example.com", **own)  # makes the data folder
    done = rekindle("doctor", **own)
    assert done.returncode == 0, done.stdout
    found = lines(done.stdout)
    assert found["Settings"].startswith("ok: 5 set: REKINDLE_DATABASE_URL, REKINDLE_DATA_DIR,")
    assert found["Data folder"] == f"ok: {tmp_path / 'data'}, private and writable"
    assert found["Model"] == "ok: offline, built in: it quotes, it does not think"
    assert found["Database"].startswith("ok: PostgreSQL 18.")
    assert found["Row security"].startswith("ok: forced on all ")
    assert found["Search"] == "ok: nothing to keep yet"
    for name in ("pgvector", "Migrations", "Roles", "Jobs", "Turns"):
        assert found[name].startswith("ok: "), found[name]
    assert SECRET not in done.stdout


def test_what_is_amiss_on_this_machine_is_said_with_what_to_do(rekindle: Rekindle, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    done = rekindle(
        "doctor",
        REKINDLE_DATABASE_URL="postgresql://ada:geheim@127.0.0.1:9/house",
        REKINDLE_MODEL="openai:gpt-4o-mini",
        REKINDLE_MODLE="oops",
        REKINDLE_EMBEDDING_MODEL="openai:text-embedding-3-small",
        REKINDLE_SECRET_KEY="short",
    )
    assert done.returncode == 1
    found = lines(done.stdout)
    assert found["Settings"].endswith("there is no REKINDLE_MODLE")
    assert "-> Is it REKINDLE_MODEL?" in done.stdout
    assert found["Data folder"] == f"warn: {data} can be read or changed by others"
    assert found["Secret key"].startswith("fail: REKINDLE_SECRET_KEY is too short")
    assert found["Model"].startswith("fail: The model 'openai:gpt-4o-mini' needs a key")
    assert found["Embedder"].startswith("fail: The embedding model 'openai:text-embedding-3-small' needs a key")
    assert found["Database"].startswith("fail: cannot be reached: connection failed")
    assert "-> Is it running, and is REKINDLE_DATABASE_URL right?" in done.stdout
    assert "geheim" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_data_folder_that_is_not_there_is_not_made(rekindle: Rekindle, tmp_path: Path) -> None:
    done = rekindle("doctor", REKINDLE_DATABASE_URL="")
    assert done.returncode == 0
    assert lines(done.stdout)["Database"] == "warn: embedded, not made yet"
    assert not (tmp_path / "data").exists()


@pytest.fixture
def own_database(empty_database: Callable[[], str]) -> Iterator[tuple[str, psycopg.Connection]]:
    conninfo = empty_database()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield conninfo, connection


def test_a_database_with_faults_is_seen_through(
    rekindle: Rekindle, own_database: tuple[str, psycopg.Connection]
) -> None:
    conninfo, database = own_database
    fresh = rekindle("doctor", REKINDLE_DATABASE_URL=conninfo)
    assert fresh.returncode == 0
    assert lines(fresh.stdout)["Migrations"].startswith("warn: at base, not yet at ")

    rekindle("migrate", REKINDLE_DATABASE_URL=conninfo)
    user, session = uuid4(), uuid4()
    database.execute("INSERT INTO users (id, email) VALUES (%s, 'ada@example.com')", [user])
    database.execute(
        "INSERT INTO sessions (id, user_id, assistant, last_seq, ended_at) VALUES (%s, %s, 'a', 2, now())",
        [session, user],
    )
    database.execute(
        "INSERT INTO messages (session_id, seq, id, user_id, role, content, status, lease_until) "
        "VALUES (%s, 2, %s, %s, 'assistant', '\"\"', 'running', now() - interval '1 hour')",
        [session, uuid4(), user],
    )
    database.execute("INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('q', 't', 'failed')")
    database.execute("ALTER TABLE messages NO FORCE ROW LEVEL SECURITY")
    database.execute("CREATE TABLE diaries (user_id uuid)")
    database.execute("ALTER ROLE rekindle_app BYPASSRLS")  # roles are the whole server's, so it is taken back at once
    try:
        faulty = rekindle("doctor", REKINDLE_DATABASE_URL=conninfo)
    finally:
        database.execute("ALTER ROLE rekindle_app NOBYPASSRLS")
    assert faulty.returncode == 1
    found = lines(faulty.stdout)
    assert found["Roles"] == "fail: rekindle_app bypasses row security"
    assert found["Row security"] == "fail: not forced on diaries, messages"
    assert found["Summaries"] == "warn: 1 wait"
    assert found["Turns"] == "warn: 1 were left in the middle by a server that is gone"
    assert found["Jobs"] == "warn: 1 failed, 0 wait"

    database.execute("UPDATE alembic_version SET version_num = '9999'")
    newer = rekindle("doctor", REKINDLE_DATABASE_URL=conninfo)
    assert newer.returncode == 1
    assert lines(newer.stdout)["Migrations"].startswith("fail: at 9999, which this version")


def test_asked_to_it_asks_the_model(terminal: OpenTerminal, rekindle: Rekindle, model: ModelServer) -> None:
    model.default = Reply("Hello!")
    done = rekindle("doctor", "--ask", **asks(model))
    assert "ok: openai:test, with a key, at OPENAI_BASE_URL; answered in " in lines(done.stdout)["Model"]
    assert "sk-test" not in done.stdout
    assert len(model.requests) == 1

    window = terminal("doctor", **asks(model))
    window.until("openai:test, with a key, at OPENAI_BASE_URL; not asked", "forced on all")
    window.until_it_leaves()
    assert window.code == 0
    assert len(model.requests) == 1
