"""Sessions that name themselves, by a model or by what their beginning turns on."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from rekindle.errors import ModelError
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.memory.titles import Titles, quoted_title
from rekindle.testing import ModelServer, Refusal, Reply
from tests.conftest import OpenHouse, asking_settings


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("What is Lifeguard certification?", "Lifeguard certification"),
        ("How do I fix my iPhone screen?", "IPhone screen"),
        ("What's my name?", "What's my name?"),
        ("我想学习机器人编程", "学习机器人编程"),
        ("  \n?", "?"),
    ],
)
def test_a_title_is_what_the_beginning_turns_on(said: str, title: str) -> None:
    assert quoted_title([said]) == title


def test_a_title_is_never_long() -> None:
    assert len(quoted_title(["x" * 5_000])) <= 60
    assert (
        len(quoted_title(["Supercalifragilistic expialidocious pneumonoultramicroscopic silicovolcanoconiosis " * 9]))
        <= 60
    )


async def first_exchange(house: House, caller: Caller, message: str, title: str | None = None) -> Any:
    session = await house.sessions.start(caller, title=title)
    turn = await house.conversation.say(caller, session.id, message)
    await house.conversation.outcome(caller, turn.id)
    return session.id


async def test_a_session_is_named_after_its_first_exchange(
    open_a_house: OpenHouse, new_database: Callable[[], str], email: str, model: ModelServer
) -> None:
    model.default = Reply('"Lifeguard training."')
    house = await open_a_house(
        database_url=SecretStr(new_database()),  # of its own: on a shared one another server's worker may be quicker
        **asking_settings(model, titles="model", jobs_in_server=True),
    )
    caller = Caller((await house.identity.recognise(email)).user.id, "verified")
    session_id = await first_exchange(house, caller, "Hi, what do I need for the lifeguard thing?")
    await house.jobs.find_work()
    async with asyncio.timeout(10):
        while (await house.sessions.get(caller, session_id)).title != "Lifeguard training":  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_name_that_somebody_gave_stays(house: House, caller: Caller) -> None:
    given = await first_exchange(house, caller, "I need CPO training.", title="Pool")
    renamed = await first_exchange(house, caller, "I need CPO training.")
    await house.sessions.rename(caller, renamed, "My course")
    for session_id in (given, renamed):
        await house.sessions.entitle(caller.user_id, session_id, "Something else")
    waiting = {session_id for _, session_id in await house.sessions.untitled(10_000)}
    assert not waiting & {given, renamed}
    assert {s.title for s in await house.sessions.recent(caller)} == {"Pool", "My course"}


async def test_a_speech_is_no_title_and_a_model_that_refuses_names_nothing(
    open_a_house: OpenHouse, caller: Caller, model: ModelServer
) -> None:
    house = await open_a_house(work=False, **asking_settings(model))
    titles = Titles(house.sessions, lambda user, session: house.assistants.complete, seconds=5)
    model.script(Reply("Fine."), Reply("a very long speech " * 40))
    session_id = await first_exchange(house, caller, "I need CPO training.")
    await titles.write(caller.user_id, session_id)
    assert (await house.sessions.get(caller, session_id)).title == "CPO training"

    model.script(Reply("Fine."), Refusal(400))
    session_id = await first_exchange(house, caller, "I need CPO training.")
    with pytest.raises(ModelError):
        await titles.write(caller.user_id, session_id)
    await titles.write(caller.user_id, session_id, quote=True)
    assert (await house.sessions.get(caller, session_id)).title == "CPO training"
