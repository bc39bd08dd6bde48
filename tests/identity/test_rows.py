"""The second fence: with no WHERE at all, the database shows a user their own rows only."""

from uuid import UUID, uuid4

import psycopg
import pytest

from rekindle.errors import UserGone
from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import say


async def tables_of_people(house: House) -> dict[str, str]:
    """Every table with rows that are somebody's, and the column that says whose."""
    async with house.database.system() as connection:
        cursor = await connection.execute(
            """SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE c.relkind = 'r' AND a.attname = 'user_id' AND NOT a.attisdropped
                 AND c.relnamespace = 'public'::regnamespace"""
        )
        return {"users": "id"} | {row["name"]: "user_id" for row in await cursor.fetchall()}


async def somebody(house: House, email: str) -> Caller:
    """Somebody with something in every table that a talk fills."""
    caller = await house.identity.owner(email)
    session = await house.sessions.start(caller)
    await say(house, caller, session, "My bicycle has a flat tyre.")
    await house.conversation.end(caller, session.id)
    await house.identity.revoke(house.identity.issue(caller))
    return caller


async def test_every_table_of_people_is_fenced(house: House) -> None:
    async with house.database.system() as connection:
        for name in await tables_of_people(house):
            cursor = await connection.execute(
                """SELECT relrowsecurity AND relforcerowsecurity AS fenced, pg_get_userbyid(relowner) AS owner,
                          array(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid) AS policies
                   FROM pg_class c WHERE oid = %s::regclass""",
                (name,),
            )
            row = await cursor.fetchone()
            assert row, name
            assert row["fenced"], name
            assert row["owner"] not in ("rekindle_app", "rekindle_system"), name
            assert {"own", "every"} <= set(row["policies"]), name


async def test_selecting_everything_shows_ones_own_only(house: House, email: str) -> None:
    one, other = await somebody(house, email), await somebody(house, f"x{email}")
    filled = set()
    for name, column in (await tables_of_people(house)).items():
        for caller in (one, other):
            try:
                async with house.database.transaction(caller.user_id) as connection:
                    cursor = await connection.execute(f"SELECT {column} AS whose FROM {name}")
                    found = await cursor.fetchall()
            except psycopg.errors.InsufficientPrivilege:
                break  # not for users at all
            # The counts of all users together bear no one's name.
            assert {row["whose"] for row in found} <= {caller.user_id, UUID(int=0)}, name
            if found:
                filled.add(name)
    assert {"users", "sessions", "messages", "session_summaries", "user_usage", "usage_daily", "revocations"} <= filled


async def test_changing_everything_changes_ones_own_only(house: House, email: str) -> None:
    one, other = await somebody(house, email), await somebody(house, f"x{email}")
    async with house.database.transaction(one.user_id) as connection:
        await connection.execute("UPDATE sessions SET title = 'mine now'")
        await connection.execute("UPDATE messages SET metadata = '{\"mine\": true}'")
        await connection.execute("DELETE FROM session_summaries")
        await connection.execute("DELETE FROM revocations")
    (session,) = await house.sessions.recent(other)
    assert session.title != "mine now"
    assert all(not (m.metadata or {}).get("mine") for m in await house.sessions.messages.of(other, session.id))
    assert await house.memory.summary(other, session.id)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO sessions (id, user_id, assistant) VALUES (gen_random_uuid(), %(other)s, 'x')",
        "UPDATE sessions SET user_id = %(other)s",
        "UPDATE users SET id = %(other)s",
        "INSERT INTO revocations (token, user_id, expires_at) VALUES (gen_random_uuid(), %(other)s, now())",
        "INSERT INTO host_accounts (issuer, subject, user_id) VALUES ('a', gen_random_uuid()::text, %(other)s)",
    ],
)
async def test_nothing_can_be_put_under_somebody_elses_name(house: House, email: str, sql: str) -> None:
    one, other = await somebody(house, email), await somebody(house, f"x{email}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with house.database.transaction(one.user_id) as connection:
            await connection.execute(sql, {"other": other.user_id})


@pytest.mark.parametrize("table", ["audit_log", "audit_people", "email_codes", "erased_subjects"])
async def test_what_is_not_for_users_they_cannot_read(house: House, email: str, table: str) -> None:
    caller = await house.identity.owner(email)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with house.database.transaction(caller.user_id) as connection:
            await connection.execute(f"SELECT * FROM {table}")


async def test_without_an_identity_nothing_is_shown(house: House, email: str) -> None:
    await somebody(house, email)
    async with house.database.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE rekindle_app")
        for name in ("users", "sessions", "messages", "session_summaries"):
            assert await (await connection.execute(f"SELECT * FROM {name}")).fetchall() == []


async def test_a_user_who_is_not_there_cannot_be_spoken_for(house: House) -> None:
    with pytest.raises(UserGone):
        async with house.database.transaction(uuid4()) as connection:
            await connection.execute("SELECT 1")
