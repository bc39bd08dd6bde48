"""A person's blocks as the database hands them over: cut to pieces, and brought up to date by those that changed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.recall.lines import FACTS, Block

Numbers = NDArray[np.intp]

MARK = np.dtype([("session", "u1", (16,)), ("first", ">i4"), ("stamp", ">i8")])
"""Which block it is, by the seq of its first line, and which writing of it. Their bytes sort as the blocks do."""
PLACE = 20
"""Bytes of a mark that tell which block it is."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A person's blocks in one: each column of all of them, ordered by session and number.

    Sizes are in bytes, of 32 bits, big-endian.
    """

    marks: bytes = b""
    facts_sizes: bytes = b""
    words_sizes: bytes = b""
    pooled_sizes: bytes = b""
    models: tuple[str, ...] = ()
    meanings: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()
    facts: bytes = b""
    words: bytes = b""
    pooled: bytes = b""

    def __len__(self) -> int:
        return len(self.marks) // MARK.itemsize

    @property
    def version(self) -> tuple[int, int]:
        """Of these blocks; others have another."""
        return len(self), int(np.bitwise_xor.reduce(np.frombuffer(self.marks, MARK)["stamp"].astype(np.int64)))

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        columns = [getattr(self, field.name) for field in fields(self)]
        texts = sum(80 + len(speakers) for speakers in self.speakers)
        return texts + sum(len(column) for column in columns if isinstance(column, bytes))


def people(block: Block) -> str:
    """Who speaks in a block, and what they are called, as a line of text."""
    return json.dumps([[speaker, names] for speaker, names in zip(block.speakers, block.called, strict=True)])


def packed(blocks: Sequence[Block]) -> Packed:
    """Blocks that are not kept, as if they were; in their order."""
    marks = np.zeros(len(blocks), MARK)
    marks["session"] = np.frombuffer(b"".join(block.session_id.bytes for block in blocks), np.uint8).reshape(-1, 16)
    marks["first"] = [block.first for block in blocks]
    return Packed(
        marks.tobytes(),
        np.array([block.facts.nbytes for block in blocks], ">i4").tobytes(),
        np.array([block.words.nbytes for block in blocks], ">i4").tobytes(),
        np.array([block.pooled.nbytes for block in blocks], ">i4").tobytes(),
        tuple(block.model or "" for block in blocks),
        tuple(block.meaning or "" for block in blocks),
        tuple(map(people, blocks)),
        b"".join(block.facts.tobytes() for block in blocks),
        b"".join(block.words.tobytes() for block in blocks),
        b"".join(block.pooled.tobytes() for block in blocks),
    )


def numbers(column: bytes) -> Numbers:
    """A column of numbers of 32 bits."""
    return np.frombuffer(column, ">i4").astype(np.intp)


def pieces(kept: Packed, lines: int) -> Iterator[Packed]:
    """These blocks in pieces of so many lines, or some more."""
    before = np.cumsum(numbers(kept.facts_sizes)) // FACTS.itemsize // lines
    ends = [*(np.flatnonzero(np.diff(before)) + 1).tolist(), len(kept)]
    bounds, start = _bounds(kept), 0
    for end in ends:
        yield _cut(kept, bounds, start, end)
        start = end


def unknown(known: Packed, marks: bytes) -> bytes:
    """Of these marks those that none of the known blocks has."""
    now = np.frombuffer(marks, MARK)
    return now[_places(known, now) < 0].tobytes()


def updated(known: Packed, marks: bytes, fresh: Packed) -> Packed:
    """The blocks of these marks: the known ones that have one of them, and the fresh ones of the others.

    A fresh one may have been written again since the marks were read, or be gone.
    """
    now = np.frombuffer(marks, MARK)
    order = _places(known, now)
    new = {mark[:PLACE]: len(known) + 1 + place for place, mark in enumerate(_each(fresh.marks))}
    lost = order < 0
    order[lost] = [new.get(mark[:PLACE], -1) for mark in _each(now[lost].tobytes())]
    order = order[order >= 0]
    # Consecutive blocks of one source are copied as one: mostly all but the last.
    of_known, of_fresh = _bounds(known), _bounds(fresh)
    runs = []
    for run in np.split(order, np.flatnonzero(np.diff(order) != 1) + 1) if len(order) else ():
        start, end = int(run[0]), int(run[-1]) + 1
        if start < len(known):
            runs.append(_cut(known, of_known, start, end))
        else:
            runs.append(_cut(fresh, of_fresh, start - len(known) - 1, end - len(known) - 1))
    return _joined(runs)


def _joined(runs: Sequence[Packed]) -> Packed:
    return Packed(
        b"".join(run.marks for run in runs),
        b"".join(run.facts_sizes for run in runs),
        b"".join(run.words_sizes for run in runs),
        b"".join(run.pooled_sizes for run in runs),
        tuple(model for run in runs for model in run.models),
        tuple(meaning for run in runs for meaning in run.meanings),
        tuple(speakers for run in runs for speakers in run.speakers),
        b"".join(run.facts for run in runs),
        b"".join(run.words for run in runs),
        b"".join(run.pooled for run in runs),
    )


def _bounds(kept: Packed) -> dict[str, list[int]]:
    """Where each block's bytes begin in the columns that have sizes; at the end, where all end."""
    return {
        column: [0, *np.cumsum(numbers(getattr(kept, f"{column}_sizes"))).tolist()]
        for column in ("facts", "words", "pooled")
    }


def _cut(kept: Packed, bounds: dict[str, list[int]], start: int, end: int) -> Packed:
    def sized(column: str) -> bytes:
        cut: bytes = getattr(kept, column)[bounds[column][start] : bounds[column][end]]
        return cut

    return Packed(
        kept.marks[start * MARK.itemsize : end * MARK.itemsize],
        kept.facts_sizes[4 * start : 4 * end],
        kept.words_sizes[4 * start : 4 * end],
        kept.pooled_sizes[4 * start : 4 * end],
        kept.models[start:end],
        kept.meanings[start:end],
        kept.speakers[start:end],
        sized("facts"),
        sized("words"),
        sized("pooled"),
    )


def _places(known: Packed, marks: NDArray[np.void]) -> Numbers:
    """Where the known blocks of these marks are, -1 for one that is not known."""
    had = np.frombuffer(known.marks, MARK)
    if not len(had):
        return np.full(len(marks), -1, np.intp)
    # Looked up by their stamps, which hardly ever two blocks share; if they do, one is taken to be unknown.
    order = np.argsort(had["stamp"])
    places = order[np.searchsorted(had["stamp"][order], marks["stamp"]).clip(max=len(had) - 1)]
    return np.where(had[places] == marks, places, -1)


def _each(marks: bytes) -> list[bytes]:
    return [marks[at : at + MARK.itemsize] for at in range(0, len(marks), MARK.itemsize)]
