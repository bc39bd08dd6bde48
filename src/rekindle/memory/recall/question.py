"""A question read: its words, whom it is about, the time it names, and what kind of answer it wants."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from rekindle.memory.words import stem, without_stop_words, words

MOST_PEOPLE = 1_000
"""Whoever talks with more of them has brought a file in, and not to ask for each by name."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MAY = re.compile(r"\b(?:in|on|of|during|last|this|since|until|\d+(?:st|nd|rd|th)?) may\b|\bmay,? \d", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DAY = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)?\b")
_WHEN = re.compile(r"\b(?:when|how long|(?:what|which) (?:date|day|month|year|time))\b", re.IGNORECASE)
_HOW_MANY = re.compile(r"\bhow (?:many|much|often|old)\b", re.IGNORECASE)
_QUESTION_WORDS = frozenset(stem(word) for word in ("happen", "been", "during", "kind", "type", "did", "does"))


@dataclass(frozen=True, slots=True)
class Times:
    """The dates a question names, in parts: months 1 to 12, days of a month, years."""

    months: frozenset[int]
    days: frozenset[int]
    years: frozenset[int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is searched for. `terms` are stems, each once; `about` is who of those asked about is named alone."""

    text: str
    first_person: str
    terms: tuple[str, ...]
    about: str | None
    times: Times
    wants_time: bool
    wants_number: bool


def read(text: str, speakers: Iterable[str], called: Mapping[str, str] | None = None) -> Asked:
    """A question among people of these names, the first `MOST_PEOPLE`; `called`: what else they are called, in small
    letters, and who it is.
    """
    known = sorted(set(islice(speakers, MOST_PEOPLE)), reverse=True)
    people = {part: speaker for speaker in known for part in (speaker, *_parts(speaker))}
    names = {name.casefold(): speaker for name, speaker in {**(called or {}), **people}.items() if len(name) > 2}
    said = words(text)
    named = {names[word] for word in said if word in names}
    stems = (stem(word) for word in without_stop_words(said))
    return Asked(
        text=text,
        first_person=_in_first_person(text, names),
        terms=tuple(dict.fromkeys(term for term in stems if term not in _QUESTION_WORDS)),
        about=named.pop() if len(named) == 1 else None,
        times=_times(text),
        wants_time=bool(_WHEN.search(text)),
        wants_number=bool(_HOW_MANY.search(text)),
    )


def _parts(person: str) -> list[str]:
    return [part for part in words(person) if len(part) > 2]


def _in_first_person(text: str, names: Iterable[str]) -> str:
    # "When did Ann go?" as "When did I go?": people say "I" of themselves, and names are near to all lines with them.
    folded = text.casefold()
    said = [name for name in names if name in folded]
    if not said:
        return text
    one = "|".join(map(re.escape, sorted(said, key=len, reverse=True)))
    text = re.sub(rf"\b(?:{one})['’]s?(?!\w)", "my", text, flags=re.IGNORECASE)
    return re.sub(rf"\b(?:{one})\b", "I", text, flags=re.IGNORECASE)


def _times(text: str) -> Times:
    said = set(words(text))
    months = {
        number
        for number, month in enumerate(_MONTHS, 1)
        if (month in said and (month != "may" or _MAY.search(text))) or (month[:3] in said and month != "may")
    }
    days = {int(day) for day in _DAY.findall(text) if 0 < int(day) < 32} if months else set()
    return Times(frozenset(months), frozenset(days), frozenset(int(year) for year in _YEAR.findall(text)))
