"""Whether a line of a summary tells something of its user by itself, weeks later: "I'd love to see it" does not.

Patterns, not understanding, of English mostly; in other languages a line is taken as it is.
"""

import re

from rekindle.memory.cues import is_about_the_other, is_question, points_back
from rekindle.memory.profile.likeness import gist
from rekindle.memory.profile.opposites import is_lasting
from rekindle.memory.wordlists import IRREGULAR_VERBS, STOP_WORDS
from rekindle.memory.words import COMMON_STEMS, stem, words

_FIRM = re.compile(
    r"\b(?:prefer|allerg\w*|only|always|never|can['’]?t|cannot|don['’]?t|favou?rite)\b|\d", re.IGNORECASE
)
_REFERRING = frozenset(
    ("it", "its", "them", "their", "those", "these", "that", "he", "she", "his", "him", "her", "there", "ones")
)
_TO_THE_OTHER = re.compile(
    r"\b(?:thank(?:s| you)|(?:with|to|show|tell|told|give|ask|join|remember) you|let me (?:show|know|tell|share)|"
    r"let you know|share (?:something|this|it)|you (?:mention|said|earned|are)|you['’]re|about your|"
    r"if you (?:don['’]?t mind|enjoy|like)|any advice|in mind|no doubt|each other|something like (?:this|that)|"
    r"here['’]s|a few more|(?:I['’]m|we['’]re) (?:so |really |very )?glad|(?:I|we) (?:feel|think) the same|must say)\b|"
    r"^(?:let['’]?s|talk to|see (?:you|ya)|same (?:with|here)|other than that|as for (?:other|the other)|then|"
    r"in that case|I['’]ll be sure)\b",
    re.IGNORECASE,
)
_STATE_OF_THE_DAY = re.compile(
    r"\b(?:right now|at the moment|woke up|tired|exhausted|sleepy|(?:relaxing|long|busy|tiring|all) day)\b",
    re.IGNORECASE,
)
_ON_THE_DAY = re.compile(r"\b(?:today|tonight|this (?:morning|afternoon|evening))\b", re.IGNORECASE)
_OF_THE_OTHER = re.compile(
    r"\b(?:are|were|have|did|would|do) you (?!(?:open|able|available|closed|have|got|get|offer|take|accept|sell|ship|"
    r"still|also|need|recommend|know|help)\b)|\byour (?!(?:price|cost|fee|rate|opening|hour|cours|class|product|shop|"
    r"store|offic|website|address|number|polic|service|staff|instructor)\w*)|"
    r"\byou(?:['’]re| are) |\bwould you say\b|^(?:any|or any) (?:other|particular|specific|memorable|favou?rite)\b|"
    r"\byou have (?:a |any )?(?:[\w' ]{0,30} )?(?:favou?rites?|plans|hobbies|pets)\b|"
    r"\b(?:this|that) (?:photo|picture|pic|one|place)\b",
    re.IGNORECASE,
)
_PROMISE = re.compile(
    r"\b(?:(?:I|we)(?:['’]?ll| will) (?:definitely |surely )?)?(?:(?:and )?let you know|think about it|check it out)\b|"
    r"\bnext \w+\b|"
    r"\btomorrow\b|\bcan['’]?t wait\b",
    re.IGNORECASE,
)
_SELF = re.compile(r"\b(?:I|my|we|our|us|me)\b|\b[Ii]['’]", re.IGNORECASE)


def says_something(text: str) -> bool:
    """Whether it means the same without the talk around it, and says more than chat's small change."""
    if points_back(text) or is_about_the_other(text) or _refers(text) or _TO_THE_OTHER.search(text):
        return False
    if _STATE_OF_THE_DAY.search(text):
        return False
    return bool(gist(text) - COMMON_STEMS) or _FIRM.search(text) is not None


def is_lasting_fact(text: str) -> bool:
    """Whether it tells what holds for a while: a home, work, what is one's own; not what was so that day."""
    return is_lasting(text) and not _ON_THE_DAY.search(text)


def is_left_open(text: str) -> bool:
    """Whether it is a question of the user's own, or something announced: no "I'll let you know!", nothing asked
    after the other's life.
    """
    if is_question(text):
        return not _OF_THE_OTHER.search(text) and not _refers(text) and bool(gist(text))
    rest = _PROMISE.sub("", text)
    if is_about_the_other(text) or points_back(text) or _TO_THE_OTHER.search(rest):
        return False
    return not text.isascii() or (_SELF.search(text) is not None and bool(gist(rest) - COMMON_STEMS))


def _refers(text: str) -> bool:
    """Whether a pronoun comes before anything that it could stand for."""
    for word in words(text):
        if word in _REFERRING:
            return True
        if word not in STOP_WORDS and word not in IRREGULAR_VERBS and stem(word) not in COMMON_STEMS:
            return False
    return False
