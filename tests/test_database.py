"""Row-level security, as the database itself has it: a forgotten WHERE leaks nothing."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import ProgramLimitExceeded

from rekindle.database import Database, DatabaseDown
from rekindle.house import House
from rekindle.identity.service import Caller

APP, SYSTEM = "rekindle_app", "rekindle_system"
NOBODY = UUID(int=0)
"""Whose rows are counts of all users together: they are no person's."""

KNOWLEDGE = {"knowledge_sources", "documents", "chunks", "links", "courses", "price_individual", "price_group"}
NOT_PERSONAL = {"alembic_version", "model_prices", *KNOWLEDGE}
"""Tables without row-level security that hold nothing of anybody."""
CLOSED = {"audit_log", "email_codes", "erased_subjects"}
"""Tables without row-level security that no request can read: functions of the database do."""

READ = "SELECT count(*) FROM {table} WHERE {owner} <> ALL(%s)"


@pytest.fixture
async def other(house: House, email: str) -> Caller:
    """Somebody else, with rows in every table that a conversation fills."""
    token = await house.identity.vouch(f"other-{email}")
    other = await house.identity.read(token)
    session = await house.sessions.start(other)
    turn = await house.conversation.say(other, session.id, "The blue door is where the key is kept.")
    await house.conversation.outcome(other, turn.id)
    await house.conversation.end(other, session.id)
    await house.identity.revoke(token)
    return other


@pytest.fixture
def database(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo) as connection:
        yield connection
        connection.rollback()


def personal(database: psycopg.Connection[Any]) -> dict[str, str]:
    """Tables and views that hold a person's rows, and the column that says whose; from the catalog."""
    rows = database.execute(
        """
        SELECT c.relname, 'user_id' FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
          AND a.attname = 'user_id' AND NOT a.attisdropped
        UNION SELECT 'users', 'id'
        """
    ).fetchall()
    return dict(rows)


def tables(database: psycopg.Connection[Any], kinds: str = "rp") -> set[str]:
    rows = database.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind::text = ANY(%s)",
        (list(kinds),),
    ).fetchall()
    return {row[0] for row in rows}


@contextmanager
def as_user(database: psycopg.Connection[Any], user_id: UUID | None) -> Iterator[None]:
    """What is done is done as the role of requests, for this user or for none; and undone."""
    with database.transaction(force_rollback=True):
        if user_id:
            database.execute("SELECT become_user(%s)", (user_id,))
        else:
            database.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(APP)))
        yield


def may(database: psycopg.Connection[Any], role: str, table: str, right: str) -> bool:
    row = database.execute("SELECT has_table_privilege(%s, %s, %s)", (role, table, right)).fetchone()
    return bool(row and row[0])


def foreign(database: psycopg.Connection[Any], table: str, owner: str, *own: UUID) -> int:
    """How many rows of others can be read."""
    query = sql.SQL(READ).format(table=sql.Identifier(table), owner=sql.Identifier(owner))
    row = database.execute(query, ([str(one) for one in (NOBODY, *own)],)).fetchone()
    assert row is not None
    count: int = row[0]
    return count


async def test_nobody_sees_a_row_of_another_even_without_a_where(
    database: psycopg.Connection[Any], caller: Caller, other: Caller
) -> None:
    seen = {table for table, owner in personal(database).items() if foreign(database, table, owner)}
    assert seen >= {"users", "sessions", "messages", "session_summaries", "user_usage", "usage_daily", "revocations"}
    assert seen >= {"conversations", "chat_sessions", "user_sessions", "conversation_sessions"}
    for table, owner in personal(database).items():
        if may(database, APP, table, "SELECT"):
            with as_user(database, caller.user_id):
                assert foreign(database, table, owner, caller.user_id) == 0, table


async def test_without_an_identity_nothing_is_seen(database: psycopg.Connection[Any], other: Caller) -> None:
    for table, owner in personal(database).items():
        if may(database, APP, table, "SELECT"):
            with as_user(database, None):
                assert foreign(database, table, owner) == 0, table


async def test_views_show_ones_own_rows_only(
    database: psycopg.Connection[Any], house: House, caller: Caller, other: Caller
) -> None:
    session = await house.sessions.start(caller)
    turn = await house.conversation.say(caller, session.id, "Mine.")
    await house.conversation.outcome(caller, turn.id)
    for view in tables(database, "v"):
        with as_user(database, caller.user_id):
            rows = database.execute(sql.SQL("SELECT v::text FROM {} v").format(sql.Identifier(view))).fetchall()
            assert "blue door" not in str(rows), view


async def test_nobody_changes_deletes_or_gives_away_a_row_of_another(
    database: psycopg.Connection[Any], house: House, caller: Caller, other: Caller
) -> None:
    session = await house.sessions.start(caller)
    for table, owner in personal(database).items():
        if table in tables(database) and may(database, APP, table, "UPDATE"):
            with as_user(database, caller.user_id):
                name, column = sql.Identifier(table), sql.Identifier(owner)
                query = sql.SQL("SELECT count(*) FROM {} WHERE {} = ANY(%s)").format(name, column)
                owned = database.execute(query, ([caller.user_id, NOBODY],)).fetchone()
                changed = database.execute(sql.SQL("UPDATE {} SET {} = {}").format(name, column, column)).rowcount
                assert (changed,) == owned, table
    with as_user(database, caller.user_id):
        assert database.execute("DELETE FROM sessions").rowcount == 1
        assert database.execute("DELETE FROM users").rowcount == 1
    for statement in (
        "UPDATE sessions SET user_id = %(other)s WHERE id = %(session)s",
        "INSERT INTO sessions (id, user_id, assistant) VALUES (gen_random_uuid(), %(other)s, 'x')",
        "UPDATE users SET id = %(other)s",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), as_user(database, caller.user_id):
            database.execute(statement, {"other": other.user_id, "session": session.id})


def test_every_table_with_a_users_rows_is_guarded(database: psycopg.Connection[Any]) -> None:
    rows = database.execute(
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, (
            SELECT jsonb_agg(jsonb_build_array(p.polroles::regrole[]::text[], p.polcmd,
                                               pg_get_expr(p.polqual, p.polrelid), p.polwithcheck IS NULL,
                                               p.polpermissive))
            FROM pg_policy p WHERE p.polrelid = c.oid)
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        """
    ).fetchall()
    guarded = {name: policies for name, forced, policies in rows if forced}
    assert tables(database) & personal(database).keys() <= guarded.keys()
    for table, policies in guarded.items():
        owner = personal(database)[table]
        everything = [[SYSTEM], "*", "true", True, True]
        own = [[APP], "*", f"({owner} = ( SELECT current_user_id() AS current_user_id))", True, True]
        all_users = [[APP], "*", f"(user_id = '{NOBODY}'::uuid)", True, True]
        assert own in policies, table
        assert everything in policies, table
        more = [policy for policy in policies if policy not in (own, everything)]
        # One that is not permissive opens nothing: it takes away what others open.
        assert [policy for policy in more if policy[-1]] in ([], [all_users]), table


def test_what_is_not_guarded_holds_nothing_of_anybody_or_is_closed(database: psycopg.Connection[Any]) -> None:
    rest = tables(database) - personal(database).keys() - NOT_PERSONAL
    rest -= {table for table in rest if table.startswith("procrastinate_")}
    assert rest == CLOSED
    for table in rest | {table for table in tables(database) if table.startswith("procrastinate_")}:
        assert not any(may(database, APP, table, right) for right in ("SELECT", "INSERT", "UPDATE", "DELETE")), table
    for table in NOT_PERSONAL:
        assert not any(may(database, APP, table, right) for right in ("INSERT", "UPDATE", "DELETE")), table


def test_views_look_with_the_eyes_of_who_asks(database: psycopg.Connection[Any]) -> None:
    rows = database.execute(
        "SELECT relname, 'security_invoker=true' = ANY(coalesce(reloptions, '{}')) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')"
    ).fetchall()
    assert rows
    assert [name for name, invoker in rows if not invoker] == []


def test_functions_that_act_for_their_owner_are_few_and_look_nothing_up_where_others_write(
    database: psycopg.Connection[Any],
) -> None:
    rows = database.execute(
        "SELECT proname, proconfig::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    ).fetchall()
    assert {name for name, _ in rows} <= {"forget_jobs", "is_given_up", "remember_erased"}
    for name, settings in rows:
        assert settings, name
        assert "search_path=" in settings, name


def test_the_roles_of_requests_own_nothing_and_cannot_log_in(database: psycopg.Connection[Any]) -> None:
    for role in (APP, SYSTEM):
        row = database.execute(
            "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, oid "
            "FROM pg_roles WHERE rolname = %s",
            (role,),
        ).fetchone()
        assert row is not None
        assert not any(row[:-1])
        oid = row[-1]
        for catalog, column in (
            ("pg_class", "relowner"),
            ("pg_proc", "proowner"),
            ("pg_namespace", "nspowner"),
            ("pg_type", "typowner"),
            ("pg_database", "datdba"),
        ):
            query = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s")
            owned = database.execute(query.format(sql.Identifier(catalog), sql.Identifier(column)), (oid,)).fetchone()
            assert owned == (0,), catalog
        assert database.execute("SELECT count(*) FROM pg_auth_members WHERE member = %s", (oid,)).fetchone() == (0,)
        create = database.execute("SELECT has_schema_privilege(%s, 'public', 'CREATE')", (role,)).fetchone()
        assert create == (False,)


async def test_a_connection_carries_nobody_over_to_the_next(house: House, caller: Caller) -> None:
    database = Database(house.database.conninfo, pool_size=2)
    await database.open()
    try:
        for _ in range(5):
            async with database.transaction(caller.user_id) as connection:
                seen = await (await connection.execute("SELECT current_user AS who")).fetchone()
                assert seen == {"who": APP}
            async with database.system() as connection:
                seen = await (await connection.execute("SELECT current_user AS who")).fetchone()
                assert seen == {"who": SYSTEM}
            async with database.connection() as connection:
                cursor = await connection.execute(
                    "SELECT current_user = session_user AS itself, current_setting('rekindle.user_id', true) AS whose"
                )
                row = await cursor.fetchone()
                assert row is not None
                assert row["itself"]
                assert not row["whose"]
    finally:
        await database.close()


async def test_a_transaction_that_fails_leaves_nothing_behind(house: House, caller: Caller) -> None:
    session = await house.sessions.start(caller, title="before")

    async def fail() -> None:
        async with house.database.transaction(caller.user_id) as connection:
            await connection.execute("UPDATE sessions SET title = 'after' WHERE id = %s", (session.id,))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await house.sessions.get(caller, session.id)).title == "before"


async def test_a_statement_that_fails_unseen_or_is_passed_over_keeps_nothing_and_is_told(
    house: House, caller: Caller
) -> None:
    session = await house.sessions.start(caller, title="before")

    async def rename(*, look: bool) -> None:
        async with house.database.transaction(caller.user_id) as connection:
            await connection.execute("UPDATE sessions SET title = 'after' WHERE id = %s", (session.id,))
            cursor = await connection.execute("SELECT 1 / 0")
            if look:
                with suppress(psycopg.errors.DivisionByZero):
                    await cursor.fetchone()

    with pytest.raises(psycopg.errors.DivisionByZero):
        await rename(look=False)
    with pytest.raises(psycopg.errors.PipelineAborted):
        await rename(look=True)
    # Nor is the database taken to be away for it.
    assert (await house.sessions.get(caller, session.id)).title == "before"


async def test_a_database_that_is_busy_is_not_taken_for_one_that_is_away(conninfo: str) -> None:
    database = Database(conninfo, pool_size=2, wait_seconds=0.3)
    await database.open()
    await database.check()
    async with database.connection(), database.connection():
        with pytest.raises(DatabaseDown, match="too much"):
            await database.check()
    await database.check()  # at once: one that is away would not be asked for a second
    await database.close()


async def test_who_gives_way_in_a_deadlock_does_not_take_the_database_for_one_that_is_away(conninfo: str) -> None:
    database = Database(conninfo, pool_size=2)
    await database.open()
    both_hold = asyncio.Barrier(2)

    async def lock(one: int, other: int) -> None:
        async with database.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL deadlock_timeout = '10ms'")
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (one,))
            await both_hold.wait()
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (other,))

    ends = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    await database.check()
    await database.close()
    assert sorted(type(end).__name__ for end in ends) == ["DatabaseDown", "NoneType"]


async def test_a_statement_beyond_postgresqls_limits_does_not_take_the_database_for_one_that_is_away(
    conninfo: str,
) -> None:
    database = Database(conninfo, pool_size=1)
    await database.open()
    with pytest.raises(ProgramLimitExceeded):
        async with database.system() as connection:
            await (await connection.execute("SELECT %s::tsquery", ("x" * 3_000,))).fetchone()
    await database.check()
    await database.close()


async def test_what_follows_a_transaction_that_was_cut_off_is_committed(conninfo: str, house: House) -> None:
    # Cut off as it enters or leaves its pipeline, psycopg leaves that open: nothing was committed there any more.
    database = Database(conninfo, pool_size=1)
    await database.open()
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE cut_off (nr integer)")
    for nr in range(200):
        try:
            async with asyncio.timeout(nr / 40_000), database.system() as connection:
                await (await connection.execute("SELECT pg_sleep(0.002)")).fetchone()
        except TimeoutError:
            pass
        async with database.connection() as connection:
            await (await connection.execute("INSERT INTO cut_off VALUES (%s) RETURNING nr", (nr,))).fetchone()
        async with house.database.connection() as other:
            row = await (await other.execute("SELECT max(nr) AS newest FROM cut_off")).fetchone()
        assert row == {"newest": nr}
    async with database.connection() as connection:
        await connection.execute("DROP TABLE cut_off")
    await database.close()


async def test_a_task_that_is_cancelled_as_it_gets_a_connection_ends(conninfo: str) -> None:
    database = Database(conninfo, pool_size=1)
    await database.open()

    async def in_rounds() -> None:
        while True:
            async with database.connection() as connection:
                await connection.execute("SELECT 1")

    for moment in range(100):
        tasks = [asyncio.create_task(in_rounds()) for _ in range(3)]
        for _ in range(moment):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        _, running = await asyncio.wait(tasks, timeout=5)
        assert not running, f"cancelled after {moment} rounds of the loop"
    await database.close()


@pytest.mark.parametrize("prepare", [True, False])
async def test_statements_are_prepared_only_where_that_is_set(conninfo: str, *, prepare: bool) -> None:
    database = Database(conninfo, pool_size=2, prepare=prepare)
    await database.open()
    try:
        async with database.connection() as connection:
            for _ in range(10):
                await connection.execute("SELECT %s::integer", (1,))
            row = await (await connection.execute("SELECT count(*) AS n FROM pg_prepared_statements")).fetchone()
            assert row is not None
            assert (row["n"] > 0) == prepare
    finally:
        await database.close()


async def test_times_are_in_utc_whatever_zone_the_database_is_set_to(new_database: Callable[[], str]) -> None:
    conninfo = new_database()
    with psycopg.connect(conninfo, autocommit=True) as connection:
        zone = sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'")
        connection.execute(zone.format(sql.Identifier(connection.info.dbname)))
    database = Database(conninfo, pool_size=2)
    await database.open()
    try:
        async with database.connection() as plain:
            row = await (await plain.execute("SELECT now() AS at, current_setting('timezone') AS zone")).fetchone()
        assert row is not None
        assert row["zone"] == "Asia/Tokyo"
        assert row["at"].utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - row["at"]) < timedelta(minutes=1)
    finally:
        await database.close()
