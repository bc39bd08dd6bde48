"""Which course is meant: names as people say them, cut short, misspelt or as their first letters."""

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from math import log

from rekindle.memory.words import stem, terms, words

_AROUND = """
    price prices pricing cost costs fee fees rate rates course courses class classes training much many people person
    persons group groups team participants attendees individual book take join sign pay buy quote total each cheap
    cheapest today tomorrow now currently right next week month year please tell know want need like us dollars euros
    kurs kurse preis preise kostet kosten personen gruppe cours prix personnes groupe curso precio cuesta personas grupo
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
    each_asked = _asked(said, held)
    if not each_asked:
        return []
    asked = frozenset().union(*each_asked)
    # A word that no course has weighs no more than one that a single course has: one does not hide the other.
    rarity = {term: log(1 + (len(names) + 1) / (max(held[term], 1) + 0.5)) for term in asked}

    def weight(terms: frozenset[str]) -> float:
        return max((rarity[term] for term in terms), default=0.0)

    total = sum(map(weight, each_asked))
    covered = [sum(weight(either & own) for either in each_asked) for own in known]
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


def _asked(said: str, held: Counter[str]) -> list[frozenset[str]]:
    """The stems of what was said that can name a course; of one misspelt, those that are as near to it."""
    found = []
    for term in dict.fromkeys(terms(said)):
        if term in held:
            found.append(frozenset({term}))
        elif term not in _SAID_AROUND and not term.isdigit():
            found.append(_nearest(term, held) or frozenset({term}))
    telling = [either for either in found if not either <= _SAID_AROUND]
    return telling or found


def _nearest(term: str, held: Counter[str]) -> frozenset[str]:
    near = {like: SequenceMatcher(None, like, term).ratio() for like in get_close_matches(term, held, 5, _CLOSE)}
    best = max(near.values(), default=0.0)
    return frozenset(like for like, ratio in near.items() if ratio >= best - 1e-9)
