"""The part of a message that shows why it was found."""

import re
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from rekindle.memory.words import LONGEST_WORD, stem, words

LENGTH = 240
_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, slots=True)
class Snippet:
    """At most `LENGTH` characters of a text, and an ellipsis where more is; `highlights`: ranges of it, from and to."""

    text: str
    highlights: tuple[tuple[int, int], ...]


def _stems(word: str) -> frozenset[str]:
    return frozenset(stem(part) for part in words(word))


_known_stems = lru_cache(maxsize=20_000)(_stems)


def snippet(text: str, terms: Collection[str]) -> Snippet:
    """The stretch of a text that holds most of these stems."""
    text = " ".join(text[:20_000].split())
    wanted = set(terms)
    spans = [
        m.span()
        for m in _WORD.finditer(text)
        if not wanted.isdisjoint((_known_stems if len(m[0]) <= LONGEST_WORD else _stems)(m[0]))
    ]
    start = 0
    if len(text) > LENGTH and spans:
        ends = [end for _, end in spans]
        within = [bisect_right(ends, begin + LENGTH * 3 // 4) - place for place, (begin, _) in enumerate(spans)]
        begin, _ = spans[within.index(max(within))]
        start = _word_begins(text, min(begin - LENGTH // 4, len(text) - LENGTH), begin)
    end = len(text) if len(text) - start <= LENGTH else _word_ended(text, start + LENGTH)
    before, after = "…" * (start > 0), "…" * (end < len(text))
    moved = len(before) - start
    shown = ((max(begin, start), min(stop, end)) for begin, stop in spans if begin < end and stop > start)
    return Snippet(f"{before}{text[start:end]}{after}", tuple((begin + moved, stop + moved) for begin, stop in shown))


def _word_begins(text: str, at: int, latest: int) -> int:
    """Where the next word begins, from here on; here, in a script without spaces."""
    if at <= 0:
        return 0
    space = text.find(" ", at - 1, min(latest, at + LONGEST_WORD))
    return space + 1 if space >= 0 else at


def _word_ended(text: str, at: int) -> int:
    """Where the last whole word up to here ends; here, in a script without spaces."""
    space = text.rfind(" ", at - LONGEST_WORD, at + 1)
    return space if space >= 0 else at
