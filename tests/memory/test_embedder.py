"""Texts as vectors: by words, and by a model's server over HTTP."""

import asyncio
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse, Embedding
from openai.types.create_embedding_response import Usage
from pydantic import SecretStr

from rekindle.errors import (
    ConfigurationError,
    ModelBusy,
    ModelError,
    ModelRefused,
    ModelUnreachable,
)
from rekindle.memory.embedder import WIDTH, ModelEmbedder, WordEmbedder, build_embedder
from rekindle.settings import Settings


def near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_word_vectors_are_384_wide_and_of_length_one() -> None:
    vectors = await WordEmbedder().embed(["I need CPO training", "我想学游泳", "the and of"])
    assert [len(vector) for vector in vectors] == [WIDTH] * 3
    assert all(math.isclose(math.hypot(*vector), 1) for vector in vectors)


async def test_texts_that_share_words_are_nearer_than_others() -> None:
    question, fitting, other = await WordEmbedder().embed(
        ["Which certificate did I need for the pool?", "I needed a pool certification.", "My dog eats shoes."]
    )
    assert near(question, fitting) > 0.4
    assert abs(near(question, other)) < 0.2


async def test_a_text_without_words_has_a_fixed_vector_too() -> None:
    empty, emoji = await WordEmbedder().embed(["", "😀"])
    assert empty == emoji
    assert any(empty)


async def test_a_huge_text_is_embedded_in_no_time_and_no_texts_are_none() -> None:
    async with asyncio.timeout(3):
        [vector] = await WordEmbedder().embed(["word " * 200_000])
    assert any(vector)
    assert await WordEmbedder().embed([]) == []


def test_word_vectors_are_the_same_in_every_process() -> None:
    program = (
        "import asyncio; from rekindle.memory.embedder import WordEmbedder;"
        "print(asyncio.run(WordEmbedder().embed(['I need CPO training in München 游泳'])))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


class EmbeddingServer:
    """Speaks /v1/embeddings on loopback; `answer` makes the status and the body for a request's body."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, Any], str]] = []
        self.answer: Callable[[dict[str, Any]], tuple[int, str]] = embeddings
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((body, f"{self.path} {self.headers['Authorization']}"))
                status, text = outer.answer(body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def embeddings(body: dict[str, Any]) -> tuple[int, str]:
    """What a real server answers: here a vector that tells the length of the text."""
    data = [
        Embedding(embedding=[float(len(text)), 1.0, 0.5], index=index, object="embedding")
        for index, text in enumerate(body["input"])
    ]
    answer = CreateEmbeddingResponse(
        data=data, model=body["model"], object="list", usage=Usage(prompt_tokens=1, total_tokens=1)
    )
    return 200, answer.model_dump_json()


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    server = EmbeddingServer()
    yield server
    server.close()


def settings(**given: Any) -> Settings:
    nowhere = Path("nowhere")  # whoever runs the tests may have the built-in model's weights
    unset = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, "embedding_model": None, "embedder_dir": nowhere}
    return Settings.model_validate({"model_retries": 0, **unset, **given})


def embedder(server: EmbeddingServer, **given: Any) -> ModelEmbedder:
    return ModelEmbedder("openai:tiny", settings(OPENAI_BASE_URL=server.url, **given))


async def test_a_models_vectors_come_from_its_server_with_the_key(server: EmbeddingServer) -> None:
    vectors = await embedder(server, OPENAI_API_KEY=SecretStr("sk-secret")).embed(["four", "seven77"])
    assert vectors == [[4.0, 1.0, 0.5], [7.0, 1.0, 0.5]]
    [(body, head)] = server.requests
    assert body["model"] == "tiny"
    assert head == "/v1/embeddings Bearer sk-secret"


async def test_a_server_that_needs_no_key_is_asked_without_one(server: EmbeddingServer) -> None:
    assert len(await embedder(server).embed(["text"])) == 1


async def test_many_texts_go_in_several_requests_and_come_back_in_order(server: EmbeddingServer) -> None:
    vectors = await embedder(server).embed(["x" * length for length in range(1, 201)])
    assert [vector[0] for vector in vectors] == list(map(float, range(1, 201)))
    assert len(server.requests) == 3


async def test_empty_and_endless_texts_are_made_fit_to_send(server: EmbeddingServer) -> None:
    await embedder(server).embed(["", "  ", "y" * 500_000])
    [(body, _)] = server.requests
    assert all(text.strip() for text in body["input"])
    assert max(map(len, body["input"])) < 20_000


async def test_no_request_is_more_than_a_server_takes_in_whatever_script(server: EmbeddingServer) -> None:
    await embedder(server).embed(["漢" * 20_000, "\ud83d" * 3, *["word " * 3_000] * 60])
    sizes = [[len(text.encode()) for text in body["input"]] for body, _ in server.requests]
    assert max(max(of_texts) for of_texts in sizes) <= 8_001
    assert len(sizes) == 2
    assert max(map(sum, sizes)) <= 250_000


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, '{"error": {"message": "slow down"}}', ModelBusy),
        (503, "{}", ModelBusy),
        (401, '{"error": {"message": "no such key sk-secret"}}', ModelRefused),
        (404, '{"error": {"message": "no such model"}}', ModelRefused),
        (500, "oops", ModelError),
        (200, "not JSON", ModelError),
        (200, '{"data": [], "model": "tiny", "object": "list"}', ModelError),
    ],
)
async def test_a_servers_failure_is_a_model_error_without_the_key(
    server: EmbeddingServer, status: int, body: str, error: type[ModelError]
) -> None:
    server.answer = lambda _: (status, body)
    with pytest.raises(error) as failure:
        await embedder(server, OPENAI_API_KEY=SecretStr("sk-secret")).embed(["text"])
    assert "sk-secret" not in str(failure.value)


async def test_vectors_that_cannot_be_compared_are_refused(server: EmbeddingServer) -> None:
    def answer(vectors: list[list[float]]) -> tuple[int, str]:
        data = [{"embedding": vector, "index": i, "object": "embedding"} for i, vector in enumerate(vectors)]
        return 200, json.dumps({"data": data, "model": "tiny", "object": "list"})

    broken: list[list[list[float]]] = [[[1.0]], [[1.0], [1.0, 2.0]], [[0.0], [0.0]], [[], []]]
    for vectors in broken:
        server.answer = lambda _, vectors=vectors: answer(vectors)  # type: ignore[misc]
        with pytest.raises(ModelError):
            await embedder(server).embed(["one", "two"])


async def test_a_server_that_is_not_there_is_unreachable(server: EmbeddingServer) -> None:
    gone = ModelEmbedder("openai:tiny", settings(OPENAI_BASE_URL="http://127.0.0.1:9/v1"))
    with pytest.raises(ModelUnreachable):
        await gone.embed(["text"])


@pytest.mark.parametrize("name", ["openai:text-embedding-3-small", "nobody:model", "model", "openai:"])
async def test_a_model_that_cannot_be_used_is_a_matter_of_configuration(name: str) -> None:
    with pytest.raises(ConfigurationError, match="embedding model"):
        build_embedder(settings(embedding_model=name))
    with pytest.raises(ConfigurationError, match="embedding model"):
        await ModelEmbedder(name, settings()).embed(["text"])


def test_without_a_setting_texts_are_embedded_by_their_words() -> None:
    assert build_embedder(settings()).name == "words-v1"
    given = settings(embedding_model="openai:tiny", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert build_embedder(given).name == "openai:tiny"


async def test_an_embedder_that_was_closed_can_be_used_again(server: EmbeddingServer) -> None:
    model = embedder(server)
    for _ in range(2):
        assert len(await model.embed(["text"])) == 1
        await model.aclose()
    await model.aclose()
    await WordEmbedder().aclose()
