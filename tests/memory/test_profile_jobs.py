"""The reading of summaries as a job: found again, tried again, seen when it fails for good."""

import asyncio
import json
from collections.abc import Callable

import pytest
from procrastinate.jobs import Job
from pydantic import SecretStr

from rekindle.errors import ModelBusy, ModelError, ModelUnreachable, Unavailable
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.jobs.service import Insistence
from rekindle.testing import ModelServer, Refusal, Reply
from tests.conftest import OpenHouse, asking_settings
from tests.memory.test_profile import SUMMARY, answer, talk, texts


@pytest.fixture
async def house(open_a_house: OpenHouse, new_database: Callable[[], str], model: ModelServer) -> House:
    opened: House = await open_a_house(
        work=False, **asking_settings(model, database_url=SecretStr(new_database()), profile="model")
    )
    return opened


@pytest.fixture
async def ann(house: House) -> Caller:
    return Caller((await house.identity.recognise("ann@example.com")).user.id, "verified")


async def statuses(house: House) -> list[str]:
    async with house.database.connection() as connection:
        cursor = await connection.execute(
            "SELECT status::text FROM procrastinate_jobs WHERE task_name = 'derive' ORDER BY id"
        )
        return [row["status"] for row in await cursor.fetchall()]


async def test_a_bad_answer_is_tried_again_then_seen_and_derived_once_somebody_retries_it(
    house: House, ann: Caller, model: ModelServer
) -> None:
    model.script(Reply("Hello."), Reply(json.dumps(SUMMARY)))
    await talk(house, ann, "I live in Hamburg.")
    model.default = Reply("I am afraid I cannot do that.")
    await house.jobs.find_work()
    await house.jobs.find_work()
    assert await statuses(house) == ["todo"]
    house.jobs.start()
    async with asyncio.timeout(20):
        while not await house.jobs.troubles():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    [trouble] = await house.jobs.troubles()
    assert (trouble.task, trouble.status, trouble.attempts) == ("derive", "todo", 1)
    assert not {"Hamburg", "things"} & {*str(trouble.args).split()}

    await house.jobs.close()
    await house.jobs.open()  # without a worker, whose next try would come in between
    async with house.database.connection() as connection:
        await connection.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE task_name = 'derive'")
        await connection.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE task_name = 'derive'")
    await house.jobs.find_work()
    assert await statuses(house) == ["failed"]
    assert await texts(house, ann) == []

    model.default = answer(("fact", "The user lives in Hamburg.", []))
    await house.jobs.retry(trouble.id)
    house.jobs.start()
    async with asyncio.timeout(20):
        while await texts(house, ann) != ["The user lives in Hamburg."]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_summary_is_read_even_when_its_job_was_lost_and_by_one_call_only(
    house: House, ann: Caller, model: ModelServer
) -> None:
    model.script(Reply("Hello."), Reply(json.dumps(SUMMARY)))
    session_id = await talk(house, ann, "I live in Hamburg.")
    async with house.database.connection() as connection:
        await connection.execute("DELETE FROM procrastinate_jobs")
    await house.jobs.find_work()
    assert await statuses(house) == ["todo"]
    model.script(Refusal(503))
    with pytest.raises(ModelError):
        await house.profile.derive(ann.user_id, session_id)
    asked = len(model.requests)
    model.default = answer(("fact", "The user lives in Hamburg.", []))
    await asyncio.gather(*(house.profile.derive(ann.user_id, session_id) for _ in range(3)))
    await house.profile.derive(ann.user_id, session_id)
    assert await texts(house, ann) == ["The user lives in Hamburg."]
    assert len(model.requests) <= asked + 3
    await house.jobs.find_work()
    assert len(await statuses(house)) == 1


def test_a_model_that_is_away_is_waited_for_and_one_that_talks_nonsense_is_not() -> None:
    def job(attempts: int) -> Job:
        return Job(
            id=1,
            queue="rekindle",
            lock=None,
            queueing_lock=None,
            task_name="derive",
            task_kwargs={},
            attempts=attempts,
        )

    patience = Insistence()
    for passing in (ModelUnreachable(), ModelBusy(), Unavailable()):
        assert patience.get_retry_decision(exception=passing, job=job(1_000))
    assert patience.get_retry_decision(exception=ModelError(), job=job(1))
    assert patience.get_retry_decision(exception=ModelError(), job=job(5)) is None
