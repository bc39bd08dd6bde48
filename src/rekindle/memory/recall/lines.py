"""What is kept of the lines of a conversation for search: packed arrays, a block of up to 64 lines in a row.

Kept of a line: 14 bytes of facts, 4 bytes a word, and, where there is an embedder, a bit for each number of its vector
and 48 bytes a token. It is no copy of the text, but who tries words can tell which are in it.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.extract import excerpt
from rekindle.memory.minilm import TOKEN_BYTES, Bits, MiniLM, Vectors
from rekindle.memory.words import terms
from rekindle.memory.words import words as split

BLOCK = 64
LONGEST = 100_000
"""Characters of a line that search knows."""
MOST_WORDS = 16_000

FACTS = np.dtype([("said", "<i8"), ("words", "<u2"), ("tokens", "<u2"), ("flags", "u1"), ("speaker", "u1")])
"""Of a line: when it was said (a `moment`), how many words and tokens, flags, place in the block's speakers."""
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
ASKS, ENDS_ASKING, TELLS_TIME, TELLS_NUMBER, BY_ASSISTANT = 1, 2, 4, 8, 16
OF_ONESELF, OF_THE_OTHER, NAMES = 32, 64, 128
"""It says "I" or "my"; "you" or "your"; it names somebody or something, other than those who speak."""

_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|ago|recently|just|since|back in|"
    r"(?:last|next|this) (?:night|morning|week|weekend|month|year|summer|winter|fall|autumn|spring|mon|tue|wed|thu|fri|"
    r"sat|sun)\w*|january|february|march|april|may|june|july|august|september|october|november|december|20\d\d|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|\d+(?:st|nd|rd|th)|"
    r"(?:few|couple|two|three|four) (?:of )?(?:days|weeks|months|years))\b"
)
"""This one and the next three are for text in small letters: to look for both takes twice as long."""
_NUMBER = re.compile(r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|once|twice|dozen|hundred)\b")
_ONESELF = re.compile(r"\b(?:i|my|me|mine|myself)\b")
_THE_OTHER = re.compile(r"\b(?:you|your|yours|yourself|u|ur)\b")
_GREETED = re.compile(
    r"\b(?:hi|hey|hello|thanks|thank you|bye|good (?:morning|night)|dear|welcome|congrats|congratulations|sorry)"
    r"(?: again| there| so much| a lot)?,? (?-i:([A-Z]\w{1,30}))(?= *(?:[^\w\s]|$))",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[\w,;] )(?!I['’])[A-Z]\w+")
"""A capital within a sentence."""


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
    """Consecutive lines of a session, packed; `first` is the seq of the first of them.

    `model` made the tokens, `meaning` the signs of each line as a whole; None where no model did.
    """

    session_id: UUID
    first: int
    model: str | None
    meaning: str | None
    speakers: list[str]
    called: list[list[str]]
    """The names by which each of the speakers is greeted by the other of two, each time."""
    facts: NDArray[Any]
    words: NDArray[np.uint32]
    pooled: Bits
    tokens: Bits


def pack(
    session_id: UUID, lines: Sequence[Line], model: MiniLM | None, meaning: tuple[str, Vectors] | None = None
) -> Block:
    """The block of these lines, at least one, which follow each other without a gap.

    `meaning` is another model's name and its vectors of the lines, instead of the means of the tokens.
    """
    speakers = list(dict.fromkeys(line.speaker for line in lines))[:255]
    texts = [excerpt(line.content, LONGEST) for line in lines]
    hashed = [word_numbers(line, text) for line, text in zip(lines, texts, strict=True)]
    called = _called(lines, texts, speakers)
    known = {part for name in (*speakers, *(name for names in called for name in names)) for part in split(name)}
    facts = np.zeros(len(lines), FACTS)
    for i, (line, text) in enumerate(zip(lines, texts, strict=True)):
        place = speakers.index(line.speaker) if line.speaker in speakers else 0
        facts[i] = (moment(line.said), len(hashed[i]), 0, _flags(line, text, known), place)
    tokens, pooled = np.zeros((0, TOKEN_BYTES), np.uint8), np.zeros((0, 0), np.uint8)
    if model:
        bits = model.lines([f"{line.speaker or line.role}: {text}" for line, text in zip(lines, texts, strict=True)])
        facts["tokens"] = [len(own) for own in bits]
        tokens = np.concatenate(bits)
        pooled = np.stack([_majority(own) for own in bits])
    if meaning:
        pooled = signs(meaning[1])
    named = meaning[0] if meaning else model.name if model else None
    flat = np.array([word for own in hashed for word in own], np.uint32)
    return Block(
        session_id, lines[0].seq, model.name if model else None, named, speakers, called, facts, flat, pooled, tokens
    )


def _majority(bits: Bits) -> Bits:
    """The bits that more than half of these, up to 255, have."""
    return np.packbits(np.unpackbits(bits, axis=1).sum(axis=0, dtype=np.uint8) > len(bits) // 2)


def signs(vectors: Vectors) -> Bits:
    """A bit for each number of these vectors, in whole groups of 64."""
    count, width = vectors.shape
    positive = np.zeros((count, -(-width // 64) * 64), np.bool_)
    positive[:, :width] = vectors > 0
    return np.packbits(positive, axis=1)


def _called(lines: Sequence[Line], texts: Sequence[str], speakers: list[str]) -> list[list[str]]:
    called: list[list[str]] = [[] for _ in speakers]
    if len(speakers) == 2:  # of more, nobody can tell who is meant
        for line, text in zip(lines, texts, strict=True):
            called[1 - speakers.index(line.speaker)] += [name.casefold() for name in _GREETED.findall(text[:2_000])[:5]]
    return called


def word_numbers(line: Line, text: str) -> list[int]:
    """The line's words as numbers, its speaker's name and its date among them, as one asks for these too."""
    if not text.strip():
        return []
    said = f"{line.said:%d %B %Y}".lstrip("0")
    found = [word_number(term) for term in terms(f"{line.speaker} {said}")]
    return found + [word_number(term) for term in terms(text)][:MOST_WORDS]


def moment(time: datetime) -> int:
    """Microseconds since 1970, as exact as PostgreSQL keeps them."""
    return (time - _BEGIN) // timedelta(microseconds=1)


def word_number(term: str) -> int:
    """A stem as 32 bits; of 100,000 different stems about one shares its number with another."""
    return crc32(term.encode("utf-8", "replace"))


def _flags(line: Line, text: str, known: Collection[str]) -> int:
    flags = ASKS if "?" in text else 0
    flags |= ENDS_ASKING if text.rstrip().endswith("?") else 0
    small = text.lower()
    flags |= TELLS_TIME if _TIME.search(small) else 0
    flags |= TELLS_NUMBER if _NUMBER.search(small) else 0
    flags |= OF_ONESELF if _ONESELF.search(small) else 0
    flags |= OF_THE_OTHER if _THE_OTHER.search(small) else 0
    flags |= NAMES if any(found[0].casefold() not in known for found in _NAME.finditer(text)) else 0
    return flags | (BY_ASSISTANT if line.role == "assistant" else 0)
