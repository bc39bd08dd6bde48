"""Texts as vectors: by the model that is set, else by the built-in one, else by their words."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from rekindle.errors import ConfigurationError, ModelError
from rekindle.memory import minilm
from rekindle.memory.extract import excerpt
from rekindle.memory.words import terms, words
from rekindle.settings import Settings
from rekindle.tls import authorities

if TYPE_CHECKING:
    from pydantic_ai.embeddings import EmbeddingModel

WIDTH = 384
_SECONDS = 30.0
"""Longest wait for an embedding server's answer."""
_BATCH, _BATCH_BYTES = 96, 250_000
"""Texts in one request, and all their bytes: below every provider's limit (OpenAI's is 300,000 tokens)."""
_LONGEST_TEXT = 8_000
"""Bytes of a text a model embeds. OpenAI refuses one of more than 8,191 tokens, and with it all that come along; in no
script is a token less than a byte.
"""


class Embedder(Protocol):
    """Makes vectors of texts; vectors of one `name` can be compared, others cannot."""

    @property
    def name(self) -> str:
        """The model's name, kept beside each vector."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, all of one width, none all zeros. Raises ModelError."""
        ...

    async def aclose(self) -> None:
        """Close connections; it can be used again."""
        ...


class WordEmbedder:
    """384 wide, from stems and pairs of stems by signed feature hashing; the same in every process.

    It knows no synonyms: texts are near when they share words. For servers that have no embedding
    model, not even the built-in one.
    """

    name = "words-v1"

    async def aclose(self) -> None:
        """There is nothing to close."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text. Never fails."""
        return await asyncio.to_thread(lambda: [_hashed(excerpt(text, 100_000)) for text in texts])


def _hashed(text: str) -> list[float]:
    stems = terms(text) or words(text)
    pairs = [f"{first} {second}" for first, second in pairwise(stems)]
    vector = [0.0] * WIDTH
    for feature, weight in (*_weighted(stems, 1.0), *_weighted(pairs, 0.5)):
        place, sign = _slot(feature)
        vector[place] += sign * weight
    length = math.sqrt(sum(value * value for value in vector))
    # A text without words (an emoji) still needs a vector that cosine distance can take.
    return [value / length for value in vector] if length else [1.0] + [0.0] * (WIDTH - 1)


def _weighted(features: Sequence[str], weight: float) -> Iterator[tuple[str, float]]:
    for feature, count in Counter(features).items():
        yield feature, weight * (1 + math.log(count))


def _slot(feature: str) -> tuple[int, float]:
    # Not hash(): it differs from process to process, and these vectors are kept.
    number = int.from_bytes(blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    return (number >> 1) % WIDTH, 1.0 if number & 1 else -1.0


class ModelEmbedder:
    """Vectors of a model with a pydantic-ai name such as `openai:text-embedding-3-small` (1536 wide).

    `openai:` names use OPENAI_API_KEY and OPENAI_BASE_URL, so that any server with `/v1/embeddings` will do.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings
        self._model: EmbeddingModel | None = None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text. Raises ModelError, and ConfigurationError for a bad name."""
        if self._model is None:
            # In a thread: pydantic_ai takes over a second to import, and only an embedding model needs it here.
            self._model = await asyncio.to_thread(_embedding_model, self.name, self._settings)
        # OpenAI refuses an empty text, too.
        asked = [_sendable(text) if text.strip() else "(nothing)" for text in texts]
        vectors: list[list[float]] = []
        for batch in _batches(asked):
            vectors += await self._ask(self._model, batch)
        _check(vectors, len(texts))
        return vectors

    async def _ask(self, model: "EmbeddingModel", batch: list[str]) -> list[list[float]]:
        from rekindle.assistants.failures import Secrets, model_error  # imports pydantic_ai, as above

        try:
            result = await model.embed(batch, input_type="document")
        except Exception as error:  # strange servers make libraries fail in ways of their own
            key = self._settings.openai_api_key
            kept = Secrets((key.get_secret_value(),) if key else (), "\n".join(batch))
            raise model_error(error, begun=False, secrets=kept) from error
        return [[float(value) for value in vector] for vector in result.embeddings]

    async def aclose(self) -> None:
        """Close the connections to the model's server."""
        model, self._model = self._model, None
        client = getattr(model, "_client", None)  # pydantic-ai has no public way to close an embedding model
        if client is not None and hasattr(client, "close"):
            await client.close()


def _sendable(text: str) -> str:
    """The text, or of a longer one the first three quarters of `_LONGEST_TEXT` bytes and the last quarter."""
    told = text.encode(errors="replace")  # a terminal may pass half characters
    if len(told) <= _LONGEST_TEXT:
        return told.decode()
    head, tail = told[: _LONGEST_TEXT * 3 // 4], told[-(_LONGEST_TEXT // 4) :]
    return f"{head.decode(errors='ignore')}\n{tail.decode(errors='ignore')}"


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    room = _BATCH_BYTES
    for text in texts:
        size = len(text.encode())
        if batch and (size > room or len(batch) == _BATCH):
            yield batch
            batch, room = [], _BATCH_BYTES
        batch.append(text)
        room -= size
    if batch:
        yield batch


def _check(vectors: Sequence[Sequence[float]], expected: int) -> None:
    if len(vectors) != expected:
        raise ModelError(f"The embedding model gave {len(vectors)} vectors for {expected} texts.")
    if len({len(vector) for vector in vectors}) > 1:
        raise ModelError("The embedding model gave vectors of different widths.")
    if not all(any(vector) and all(map(math.isfinite, vector)) for vector in vectors):
        raise ModelError("The embedding model gave a vector that is empty or not finite.")


def _embedding_model(name: str, settings: Settings) -> "EmbeddingModel":
    from pydantic_ai.embeddings import infer_embedding_model
    from pydantic_ai.exceptions import UserError

    try:
        if name.startswith("openai:"):
            return _openai_model(name.removeprefix("openai:"), settings)
        return infer_embedding_model(name)
    except (UserError, ImportError, ValueError) as error:
        raise ConfigurationError(f"The embedding model {name!r} cannot be used: {error}") from error


def _openai_model(name: str, settings: Settings) -> "EmbeddingModel":
    import openai
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
    from pydantic_ai.providers.openai import OpenAIProvider

    _check_openai(name, settings)
    client = openai.AsyncOpenAI(
        # OpenAI's client insists on a key
        api_key=settings.openai_api_key.get_secret_value() if settings.openai_api_key else "no-key",
        base_url=settings.openai_base_url,
        timeout=_SECONDS,
        max_retries=settings.model_retries,
        http_client=openai.DefaultAsyncHttpxClient(verify=authorities()),
    )
    return OpenAIEmbeddingModel(name, provider=OpenAIProvider(openai_client=client))


def _check_openai(name: str, settings: Settings) -> None:
    if not name:
        raise ConfigurationError("The embedding model 'openai:' lacks a name, such as openai:text-embedding-3-small.")
    if settings.openai_api_key is None and settings.openai_base_url is None:
        raise ConfigurationError(
            f"The embedding model 'openai:{name}' needs a key: set OPENAI_API_KEY, or OPENAI_BASE_URL to a "
            "server that needs none, or leave REKINDLE_EMBEDDING_MODEL unset."
        )


def built_in(settings: Settings) -> minilm.MiniLM | None:
    """The model that needs no key and no network, where its libraries and its weights are."""
    folder = settings.embedder_folder
    return minilm.MiniLM(folder) if minilm.is_installed() and minilm.has_weights(folder) else None


def build_embedder(settings: Settings) -> Embedder:
    """The embedder of a server: the model of REKINDLE_EMBEDDING_MODEL, else the built-in one, else `words-v1`.

    Asks no server. Raises ConfigurationError for a model that cannot be used as things are set.
    """
    name = settings.embedding_model
    if name is None:
        return built_in(settings) or WordEmbedder()
    if name.startswith("openai:"):
        _check_openai(name.removeprefix("openai:"), settings)
    else:
        _embedding_model(name, settings)  # only pydantic-ai knows its providers
    return ModelEmbedder(name, settings)


def embedder_named(name: str, settings: Settings) -> Embedder | None:
    """The embedder of this name, such as one that was set before; None where there is none, as things are set now."""
    try:
        return build_embedder(settings.model_copy(update={"embedding_model": name}))
    except ConfigurationError:
        return None
