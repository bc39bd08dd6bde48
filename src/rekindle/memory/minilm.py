"""all-MiniLM-L6-v2 in 8 bits on onnxruntime: texts, and the tokens of a conversation's lines, as vectors.

It needs no key, no network and one thread. Its weights are got once (`memory/weights.py`); without them, or without
the extra `rekindle[embedder]`, search and recall work on words alone.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rekindle.errors import ConfigurationError, ModelError
from rekindle.memory.words import LONGEST_WORD

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]
Bits = NDArray[np.uint8]
Pieces = Callable[[str], tuple[int, ...]]
"""What a word is made of, as the model counts."""

NAME = "all-MiniLM-L6-v2-int8-by-column"
WIDTH = 384
TOKEN_BYTES = WIDTH // 8
GRAPH, TOKENIZER = "minilm-by-column.onnx", "tokenizer.json"
"""Another graph has another name: what it makes is not compared with what this one made."""

LONGEST_TEXT = 254
LONGEST_QUESTION = 62
LONGEST_LINE = 126
"""Tokens; what comes after them is not seen."""
_WINDOW = 126
"""Tokens of consecutive lines that go through the model together: as many as it was trained on, with its two marks."""
_BEGIN, _END = 101, 102
_MARKS_MORE = 3
"""Marks of the end that a question may have more, to be as long as another and go through with it: they turn its
vectors as little as the eight bits do. A mask would cost every run."""
_BATCH_TOKENS = 128
"""Together at most: what is between the layers then stays in the processor's cache."""
_SLOWER = ["SkipLayerNormFusion"]
"""What onnxruntime joins into one step that takes ten times as long as the two: a quarter of all."""
_CHARACTERS_A_TOKEN = 40
"""No English token is longer: a huge text is cut before it is taken apart."""
_KNOWN_WORDS = 20_000
"""Those whose pieces are remembered: to take a text apart is a tenth of the work then."""
_CONTEXT = 75
"""Tokens of earlier lines that a window may begin with."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, for search: `tokens` (n, 384) of length 1, and their direction together, `whole` (384,)."""

    tokens: Vectors
    whole: Vectors


class MiniLM:
    """The model of one process, loaded when it is first asked. Vectors are 384 wide."""

    name = NAME

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loading = threading.Lock()
        self._loaded: tuple[InferenceSession, Pieces] | None = None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text. Raises ModelError where its weights cannot be read."""
        try:
            vectors = await asyncio.to_thread(self.pooled, texts)
        except ConfigurationError as error:  # to whoever wants a vector it is as away as a server may be
            raise ModelError(error.detail) from error
        return [[float(value) for value in vector] for vector in vectors]

    async def aclose(self) -> None:
        """There is nothing to close."""

    def pooled(self, texts: Sequence[str]) -> Vectors:
        """(n, 384): the mean of each text's tokens, of length 1, as the model was trained to compare them."""
        means = [hidden.mean(axis=0) for hidden in self._run([self._ids(text, LONGEST_TEXT) for text in texts])]
        return _of_length_one(np.stack(means)) if means else np.empty((0, WIDTH), np.float32)

    def question(self, text: str) -> Question:
        """A question's tokens, each by itself and together."""
        return self.questions([text])[0]

    def questions(self, texts: Sequence[str]) -> list[Question]:
        """So of each of some questions, which cost less together."""
        found = []
        texts_ids = [self._ids(text, LONGEST_QUESTION) for text in texts]
        longest = max(map(len, texts_ids), default=0)
        alike = [ids + [_END] * more if (more := longest - len(ids)) <= _MARKS_MORE else ids for ids in texts_ids]
        for ids, hidden in zip(texts_ids, self._run(alike), strict=True):
            vectors = _of_length_one(hidden[: len(ids) + 2])
            # The marks of beginning and end say nothing, unless they are all there is.
            tokens = vectors[1:-1] if len(vectors) > 2 else vectors
            found.append(Question(tokens, _of_length_one(vectors.mean(axis=0))))
        return found

    def lines(self, lines: Sequence[str]) -> list[Bits]:
        """The signs of each line's token vectors, (tokens, 48) packed, at least one token; of consecutive lines.

        Late chunking: neighbours go through the model together, so "it did" knows what did.
        """
        tokens = [self._ids(line, LONGEST_LINE) for line in lines]
        windows = list(_windows([len(ids) for ids in tokens]))
        hidden = self._run([[i for ids in tokens[w.start : w.end] for i in ids] for w in windows])
        found: list[Bits] = []
        for window, vectors in zip(windows, hidden, strict=True):
            place = 1 + sum(map(len, tokens[window.start : window.first]))
            for ids in tokens[window.first : window.end_kept]:
                own = vectors[place : place + len(ids)] if ids else vectors[:1]
                found.append(np.packbits(own > 0, axis=1))
                place += len(ids)
        return found

    def _ids(self, text: str, longest: int) -> list[int]:
        _, pieces = self._load()
        ids: list[int] = []
        for word in text[: longest * _CHARACTERS_A_TOKEN].split(" "):
            ids += pieces(word)
            if len(ids) >= longest:
                break
        return ids[:longest]

    def _run(self, texts: Sequence[list[int]]) -> list[Vectors]:
        """Of each text the vectors of its tokens, between those of the marks of beginning and end."""
        session, _ = self._load()
        found: list[Vectors] = [np.empty((0, WIDTH), np.float32)] * len(texts)
        for batch in _batches([len(ids) + 2 for ids in texts]):
            ids = np.array([[_BEGIN, *texts[i], _END] for i in batch], np.int64)
            hidden: Any = session.run(None, {"ids": ids})[0]
            for i, vectors in zip(batch, hidden, strict=True):
                found[i] = vectors
        return found

    def _load(self) -> "tuple[InferenceSession, Pieces]":
        with self._loading:
            if self._loaded is None:
                # Heavy libraries of an extra, for processes that embed only.
                import onnxruntime
                from tokenizers import Tokenizer

                try:
                    session = onnxruntime.InferenceSession(
                        str(self._folder / GRAPH),
                        _options(),
                        providers=["CPUExecutionProvider"],
                        disabled_optimizers=_SLOWER,
                    )
                    tokenizer = Tokenizer.from_file(str(self._folder / TOKENIZER))
                except Exception as error:  # both libraries raise plain exceptions of their own
                    raise ConfigurationError(
                        f"The embedder's weights in {self._folder} cannot be read. `rekindle embedder` makes them anew."
                    ) from error
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._loaded = session, _pieces(tokenizer)
            return self._loaded


def _pieces(tokenizer: "Tokenizer") -> Pieces:
    """Takes words apart: each by itself, as nothing reaches over a space."""

    def take_apart(word: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(word, add_special_tokens=False).ids)

    remembered = lru_cache(maxsize=_KNOWN_WORDS)(take_apart)
    return lambda word: remembered(word) if len(word) <= LONGEST_WORD else take_apart(word)


_PRODUCT = (
    b'\x08\t:{\n#\n\x05lines\n\x05asked\x12\x04near"\rMatMulInteger\x12\x04nearZ\x19\n\x05lines\x12\x10\n\x0e\x08\x02'
    b"\x12\n\n\x03\x12\x01n\n\x03\x12\x01wZ\x19\n\x05asked\x12\x10\n\x0e\x08\x03\x12\n\n\x03\x12\x01w\n\x03\x12\x01mb\x18"
    b"\n\x04near\x12\x10\n\x0e\x08\x06\x12\n\n\x03\x12\x01n\n\x03\x12\x01mB\x04\n\x00\x10\x14"
)
"""A graph of one node, `near = MatMulInteger(lines, asked)`, in ONNX's own format."""


def nearest(lines: Bits, starts: NDArray[np.intp], asked: Vectors) -> Vectors:
    """(k, m): of each of k lines, the product of each of m vectors (m, 384) with the token that is nearest to it.

    `lines` are the signs of their tokens (n, 48), packed, counted as -1 and 1, and `starts` where each line begins.
    Multiplied in 8 bits, which takes a processor a tenth of what floats do.
    """
    scale = np.maximum(np.abs(asked).max(axis=1), 1e-12) / 127
    whole = np.round(asked / scale[:, None]).astype(np.int8)
    unpacked = np.unpackbits(lines).reshape(-1, WIDTH)  # in one row, as by rows takes longer
    products: Any = _product().run(None, {"lines": unpacked, "asked": np.ascontiguousarray(whole.T)})[0]
    # Signs are 0 and 1 here: with -1 and 1 a product is twice this, less the sum of the vector.
    greatest = 2 * np.maximum.reduceat(products, starts, axis=0) - whole.sum(axis=1, dtype=np.int32)
    scaled: Vectors = (greatest * scale).astype(np.float32)
    return scaled


@cache
def _product() -> "InferenceSession":
    import onnxruntime

    return onnxruntime.InferenceSession(_PRODUCT, _options(), providers=["CPUExecutionProvider"])


def _options() -> "SessionOptions":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def is_installed() -> bool:
    """Whether the libraries that it runs on are there."""
    return find_spec("onnxruntime") is not None and find_spec("tokenizers") is not None


def has_weights(folder: Path) -> bool:
    """Whether its weights are in this folder."""
    return (folder / GRAPH).is_file() and (folder / TOKENIZER).is_file()


def _of_length_one(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts to be run together: of one length, so that nothing is padding."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[place]
        if batch and (length != lengths[batch[0]] or length * (len(batch) + 1) > _BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class _Window:
    """Lines `start` to `end` go through the model together; of them, `first` to `end_kept` keep their vectors."""

    start: int
    end: int
    first: int
    end_kept: int


def _windows(lengths: Sequence[int], before: int = 1, after: int = 0) -> Iterator[_Window]:
    """Each line in one window, where there is room with so many lines before and after it.

    More context than the one line before finds no more, and costs half as much again.
    """
    first = 0
    while first < len(lengths):
        start = first
        while start > 0 and first - start < before and sum(lengths[start - 1 : first + 1]) <= _CONTEXT:
            start -= 1
        total, end = sum(lengths[start:first]), first
        while end < len(lengths) and (end == first or total + lengths[end] <= _WINDOW):
            total += lengths[end]
            end += 1
        kept = end - after if end < len(lengths) and end - after > first else end
        yield _Window(start, end, first, kept)
        first = kept
