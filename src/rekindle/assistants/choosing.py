"""Which passages of what a tool found answer a message: by its words, and by where the tool put them."""

import re
from collections.abc import Sequence

from rekindle.assistants.past import is_telling, key_stems
from rekindle.memory.words import sentences, words

MOST = 3
_LEAST = 0.3
_BESIDE_THE_BEST = 0.6
"""What part of the best one's worth another must have to stand beside it."""
_READ = 400
_ROOM = 300
"""Characters of a passage that go on from a sentence."""
_AMOUNT = re.compile(
    r"\bhow (?:much|many|old|long|far|often|deep|high|low|big|fast|late|early|warm|cold|hot|wide|tall|heavy)\b|"
    r"\b(?:level|temperature|limit|minimum|maximum|price|costs?|rate|age|ph|number|percentage|dose)\b",
    re.IGNORECASE,
)
_TIME = re.compile(r"\b(?:when|what (?:day|date|time))\b", re.IGNORECASE)
_IS_AMOUNT = re.compile(r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|hundred)\b", re.IGNORECASE)
_IS_TIME = re.compile(
    r"\b\d{1,2}:\d{2}\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:january|february|march|april|june|july|"
    r"august|september|october|november|december|daily|every|hours?|days?|weeks?|months?|years?|opens?|starts?)\b",
    re.IGNORECASE,
)


def choose(message: str, pieces: Sequence[tuple[str, str]], most: int = MOST) -> list[tuple[str, str]]:
    """The (passage, source) pairs that fit a message best, the best first; none where none fits.

    `pieces` are (text, source), in the tool's order, which counts: it may know by meaning what shares no word. A
    passage is a sentence and what follows it, as far as there is room. The sentence must share a telling word itself,
    or hold what is asked for (a number, a time) under a title that shares one, or begin under a title of just that.
    """
    asked = key_stems(message)
    telling = is_telling(asked)
    worth = {stemmed: 1.0 if not telling or is_telling([stemmed]) else 0.25 for stemmed in asked}
    whole = sum(worth.values())
    wanted = [held for asks, held in ((_AMOUNT, _IS_AMOUNT), (_TIME, _IS_TIME)) if asks.search(message)]
    spoken = [[s for s in sentences(text[:20_000]) if not s.startswith(("#", "|"))] for text, _ in pieces]
    scored: list[tuple[float, int, int]] = []
    for piece, (_, source) in enumerate(pieces):
        title = asked & key_stems(source)
        early = (0.3 if telling else 0.6) * (1 - piece / len(pieces))
        for at, sentence in enumerate(spoken[piece][: _READ - len(scored)]):
            own = asked & key_stems(sentence)
            holds = bool(wanted) and all(held.search(sentence) for held in wanted)
            titled = sum(worth[stemmed] for stemmed in title) >= 0.5 * whole
            if not (own or (title and holds) or (titled and (at == 0 or asked <= title))) or (
                telling and not is_telling(own | title)
            ):
                continue
            counts = 1.0 if not telling and at == 0 and asked <= title else 0.6
            share = sum(worth[stemmed] * (1.0 if stemmed in own else counts) for stemmed in own | title) / whole
            if share >= (_LEAST if telling else 2 * _LEAST):
                score = share + early + 0.25 * holds + 0.05 * (at == 0) - 0.3 * sentence.endswith("?")
                scored.append((-score, piece, at))
    scored.sort()
    chosen: list[tuple[str, str]] = []
    used: set[str] = set()
    for score, piece, at in scored:
        if len(chosen) == most or score > _BESIDE_THE_BEST * scored[0][0]:
            break
        told, source = words(spoken[piece][at]), pieces[piece][1]
        if chosen and asked <= key_stems(chosen[0][1]) and not asked <= key_stems(source):
            continue  # the best stands in the document on just that: what others say by the way is none of it
        if len(used & set(told)) < 0.8 * len(set(told)):
            passage = _passage(spoken[piece][at:])
            used |= set(words(passage))
            chosen.append((passage, source))
    return chosen


def _passage(spoken: Sequence[str]) -> str:
    passage = spoken[0]
    for sentence in spoken[1:]:
        if len(passage) + len(sentence) >= _ROOM:
            break
        passage = f"{passage} {sentence}"
    return passage
