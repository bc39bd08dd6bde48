"""Erasure: a marker in everything a person gave, then a search of everything that is kept."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import psycopg
import pytest
import redis as redis_py
from pydantic import SecretStr

from rekindle.conversation.erasure import store
from rekindle.embedded import _programs as programs
from rekindle.errors import UserGone
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.testing import Hang, ModelServer
from tests import forked
from tests.conftest import OpenHouse, RunningServer, Serve, asking_settings, clean_environment
from tests.redis_server import RedisServer


def dump(conninfo: str) -> str:
    """All that a database holds, as SQL."""
    return subprocess.run(
        [programs() / "pg_dump", "--inserts", "--dbname", conninfo],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def everything_of_others(database: psycopg.Connection[Any], user_id: str) -> dict[str, Any]:
    """A checksum of every table's rows that are not this user's."""
    tables = database.execute(
        """
        SELECT c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_id')
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          AND c.relname NOT LIKE 'procrastinate%' AND c.relname NOT IN ('audit_log', 'erased_subjects', 'email_codes')
        """
    ).fetchall()
    sums = {}
    for name, owned in tables:
        column = "t.user_id" if owned else "t.id" if name == "users" else "NULL::uuid"
        sums[name] = database.execute(
            f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t "
            f"WHERE {column} IS DISTINCT FROM %s",
            (user_id,),
        ).fetchone()
    return sums


async def test_every_table_with_a_users_rows_is_in_the_register(house: House) -> None:
    async with house.database.connection() as connection:
        cursor = await connection.execute(
            """
            SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
              AND a.attname = 'user_id' AND NOT a.attisdropped
            """
        )
        assert {row["name"] for row in await cursor.fetchall()} == set(store.TABLES)


def give_everything(server: RunningServer, marker: str) -> tuple[httpx.Client, str]:
    """A person who leaves the marker wherever something can be left: their client, and their id."""
    email = f"{marker}@example.com"
    with httpx.Client(base_url=server.url, timeout=30) as desk:
        visit = desk.post(
            "/api/v1/session/create", json={"user_name": marker, "user_email": email, "user_phone": f"+1 {marker}"}
        )
        assert visit.status_code == 200, visit.text
        visit = visit.json()
        desk.post("/api/v1/chat/message", json={"session_id": visit["session_id"], "message": f"I am {marker}."})
        desk.post(f"/api/v1/session/{visit['session_id']}/end")
    client = server.client(email)
    session = client.post("/api/v1/sessions", json={"title": marker, "metadata": {"about": marker}}).json()
    turns = f"/api/v1/sessions/{session['id']}/turns"
    for said in (f"Remember {marker}.", f"My favourite is {marker}?"):
        client.post(
            turns, json={"message": said, "metadata": {"k": marker}}, headers={"Idempotency-Key": marker + said}
        )
        client.post("/chat", json={"message": said})
        client.post("/chat/send", json={"message": said})
    client.post(f"/api/v1/sessions/{session['id']}/end")
    client.get("/api/v1/sessions", params={"cursor": marker})
    client.get(f"/api/v1/sessions/{marker}")
    user_id = client.get("/chat/sessions").json()["user_id"]
    with server.database() as database:
        database.execute(
            "INSERT INTO host_accounts (issuer, subject, user_id) VALUES ('https://host', %s, %s)", (marker, user_id)
        )
        for status in ("todo", "failed"):
            database.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, scheduled_at) "
                "VALUES ('rekindle', 'summarise', %s, 'todo', now() + interval '1 hour')",
                (json.dumps({"user_id": user_id, "session_id": session["id"], "said": marker, "as": status}),),
            )
    return client, user_id


def test_an_erased_person_is_nowhere_and_nobody_else_is_touched(
    serve: Serve, new_database: Callable[[], str], redis: RedisServer, tmp_path: Path
) -> None:
    server = serve(
        REKINDLE_DATABASE_URL=new_database(), REKINDLE_REDIS_URL=redis.url, REKINDLE_USER_TOKENS_PER_DAY="1000000"
    )
    marker, other_marker = f"zq{uuid4().hex[:12]}", f"other{uuid4().hex[:12]}"
    client, user_id = give_everything(server, marker)
    other, _ = give_everything(server, other_marker)
    assert marker in dump(server.environment["REKINDLE_DATABASE_URL"])
    with server.database() as database:
        before = everything_of_others(database, user_id)

    refused = client.request("DELETE", "/api/v1/me", json={"confirm": f"{other_marker}@example.com"})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_confirmed")
    assert client.request("DELETE", "/api/v1/me", json={"confirm": f"{marker}@example.com"}).status_code == 204

    for path in ("/api/v1/sessions", "/api/v1/me/usage", "/api/v1/me/export"):
        assert client.get(path).status_code == 401
    assert client.post("/chat", json={"message": "Do you remember?"}).status_code == 401
    left = dump(server.environment["REKINDLE_DATABASE_URL"])
    assert marker not in left
    assert user_id not in left
    assert other_marker in left
    with server.database() as database:
        assert everything_of_others(database, user_id) == before
    with redis_py.Redis.from_url(redis.url) as cache:
        assert not [key for key in cache.scan_iter() if marker.encode() in (cache.dump(key) or b"")]
    assert other.get("/api/v1/sessions").json()["items"]
    server.stop()
    assert marker not in server.log.read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert server.log in files
    assert not [path for path in files if marker.encode() in path.read_bytes()]


async def test_a_running_turn_is_cancelled_and_writes_nothing_more(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer, new_database: Callable[[], str]
) -> None:
    house = await open_a_house(**asking_settings(model, user_tokens_per_day=1_000_000))
    session = await house.sessions.start(caller)
    model.script(Hang())
    turn = await house.conversation.say(caller, session.id, "Are you there?")
    counts = await house.erasure.erase(caller.user_id)
    assert (counts["sessions"], counts["messages"], counts["usage_daily"], counts["quota_days"]) == (1, 2, 1, 1)
    assert house.runs.get(turn.id) is None
    assert await house.erasure.erase(caller.user_id) == {}
    with pytest.raises(UserGone):
        await house.sessions.recent(caller)


async def test_what_is_said_while_a_person_is_erased_is_gone_too(open_a_house: OpenHouse, caller: Caller) -> None:
    house = await open_a_house()
    sessions = [await house.sessions.start(caller) for _ in range(5)]

    async def chatter(session_id: UUID) -> None:
        while True:
            turn = await house.conversation.say(caller, session_id, "And another thing.")
            await house.conversation.outcome(caller, turn.id)

    talking = [asyncio.create_task(chatter(session.id)) for session in sessions]
    await asyncio.sleep(0.3)
    await house.erasure.erase(caller.user_id)
    await asyncio.wait(talking, timeout=10)
    assert all(task.done() and isinstance(task.exception(), Exception) for task in talking)
    async with house.database.system() as connection:
        for table in store.TABLES:
            cursor = await connection.execute(
                f"SELECT count(*) AS n FROM {table} WHERE user_id = %s", (caller.user_id,)
            )
            assert (await cursor.fetchone() or {})["n"] == 0, table


async def test_the_command_asks_before_it_erases(
    open_a_house: OpenHouse, new_database: Callable[[], str], data_dir: Path
) -> None:
    conninfo = new_database()
    house = await open_a_house(work=False, database_url=SecretStr(conninfo))
    await house.identity.recognise("ada@example.com")

    environment = clean_environment(REKINDLE_DATABASE_URL=conninfo, REKINDLE_DATA_DIR=str(data_dir))

    def rekindle(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return forked.rekindle(*arguments, environment=environment, said=typed)

    assert (await asyncio.to_thread(rekindle, "erase", "ada@example.com", typed="bob\n")).returncode == 1
    done = await asyncio.to_thread(rekindle, "erase", "ada@example.com", typed="ada@example.com\n")
    assert "Erased ada@example.com: 0 sessions with 0 messages." in done.stdout
    assert (await asyncio.to_thread(rekindle, "erase", "ada@example.com", "--yes")).returncode == 1
