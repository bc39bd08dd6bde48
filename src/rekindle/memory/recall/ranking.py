"""Which of a person's lines bear on a question: words, meaning, and what a conversation is like.

Two steps. The first looks at every line: BM25 without question words, words of the lines around, the session, and the
nearness of whole lines by their signs. The second compares the best of them token by token (late interaction) and
weighs who spoke, when, and whether a line answers rather than asks. The weights were set by hand, in round numbers, for
kinds of conversations, not fitted to any.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.minilm import WIDTH, Bits, Question
from rekindle.memory.recall.lines import ASKS, BY_ASSISTANT, ENDS_ASKING, TELLS_NUMBER, TELLS_TIME, Past, word_number
from rekindle.memory.recall.question import Asked

Scores = NDArray[np.float64]

CANDIDATES = 200
"""Lines that are compared token by token; more gain nothing."""
_K1 = 1.2
_B_LINE, _B_SESSION = 0.3, 0.75
"""How much a long text is held against it: lines hardly, sessions as usual."""
_AROUND = 2
"""Lines before and after whose words count as context."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each sign counts for. Nearness and BM25 are in standard deviations, the others 0 to 1 or -1 to 1."""

    tokens: float = 0.5
    tokens_as_asked: float = 0.4
    whole: float = 0.2
    words: float = 0.15
    session_words: float = 0.2
    context_words: float = 1.5
    best_of_session: float = 0.3
    date: float = 2.0
    asks: float = -0.5
    ends_asking: float = -0.3
    answers: float = 0.3
    answers_well: float = 0.2
    tells_time: float = 1.0
    tells_number: float = 0.4
    speaker: float = 0.8


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Looked:
    """The first step's results: (n,) arrays, and the best candidates' places, best first."""

    words: Scores
    session_words: Scores
    context_words: Scores
    whole: Scores
    candidates: NDArray[np.intp]


def look(past: Past, asked: Asked, question: Question | None, allowed: NDArray[np.bool_]) -> Looked:
    """Look at every line; candidates are among the `allowed`."""
    counts = [_counts(past, word_number(term)) for term in asked.terms]
    words = standard(_bm25(counts, past.facts["words"], _B_LINE))
    sessions = len(past.sessions)
    by_session = [_summed(past, count) for count in counts]
    session_length = np.bincount(past.session, past.facts["words"], sessions)
    session_words = standard(_bm25(by_session, session_length, _B_SESSION)[past.session])
    context = _context(past, counts)
    whole = np.zeros(len(past.seq))
    if question is not None:
        own = _alike(past.pooled, question)
        whole = standard(own + _shifted(past, own, 1) + _shifted(past, own, -1))
    base = words + whole + WEIGHTS.session_words * session_words + context
    # Without vectors there is nothing to be found by but words: of the line, or of those around it.
    reachable = allowed if question is not None else allowed & (context > 0)
    places = np.flatnonzero(reachable)
    if len(places) > CANDIDATES:
        places = places[np.argpartition(-base[places], CANDIDATES)[:CANDIDATES]]
    best = places[np.argsort(-base[places], kind="stable")]
    return Looked(words, session_words, context, whole, best)


def rank(
    past: Past, asked: Asked, looked: Looked, questions: tuple[Question, Question] | None, tokens: list[Bits]
) -> Scores:
    """Scores of the candidates; `questions` in the first person and as asked, `tokens` of each candidate."""
    chosen, w = looked.candidates, WEIGHTS
    flags = past.facts["flags"]
    score = (
        w.words * looked.words
        + w.session_words * looked.session_words
        + w.context_words * looked.context_words
        + w.whole * looked.whole
    )[chosen]
    score += w.asks * _has(flags, ASKS)[chosen] + w.ends_asking * _has(flags, ENDS_ASKING)[chosen]
    score += w.tells_time * asked.wants_time * _has(flags, TELLS_TIME)[chosen]
    score += w.tells_number * asked.wants_number * _has(flags, TELLS_NUMBER)[chosen]
    score += w.date * _dated(past, asked)[chosen]
    if asked.about is not None:
        score += w.speaker * np.where(past.speaker[chosen] == past.speakers.index(asked.about), 1.0, -1.0)
    answers = _answers(past)
    score += w.answers * answers[chosen]
    if questions is not None and len(chosen):
        near, as_asked = _near(questions, tokens)
        score += w.tokens * near + w.tokens_as_asked * as_asked
        # A candidate's question is one too, or is not near at all.
        everywhere = np.full(len(past.seq), min(near.min(), 0.0))
        everywhere[chosen] = near
        score += w.answers_well * (answers * _shifted(past, everywhere, 1))[chosen]
        best = np.full(len(past.sessions), -np.inf)
        np.maximum.at(best, past.session[chosen], near)
        score += w.best_of_session * best[past.session[chosen]]
    return score


def late_interaction(questions: Sequence[NDArray[np.float32]], lines: list[Bits]) -> list[Scores]:
    """For each question, of each line: the mean, over the question's tokens, of the nearness of the nearest token."""
    signs = np.unpackbits(np.concatenate(lines), axis=1).astype(np.float32)
    asked = np.concatenate(questions)
    # Signs are 0 and 1 here: with -1 and 1 the product is twice this, less the sum of the question's token.
    products = (2 * (asked @ signs.T) - asked.sum(axis=1, keepdims=True)) / math.sqrt(WIDTH)
    starts = np.cumsum([0, *(len(line) for line in lines[:-1])])
    nearest = np.maximum.reduceat(products, starts, axis=1)
    parts = np.split(nearest, np.cumsum([len(question) for question in questions])[:-1])
    return [part.mean(axis=0).astype(np.float64) for part in parts]


def _near(questions: tuple[Question, Question], tokens: list[Bits]) -> tuple[Scores, Scores]:
    """How near candidates are, in half standard deviations; a line without tokens is neither near nor far."""
    near, as_asked = np.zeros(len(tokens)), np.zeros(len(tokens))
    known = [place for place, own in enumerate(tokens) if len(own)]
    if known:
        lines = [tokens[place] for place in known]
        scores = late_interaction([question.tokens for question in questions], lines)
        near[known], as_asked[known] = (2 * standard(score) for score in scores)
    return near, as_asked


def standard(values: Scores) -> Scores:
    """In standard deviations from the mean; zeros where all are alike."""
    if not len(values):
        return values
    spread = values.std()
    scaled: Scores = (values - values.mean()) / spread if spread > 1e-9 else np.zeros(len(values))
    return scaled


def _counts(past: Past, word: int) -> Scores:
    found = np.searchsorted(past.word_end, np.flatnonzero(past.words == np.uint32(word)), side="right")
    return np.bincount(found, minlength=len(past.seq)).astype(np.float64)


def _summed(past: Past, count: Scores) -> Scores:
    holding = np.flatnonzero(count)  # few: the sum of them is quicker than that of all
    return np.bincount(past.session[holding], count[holding], len(past.sessions)).astype(np.float64)


def _bm25(counts: list[Scores], lengths: NDArray[Any], b: float) -> Scores:
    n = len(lengths)
    score = np.zeros(n)
    norm = _K1 * (1 - b + b * lengths / max(float(lengths.mean()), 1e-9)) if n else score
    for count in counts:
        holding = np.flatnonzero(count)
        if len(holding):
            own = count[holding]
            score[holding] += _rarity(n, len(holding)) * own * (_K1 + 1) / (own + norm[holding])
    return score


def _rarity(n: int, holding: int) -> float:
    return math.log(1 + (n - holding + 0.5) / (holding + 0.5))


def _context(past: Past, counts: list[Scores]) -> Scores:
    """Which share of the question's words, by weight, is in a line or the two before and after it: 0 to 1."""
    n, total, share = len(past.seq), 0.0, np.zeros(len(past.seq))
    for count in counts:
        holds = np.minimum(count, 1)
        weight = math.log((n + 1) / (float(holds.sum()) + 0.5))
        total += weight
        near = holds.copy()
        for distance in range(1, _AROUND + 1):
            np.maximum(near, _shifted(past, holds, distance), out=near)
            np.maximum(near, _shifted(past, holds, -distance), out=near)
        share += weight * near
    return share / total if total > 0 else share


def _shifted(past: Past, values: Scores, distance: int) -> Scores:
    """The value of the line so many before (after, if negative) in the same session; 0 where there is none."""
    shifted = np.zeros_like(values)
    if distance == 0 or abs(distance) >= len(values):
        return values if distance == 0 else shifted
    later, earlier = slice(abs(distance), None), slice(None, -abs(distance))
    same = past.session[later] == past.session[earlier]
    to, source = (later, earlier) if distance > 0 else (earlier, later)
    shifted[to] = values[source] * same
    return shifted


def _alike(pooled: Bits, question: Question) -> Scores:
    """How many of 384 signs a line shares with the question, less half of them."""
    signs = np.packbits(question.whole > 0).view(np.uint64)
    different = np.bitwise_count(pooled.view(np.uint64) ^ signs).sum(axis=1, dtype=np.intp)
    alike: Scores = (WIDTH / 2 - different).astype(np.float64)
    return alike


def _has(flags: NDArray[np.uint8], flag: int) -> Scores:
    return ((flags & flag) > 0).astype(np.float64)


def _answers(past: Past) -> Scores:
    """1 where somebody else has just ended with a question."""
    asked = _shifted(past, _has(past.facts["flags"], ENDS_ASKING), 1)
    turned = np.ones(len(past.seq))
    turned[1:] = past.facts["flags"][1:] & BY_ASSISTANT != past.facts["flags"][:-1] & BY_ASSISTANT
    return asked * turned


def _dated(past: Past, asked: Asked) -> Scores:
    """1 for a line of a month the question names (2 with its day), 0.3 for its year; by session, as they begin."""
    fits = np.zeros(len(past.sessions))
    times = asked.times
    if not (times.months or times.years) or not len(past.seq):
        return np.zeros(len(past.seq))
    _, first = np.unique(past.session, return_index=True)
    for place, seconds in enumerate(past.facts["said"][first]):
        day = datetime.fromtimestamp(int(seconds), UTC)
        fits[place] = (day.month in times.months) * (1 + (day.day in times.days)) + 0.3 * (day.year in times.years)
    return fits[past.session]
