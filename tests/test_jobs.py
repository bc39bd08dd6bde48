"""Jobs on real PostgreSQL: done, retried, swept when their worker is gone, seen when they fail; retention."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from rekindle.errors import NotFound
from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import OpenHouse, clean_environment
from tests.forked import rekindle


@pytest.fixture
async def house(open_a_house: OpenHouse, new_database: Callable[[], str]) -> House:
    """A house of its own that does no work by itself."""
    opened: House = await open_a_house(work=False, database_url=SecretStr(new_database()))
    return opened


async def a_past_session(house: House, email: str = "ada@example.com", *, days_ago: float = 0) -> tuple[Caller, Any]:
    caller = Caller((await house.identity.recognise(email)).user.id, "verified")
    session = await house.sessions.start(caller)
    turn = await house.conversation.say(caller, session.id, "I like green tea.")
    await house.conversation.outcome(caller, turn.id)
    async with house.database.system() as connection:
        await connection.execute(
            "UPDATE sessions SET last_seen_at = now() - make_interval(secs => %s) WHERE id = %s",
            (days_ago * 86_400, session.id),
        )
    return caller, session


async def jobs_of(house: House) -> list[tuple[str, str]]:
    async with house.database.connection() as connection:
        cursor = await connection.execute(
            "SELECT task_name, status::text AS status FROM procrastinate_jobs ORDER BY id"
        )
        return [(row["task_name"], row["status"]) for row in await cursor.fetchall()]


async def test_a_job_whose_worker_is_gone_is_queued_again(house: House) -> None:
    caller, session = await a_past_session(house)
    await house.jobs.summarise_later(caller.user_id, session.id)
    async with house.database.connection() as connection:
        await connection.execute(
            """
            WITH w AS (INSERT INTO procrastinate_workers (last_heartbeat)
                       VALUES (now() - interval '2 min') RETURNING id)
            UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM w)
            """
        )
    assert await house.jobs.sweep() == 1
    assert await jobs_of(house) == [("summarise", "todo")]
    assert await house.jobs.sweep() == 0


async def test_a_stalled_job_that_was_queued_anew_is_not_doubled(house: House) -> None:
    caller, session = await a_past_session(house)
    await house.jobs.summarise_later(caller.user_id, session.id)
    async with house.database.connection() as connection:
        await connection.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
    await house.jobs.summarise_later(caller.user_id, session.id)
    assert await house.jobs.sweep() == 1
    assert await jobs_of(house) == [("summarise", "todo")]


async def test_jobs_about_what_was_deleted_or_erased_have_nothing_to_do(house: House) -> None:
    ada, deleted = await a_past_session(house)
    await house.sessions.delete(ada, deleted.id)
    bob, erased = await a_past_session(house, "bob@example.com")
    await house.erasure.erase(bob.user_id)
    for job in ("summarise", "name_session", "roll_summary"):
        await house.jobs._defer(job, ada.user_id, deleted.id)
        await house.jobs._defer(job, bob.user_id, erased.id)
    house.jobs.start()
    end = asyncio.get_running_loop().time() + 20
    while {status for _, status in await jobs_of(house)} - {"succeeded"}:
        assert asyncio.get_running_loop().time() < end, await jobs_of(house)
        await asyncio.sleep(0.1)


async def test_failures_are_seen_and_can_be_tried_again(house: House) -> None:
    caller, session = await a_past_session(house)
    await house.jobs.summarise_later(caller.user_id, session.id)
    async with house.database.connection() as connection:
        await connection.execute("UPDATE procrastinate_jobs SET status = 'doing'")
        await connection.execute("UPDATE procrastinate_jobs SET status = 'failed', attempts = 20")
    [trouble] = await house.jobs.troubles()
    assert (trouble.task, trouble.status, trouble.attempts) == ("summarise", "failed", 20)
    assert trouble.args == {"user_id": str(caller.user_id), "session_id": str(session.id)}
    await house.jobs.retry(trouble.id)
    assert await jobs_of(house) == [("summarise", "todo")]
    with pytest.raises(NotFound):
        await house.jobs.retry(trouble.id)


async def test_jobs_in_trouble_are_a_list_of_pages_those_that_failed_for_good_first(house: House) -> None:
    async with house.database.connection() as connection:
        await connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts) "
            "SELECT 'rekindle', 'summarise', 'todo', n % 4 FROM generate_series(1, 8) n"
        )
        await connection.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id % 2 = 0")
        await connection.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE status = 'doing'")
    seen: list[tuple[str, int]] = []
    while page := await house.jobs.troubles(after=seen[-1] if seen else None, limit=3):  # type: ignore[arg-type]
        assert len(page) <= 3
        seen += [(job.status, job.id) for job in page]
    assert seen == sorted(seen, key=lambda place: (place[0] == "failed", place[1]), reverse=True)
    assert [status for status, _ in seen] == ["failed"] * 4 + ["todo"] * 4
    assert len({*seen}) == 8


async def test_sessions_untouched_for_long_leave_and_others_stay(house: House) -> None:
    ada, old = await a_past_session(house, days_ago=31)
    _, new = await a_past_session(house, days_ago=29)
    _, older = await a_past_session(house, "bob@example.com", days_ago=400)
    for _ in range(3):
        await a_past_session(house, "bob@example.com", days_ago=50)
    dry = await house.sessions.clean_up(30, dry_run=True)
    assert (dry.sessions, dry.messages) == (5, 10)
    assert await house.sessions.get(ada, old.id)
    assert await house.sessions.clean_up(30, batch=2) == dry
    assert [s.id for s in await house.sessions.recent(ada)] == [new.id]
    async with house.database.system() as connection:
        cursor = await connection.execute("SELECT count(*) AS n FROM messages")
        assert (await cursor.fetchone() or {})["n"] == 2
    assert (await house.usage.of(ada.user_id)).turns == 2  # what was used stays counted
    assert older.id


async def test_a_summary_that_the_house_wrote_late_keeps_no_session_and_one_that_its_user_put_right_does(
    house: House,
) -> None:
    ada, old = await a_past_session(house, days_ago=400)
    _, put_right = await a_past_session(house, days_ago=400)
    for session in (old, put_right):
        await house.memory.summarise(ada.user_id, session.id)
    await house.memory.correct(ada, put_right.id, text="It was about tea.")
    assert (await house.sessions.clean_up(30)).sessions == 1
    assert [s.id for s in await house.sessions.recent(ada)] == [put_right.id]


async def test_a_past_session_that_was_brought_in_lately_stays(house: House) -> None:
    ada, _ = await a_past_session(house, days_ago=400)
    export = b"".join([piece async for piece in await house.exports.export(ada, "json")])
    assert (await house.sessions.clean_up(30)).sessions == 1
    assert await house.exports.bring_in(ada, in_pieces(export), most_bytes=10**6) == (1, 0)
    assert (await house.sessions.clean_up(30)).sessions == 0
    async with house.database.system() as connection:
        await connection.execute("UPDATE sessions SET arrived_at = arrived_at - interval '31 days'")
    assert (await house.sessions.clean_up(30)).sessions == 1


async def in_pieces(document: bytes) -> AsyncIterator[bytes]:
    yield document


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return rekindle(*arguments, environment=clean_environment(**variables))


async def test_cleanup_says_what_it_would_do_and_does_it(house: House, data_dir: Path) -> None:
    await a_past_session(house, days_ago=10)
    settings = {"REKINDLE_DATABASE_URL": house.database.conninfo, "REKINDLE_DATA_DIR": str(data_dir)}
    dry = await asyncio.to_thread(command, "cleanup", "--days", "7", "--dry-run", **settings)
    assert dry.stdout == "1 session with 2 messages would be deleted: no message for 7 days.\n"
    assert "0 sessions" in (await asyncio.to_thread(command, "cleanup", **settings)).stdout
    done = await asyncio.to_thread(command, "cleanup", "--days", "7", **settings)
    assert done.stdout == "1 session with 2 messages deleted: no message for 7 days.\n"
    kept = await asyncio.to_thread(command, "cleanup", REKINDLE_RETENTION_DAYS="0", **settings)
    assert kept.returncode == 1


async def test_a_worker_runs_jobs_survives_the_database_and_stops_as_asked(house: House, data_dir: Path) -> None:
    caller, session = await a_past_session(house)
    await house.sessions.end(caller, session.id)
    await house.jobs.study_later("a-traveller", data_dir / "elsewhere")
    await house.jobs.summarise_later(caller.user_id, session.id)
    process = subprocess.Popen(  # noqa: ASYNC220 it starts at once, and is read in a thread
        [sys.executable, "-m", "rekindle", "worker"],
        env=clean_environment(
            REKINDLE_DATABASE_URL=house.database.conninfo, REKINDLE_DATA_DIR=str(data_dir), REKINDLE_MODEL="offline"
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        await until_summarised(house, caller, session)
        with psycopg.connect(house.database.conninfo, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'rekindle jobs' AND datname = current_database()"
            )
        other, second = await a_past_session(house, "bob@example.com")
        await house.sessions.end(other, second.id)
        await house.jobs.summarise_later(other.user_id, second.id)
        await until_summarised(house, other, second)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        output = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, output
    assert "green tea" not in output[0]
    assert "assistant.folder_not_here" in output[0]  # what goes wrong is in the worker's log


async def until_summarised(house: House, caller: Caller, session: Any) -> None:
    async with asyncio.timeout(30):
        while await house.memory.summary(caller, session.id) is None:  # noqa: ASYNC110 another process writes it
            await asyncio.sleep(0.1)
