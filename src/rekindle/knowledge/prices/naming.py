"""Which course is meant: names as people say them, cut short, misspelt or as their first letters."""

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from math import log

from rekindle.memory.words import stem, terms, words

_AROUND = """
    price prices pricing cost costs fee fees course courses class classes training much many people person persons
    group groups team participants attendees book take quote total each
"""
_SAID_AROUND = frozenset(map(stem, words(_AROUND)))
"""Words around a course's name that name none, unless a course's name has nothing else."""
_ENOUGH = 0.45
"""Which part of what was said, by weight, a name has to hold."""
_CLOSE = 0.8


def meant(said: str, names: Sequence[str], codes: Sequence[str | None]) -> list[int]:
    """The places of the courses that may be meant: one when it is plain, none when nothing is like it."""
    spoken = " ".join(words(said))
    exact = [i for i, name in enumerate(names) if " ".join(words(name)) == spoken]
    exact = exact or [i for i, code in enumerate(codes) if code and code.casefold() == said.strip().casefold()]
    if exact:
        return exact
    known = [_terms(name, code) for name, code in zip(names, codes, strict=True)]
    held = Counter(term for own in known for term in own)
    asked = _asked(said, held)
    if not asked:
        return []
    rarity = {term: log(1 + (len(names) + 1) / (held.get(term, 0) + 0.5)) for term in asked}
    total = sum(rarity.values())
    covered = [sum(rarity[term] for term in asked & own) for own in known]
    best = max(covered, default=0.0)
    if best < _ENOUGH * total:
        return []
    fitting = [i for i, weight in enumerate(covered) if weight >= best - 1e-9]
    # "Lifeguard" is the course of this name, although there is a Lifeguard Instructor too.
    whole = [i for i in fitting if set(terms(names[i])) <= asked]
    longest = max((len(set(terms(names[i]))) for i in whole), default=0)
    return [i for i in whole if len(set(terms(names[i]))) == longest] or fitting


@lru_cache(maxsize=20_000)
def _terms(name: str, code: str | None) -> frozenset[str]:
    found = set(terms(name)) | set(terms(code or ""))
    initials = "".join(word[0] for word in words(name) if word[0].isalpha())
    return frozenset(found | {initials} if len(initials) > 1 else found)


def _asked(said: str, held: Counter[str]) -> set[str]:
    """The stems of what was said that can name a course, misspelt ones put right."""
    found = set()
    for term in dict.fromkeys(terms(said)):
        if term in held:
            found.add(term)
        elif term not in _SAID_AROUND and not term.isdigit():
            found.add(next(iter(get_close_matches(term, held, 1, _CLOSE)), term))
    telling = found - _SAID_AROUND
    return telling or found
