"""Some of a person's lines as arrays, taken apart from the blocks that are kept of them."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.recall.lines import FACTS
from rekindle.memory.recall.packed import Packed, numbers
from rekindle.memory.recall.postings import Places, Postings


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The lines of consecutive blocks, n of them, fewer than 65,536."""

    kept: Packed
    """The blocks; without `words`, and without `pooled` where `wholes` has all of that."""
    facts: NDArray[Any]
    """(n,) of `FACTS`."""
    speaker: NDArray[np.uint16]
    """(n,) the place of its speaker in `speakers`."""
    speakers: tuple[str, ...]
    called: Mapping[tuple[str, str], int]
    """A name in small letters and a speaker: how often they were greeted by it."""
    postings: Postings
    wholes: Mapping[str, tuple[Places | None, NDArray[np.uint64]]]
    """By model, lines as wholes: their places (None: all lines), and the signs of their vectors, a line a column."""

    def __len__(self) -> int:
        return len(self.facts)

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        wholes = sum(signs.nbytes for _, signs in self.wholes.values())
        return self.kept.nbytes + self.speaker.nbytes + self.postings.nbytes + wholes + 100 * len(self.called)

    @property
    def packed(self) -> Packed:
        """The blocks, all of each."""
        pooled = self.kept.pooled
        if self.wholes and not pooled:
            [(_, signs)] = self.wholes.values()
            pooled = signs.T.tobytes()
        return replace(self.kept, words=self.postings.words.tobytes(), pooled=pooled)


def gather(kept: Packed) -> Part:
    """Blocks taken apart into lines."""
    facts = np.frombuffer(kept.facts, FACTS)
    sizes = numbers(kept.facts_sizes) // FACTS.itemsize
    speakers, speaker, called = _people(kept.speakers, sizes, facts["speaker"])
    wholes = _wholes(kept, sizes)
    pooled = b"" if all(places is None for places, _ in wholes.values()) else kept.pooled
    return Part(
        kept=replace(kept, words=b"", pooled=pooled),
        facts=facts,
        speaker=speaker.astype(np.uint16),
        speakers=speakers,
        called=called,
        postings=Postings(np.frombuffer(kept.words, np.uint32), facts["words"]),
        wholes=wholes,
    )


def _people(
    texts: tuple[str, ...], sizes: Places, within: NDArray[Any]
) -> tuple[tuple[str, ...], Places, dict[tuple[str, str], int]]:
    """Who speaks, each line's place among them, and how they are called. Most blocks have the same few people."""
    variants = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    read: list[list[tuple[str, list[str]]]] = [json.loads(text) for text in variants]
    speakers = tuple(sorted({speaker for block in read for speaker, _ in block}))
    place = {speaker: number for number, speaker in enumerate(speakers)}
    begins = np.cumsum([0, *(len(block) for block in read)])
    places = np.array([place[speaker] for block in read for speaker, _ in block] or [0], np.intp)
    variant = np.fromiter((variants[text] for text in texts), np.intp, len(texts))
    called: Counter[tuple[str, str]] = Counter()
    for block, times in zip(read, np.bincount(variant, minlength=len(read)), strict=True):
        for speaker, names in block:
            for name in names:
                called[name, speaker] += int(times)
    return speakers, places[np.repeat(begins[variant], sizes) + within], dict(called)


def _wholes(kept: Packed, sizes: Places) -> dict[str, tuple[Places | None, NDArray[np.uint64]]]:
    names = kept.meanings
    different = dict.fromkeys(names)
    signs = np.frombuffer(kept.pooled, np.uint64)
    groups = numbers(kept.pooled_sizes) // 8
    widths = groups // sizes
    if len(different) == 1 and len(signs) and (widths == widths[0]).all():
        return {names[0]: (None, np.ascontiguousarray(signs.reshape(int(sizes.sum()), -1).T))}
    found: dict[str, tuple[Places | None, NDArray[np.uint64]]] = {}
    ends, lines = np.cumsum(groups), np.concatenate(([0], np.cumsum(sizes)))
    starts = ends - groups
    for name in different:
        own = [block for block, other in enumerate(names) if other == name and widths[block]]
        if own:
            # A server may have changed how wide its model's vectors are: those of another width are not compared.
            own = [block for block in own if widths[block] == widths[own[-1]]]
            places = np.concatenate([np.arange(lines[block], lines[block + 1]) for block in own])
            rows = np.concatenate([signs[starts[block] : ends[block]] for block in own]).reshape(-1, widths[own[-1]])
            found[name] = places, np.ascontiguousarray(rows.T)
    return found
