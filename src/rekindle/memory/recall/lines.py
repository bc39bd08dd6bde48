"""What is kept of the lines of a conversation for search: packed arrays, a block of up to 64 lines in a row.

Kept of a line: 10 bytes of facts, 4 bytes a word, and, where there is an embedder, 48 bytes for the whole and 48 a
token. It is no copy of the text, but who tries words can tell which are in it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.extract import excerpt
from rekindle.memory.minilm import TOKEN_BYTES, Bits, MiniLM
from rekindle.memory.words import terms

BLOCK = 64
LONGEST = 100_000
"""Characters of a line that search knows."""
MOST_WORDS = 16_000

FACTS = np.dtype([("said", "<u4"), ("words", "<u2"), ("tokens", "<u2"), ("flags", "u1"), ("speaker", "u1")])
"""Of a line: when it was said (seconds since 1970), how many words and tokens, flags, place in the block's speakers."""
ASKS, ENDS_ASKING, TELLS_TIME, TELLS_NUMBER, BY_ASSISTANT = 1, 2, 4, 8, 16

_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|ago|recently|just|since|back in|"
    r"(?:last|next|this) (?:night|morning|week|weekend|month|year|summer|winter|fall|autumn|spring|mon|tue|wed|thu|fri|"
    r"sat|sun)\w*|january|february|march|april|may|june|july|august|september|october|november|december|20\d\d|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|\d+(?:st|nd|rd|th)|"
    r"(?:few|couple|two|three|four) (?:of )?(?:days|weeks|months|years))\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|once|twice|dozen|hundred)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Line:
    """A message as search sees it. `speaker` is a name, empty where none is known."""

    seq: int
    role: str
    content: str
    said: datetime
    speaker: str


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive lines of a session, packed; `first` is the seq of the first of them."""

    session_id: UUID
    first: int
    model: str | None
    speakers: list[str]
    facts: NDArray[Any]
    words: NDArray[np.uint32]
    pooled: Bits
    tokens: Bits | None = None


def pack(session_id: UUID, lines: Sequence[Line], model: MiniLM | None) -> Block:
    """The block of these lines, at least one, which follow each other without a gap."""
    speakers = list(dict.fromkeys(line.speaker for line in lines))[:255]
    texts = [excerpt(line.content, LONGEST) for line in lines]
    hashed = [word_numbers(line, text) for line, text in zip(lines, texts, strict=True)]
    facts = np.zeros(len(lines), FACTS)
    for i, (line, text) in enumerate(zip(lines, texts, strict=True)):
        place = speakers.index(line.speaker) if line.speaker in speakers else 0
        facts[i] = (max(0, int(line.said.timestamp())), len(hashed[i]), 0, _flags(line, text), place)
    pooled = np.zeros((0, TOKEN_BYTES), np.uint8)
    tokens: Bits | None = None
    if model:
        bits = model.lines([f"{line.speaker or line.role}: {text}" for line, text in zip(lines, texts, strict=True)])
        facts["tokens"] = [len(own) for own in bits]
        tokens = np.concatenate(bits)
        pooled = np.stack([np.packbits(np.unpackbits(own, axis=1).mean(axis=0) > 0.5) for own in bits])
    flat = np.array([word for own in hashed for word in own], np.uint32)
    return Block(session_id, lines[0].seq, model.name if model else None, speakers, facts, flat, pooled, tokens)


def word_numbers(line: Line, text: str) -> list[int]:
    """The line's words as numbers, its speaker's name and its date among them, as one asks for these too."""
    if not text.strip():
        return []
    said = f"{line.said:%d %B %Y}".lstrip("0")
    found = [word_number(term) for term in terms(f"{line.speaker} {said}")]
    return found + [word_number(term) for term in terms(text)][:MOST_WORDS]


def word_number(term: str) -> int:
    """A stem as 32 bits; of 100,000 different stems about one shares its number with another."""
    return crc32(term.encode("utf-8", "replace"))


def _flags(line: Line, text: str) -> int:
    flags = ASKS if "?" in text else 0
    flags |= ENDS_ASKING if text.rstrip().endswith("?") else 0
    flags |= TELLS_TIME if _TIME.search(text) else 0
    flags |= TELLS_NUMBER if _NUMBER.search(text) else 0
    return flags | (BY_ASSISTANT if line.role == "assistant" else 0)


@dataclass(frozen=True, slots=True)
class Past:
    """All lines of one person, n of them, in arrays; sessions in the order of their ids, which is that of time."""

    blocks: list[Block]
    sessions: list[UUID]
    session: NDArray[np.intp]
    """(n,) the place of a line's session in `sessions`."""
    block: NDArray[np.intp]
    """(n,) the place of its block in `blocks`."""
    seq: NDArray[np.intp]
    facts: NDArray[Any]
    speakers: list[str]
    speaker: NDArray[np.intp]
    """(n,) the place of its speaker in `speakers`."""
    words: NDArray[np.uint32]
    word_end: NDArray[np.intp]
    """(n,) where in `words` those of a line end."""
    pooled: Bits
    """(n, 48); zeros where a line has no vectors."""
    token_start: NDArray[np.intp]
    """(n,) where its tokens begin in its block."""


def gather(blocks: Iterable[Block]) -> Past:
    """The blocks of one person in one."""
    ordered = sorted(blocks, key=lambda block: (block.session_id.int, block.first))
    sizes = np.array([len(block.facts) for block in ordered], np.intp)
    sessions = list(dict.fromkeys(block.session_id for block in ordered))
    place_of = {session: place for place, session in enumerate(sessions)}
    speakers = sorted({speaker for block in ordered for speaker in block.speakers})
    speaker_place = {speaker: place for place, speaker in enumerate(speakers)}
    # As bytes: NumPy compares the fields of each with those of each other.
    facts = np.frombuffer(b"".join([block.facts.tobytes() for block in ordered]), FACTS)
    first_speaker = np.cumsum([0, *(len(block.speakers) for block in ordered)])
    all_speakers = np.array([speaker_place[s] for block in ordered for s in block.speakers] or [0], np.intp)
    block_of = np.repeat(np.arange(len(ordered)), sizes)
    within = np.arange(len(facts)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pooled = [
        block.pooled if len(block.pooled) else np.zeros((len(block.facts), TOKEN_BYTES), np.uint8) for block in ordered
    ]
    ends = np.cumsum(facts["tokens"], dtype=np.intp)
    starts = ends - facts["tokens"]
    return Past(
        blocks=ordered,
        sessions=sessions,
        session=np.array([place_of[block.session_id] for block in ordered], np.intp)[block_of],
        block=block_of,
        seq=np.array([block.first for block in ordered], np.intp)[block_of] + within,
        facts=facts,
        speakers=speakers,
        speaker=all_speakers[first_speaker[block_of] + facts["speaker"]],
        words=np.concatenate([block.words for block in ordered]) if ordered else np.zeros(0, np.uint32),
        word_end=np.cumsum(facts["words"], dtype=np.intp),
        pooled=np.concatenate(pooled) if pooled else np.zeros((0, TOKEN_BYTES), np.uint8),
        token_start=starts - starts[np.cumsum(sizes) - sizes][block_of] if len(facts) else starts,
    )
