"""Key phrases: what a talk was about, in its own words and casing ("CPO training").

Without a parser: runs of words between stop words, weighed by how many messages use them, by what
stands before them ("my painting" is a thing, "I painted" is not) and by capitals within a sentence.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rekindle.memory.wordlists import BINDING_WORDS, COMMON_WORDS, IRREGULAR_VERBS, SLANG_WORDS, STOP_WORDS
from rekindle.memory.words import VAGUE_STEMS, sentences, stem, words

_LONGEST = 3
_LONGEST_WORD = 40
_VAGUE = 0.35
"""What a phrase counts that names no subject: it is a topic where there is no better one."""
_DONE = re.compile(r"[a-z]{2,}(?<!e)ed")
_CLAUSE = re.compile(r"[^\w\s'’&+#/-]+|\s[-/]+\s|\s'|'\s")
_HAN = re.compile(r"[\u4e00-\u9fff]{2,8}|[\u30a0-\u30ff]{3,}")
_HAN_FUNCTION = re.compile(
    "[的了是叫对我你他她它们问想在有和就不也都很吗呢吧啊这那个想要会能可以什么怎么多少请给到去来上下一没被把跟从还但]+"
)
_ACCENTED = re.compile("[¿¡ñáíóúçàèêãõ]", re.IGNORECASE)
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)", re.IGNORECASE)
_DRAWN_OUT = re.compile(r"([^\W\d])\1\1")
_VERBAL = re.compile(r"[a-z]+(?:s|ing|ed)")

Tongue = Literal["german", "romance", "other"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BEFORE_A_THING = _words(
    "a an the my your his her our their this that these those some any no another for of about in on with "
    "at from and or as new own first is are more offer teach learn study need want love like"
)
_BEFORE_AN_ACT = _words(
    "i you we they he she it to can could will would should may might must not just never always really "
    "also who been be let lets finally already"
)
_ENGLISH = _words("the is i my to of and for it you that with are on be have do what how can we this at")
_GERMAN = _words(
    "ich der das und nicht ist ein eine einen zu wir für mit auf dem habe mein meine wie ja auch sich sind noch kein "
    "keine "
    "mich mir sie du er ihr uns eigentlich wird gibt aber oder"
)
_ROMANCE = _words(
    "el la los las que en se un una con por mi es de y lo su al del está muy pero yo je le les des une et dans est "
    "pas mon ma che "
    "sono il uma para não eu tu hay qué cuál"
)
_BEFORE_A_ROMANCE_THING = _words(
    "el la los las un una unos unas del al mi mis su sus de en con por para sin sobre algún alguna hay dos tres cuatro "
    "busco quiero necesito le les des du une mon ma mes son sa dans pour sur il i gli di della del dei uno o os da do "
    "na em um uma meu minha à aux au cherche"
)


@dataclass(slots=True)
class _Phrase:
    places: list[int] = field(default_factory=list)
    surfaces: Counter[str] = field(default_factory=Counter)
    proper: int = 0
    things: int = 0
    acts: int = 0
    alone: int = 0


def key_phrases(texts: Sequence[str], limit: int = 5, *, worth: Sequence[float] = ()) -> list[str]:
    """Up to `limit` phrases of one to three words that the texts turn on, the weightiest first.

    None contains another; each is written as the texts write it most. `worth`: what each text counts, one unless
    given; a phrase that stands only in texts of less counts half of that.
    """
    counts = worth or [1.0] * len(texts)
    found: dict[tuple[str, ...], _Phrase] = {}
    for at, text in enumerate(texts):
        for sentence in sentences(text):
            tongue = _tongue(sentence)
            clauses = [clause for clause in _CLAUSE.split(sentence) if clause.strip()]
            for place, clause in enumerate(clauses):
                _count(clause, at, found, tongue, opens=place == 0)
            for part in _HAN_FUNCTION.sub(" ", sentence).split():
                for run in _HAN.findall(part):
                    _note(found, (run,), run, at)
    weights = {key: _weight(key, phrase, counts) for key, phrase in found.items()}
    chosen: list[tuple[str, ...]] = []
    for key in sorted(found, key=lambda key: -weights[key]):  # of equals, the one said first
        if len(chosen) == limit or weights[key] < 0.5:
            break
        if not any(set(key) & set(other) for other in chosen):
            chosen.append(key)
    return [found[key].surfaces.most_common(1)[0][0] for key in chosen]


def is_vague(phrase: str) -> bool:
    """Whether none of a phrase's words names a subject: "short trip", but not "road trip"."""
    return all(stem(token) in VAGUE_STEMS or all(map(_says_nothing, words(token))) for token in phrase.lower().split())


def _says_nothing(word: str) -> bool:
    return word in STOP_WORDS or word.isdigit() or stem(word) in VAGUE_STEMS


def _tongue(sentence: str) -> Tongue:
    """What its small words are of. A German thing has a capital; a Romance one stands after an article or the like."""
    said = Counter(words(sentence))
    english, german, romance = (sum(said[word] for word in known) for known in (_ENGLISH, _GERMAN, _ROMANCE))
    romance += 1 if _ACCENTED.search(sentence) else 0
    if german > english and german >= romance:
        return "german"
    return "romance" if romance > english else "other"


def _count(clause: str, at: int, found: dict[tuple[str, ...], _Phrase], tongue: Tongue, *, opens: bool) -> None:
    before = ""
    run: list[str] = []
    tokens = clause.split()
    for place, token in enumerate(tokens):
        word = "".join(words(token)[:1])
        name = token[0].isupper() and word in COMMON_WORDS and (run or before) and token != tokens[-1]
        first = opens and place == 0 and len(tokens) > 2
        if tongue == "romance" and not run and not _begins_a_romance_thing(before, word, token, first=first):
            before = word
        elif (
            (tongue == "german" and (not token[0].isupper() or (first and not name)))
            or (run and _ends_a_name(run[-1], token))
            or (_binds(word, token) and not name)
        ):
            _count_run(run, before, at, found, alone=False)
            run, before = [], word
        else:
            run.append(token)
    _count_run(run, before, at, found, alone=len(run) == 1 and len(tokens) < 4)


def _begins_a_romance_thing(before: str, word: str, token: str, *, first: bool) -> bool:
    if before in ("la", "las") and word.endswith(("o", "é", "ó", "amos", "emos")):
        return False  # "la llevo": no article
    if before in ("quiero", "necesito", "a", "de", "por", "para", "sin") and word.endswith(("ar", "er", "ir")):
        return False  # something to do
    return before in _BEFORE_A_ROMANCE_THING or (token[0].isupper() and not first)


def _ends_a_name(name: str, token: str) -> bool:
    """Whether what follows a name is what it does: "Biscuit hates", but "CPO training"."""
    return name[0].isupper() and not name.isupper() and _VERBAL.fullmatch(token) is not None


def _binds(word: str, token: str) -> bool:
    return (
        not word
        or word in STOP_WORDS
        or word in COMMON_WORDS
        or word.isdigit()
        or word in IRREGULAR_VERBS
        or word in BINDING_WORDS
        or word in SLANG_WORDS
        or _ORDINAL.fullmatch(token) is not None
        or _DRAWN_OUT.search(word) is not None
        or len(word) > _LONGEST_WORD
        or (word.endswith("ly") and len(word) > 4)
        or (len(word) < 3 and not token.isupper())
        or _HAN.search(token) is not None
    )


def _count_run(run: Sequence[str], before: str, at: int, found: dict[tuple[str, ...], _Phrase], alone: bool) -> None:
    for start in range(len(run)):
        for end in range(start + 1, min(start + _LONGEST, len(run)) + 1):
            surface = " ".join(run[start:end]).strip("'’&+/-")
            surface = surface.removesuffix("'s").removesuffix("’s")
            key = tuple(stem(word) for word in words(surface))
            if len(surface) < 2 or not key or all(word in COMMON_WORDS for word in words(surface)):
                continue
            phrase = _note(found, key, surface, at)
            first = run[start]
            phrase.proper += first[0].isupper() and (bool(before) or start > 0)
            phrase.alone += alone
            if start == 0:
                phrase.things += before in _BEFORE_A_THING
                phrase.acts += before in _BEFORE_AN_ACT and not first[0].isupper()


def _note(found: dict[tuple[str, ...], _Phrase], key: tuple[str, ...], surface: str, at: int) -> _Phrase:
    phrase = found.setdefault(key, _Phrase())
    if phrase.places[-1:] != [at]:
        phrase.places.append(at)
    phrase.surfaces[surface] += 1
    return phrase


def _weight(key: tuple[str, ...], phrase: _Phrase, counts: Sequence[float]) -> float:
    uses = phrase.surfaces.total()
    surface = phrase.surfaces.most_common(1)[0][0]
    if phrase.alone * 2 > uses and surface[0].isupper():
        return 0.0  # somebody spoken to by name: "Thanks, Ann!"
    if len(key) > 1 and (phrase.acts > phrase.things or _DONE.fullmatch(surface.rpartition(" ")[2])):
        return 0.0  # "discuss potential solutions", "smiles warmed": no name of a thing
    worth = [counts[at] for at in phrase.places]
    weight = sum(worth) * (1.0 if max(worth) >= 1 else 0.5) * (1 + 0.6 * (len(key) - 1))
    weight *= 1 + phrase.proper / uses
    if len(key) == 1 and surface.endswith(("ing", "ed")):
        weight *= 0.6
    if is_vague(surface):
        weight *= _VAGUE
    return weight * (phrase.things + 0.5) / (phrase.things + 2 * phrase.acts + 1.0) * 2
