"""Search with an embedder that is set: what it adds, what a change of it does, and what is left when it is away."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai.types import CreateEmbeddingResponse, Embedding
from openai.types.create_embedding_response import Usage
from pydantic import SecretStr

from rekindle.errors import ModelError
from rekindle.house import House
from rekindle.identity.service import Caller
from tests.conftest import OpenHouse
from tests.memory.test_embedder import EmbeddingServer, server
from tests.memory.test_recall import tell

__all__ = ["server"]

WIDTH = 1536
TOPICS = {"pet": ("kitten", "parrot", "pet"), "food": ("soup", "food"), "vehicle": ("bicycle", "transport")}


def by_topic(body: dict[str, Any]) -> tuple[int, str]:
    """Vectors of texts on one topic are alike, though they share no word."""

    def vector(text: str) -> list[float]:
        topics = [topic for topic, words in TOPICS.items() if any(word in text.lower() for word in words)]
        noise = np.random.default_rng(len(text)).normal(size=WIDTH)
        known = [np.random.default_rng(list(topic.encode())).normal(size=WIDTH) for topic in topics]
        return [float(value) for value in sum(known, 0.5 * noise)]

    data = [Embedding(embedding=vector(t), index=i, object="embedding") for i, t in enumerate(body["input"])]
    answer = CreateEmbeddingResponse(
        data=data, model=body["model"], object="list", usage=Usage(prompt_tokens=1, total_tokens=1)
    )
    return 200, answer.model_dump_json()


def refuse(body: dict[str, Any]) -> tuple[int, str]:
    return 400, '{"error": {"message": "away"}}'


@pytest.fixture
def database(new_database: Callable[[], str]) -> SecretStr:
    """A database of the test's own: to catch up with is what it said, and nothing else."""
    return SecretStr(new_database())


@pytest.fixture
async def caller(open_a_house: OpenHouse, database: SecretStr, email: str) -> Caller:
    house = await open_a_house(work=False, database_url=database)
    return Caller((await house.identity.recognise(email)).user.id, "verified")


@pytest.fixture
def opened_with(open_a_house: OpenHouse, server: EmbeddingServer, database: SecretStr) -> Any:
    """Opens a house whose embedder is this model of the server."""
    server.answer = by_topic

    async def opened(model: str, **settings: Any) -> House:
        house: House = await open_a_house(
            work=False,
            database_url=database,
            embedding_model=f"openai:{model}",
            openai_api_key=SecretStr("sk-test"),
            openai_base_url=server.url,
            model_retries=0,
            **settings,
        )
        return house

    return opened


async def kept(house: House, caller: Caller) -> set[tuple[str | None, str | None, int]]:
    """Of the caller's blocks: the models of tokens and of wholes, and the bytes of a line's signs."""
    async with house.database.transaction(caller.user_id) as connection:
        cursor = await connection.execute(
            "SELECT model, meaning, octet_length(pooled) / greatest(1, octet_length(facts) / 10) AS bytes "
            "FROM recall_blocks"
        )
        return {(row["model"], row["meaning"], row["bytes"]) for row in await cursor.fetchall()}


async def talk_of_three(house: House, caller: Caller) -> None:
    for words in ("My bicycle has a flat tyre.", "I adopted a kitten last week.", "The soup needs more salt."):
        session = await tell(house, caller, words, "I see.")
        await house.recall.index(caller.user_id, session)


async def test_the_embedder_that_is_set_finds_what_was_said_in_other_words(opened_with: Any, caller: Caller) -> None:
    house = await opened_with("tiny")
    await talk_of_three(house, caller)
    assert await kept(house, caller) == {(None, "openai:tiny", WIDTH // 8)}
    hits = await house.recall.search(caller, "Which pet?", seconds=60)
    assert hits[0].message.content == "I adopted a kitten last week."
    assert hits.by_meaning


async def test_it_takes_the_place_of_whole_lines_and_tokens_are_compared_as_ever(
    opened_with: Any, caller: Caller, weights: Path
) -> None:
    house = await opened_with("tiny", embedder_dir=weights)
    await talk_of_three(house, caller)
    assert {(model is None, meaning, size) for model, meaning, size in await kept(house, caller)} == {
        (False, "openai:tiny", WIDTH // 8)
    }
    assert (await house.recall.search(caller, "How was the food?", seconds=60))[
        0
    ].message.content == "The soup needs more salt."


async def test_another_model_embeds_anew_in_the_background_and_search_goes_on_meanwhile(
    opened_with: Any, caller: Caller, server: EmbeddingServer
) -> None:
    old = await opened_with("old")
    await talk_of_three(old, caller)
    new = await opened_with("new")
    last = await tell(new, caller, "I got a parrot, too.", "Is it?")
    await new.recall.index(caller.user_id, last)
    assert {meaning for _, meaning, _ in await kept(new, caller)} == {"openai:old", "openai:new"}
    server.requests.clear()
    hits = await new.recall.search(caller, "Which pet?", limit=4, seconds=60)
    assert {"I adopted a kitten last week.", "I got a parrot, too."} <= {hit.message.content for hit in hits}
    assert {body["model"] for body, _ in server.requests} == {"old", "new"}
    progress = await new.recall.progress()
    assert progress.blocks > progress.current > 0
    await new.recall.catch_up()
    assert {meaning for _, meaning, _ in await kept(new, caller)} == {"openai:new"}
    progress = await new.recall.progress()
    assert progress.blocks == progress.current
    hits = await new.recall.search(caller, "Which pet?", limit=4, seconds=60)
    assert {"I adopted a kitten last week.", "I got a parrot, too."} <= {hit.message.content for hit in hits}


async def test_while_the_embedder_is_away_new_lines_are_kept_for_their_words(
    opened_with: Any, caller: Caller, server: EmbeddingServer
) -> None:
    house = await opened_with("tiny")
    await tell(house, caller, "I adopted a kitten last week.", "I see.")
    server.answer = refuse
    with pytest.raises(ModelError):
        await house.recall.catch_up()
    assert await kept(house, caller) == {(None, None, 0)}
    hits = await house.recall.search(caller, "kittens")
    assert hits[0].message.content == "I adopted a kitten last week."
    assert not hits.by_meaning
    server.answer = by_topic
    await house.recall.catch_up()
    assert await kept(house, caller) == {(None, "openai:tiny", WIDTH // 8)}
    server.answer = refuse
    asked = len(server.requests)
    for _ in range(3):
        assert not (await house.recall.search(caller, "kitten")).by_meaning
    assert len(server.requests) == asked + 1  # one that did not answer is not asked again at once


async def test_an_embedder_too_slow_for_a_turn_costs_it_no_words_and_answers_who_has_more_time(
    opened_with: Any, caller: Caller, server: EmbeddingServer
) -> None:
    house = await opened_with("tiny", recall_seconds=2)
    await talk_of_three(house, caller)
    assert (await house.recall.search(caller, "Which pet?")).by_meaning
    over = threading.Event()

    def slow(body: dict[str, Any]) -> tuple[int, str]:
        over.wait(1.5)
        return by_topic(body)

    server.answer = slow
    session = await house.sessions.start(caller)
    near = await house.recollection.of_turn(caller, session.id, "Which kitten did I adopt?", before=1)
    assert [record.text for record in near] == ["I adopted a kitten last week."]
    asked = len(server.requests)
    assert await house.recollection.of_turn(caller, session.id, "Which kitten did I adopt?", before=1) == near
    assert len(server.requests) == asked  # a turn after it does not wait again
    over.set()
    assert (await house.recall.search(caller, "Which pet?")).by_meaning


async def test_a_summary_does_not_wait_for_an_embedder_that_hangs_and_gets_its_vector_later(
    opened_with: Any, caller: Caller, server: EmbeddingServer
) -> None:
    answers = threading.Event()
    server.answer = lambda body: by_topic(body) if answers.wait(40) else refuse(body)
    house = await opened_with("tiny")
    try:
        sessions = [await tell(house, caller, "I adopted a kitten last week.", "I see.") for _ in range(2)]
        for session in sessions:
            assert await house.conversation.end(caller, session) == "generated"
        assert len(server.requests) <= 1  # the second is not waited for
    finally:
        answers.set()
    before = await house.memory.summaries(caller)
    assert [summary.embedding_model for summary in before] == [None, None]
    await house.jobs.find_work()
    async with house.database.connection() as connection:
        cursor = await connection.execute("SELECT FROM procrastinate_jobs WHERE task_name = 'embed_summaries'")
        assert await cursor.fetchone() is not None
    assert await house.memory.catch_up() == 2
    after = await house.memory.summaries(caller)
    assert [summary.embedding_model for summary in after] == ["openai:tiny"] * 2
    assert [summary.updated_at for summary in after] == [summary.updated_at for summary in before]
    assert not await house.memory.is_behind()
