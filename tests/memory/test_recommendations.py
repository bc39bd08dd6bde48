"""Recommendations: what fits past interests, with the interest and the document that each is from."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from rekindle.assistants.assistant import Assistant, Errand, Found
from rekindle.house import House
from rekindle.identity.service import Caller
from rekindle.knowledge.tools import price_tool, search_tool
from rekindle.memory.profile.recommendation import recommendation_tool
from tests.conftest import OpenHouse


@pytest.fixture
async def house(open_a_house: OpenHouse, new_database: Callable[[], str], tmp_path: Path) -> House:
    desk = Assistant("desk", abilities=("recommendations",))
    opened: House = await open_a_house(desk, work=False, database_url=SecretStr(new_database()))
    (tmp_path / "cpo.md").write_text("# CPO renewal\n\nWho has done CPO training renews it every five years, online.\n")
    (tmp_path / "boats.md").write_text("# Boats\n\nBoats are hired out by the hour at the lake.\n")
    await opened.knowledge.ingest(tmp_path, "desk")
    return opened


@pytest.fixture
async def ann(house: House) -> Caller:
    caller = Caller((await house.identity.recognise("ann@example.com")).user.id, "verified")
    for text in ("I need CPO training for my pool.", "Tell me about sourdough bread."):
        session = await house.sessions.start(caller)
        await house.sessions.messages.add(caller, session.id, "user", text)
        await house.conversation.end(caller, session.id)
        await house.profile.derive(caller.user_id, session.id)
    return caller


async def recommended(house: House, caller: Caller, about: str = "") -> tuple[list[dict[str, Any]], Found]:
    errand = Errand(caller, uuid4(), 1, "desk", lambda: asyncio.sleep(0, {}))
    answer = await recommendation_tool(house.profile, search_tool(house.knowledge))(errand, about)
    return json.loads(answer.text)["results"], answer


async def test_what_fits_a_past_interest_is_recommended_with_both_sources(house: House, ann: Caller) -> None:
    results, answer = await recommended(house, ann)
    [renewal] = [result for result in results if "renews" in result["text"]]
    assert renewal["because"] == "CPO training"
    assert {source.kind for source in answer.sources} == {"profile", "document"}
    [interest] = [source for source in answer.sources if source.quote == "CPO training"]
    assert interest.session_id
    assert not any("Boats" in result["text"] for result in results)


async def test_courses_of_the_price_list_are_recommended_too(house: House, ann: Caller, tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text("course,kind,price,currency\nCPO Training,individual,395.00,USD\nBaking,individual,10.00,USD\n")
    await house.prices.import_file(prices, "desk")
    price = price_tool(house.prices)
    tool = recommendation_tool(house.profile, lambda errand, course: price(errand, course, 1))
    answer = await tool(Errand(ann, uuid4(), 1, "desk", lambda: asyncio.sleep(0, {})))
    [course] = json.loads(answer.text)["results"]
    assert "395" in course["text"]
    assert course["because"] == "CPO training"
    assert {source.kind for source in answer.sources} == {"profile", "price"}


async def test_where_nothing_fits_the_interests_are_all_there_is(house: House, ann: Caller) -> None:
    results, answer = await recommended(house, ann, "sourdough")
    assert [result["text"] for result in results] == ["sourdough bread"]
    assert [source.kind for source in answer.sources] == ["profile"]
    alone = await recommendation_tool(house.profile)(Errand(ann, uuid4(), 1, "desk", lambda: asyncio.sleep(0, {})))
    assert "CPO training" in alone.text


async def test_nothing_is_recommended_to_whom_the_past_is_not_open(house: House, ann: Caller) -> None:
    assert (await recommended(house, Caller(ann.user_id, "anonymous")))[0] == []
    await house.profile.pause(ann, paused=True)
    assert (await recommended(house, ann))[0] == []


async def test_an_assistant_that_has_the_ability_uses_it(house: House, ann: Caller) -> None:
    session = await house.sessions.start(ann)
    turn = await house.conversation.say(ann, session.id, "What would you recommend to me, given my interests?")
    reply = await house.conversation.outcome(ann, turn.id)
    assert [tool["name"] for tool in reply.tools_used or []] == ["recommendations"]
