"""Which of a person's lines bear on a question: words, meaning, and what a conversation is like.

Three steps. The first looks at every line: BM25 without question words, words of the lines around, the session, and the
nearness of whole lines by their signs. The second weighs, of the best of them, who spoke, when, and whether a line
answers rather than asks. The third compares the best of these token by token (late interaction). The weights were set
by hand, in round numbers, for kinds of conversations, not fitted to any.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rekindle.memory.minilm import WIDTH, Bits, MiniLM, Question, Vectors, nearest
from rekindle.memory.recall.lines import (
    ASKS,
    BY_ASSISTANT,
    ENDS_ASKING,
    NAMES,
    OF_ONESELF,
    OF_THE_OTHER,
    TELLS_NUMBER,
    TELLS_TIME,
    signs,
    word_number,
)
from rekindle.memory.recall.past import Past, Tokens
from rekindle.memory.recall.postings import Places
from rekindle.memory.recall.question import Asked

Scores = NDArray[np.float32]
Days = NDArray[np.datetime64]

CANDIDATES = 256
"""Lines that are weighed by more than their words and their nearness as wholes."""
COMPARED = 64
"""The best of them, which are compared token by token; more gain nothing."""
_UNCOMPARED = 1.5
"""How much more signs count until then, in the place of tokens."""
_K1 = 1.2
_B_LINE, _B_SESSION = 0.3, 0.75
"""How much a long text is held against it: lines hardly, sessions as usual."""
_BY_CHANCE = 20
_TOLD_WITHIN = 7
"""Days from a day, in which what happened on it is told."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each sign counts for. Nearness and BM25 are in standard deviations, the others 0 to 1 or -1 to 1."""

    tokens: float = 0.5
    tokens_as_asked: float = 0.4
    whole: float = 0.2
    whole_alone: float = 1.0
    """On top of it where there are no tokens to be compared."""
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
    of_oneself: float = 0.4
    """Who says "I" tells, who says "you" asks or repeats. By words alone neither this nor `names` finds more."""
    names: float = 0.4
    speaker: float = 0.8
    again: float = -0.15
    """For each better line of the same session: what is asked for may have been said in several."""


WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Matched:
    """How well the words of each line, of its session, and of the lines around it are those of a question."""

    words: Scores
    session_words: Scores
    context_words: Scores


@dataclass(frozen=True, slots=True)
class Looked:
    """The candidates: the lines' places, best first, and, by the name of its weight, each of their signs."""

    lines: Places
    signs: dict[str, Scores]


def match(past: Past, asked: Asked) -> Matched:
    """Compare the words of every line with those of the question."""
    found = _find(past, [word_number(term) for term in asked.terms])
    by_session = _bm25(_by_session(past, found), past.session_length, _B_SESSION)
    return Matched(
        words=standard(_bm25(found, past.length, _B_LINE)),
        session_words=standard(by_session[past.session]),
        context_words=_context(past, found),
    )


def look(
    past: Past, asked: Asked, matched: Matched, vectors: Mapping[str, Vectors], allowed: NDArray[np.bool_]
) -> Looked:
    """Find the best lines of those `allowed`. `vectors`: the question's as a whole, by model."""
    words, session_words, context = matched.words, matched.session_words, matched.context_words
    whole, known = _whole(past, vectors)
    base = words + whole + WEIGHTS.session_words * session_words + context
    # Without vectors there is nothing to be found by but words: of the line, or of those around it.
    lines = np.flatnonzero(allowed if vectors.keys() & set(past.meanings) else allowed & (context > 0))
    if len(lines) > CANDIDATES:
        lines = lines[np.argpartition(-base[lines], CANDIDATES)[:CANDIDATES]]
    kinds = _kinds(past, asked, lines, by_tokens=MiniLM.name in vectors)
    told = sum((getattr(WEIGHTS, name) * sign for name, sign in kinds.items()), np.zeros(len(lines), np.float32))
    order = np.argsort(-(base[lines] + _UNCOMPARED * told), kind="stable")
    lines = lines[order]
    signs = {name: sign[order] for name, sign in kinds.items()}
    signs |= {"words": words[lines], "session_words": session_words[lines], "context_words": context[lines]}
    signs["whole"] = _as_words_tell(whole[lines], known[lines], words[lines])
    return Looked(lines, signs)


def rank(past: Past, looked: Looked, questions: tuple[Question, Question] | None, tokens: Tokens) -> Scores:
    """Scores of the candidates; `questions` in the first person and as asked, `tokens` of those to be compared."""
    signs = weigh(past, looked, questions, tokens)
    score = summed(signs, past.session[looked.lines[: len(signs["words"])]], WEIGHTS)
    others = np.arange(1, len(looked.lines) - len(score) + 1, dtype=np.float32)
    return np.concatenate((score, score.min(initial=0) - others))  # they follow in their order


def weigh(past: Past, looked: Looked, questions: tuple[Question, Question] | None, tokens: Tokens) -> dict[str, Scores]:
    """Each sign of the candidates that are compared, or of all where none can be."""
    if questions is None:
        return looked.signs | {"whole_alone": looked.signs["whole"]}
    lines = looked.lines[: len(tokens.counts)]
    signs = {name: sign[: len(lines)] for name, sign in looked.signs.items()}
    if len(lines):
        near, signs["tokens_as_asked"] = _near(questions, tokens, signs["words"])
        # Candidates are a standard deviation nearer than lines are; a line that is none is taken to be as lines are.
        everywhere = np.zeros(len(past), np.float32)
        everywhere[lines] = near + 2
        best = np.full(len(past.sessions), -np.inf, np.float32)
        np.maximum.at(best, past.session[lines], near)
        signs["tokens"] = near
        signs["answers_well"] = signs["answers"] * everywhere[lines - 1]
        signs["best_of_session"] = best[past.session[lines]]
    return signs


def _kinds(past: Past, asked: Asked, lines: Places, *, by_tokens: bool) -> dict[str, Scores]:
    """What kind of line each is: the signs that are neither of its words nor of its vectors."""
    flags = past.flags[lines]
    signs = {
        "asks": _has(flags, ASKS),
        "ends_asking": _has(flags, ENDS_ASKING),
        "date": _dated(past, asked)[past.session[lines]],
        "answers": _answers(past, lines),
    }
    if asked.wants_time:
        signs["tells_time"] = _has(flags, TELLS_TIME)
    if asked.wants_number:
        signs["tells_number"] = _has(flags, TELLS_NUMBER)
    if asked.about is not None:
        own = past.speaker[lines] == past.speakers.index(asked.about)
        signs["speaker"] = np.where(own, 1, -1).astype(np.float32)
    if by_tokens:
        signs["of_oneself"] = _has(flags, OF_ONESELF) - _has(flags, OF_THE_OTHER)
        signs["names"] = _has(flags, NAMES)
    return signs


def summed(signs: Mapping[str, Scores], sessions: Places, weights: Weights) -> Scores:
    """Scores of lines by their signs; `sessions`: which session each is of."""
    score = np.zeros(len(sessions), np.float32)
    for name, sign in signs.items():
        score += getattr(weights, name) * sign
    return score + weights.again * _times_before(sessions, score)


def _times_before(sessions: Places, score: Scores) -> Scores:
    """How many better lines are of the same session."""
    order = np.lexsort((-score, sessions))
    new = np.ones(len(order), np.bool_)
    new[1:] = sessions[order][1:] != sessions[order][:-1]
    places = np.arange(len(order))
    before = np.empty(len(order), np.float32)
    before[order] = places - np.maximum.accumulate(np.where(new, places, 0))
    return before


def late_interaction(questions: Sequence[Vectors], lines: Bits, starts: Places) -> list[Scores]:
    """For each question, of each line: the mean, over the question's tokens, of the nearness of the nearest token.

    `lines` are the tokens of one line after the other, at least one of each, `starts` where each line's begin.
    """
    near = nearest(lines, starts, np.concatenate(questions))
    parts = np.split(
        near / np.float32(math.sqrt(WIDTH)), np.cumsum([len(question) for question in questions])[:-1], axis=1
    )
    return [part.mean(axis=1, dtype=np.float32) for part in parts]


def _near(questions: tuple[Question, Question], tokens: Tokens, words: Scores) -> tuple[Scores, Scores]:
    """How near candidates are, in half standard deviations; a line without tokens, as near as its words tell."""
    near, as_asked = np.zeros((2, len(tokens.counts)), np.float32)
    known = tokens.counts > 0
    if known.any():
        asked = [question.tokens for question in (questions[:1] if questions[0] is questions[1] else questions)]
        starts = np.cumsum(tokens.counts)[known] - tokens.counts[known]
        scores = late_interaction(asked, tokens.bits, starts)
        near[known], as_asked[known] = 2 * standard(scores[0]), 2 * standard(scores[-1])
    return _as_words_tell(near, known, words), _as_words_tell(as_asked, known, words)


def _as_words_tell(near: Scores, known: NDArray[np.bool_], words: Scores) -> Scores:
    """Nearness, where it is not known yet, of a line that holds words of the question: that of as many of the known
    lines as have fewer of them. What was said a moment ago would else stand behind all that is near by meaning.
    """
    if known.all() or not known.any():
        return near
    fewer = np.searchsorted(np.sort(words[known]), words[~known], side="left")
    by_words = np.concatenate((near[known].min(keepdims=True), np.sort(near[known])))[fewer]
    filled = near.copy()
    filled[~known] = np.maximum(by_words, 0)
    return filled


def standard(values: Scores) -> Scores:
    """In standard deviations from the mean; zeros where all are alike."""
    if not len(values):
        return values
    apart: Scores = values - values.mean()
    spread = np.sqrt(np.square(apart).mean())
    return apart / spread if spread > 1e-6 else np.zeros_like(values)


Found = tuple[Places, Scores]
"""Where a word is, in order, and how often."""


def _find(past: Past, words: Sequence[int]) -> list[Found]:
    """Where each of these words is."""
    wanted = np.array(words, np.uint32)
    found: list[list[Places]] = [[] for _ in words]
    for part, begins in zip(past.parts, past.begins, strict=True):
        for lines, own in zip(found, part.postings.lines(wanted), strict=True):
            lines.append(own + begins)
    return [_counted(np.concatenate(lines)) for lines in found]


def _counted(lines: Places) -> Found:
    new = np.ones(len(lines) + 1, np.bool_)
    np.not_equal(lines[1:], lines[:-1], out=new[1:-1])
    bounds = np.flatnonzero(new)
    return lines[bounds[:-1]], (bounds[1:] - bounds[:-1]).astype(np.float32)


def _by_session(past: Past, found: list[Found]) -> list[Found]:
    counts = [np.bincount(past.session[lines], count, len(past.sessions)) for lines, count in found]
    return [(holding := np.flatnonzero(count), count[holding].astype(np.float32)) for count in counts]


def _bm25(found: list[Found], lengths: NDArray[np.floating[Any]], b: float) -> Scores:
    n = len(lengths)
    score = np.zeros(n, np.float32)
    mean = max(float(lengths.mean()), 1e-9) if n else 1.0
    for places, count in found:
        norm = _K1 * (1 - b + b * lengths[places] / mean)
        score[places] += _rarity(n, len(places)) * count * (_K1 + 1) / (count + norm)
    return score


def _rarity(n: int, holding: int) -> float:
    return math.log(1 + (n - holding + 0.5) / (holding + 0.5))


def _context(past: Past, found: list[Found]) -> Scores:
    """Which share of the question's words, by weight, is in a line or the two before and after it: 0 to 1."""
    total, share = 0.0, np.zeros(len(past), np.float32)
    one, two = past.follows[1:], past.follows[2:] & past.follows[1:-1]
    for places, _ in found:
        weight = math.log((len(past) + 1) / (len(places) + 0.5))
        total += weight
        if len(places):
            holds = np.zeros(len(past), np.bool_)
            holds[places] = True
            near = holds.copy()
            near[1:] |= holds[:-1] & one
            near[:-1] |= holds[1:] & one
            near[2:] |= holds[:-2] & two
            near[:-2] |= holds[2:] & two
            share += np.float32(weight) * near
    return share / np.float32(total) if total > 0 else share


def _whole(past: Past, vectors: Mapping[str, Vectors]) -> tuple[Scores, NDArray[np.bool_]]:
    """How near lines and those beside them are as wholes, in standard deviations; and of which lines it is known."""
    near, compared = np.zeros(len(past), np.float32), np.zeros(len(past), np.bool_)
    for name, vector in vectors.items():
        own = signs(vector[None]).view(np.uint64)[0]
        different, known = np.zeros(len(past), np.int16), np.zeros(len(past), np.bool_)
        for part, begins in zip(past.parts, past.begins, strict=True):
            places, columns = part.wholes.get(name, (None, own[:0]))
            if len(columns) == len(own):
                lines = slice(begins, begins + len(part)) if places is None else begins + places
                different[lines] = np.bitwise_count(columns ^ own[:, None]).sum(axis=0, dtype=np.int16)
                known[lines] = True
        near[known] = _among_its_own(_alike(different[known], 64 * len(own)))
        compared |= known
    beside = near.copy()
    beside[1:] += near[:-1] * past.follows[1:]
    beside[:-1] += near[1:] * past.follows[1:]
    return standard(beside), compared


def _among_its_own(alike: Scores) -> Scores:
    """In standard deviations: models differ in how near all texts are to each other. Few lines are judged as if there
    were others, to which chance made the question as near as it does.
    """
    n = len(alike) + _BY_CHANCE
    mean = alike.sum() / n
    spread = np.sqrt((np.square(alike - mean).sum() + _BY_CHANCE * (1 + mean**2)) / n)
    scaled: Scores = ((alike - mean) / spread).astype(np.float32)
    return scaled


def _alike(different: NDArray[np.int16], width: int) -> Scores:
    """How many more of so many signs are shared than by chance, in standard deviations of chance."""
    return ((width - 2 * different) / np.float32(math.sqrt(width))).astype(np.float32)


def _has(flags: NDArray[np.uint8], flag: int) -> Scores:
    return ((flags & flag) > 0).astype(np.float32)


def _answers(past: Past, lines: Places) -> Scores:
    """1 where somebody else has just ended with a question."""
    before, own = past.flags[lines - 1], past.flags[lines]
    asked = past.follows[lines] & ((before & ENDS_ASKING) > 0) & (((before ^ own) & BY_ASSISTANT) > 0)
    return asked.astype(np.float32)


def _dated(past: Past, asked: Asked) -> Scores:
    """Of each session, as it begins: 1 in a month the question names, 0.3 in its year, 2 on its day, ever less of
    that in the week after, when what happened on that day is told.
    """
    times, begins = asked.times, np.zeros(len(past.sessions), np.int64)
    if not (times.months or times.years):
        return np.zeros(len(begins), np.float32)
    firsts = np.flatnonzero(~past.follows)[::-1]  # what comes first is written last
    begins[past.session[firsts]] = past.said[firsts]
    day = begins.astype("datetime64[us]").astype("datetime64[D]")
    fits: Scores = (_in_months(day, times.months) + 0.3 * _in_years(day, times.years)).astype(np.float32)
    near = np.zeros(len(day), np.float32)
    for ago in range(_TOLD_WITHIN if times.days else 0):
        then = day - ago
        named = np.isin((then - then.astype("datetime64[M]")).astype(int) + 1, list(times.days))
        named &= _in_months(then, times.months)
        if times.years:
            named &= _in_years(then, times.years)
        near = np.maximum(near, named * np.float32(1 - ago / _TOLD_WITHIN))
    return fits + 2 * near


def _in_months(days: Days, months: frozenset[int]) -> NDArray[np.bool_]:
    return np.isin(days.astype("datetime64[M]").astype(int) % 12 + 1, list(months))


def _in_years(days: Days, years: frozenset[int]) -> NDArray[np.bool_]:
    return np.isin(days.astype("datetime64[Y]").astype(int) + 1970, list(years))
