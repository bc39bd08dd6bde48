"""Plain text taken apart: sentences, words, stems. No dependency, any language as far as rules go.

Everything here is linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rekindle.memory.wordlists import (
    COMMON_WORDS,
    ENGLISH_STOP_WORDS,
    IRREGULAR_FORMS,
    OTHER_STOP_WORDS,
    STOP_WORDS,
    TELLING_IN_ENGLISH,
    VAGUE_WORDS,
)

_SPACELESS = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"  # kana, Han
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
)
_MARKS = (  # vowel signs and the like, which Python's \w leaves out
    "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0966-\u0dff\u0f00-\u0fff"
)
_LETTERS = rf"(?:(?![{_SPACELESS}_])[\w{_MARKS}])++"
_WORD = re.compile(rf"\d+(?:[.,:/]\d+)+|[{_SPACELESS}]+|{_LETTERS}(?:['’]{_LETTERS})*")
_SPACELESS_RUN = re.compile(rf"[{_SPACELESS}]")

_END = re.compile(r"""(?<![.!?…])[.!?…]++["'”’»)\]]*+(?=\s|$)|[。！？｡]+[」』”）]*|[؟۔।॥]+|\n+""")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|(?:[A-Za-z]\.)+[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|No|vs|etc|approx|Nr|bzw|ca)$"
)
_NUMBER = re.compile(r"\b\d{1,2}$")
_MONTH = re.compile(r"\s+(?:Jan|Feb|Mär|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|[a-zäöü])")
"""After "3." it is a German or Scandinavian date that goes on, not a new sentence."""
_LONGEST_SENTENCE = 500
"""A run of text without an end is cut here (characters), so that one message is never one sentence."""

LONGEST_WORD = 40
"""Characters of a word that has a stem: what is no word is not kept in memory, either."""
_VOWEL = re.compile(r"[aeiouy]")
_SHORT = re.compile(r"[^aeiou][aeiou][^aeiousxwy]")
"""What "time" would be without its end: a word of its own ("jam", "hop") or a name ("Tim", "Jan")."""


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, stripped, none empty, each at most 500 characters."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if end[0] == "." and (
            _ABBREVIATION.search(text, max(start, end.start() - 12), end.start())
            or (_NUMBER.search(text, max(start, end.start() - 12), end.start()) and _MONTH.match(text, end.end()))
            or text[start : end.start()].strip().isdigit()
        ):
            continue
        found += _pieces(text[start : end.end()])
        start = end.end()
    found += _pieces(text[start:])
    return found


def _pieces(sentence: str) -> Iterator[str]:
    sentence = " ".join(sentence.split())
    while len(sentence) > _LONGEST_SENTENCE:
        cut = sentence.rfind(" ", _LONGEST_SENTENCE // 2, _LONGEST_SENTENCE)
        cut = cut if cut > 0 else _LONGEST_SENTENCE
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
    if any(character.isalnum() for character in sentence):
        yield sentence


def words(text: str) -> list[str]:
    """The words of a text, casefolded, in order; scripts without spaces come as pairs of characters.

    "Don't" is "not", "Sarah's" is "sarah", "l'école" is "école".
    """
    found: list[str] = []
    for token in _WORD.findall(unicodedata.normalize("NFKC", text)):
        if _SPACELESS_RUN.match(token):
            found += [token] if len(token) < 3 else [token[i : i + 2] for i in range(len(token) - 1)]
        else:
            found.append(_without_apostrophe(token.casefold()))
    return found


def _without_apostrophe(word: str) -> str:
    head, apostrophe, tail = word.replace("’", "'").partition("'")
    if not apostrophe:
        return word
    if tail == "t" and head.endswith("n"):
        return "not"
    return tail if len(head) < 3 and head != "i" and len(tail) > 2 else head


def stem(word: str) -> str:
    """One form for the forms of an English word: "certified" and "certification" are "certif".

    Other languages' words, numbers, words of up to three letters and endless ones stay as they are.
    """
    if len(word) > LONGEST_WORD:
        return word
    return _stem(word)


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    word = IRREGULAR_FORMS.get(word, word)
    if len(word) < 4 or not (word.isascii() and word.isalpha()):
        return word
    if word.endswith(("ies", "ied")):
        word = word[:-3] + "y" if len(word) > 4 else word[:-1]
    elif word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "edly", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 2 and _VOWEL.search(rest):
            word = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            if _SHORT.fullmatch(rest):
                return rest + "e"  # "timing" is not of "tim": that one would be doubled
            break
    word = word.removesuffix("ly") if len(word) > 5 else word
    if len(word) > 3 and word.endswith("e"):
        if _SHORT.fullmatch(word[:-1]):
            return word
        word = word[:-1]
    for ending in ("ication", "icat", "ation", "at", "ment", "ness"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 3:
            word = rest
            break
    if word.endswith("y") and len(word) > 3:
        word = word[:-1] + "i"
    return word.removesuffix("i") if word.endswith("ifi") else word


COMMON_STEMS = frozenset(map(stem, COMMON_WORDS))
"""The stems of a chat's small change."""
VAGUE_STEMS = COMMON_STEMS | frozenset(map(stem, VAGUE_WORDS))
"""The stems of what names no subject by itself."""


def terms(text: str) -> list[str]:
    """The stems of a text's words without stop words, in order, repeats kept."""
    return [stem(word) for word in without_stop_words(words(text))]


def without_stop_words(said: Sequence[str]) -> list[str]:
    """The words of a text that say something by themselves: "son" and "hat", unless it is in German or French."""
    telling = [word for word in said if word not in STOP_WORDS]
    if TELLING_IN_ENGLISH.isdisjoint(said):
        return telling
    english = sum(word in ENGLISH_STOP_WORDS for word in said)
    others = sum(word in OTHER_STOP_WORDS for word in said)
    if others > 1 and others > 2 * english:
        return telling
    return [word for word in said if word not in STOP_WORDS or word in TELLING_IN_ENGLISH]
