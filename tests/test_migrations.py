"""The schema's way up and down: nothing that people said is lost on it."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import rekindle.migrations
from rekindle.errors import ConfigurationError, Unavailable
from rekindle.house import open_house
from rekindle.migrations import current_revision, head, migrate
from tests.conftest import clean_environment, make_settings

VERSIONS = sorted(path.stem for path in (Path(rekindle.migrations.__file__).parent / "versions").glob("[0-9]*.py"))

PASSING = {"alembic_version", "email_codes", "quota_days", "quota_reservations"}
"""Tables whose rows may go on the way down: they are good for minutes, or can be made again of others."""


def kept(conninfo: str) -> dict[str, list[str]]:
    """All rows of all tables but the passing ones, and the queue's."""
    with psycopg.connect(conninfo) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND relname NOT LIKE 'procrastinate%' ORDER BY 1"
        ).fetchall()
        found = {}
        for (name,) in names:
            if name not in PASSING:
                rows = connection.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(name)))
                found[name] = sorted(row[0] for row in rows.fetchall())
        return found


def shape(conninfo: str) -> dict[str, list[Any]]:
    """What the catalog says of all that is in the schema: columns, indexes, rules, rights, functions, views."""
    queries = {
        "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public'",
        "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace",
        "policies": "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies "
        "WHERE schemaname = 'public'",
        "security": "SELECT relname, relrowsecurity, relforcerowsecurity, reloptions::text FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')",
        "rights": "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE table_schema = 'public'",
        "functions": "SELECT proname, pg_get_function_arguments(oid), md5(prosrc), prosecdef, proacl::text "
        "FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
        "triggers": "SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
        "WHERE NOT tgisinternal AND c.relnamespace = 'public'::regnamespace",
        "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'",
    }
    with psycopg.connect(conninfo) as connection:
        return {name: sorted(connection.execute(query).fetchall(), key=repr) for name, query in queries.items()}


async def talk(conninfo: str, folder: Path, message: str) -> None:
    """Somebody says something, has an answer, and leaves: rows in many tables."""
    async with open_house(make_settings(conninfo, folder), work=False) as house:
        token = await house.identity.vouch("ann@example.com")
        ann = await house.identity.read(token)
        session = await house.sessions.start(ann, metadata={"mood": "curious"})
        turn = await house.conversation.say(ann, session.id, message)
        assert (await house.conversation.outcome(ann, turn.id)).status == "complete"
        assert await house.conversation.end(ann, session.id) == "generated"
        await house.sessions.current_or_start(ann)
        visit = await house.sessions.check_in(name="Ann", email="ann@example.com", phone="555-9999")
        turn = await house.conversation.say(visit.caller, visit.session.id, "Hello again.")
        await house.conversation.outcome(visit.caller, turn.id)
        await house.identity.revoke(token)
        (folder / "doors.md").write_text("# Doors\n\nThe [blue door](https://doors.example/) is open.\n")
        await house.knowledge.ingest(folder / "doors.md")
        (folder / "prices.csv").write_text(
            "course,kind,price,currency,min_people\nDoors,individual,9.50,EUR,\nDoors,group,9.00,EUR,4\n"
        )
        await house.prices.import_file(folder / "prices.csv")


def test_the_revisions_are_one_chain_in_the_order_of_their_files() -> None:
    modules = [import_module(f"rekindle.migrations.versions.{name}") for name in VERSIONS]
    assert [module.revision for module in modules] == [name[:4] for name in VERSIONS]
    assert [module.down_revision for module in modules] == [None, *(name[:4] for name in VERSIONS[:-1])]
    assert head() == VERSIONS[-1][:4]
    assert all(module.__doc__ for module in modules)


async def test_up_down_and_up_again_keeps_everything_and_leaves_the_same_schema(
    empty_database: Callable[[], str], tmp_path: Path
) -> None:
    conninfo = empty_database()
    assert migrate(conninfo)
    new = shape(conninfo)
    await talk(conninfo, tmp_path, "The blue door is where the key is kept.")
    before = kept(conninfo)
    filled = {name for name, rows in before.items() if rows}
    assert filled >= {"documents", "chunks", "links", "courses", "price_individual", "price_group"}
    assert filled >= {"users", "sessions", "messages", "session_summaries", "user_usage", "usage_daily", "revocations"}

    assert migrate(conninfo, "base")
    assert kept(conninfo) == {}
    assert not any(shape(conninfo)[what] for what in ("policies", "views", "triggers"))
    assert migrate(conninfo)
    assert kept(conninfo) == before
    assert shape(conninfo) == new

    await talk(conninfo, tmp_path, "And it works as before.")
    assert len(kept(conninfo)["messages"]) == 2 * len(before["messages"])


async def test_every_single_step_down_and_up_keeps_everything(
    empty_database: Callable[[], str], tmp_path: Path
) -> None:
    conninfo = empty_database()
    migrate(conninfo)
    await talk(conninfo, tmp_path, "Step by step.")
    before, new = kept(conninfo), shape(conninfo)
    for name in reversed(VERSIONS[:-1]):
        assert migrate(conninfo, name[:4])
        assert current_revision(conninfo) == name[:4]
        assert kept(conninfo).get("messages", before["messages"]) == before["messages"]
    for name in VERSIONS[1:]:
        assert migrate(conninfo, name[:4])
        assert current_revision(conninfo) == name[:4]
    assert kept(conninfo) == before
    assert shape(conninfo) == new


def test_servers_that_start_at_once_migrate_once(empty_database: Callable[[], str]) -> None:
    conninfo = empty_database()
    program = "import sys; from rekindle.migrations import migrate; migrate(sys.argv[1])"
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", program, conninfo], env=clean_environment(), stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    complaints = [process.communicate(timeout=60)[1] for process in starting]
    assert [process.returncode for process in starting] == [0, 0], complaints
    assert current_revision(conninfo) == head()


def test_where_there_is_nothing_to_do_nothing_is_loaded_for_it(conninfo: str) -> None:
    program = (
        "import json, sys; from rekindle.migrations import migrate; "
        "print(json.dumps([migrate(sys.argv[1]), 'alembic' in sys.modules, 'sqlalchemy' in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, conninfo], env=clean_environment(), check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == [False, False, False]


def test_a_database_that_a_newer_version_has_migrated_is_left_alone(empty_database: Callable[[], str]) -> None:
    conninfo = empty_database()
    migrate(conninfo)
    before = shape(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for revision in ("head", "base", head()):
        with pytest.raises(ConfigurationError, match="9999"):
            migrate(conninfo, revision)
    assert shape(conninfo) == before


def test_a_revision_there_is_not_is_said_so(conninfo: str) -> None:
    for revision in ("0000", "nonsense", "", "; DROP TABLE users"):
        with pytest.raises(ConfigurationError):
            migrate(conninfo, revision)
    assert current_revision(conninfo) == head()


def test_who_waits_for_anothers_migration_waits_so_long_and_no_longer(empty_database: Callable[[], str]) -> None:
    conninfo = empty_database()
    with psycopg.connect(conninfo, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (rekindle.migrations.LOCK,))
        with pytest.raises(Unavailable, match=r"Another server.* not done within 0\.1 seconds"):
            migrate(conninfo, lock_seconds=0.1)
        assert current_revision(conninfo) is None
    assert migrate(conninfo, lock_seconds=0.1)


def test_a_database_out_of_reach_is_said_so_and_its_password_is_not() -> None:
    with pytest.raises(Unavailable) as away:
        migrate("postgresql://ann:xyzzy@127.0.0.1:1/rekindle")
    with pytest.raises(ConfigurationError) as unreadable:
        migrate("ann:xyzzy@127.0.0.1")
    for error in (away.value, unreadable.value):
        assert "xyzzy" not in str(error)
