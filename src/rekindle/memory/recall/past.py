"""All lines of one person as arrays: in parts, of which only those that change are put together again."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.minilm import TOKEN_BYTES, Bits
from rekindle.memory.recall.lines import BLOCK, FACTS
from rekindle.memory.recall.packed import MARK, PLACE, Packed, numbers, pieces, unknown, updated
from rekindle.memory.recall.part import Part, gather
from rekindle.memory.recall.postings import Places

_LINES = 4_096
"""Of a part: what changes is put together again by parts, and their words stay in the processor's cache."""
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

    parts: tuple[Part, ...]
    begins: tuple[int, ...]
    """Where each part's lines begin."""
    version: tuple[int, int]
    """Of the blocks that are kept."""
    sessions: Bits
    """(sessions, 16) their ids."""
    session_length: NDArray[np.float32]
    """(sessions,) words of each."""
    first: Places
    """(b,) the seq of a block's first line."""
    start: Places
    """(b + 1,) where its lines begin; at the end, n."""
    model: tuple[str, ...]
    """(b,) whose tokens it has."""
    meanings: tuple[str, ...]
    """The models that know lines as wholes."""
    session: Places
    """(n,) the place of a line's session in `sessions`."""
    follows: NDArray[np.bool_]
    """(n,) whether the line before it is of the same session."""
    facts: NDArray[Any]
    """(n,) of `FACTS`."""
    length: NDArray[np.float32]
    """(n,) words of each line."""
    tokens_before: NDArray[np.uint32]
    """(n,) how many tokens all lines before it have together."""
    speaker: NDArray[np.uint32]
    """(n,) the place of its speaker in `speakers`."""
    speakers: tuple[str, ...]
    called: Mapping[tuple[str, str], int]
    """A name in small letters and a speaker: how often they were greeted by it."""

    def __len__(self) -> int:
        return len(self.session)

    @property
    def said(self) -> NDArray[np.int64]:
        """(n,) when, as moments."""
        said: NDArray[np.int64] = self.facts["said"]
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
        arrays = (value for name in self.__slots__ if isinstance(value := getattr(self, name), np.ndarray))
        return sum(part.nbytes for part in self.parts) + sum(array.nbytes for array in arrays)

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
        known = [self.model[own] == model for own in block.tolist()]
        return Slices(
            [own.hex() for own in self.session_bytes(lines)],
            ((self.first[block] - 1) // BLOCK).tolist(),
            (self.tokens_before[lines] - self.tokens_before[self.start[block]]).tolist(),
            (self.facts["tokens"][lines] * np.array(known, np.bool_)).tolist(),
        )

    def reaches(self, session_id: UUID) -> int:
        """The last seq of a session that is here; 0 for none."""
        own = (self.sessions == np.frombuffer(session_id.bytes, np.uint8)).all(axis=1)
        blocks = own[self.session[self.start[:-1]]]
        return int((self.first + np.diff(self.start) - 1)[blocks].max(initial=0))

    def _session_keys(self) -> list[bytes]:
        joined = self.sessions.tobytes()
        return [joined[i : i + 16] for i in range(0, len(joined), 16)]

    def _blocks(self, lines: Places) -> Places:
        return np.searchsorted(self.start, lines, side="right") - 1


def all_of(kept: Packed) -> Past:
    """All lines of these blocks."""
    return _assembled([gather(piece) for piece in pieces(kept, _LINES)])


def joined(past: Past, late: Packed) -> Past:
    """A past and lines that came later."""
    return _assembled(past.parts, gather(late)) if len(late) else past


def missing(past: Past, marks: bytes) -> bytes:
    """Of these marks those of blocks that are not in a past, or are otherwise."""
    return b"".join(unknown(part.kept, own) for part, own in _shares(past, marks) if own != part.kept.marks)


def brought_up(past: Past, marks: bytes, fresh: Packed) -> Past:
    """The past of the blocks of these marks; `fresh` are those that are missing."""
    parts: list[Part] = []
    for part, own in _shares(past, marks):
        if own == part.kept.marks:
            parts.append(part)
        elif len(kept := updated(part.packed, own, fresh)):
            large = len(kept.facts) > 2 * _LINES * FACTS.itemsize
            parts += map(gather, pieces(kept, _LINES) if large else [kept])
    return _assembled(parts)


def _shares(past: Past, marks: bytes) -> Iterator[tuple[Part, bytes]]:
    """Of marks in their order those that each part would have."""
    size = MARK.itemsize
    count = range(len(marks) // size)

    def begins(part: Part) -> int:
        return bisect_left(count, part.kept.marks[:PLACE], key=lambda at: marks[at * size : at * size + PLACE])

    cuts = [0, *map(begins, past.parts[1:]), len(count)]
    for part, (start, end) in zip(past.parts, pairwise(cuts), strict=True):
        yield part, marks[start * size : end * size]


def _assembled(parts: Sequence[Part], late: Part | None = None) -> Past:
    kept = b"".join(part.kept.marks for part in parts)
    parts = tuple(parts) or (gather(Packed()),)
    if late:
        parts = (*parts, late)
    marks = np.frombuffer(kept + (late.kept.marks if late else b""), MARK)
    sizes = np.concatenate([numbers(part.kept.facts_sizes) for part in parts]) // FACTS.itemsize
    facts = np.concatenate([part.facts for part in parts])
    sessions, block_session = _numbered(marks["session"], len(kept) // MARK.itemsize)
    session = np.repeat(block_session, sizes)
    follows = np.zeros(len(facts), np.bool_)
    follows[1:] = session[1:] == session[:-1]
    length = facts["words"].astype(np.float32)
    speakers = tuple(sorted({speaker for part in parts for speaker in part.speakers}))
    place = {speaker: number for number, speaker in enumerate(speakers)}
    called: Counter[tuple[str, str]] = Counter()
    for part in parts:
        called.update(part.called)
    return Past(
        parts=parts,
        begins=tuple(np.cumsum([0, *map(len, parts[:-1])]).tolist()),
        version=Packed(marks=kept).version,
        sessions=sessions,
        session_length=np.bincount(session, length, len(sessions)).astype(np.float32),
        first=marks["first"].astype(np.intp),
        start=np.concatenate(([0], np.cumsum(sizes))),
        model=tuple(chain.from_iterable(part.kept.models for part in parts)),
        meanings=tuple(dict.fromkeys(name for part in parts for name in part.wholes)),
        session=session,
        follows=follows,
        facts=facts,
        length=length,
        tokens_before=np.cumsum(facts["tokens"], dtype=np.uint32) - facts["tokens"],
        speaker=np.concatenate(
            [np.array([place[own] for own in part.speakers] or [0], np.uint32)[part.speaker] for part in parts]
        ),
        speakers=speakers,
        called=called,
    )


def _numbered(ids: Bits, kept: int) -> tuple[Bits, Places]:
    """The sessions of blocks, each once, and the place of each block's among them.

    Blocks that are kept stand in the order of their sessions; after them come late ones, one of each session.
    """
    new = np.ones(kept, np.bool_)
    new[1:] = (ids[1:kept] != ids[: kept - 1]).any(axis=1) if kept else ()
    known, late = np.ascontiguousarray(ids[:kept][new]), np.ascontiguousarray(ids[kept:])
    keys, wanted = known.view("S16").ravel(), late.view("S16").ravel()
    place = np.searchsorted(keys, wanted)
    unknown = np.append(keys, b"")[place] != wanted
    place = np.where(unknown, len(keys) + np.cumsum(unknown) - 1, place)
    return np.concatenate((known, late[unknown])), np.concatenate((np.cumsum(new) - 1, place))
