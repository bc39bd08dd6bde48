"""All lines of one person as arrays, put together from the blocks that are kept of them."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.minilm import TOKEN_BYTES, Bits
from rekindle.memory.recall.lines import BLOCK, FACTS
from rekindle.memory.recall.packed import MARK, Packed, numbers

Places = NDArray[np.intp]

_GREETINGS = 3
"""So often somebody must have been greeted by a name to be known by it."""


@dataclass(frozen=True, slots=True)
class Slices:
    """Tokens of lines: the sessions' ids in digits, the blocks' numbers, the first token in each, and how many."""

    sessions: list[str]
    blocks: list[int]
    starts: list[int]
    counts: list[int]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The signs of lines' tokens, of one line after the other, and how many each has."""

    bits: Bits
    counts: Places

    @classmethod
    def none(cls) -> "Tokens":
        """Of no line."""
        return cls(np.zeros((0, TOKEN_BYTES), np.uint8), np.zeros(0, np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """All lines of one person, n of them, in b blocks; sessions in the order of their ids, which is that of time."""

    kept: Packed
    """The blocks that are kept of them; without `pooled` where `wholes` has all of that."""
    version: tuple[int, int]
    sessions: Bits
    """(sessions, 16) their ids."""
    block_session: Places
    """(b,) the place of a block's session in `sessions`."""
    first: Places
    """(b,) the seq of its first line."""
    start: Places
    """(b + 1,) where its lines begin; at the end, n."""
    model: tuple[str, ...]
    """(b,) whose tokens it has."""
    session: Places
    """(n,) the place of a line's session in `sessions`."""
    follows: NDArray[np.bool_]
    """(n,) whether the line before it is of the same session."""
    facts: NDArray[Any]
    """(n,) of `FACTS`."""
    speaker: Places
    """(n,) the place of its speaker in `speakers`."""
    speakers: tuple[str, ...]
    called: Mapping[tuple[str, str], int]
    """A name in small letters and a speaker: how often they were greeted by it."""
    length: NDArray[np.float32]
    """(n,) words of each line."""
    words: NDArray[np.uint32]
    word_line: NDArray[np.int32]
    """The line that each of `words` is of."""
    wholes: Mapping[str, tuple[Places | None, NDArray[np.uint64]]]
    """By model, lines as wholes: their places (None: all lines), and the signs of their vectors, a line a column."""

    def __len__(self) -> int:
        return len(self.session)

    @property
    def said(self) -> NDArray[np.uint32]:
        """(n,) when, in seconds since 1970."""
        said: NDArray[np.uint32] = self.facts["said"]
        return said

    @property
    def flags(self) -> NDArray[np.uint8]:
        """(n,) what is kept of each line's kind."""
        flags: NDArray[np.uint8] = self.facts["flags"]
        return flags

    @property
    def names(self) -> dict[str, str]:
        """What people are called, in small letters, and who it is; the names they have here not among them."""
        by_name: dict[str, Counter[str]] = {}
        for (name, speaker), times in self.called.items():
            by_name.setdefault(name, Counter())[speaker] += times
        return {
            name: who.most_common(1)[0][0]
            for name, who in by_name.items()
            if who.most_common(1)[0][1] >= max(_GREETINGS, 0.8 * who.total())
        }

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        values = [getattr(self, name) for name in self.__slots__] + [signs for _, signs in self.wholes.values()]
        arrays = (value for value in values if isinstance(value, np.ndarray) and value.base is None)  # no mere views
        return self.kept.nbytes + sum(array.nbytes for array in arrays) + 100 * len(self.model)

    @property
    def packed(self) -> Packed:
        """The blocks that are kept of them, all of each."""
        if self.kept.pooled or not self.wholes:
            return self.kept
        [(_, signs)] = self.wholes.values()
        return replace(self.kept, pooled=signs.T.tobytes())

    def among(self, sessions: Collection[UUID]) -> NDArray[np.bool_]:
        """(n,) whether a line is of one of these sessions."""
        wanted = {session.bytes for session in sessions}
        return np.array([own in wanted for own in self._session_keys()], np.bool_)[self.session]

    def at(self, places: Collection[tuple[UUID, int]]) -> NDArray[np.bool_]:
        """(n,) whether a line is one of these, given by session and seq."""
        number = {own: place for place, own in enumerate(self._session_keys())}
        wanted = [(number[session.bytes] << 32) + seq for session, seq in places if session.bytes in number]
        return np.isin((self.session << 32) + self.seqs(np.arange(len(self))), np.array(wanted, np.intp))

    def seqs(self, lines: Places) -> Places:
        """The seqs of lines."""
        block = self._blocks(lines)
        found: Places = self.first[block] + lines - self.start[block]
        return found

    def session_bytes(self, lines: Places) -> list[bytes]:
        """The sessions of lines, as the bytes of their ids, which sort as they do."""
        joined = self.sessions[self.session[lines]].tobytes()
        return [joined[i : i + 16] for i in range(0, len(joined), 16)]

    def token_slices(self, lines: Places, model: str) -> "Slices":
        """Where the tokens of lines are; none of those that another model made."""
        block = self._blocks(lines)
        before = self.start[block, None] + np.arange(BLOCK)
        tokens = self.facts["tokens"]
        earlier = np.where(before < lines[:, None], tokens[np.minimum(before, len(self) - 1)], 0)
        known = [self.model[own] == model for own in block.tolist()]
        return Slices(
            [own.hex() for own in self.session_bytes(lines)],
            ((self.first[block] - 1) // BLOCK).tolist(),
            earlier.sum(axis=1).tolist(),
            (tokens[lines] * np.array(known, np.bool_)).tolist(),
        )

    def reaches(self, session_id: UUID) -> int:
        """The last seq of a session that is here; 0 for none."""
        own = (self.sessions == np.frombuffer(session_id.bytes, np.uint8)).all(axis=1)
        blocks = np.flatnonzero(own[self.block_session])
        return int((self.first + np.diff(self.start) - 1)[blocks].max(initial=0))

    def _session_keys(self) -> list[bytes]:
        joined = self.sessions.tobytes()
        return [joined[i : i + 16] for i in range(0, len(joined), 16)]

    def _blocks(self, lines: Places) -> Places:
        return np.searchsorted(self.start, lines, side="right") - 1


def gather(kept: Packed) -> Past:
    """Blocks taken apart into lines."""
    marks = np.frombuffer(kept.marks, MARK)
    ids = marks["session"]
    new = np.ones(len(ids), np.bool_)
    new[1:] = (ids[1:] != ids[:-1]).any(axis=1)
    block_session = np.cumsum(new) - 1
    facts = np.frombuffer(kept.facts, FACTS)
    sizes = numbers(kept.facts_sizes) // FACTS.itemsize
    session = np.repeat(block_session, sizes)
    follows = np.zeros(len(facts), np.bool_)
    follows[1:] = session[1:] == session[:-1]
    speakers, speaker, called = _people(kept.speakers, sizes, facts["speaker"])
    wholes = _wholes(kept, sizes)
    return Past(
        kept=replace(kept, pooled=b"") if all(places is None for places, _ in wholes.values()) else kept,
        version=kept.version,
        sessions=ids[new],
        block_session=block_session,
        first=marks["first"].astype(np.intp),
        start=np.concatenate(([0], np.cumsum(sizes))),
        model=tuple(kept.models.split("\n")) if len(ids) else (),
        session=session,
        follows=follows,
        facts=facts,
        speaker=speaker,
        speakers=speakers,
        called=called,
        length=facts["words"].astype(np.float32),
        words=np.frombuffer(kept.words, np.uint32),
        word_line=np.repeat(np.arange(len(facts), dtype=np.int32), facts["words"]),
        wholes=wholes,
    )


def joined(past: Past, late: Past) -> Past:
    """A past and lines that came later; those that go on with its last session follow it."""
    if not len(late):
        return past
    known = {own.tobytes(): place for place, own in enumerate(past.sessions)} if len(past.sessions) else {}
    new = [own for own in late.sessions if own.tobytes() not in known]
    for own in new:
        known[own.tobytes()] = len(known)
    place = np.array([known[own.tobytes()] for own in late.sessions], np.intp)
    session = np.concatenate((past.session, place[late.session]))
    follows = np.concatenate((past.follows, late.follows))
    if len(past):
        follows[len(past)] = session[len(past)] == session[len(past) - 1]
    speakers = tuple(dict.fromkeys((*past.speakers, *late.speakers)))
    speaker = np.array([speakers.index(own) for own in late.speakers], np.intp)[late.speaker]
    return Past(
        kept=past.kept,
        version=past.version,
        sessions=np.concatenate((past.sessions, np.array(new, np.uint8).reshape(-1, 16))),
        block_session=np.concatenate((past.block_session, place[late.block_session])),
        first=np.concatenate((past.first, late.first)),
        start=np.concatenate((past.start, late.start[1:] + len(past))),
        model=past.model + late.model,
        session=session,
        follows=follows,
        facts=np.concatenate((past.facts, late.facts)),
        speaker=np.concatenate((past.speaker, speaker)),
        speakers=speakers,
        called=past.called,
        length=np.concatenate((past.length, late.length)),
        words=np.concatenate((past.words, late.words)),
        word_line=np.concatenate((past.word_line, late.word_line + np.int32(len(past)))),
        wholes={
            name: (np.arange(len(past)) if places is None else places, signs)
            for name, (places, signs) in past.wholes.items()
        },
    )


def _people(
    lines: str, sizes: Places, within: NDArray[Any]
) -> tuple[tuple[str, ...], Places, dict[tuple[str, str], int]]:
    """Who speaks, each line's place among them, and how they are called. Most blocks have the same few people."""
    texts = lines.split("\n") if len(sizes) else []
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
    names = kept.meanings.split("\n") if len(sizes) else []
    different = dict.fromkeys(names)
    signs = np.frombuffer(kept.pooled, np.uint64)
    if len(different) == 1 and len(signs):
        return {names[0]: (None, np.ascontiguousarray(signs.reshape(int(sizes.sum()), -1).T))}
    found: dict[str, tuple[Places | None, NDArray[np.uint64]]] = {}
    ends = np.cumsum(numbers(kept.pooled_sizes) // 8)
    starts, lines = ends - numbers(kept.pooled_sizes) // 8, np.concatenate(([0], np.cumsum(sizes)))
    for name in different:
        own = [block for block, other in enumerate(names) if other == name and ends[block] > starts[block]]
        if own:
            places = np.concatenate([np.arange(lines[block], lines[block + 1]) for block in own])
            width = (ends[own[0]] - starts[own[0]]) // sizes[own[0]]
            rows = np.concatenate([signs[starts[block] : ends[block]] for block in own]).reshape(-1, width)
            found[name] = places, np.ascontiguousarray(rows.T)
    return found
