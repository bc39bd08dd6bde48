"""The sentences of a talk that carry most, picked from its own words."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rekindle.memory.cues import (
    Cue,
    cues,
    is_about_the_other,
    is_platitude,
    is_question,
    is_request,
    is_small_talk,
    points_back,
    without_opening,
)
from rekindle.memory.hearsay import is_own_claim, takes_back
from rekindle.memory.words import COMMON_STEMS, sentences, terms

T = TypeVar("T")

MOST_MESSAGES = 1_500
"""Messages of a talk that are read: of a longer one, its beginning and, twice as much, its end."""
MOST_CHARS = 300_000
"""About how many characters of a talk are read in all; long messages lose their middle."""

_MOST_CANDIDATES = 300
_ENOUGH = 0.6
"""A sentence worth less is left out even when there is room: chosen by reading summaries of real talks."""
_SAME = 0.7
"""A sentence that shares this part of its words with what is picked says it again."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a talk: its message's place (from 0), who said it, its words' stems, what it says."""

    text: str
    at: int
    by_user: bool
    stems: tuple[str, ...]
    cue: Cue
    question: bool


def excerpt(text: str, limit: int) -> str:
    """The text, or of a longer one the first three quarters of `limit` characters and the last quarter."""
    if len(text) <= limit:
        return text
    return text[: limit * 3 // 4] + "\n" + text[-(limit // 4) :]


def head_and_tail(items: Sequence[T], limit: int = MOST_MESSAGES) -> list[T]:
    """The items, or of more than `limit` the first third of it and the last two thirds."""
    if len(items) <= limit:
        return list(items)
    head = limit // 3
    return [*items[:head], *items[len(items) - (limit - head) :]]


def shorten(sentence: str, limit: int = 180) -> str:
    """The sentence, or its beginning up to a clause or word and "…"."""
    if len(sentence) <= limit:
        return sentence
    marks = (", ", "; ", " - ", " – ", " — ", ": ", "，", "、")
    cut = max(sentence.rfind(mark, limit // 2, limit) for mark in marks)
    if cut < 0:
        cut = sentence.rfind(" ", limit // 2, limit)
    return sentence[: cut if cut > 0 else limit - 1].rstrip(" ,;:-–—，、") + "…"


def quoted(sentence: str, limit: int = 180) -> str:
    """The sentence on one line, shortened, in quotation marks; inner marks made single, so that the outer end it."""
    return '"' + re.sub('["“”„]', "'", shorten(" ".join(sentence.split()), limit)) + '"'


def statements(messages: Sequence[tuple[bool, str]]) -> list[Sentence]:
    """What was said, sentence by sentence, without small talk or repeats, of (by the user, text)."""
    limit = min(max(MOST_CHARS // max(len(messages), 1), 200), 20_000)
    found: list[Sentence] = []
    seen = set()
    for at, (by_user, text) in enumerate(messages):
        for whole in sentences(excerpt(text, limit)):
            if by_user and takes_back(whole) and found and found[-1].at == at:
                found.pop()
                continue
            sentence = without_opening(whole)
            stems = tuple(terms(sentence))
            if not stems or (stems, by_user) in seen or is_small_talk(sentence):
                continue
            seen.add((stems, by_user))
            cue = cues(sentence) if by_user and is_own_claim(whole) else Cue.NONE
            found.append(Sentence(sentence, at, by_user, stems, cue, is_question(sentence)))
    return found


def weigh(said: Sequence[Sentence]) -> dict[str, float]:
    """What each stem is worth in this talk: more the more messages use it, little for chat's small change."""
    uses = Counter(stem for _, stem in {(sentence.at, stem) for sentence in said for stem in sentence.stems})
    return {stem: (0.25 if stem in COMMON_STEMS else 1.0) * (1 + math.log(count)) for stem, count in uses.items()}


def pick(said: Sequence[Sentence], room: int, most: int = 7, longest: int = 180) -> list[Sentence]:
    """The sentences that together say most of the talk in `room` characters, in the order they were said.

    Greedy: each next one adds most that the same speaker has not said yet, by `weigh` and by what it is.
    """
    worth = weigh(said)
    last = said[-1].at if said else 0
    covered: dict[bool, frozenset[str]] = {True: frozenset(), False: frozenset()}
    first = next((sentence for sentence in said if sentence.by_user), None)
    standings = [(_standing(sentence, last) * (1.6 if sentence is first else 1), sentence) for sentence in said]

    def value(candidate: tuple[float, Sentence]) -> float:
        standing, sentence = candidate
        return standing * _new(sentence, worth, covered[sentence.by_user])

    candidates = sorted(standings, key=value, reverse=True)[:_MOST_CANDIDATES]
    chosen: list[Sentence] = []
    while candidates and len(chosen) < most:
        best = max(candidates, key=value)
        if value(best) < _ENOUGH:
            break
        candidates.remove(best)
        sentence = best[1]
        length = min(len(sentence.text), longest) + 3
        if length > room or _shared(sentence, covered[sentence.by_user]) > _SAME:
            continue
        room -= length
        chosen.append(sentence)
        covered[False] |= set(sentence.stems)  # what the user said need not be said again by the assistant
        if sentence.by_user:
            covered[True] |= set(sentence.stems)
    places = {id(sentence): place for place, sentence in enumerate(said)}
    return sorted(chosen, key=lambda sentence: places[id(sentence)])


def _new(sentence: Sentence, worth: Mapping[str, float], covered: frozenset[str]) -> float:
    new = sum(worth[stem] for stem in set(sentence.stems) if stem not in covered)
    told = 1.0 if sentence.cue & (Cue.NAME | Cue.NEED | Cue.MILESTONE | Cue.PLAN) else 0.0
    return (new + told) / math.sqrt(max(len(sentence.stems), 5))


def _shared(sentence: Sentence, covered: frozenset[str]) -> float:
    return sum(stem in covered for stem in sentence.stems) / len(sentence.stems)


def _standing(sentence: Sentence, last: int) -> float:
    """How much a sentence of its kind, at its place, belongs into a summary; a plain one of the user's: 1."""
    standing = 1.0 if sentence.by_user else 0.5
    if sentence.question:
        left_open = sentence.at == last and not sentence.by_user
        asked = sentence.by_user and is_request(sentence.text)
        standing *= 2.0 if left_open else 1.2 if asked else 0.3
    if sentence.cue & Cue.NAME:
        standing *= 2.5
    if sentence.cue & (Cue.NEED | Cue.MILESTONE):
        standing *= 1.6
    elif sentence.cue & (Cue.FACT | Cue.PREFERENCE | Cue.PLAN):
        standing *= 1.3
    if any(character.isdigit() for character in sentence.text):
        standing *= 1.3 if sentence.by_user else 1.7
    if is_about_the_other(sentence.text):
        standing *= 0.4
    if is_platitude(sentence.text):
        standing *= 0.4
    if points_back(sentence.text):
        standing *= 0.6
    if sentence.at >= last - 2:
        standing *= 1.1
    return standing
