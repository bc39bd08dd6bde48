"""The part of a message that shows why it was found."""

import re
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from rekindle.memory.words import stem, words

LENGTH = 240
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_CACHED = 40
"""Characters of a word whose stems are remembered; a longer one is no word of a language with spaces."""


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
        if not wanted.isdisjoint((_known_stems if len(m[0]) <= _CACHED else _stems)(m[0]))
    ]
    start = 0
    if len(text) > LENGTH and spans:
        ends = [end for _, end in spans]
        within = [bisect_right(ends, begin + LENGTH * 3 // 4) - place for place, (begin, _) in enumerate(spans)]
        begin, _ = spans[within.index(max(within))]
        start = text.rfind(" ", 0, max(0, begin - LENGTH // 4) + 1) + 1 if begin > LENGTH // 4 else 0
    end = len(text) if len(text) - start <= LENGTH else max(text.rfind(" ", start, start + LENGTH), start + LENGTH // 2)
    before, after = "…" * (start > 0), "…" * (end < len(text))
    moved = tuple((s - start + len(before), e - start + len(before)) for s, e in spans if start <= s and e <= end)
    return Snippet(f"{before}{text[start:end]}{after}", moved)
