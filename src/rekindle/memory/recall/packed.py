"""A person's blocks as the database hands them over, and these brought up to date by those that changed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.recall.lines import Block

Numbers = NDArray[np.intp]

MARK = np.dtype([("session", "u1", (16,)), ("first", ">i4"), ("stamp", ">i8")])
"""Which block it is, by the seq of its first line, and which writing of it. Their bytes sort as the blocks do."""
_PLACE = MARK.fields["first"][1] + 4 if MARK.fields else 0
"""Bytes of a mark that tell which block it is."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A person's blocks in one: each column of all of them, ordered by session and number.

    Sizes are in bytes, of 32 bits, big-endian. Texts have a line for each block.
    """

    marks: bytes = b""
    facts_sizes: bytes = b""
    words_sizes: bytes = b""
    pooled_sizes: bytes = b""
    models: str = ""
    meanings: str = ""
    speakers: str = ""
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
        return sum(len(getattr(self, field.name)) for field in fields(self))


def people(block: Block) -> str:
    """Who speaks in a block, and what they are called, as a line of text."""
    return json.dumps([[speaker, names] for speaker, names in zip(block.speakers, block.called, strict=True)])


def packed(blocks: Sequence[Block]) -> Packed:
    """Blocks that are not kept, as if they were; in their order."""
    marks = np.zeros(len(blocks), MARK)
    marks["session"] = [list(block.session_id.bytes) for block in blocks] or np.zeros((0, 16))
    marks["first"] = [block.first for block in blocks]
    return Packed(
        marks.tobytes(),
        np.array([block.facts.nbytes for block in blocks], ">i4").tobytes(),
        np.array([block.words.nbytes for block in blocks], ">i4").tobytes(),
        np.array([block.pooled.nbytes for block in blocks], ">i4").tobytes(),
        "\n".join(block.model or "" for block in blocks),
        "\n".join(block.meaning or "" for block in blocks),
        "\n".join(map(people, blocks)),
        b"".join(block.facts.tobytes() for block in blocks),
        b"".join(block.words.tobytes() for block in blocks),
        b"".join(block.pooled.tobytes() for block in blocks),
    )


def numbers(column: bytes) -> Numbers:
    """A column of numbers of 32 bits."""
    return np.frombuffer(column, ">i4").astype(np.intp)


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
    new = {mark[:_PLACE]: len(known) + 1 + place for place, mark in enumerate(_each(fresh.marks))}
    lost = order < 0
    order[lost] = [new.get(mark[:_PLACE], -1) for mark in _each(now[lost].tobytes())]
    order = order[order >= 0]
    # Consecutive blocks of one source are copied as one: mostly all but the last.
    runs = []
    for run in np.split(order, np.flatnonzero(np.diff(order) != 1) + 1) if len(order) else ():
        source, before = (known, 0) if run[0] < len(known) else (fresh, len(known) + 1)
        runs.append((source, int(run[0]) - before, int(run[-1]) + 1 - before))

    def fixed(column: str, width: int) -> bytes:
        return _join(runs, column, lambda _, place: place * width)

    def sized(column: str) -> bytes:
        cuts = {
            id(source): np.concatenate(([0], np.cumsum(numbers(getattr(source, f"{column}_sizes"))))).tolist()
            for source in (known, fresh)
        }
        return _join(runs, column, lambda source, place: cuts[id(source)][place])

    def text(column: str) -> str:
        lines = {id(source): getattr(source, column).split("\n") for source in (known, fresh)}
        return "\n".join(line for source, start, stop in runs for line in lines[id(source)][start:stop])

    return Packed(
        fixed("marks", MARK.itemsize),
        fixed("facts_sizes", 4),
        fixed("words_sizes", 4),
        fixed("pooled_sizes", 4),
        text("models"),
        text("meanings"),
        text("speakers"),
        sized("facts"),
        sized("words"),
        sized("pooled"),
    )


def _join(runs: Sequence[tuple[Packed, int, int]], column: str, at: Callable[[Packed, int], int]) -> bytes:
    return b"".join(
        memoryview(getattr(source, column))[at(source, start) : at(source, stop)] for source, start, stop in runs
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
