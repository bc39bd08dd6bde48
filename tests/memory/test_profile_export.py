"""What is known of a person goes out with their export, and comes back as it was."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from rekindle.errors import InvalidRequest
from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import OpenHouse
from tests.memory.test_profile import learn, texts, things
from tests.sessions.own_file import bring_back


async def everything(house: House, caller: Caller) -> list[Any]:
    async with house.database.system() as connection:
        cursor = await connection.execute(
            """
            SELECT to_jsonb(k) - 'user_id' AS row FROM known_things k WHERE user_id = %(user)s
            UNION ALL SELECT to_jsonb(d) - 'user_id' FROM derivations d WHERE user_id = %(user)s
            UNION ALL SELECT to_jsonb(m) - 'user_id' FROM memory_settings m WHERE user_id = %(user)s
            ORDER BY 1
            """,
            {"user": caller.user_id},
        )
        return [row["row"] for row in await cursor.fetchall()]


@pytest.fixture
async def remembered(house: House, caller: Caller) -> Caller:
    """Somebody of whom things are known, were, are corrected, and are forgotten; and who has paused."""
    await learn(house, caller, "I live in Hamburg.", "I love coffee.", "I am allergic to peanuts.")
    await learn(house, caller, "I moved to Berlin.", "My budget is 500 dollars.")
    for thing in await things(house, caller):
        if "peanut" in (thing.text or ""):
            await house.profile.forget(caller, thing.id)
        if "budget" in (thing.text or "") and thing.kind == "fact":
            await house.profile.correct(caller, thing.id, "My budget is 900 dollars.")
    await house.profile.pause(caller, paused=True)
    return caller


async def exported(house: House, caller: Caller, form: Any = "json") -> str:
    return b"".join([piece async for piece in await house.exports.export(caller, form)]).decode()


async def in_pieces(text: str, size: int = 700) -> AsyncIterator[bytes]:
    whole = text.encode()
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


async def test_what_is_known_comes_back_as_it_was(
    house: House, remembered: Caller, open_a_house: OpenHouse, new_database: Callable[[], str]
) -> None:
    before = await everything(house, remembered)
    assert {row["state"] for row in before if "state" in row} == {"current", "superseded", "corrected", "forgotten"}
    document = await exported(house, remembered)
    assert "peanut" not in json.dumps(json.loads(document)["known"])

    elsewhere = await open_a_house(work=False, database_url=SecretStr(new_database()))
    other = Caller((await elsewhere.identity.recognise("ada@example.com")).user.id, "verified")
    for _ in range(2):
        await bring_back(elsewhere, json.loads(document), other.user_id)
        assert await everything(elsewhere, other) == before
    await elsewhere.profile.pause(other, paused=False)
    assert await elsewhere.profile.underived() == []


async def test_what_a_person_brings_in_themselves_is_remembered_too(
    house: House, remembered: Caller, open_a_house: OpenHouse, new_database: Callable[[], str]
) -> None:
    document = await exported(house, remembered)
    known = await texts(house, remembered)
    elsewhere = await open_a_house(work=False, database_url=SecretStr(new_database()))
    other = Caller((await elsewhere.identity.recognise("ada@example.com")).user.id, "verified")
    assert await elsewhere.exports.bring_in(other, in_pieces(document), most_bytes=10**7) == (2, 0)
    assert await texts(elsewhere, other) == known
    assert await elsewhere.profile.underived() == []
    await learn(elsewhere, other, "I am allergic to peanuts.")
    assert not [text for text in await texts(elsewhere, other) if "peanut" in (text or "")]

    # In the same house it is somebody else's: under ids of its own, and nothing of the first one's is touched.
    before = await everything(house, remembered)
    thief = Caller((await house.identity.recognise("thief@example.com")).user.id, "verified")
    assert await house.exports.bring_in(thief, in_pieces(document), most_bytes=10**7) == (2, 0)
    assert await everything(house, remembered) == before
    assert sorted(map(str, await texts(house, thief))) == sorted(map(str, known))


@pytest.mark.parametrize(
    "change",
    [{"kind": "secret"}, {"text": None}, {"text": "x" * 501}, {"session_id": None}, {"barred": ["\\xzz"]}, {"id": 1}],
)
async def test_a_thing_that_is_not_as_one_is_written_is_refused(
    house: House, remembered: Caller, change: dict[str, Any]
) -> None:
    document = json.loads(await exported(house, remembered))
    thing = next(thing for thing in document["known"] if thing["state"] == "current")
    document |= {"known": [{**thing, **change}], "sessions": []}
    with pytest.raises(InvalidRequest):
        await bring_back(house, document, remembered.user_id)
    with pytest.raises(InvalidRequest):
        await house.exports.bring_in(remembered, in_pieces(json.dumps(document)), most_bytes=10**7)


async def test_an_export_for_reading_tells_what_is_in_effect(house: House, remembered: Caller) -> None:
    text = await exported(house, remembered, "markdown")
    tail = text[text.index("## What is remembered") :]
    assert "My budget is 900 dollars. (fact, " in tail
    assert "I live in Hamburg." not in tail
    [session, *_] = await house.sessions.recent(remembered)
    one = b"".join([piece async for piece in await house.exports.export(remembered, "json", session.id)])
    document = json.loads(one)
    assert "known" not in document
    assert document["sessions"][0]["derivation"] is None
