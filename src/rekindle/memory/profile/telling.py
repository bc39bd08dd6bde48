"""Whether a line of a summary tells something of its user by itself, weeks later: "I'd love to see it" does not.

Patterns, not understanding, of English mostly; in other languages a line is taken as it is.
"""

import re

from rekindle.memory.cues import is_about_the_other, is_question, points_back
from rekindle.memory.hearsay import is_own_claim
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
    r"\b(?:right now|at the moment|woke up|tired|exhausted|sleepy|(?:relaxing|long|busy|tiring|all) day|"
    r"most of the day|my mood)\b|^(?:\w+ )?(?:I am|I['’]m) (?:good|well|fine|okay|ok)\b",
    re.IGNORECASE,
)
_ON_THE_DAY = re.compile(
    r"\b(?:today|tonight|yesterday|tomorrow|this (?:morning|afternoon|evening)|next (?:week|month|weekend|\w+day)|"
    r"had to|(?:am|are) going to|(?:I['’]m|we['’]re) (?:going to|gonna))\b",
    re.IGNORECASE,
)
_SOON = re.compile(r"\b(?:is|are|starts?|starting) (?:today|tonight|tomorrow|next \w+)\b", re.IGNORECASE)
_UNNAMED = re.compile(
    r"\b(?:finished|made|got|did|won|started) something\b|\bbeen one\b|\bfavou?rite part[.!]*$|"
    r"\bthis (?:conversation|talk|chat)\b|^(?:\S+ ){1,7}of (?:it|them|those|this|that)\b|"
    r"\b(?:I|we)(?:['’]?ll| will) (?:\w+ly |for sure )?(?:go|come|try|do)(?=[.,!]| (?:next|when|tomorrow|the next)\b)|"
    r"\bthis(?= (?:the|when|if|and|so|because|next|once|but)\b|[.!?,]|$)|"
    r"^(?:(?:once|when|if) )?(?:I|we)\b[^.,;]{0,40}?ing (?:it|that)(?=[.!?,]|$)|:$",
    re.IGNORECASE,
)
"""What is spoken of goes without its name, or comes only after the line."""
_PLURAL = re.compile(r"\b(?:them|['’]em)(?!\w)", re.IGNORECASE)
_MANY = re.compile(
    r"(?<!['’])(?!(?:always|this|was|is|has|does|as|us|its|his|yes|sometimes|lots|perhaps)\b)\b[^\W\d_]+[^\Ws_]s\b|"
    r"\b(?:people|children|men|women|folks?|family|team|and|or|others|everyone|everybody|you|both|two)\b",
    re.IGNORECASE,
)
_TOLD_OR_SHOWN = re.compile(
    r"\b(?:I|we) (?:\w+ly )?appreciate (?:you|your|it|that|the)\b|\bfaith in you\b|\byou (?:told|sent|showed) me\b|"
    r"\bI (?:sent|showed|told) you\b|\bshoot me\b|\b(?:is|are) your (?:choice|call)\b|"
    r"\b(?:tips?|advice|thing) I['’]d like to\b|\bif you (?:enjoy|like)\b|\bam I (?:right|correct)\b|"
    r"^(?:Yeah )?I(?: \w+ly| just| do)? (?:love|like) (?:all )?(?:the|this|that|these|those|how)\b|"
    r"\bI have (?:a|this) (?:photo|picture|pic)\b|\bI['’]d have to\b",
    re.IGNORECASE,
)
"""What the talk itself is about: what was just shown, sent or said."""
_OF_ALL = re.compile(
    r"\bwe (?:both|all) (?:need|have|want)\b|\bwe have (?:different|the power)\b|"
    r"\bwe need (?!(?:an? |\d|to know\b)).*\b(?:community|neighbou?rhoods?|world|society|support|future)\b",
    re.IGNORECASE,
)
"""What holds for everyone, or should."""
_SUCCESS = frozenset(
    map(stem, ("win", "won", "trophy", "finish", "finished", "pass", "passed", "complete", "got", "did"))
)
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
    r"\bnext \w+\b|\btomorrow\b|\bcan['’]?t wait\b",
    re.IGNORECASE,
)
_SELF = re.compile(r"\b(?:I|my|we|our|us|me)\b|\b[Ii]['’]", re.IGNORECASE)
_A_REPORT = re.compile(r"\b(?:is|are|was|were|has|include[sd]?|revolves?|follows|takes|gives|did)\b", re.IGNORECASE)
_BEFORE_AN_ACT = frozenset(("i", "we", "to", "will", "would", "can", "could", "should", "gonna", "definitely", "also"))
_BEFORE_A_CLAUSE = frozenset(
    ("think", "hope", "know", "believe", "feel", "proud", "happy", "sure", "so", "stories", "people")
)
_AFTER_A_THING = frozenset(("is", "was", "had", "would", "you", "looks", "made"))
_NAMED = re.compile(r"(?<=[a-z,] )[A-Z]\w+")


def says_something(text: str) -> bool:
    """Whether it means the same without the talk around it, and says more than chat's small change; and is the
    speaker's own word.
    """
    if not is_own_claim(text):
        return False
    if points_back(text) or is_about_the_other(text) or _refers(text) or _TO_THE_OTHER.search(text):
        return False
    if _STATE_OF_THE_DAY.search(text) or _SOON.search(text) or _TOLD_OR_SHOWN.search(text) or _OF_ALL.search(text):
        return False
    if _SELF.search(text) is None and _A_REPORT.search(text):
        return False
    return bool(gist(text) - COMMON_STEMS - _SUCCESS) or _FIRM.search(text) is not None


def is_lasting_fact(text: str) -> bool:
    """Whether it tells what holds for a while: a home, work, what is one's own; not what was so that day."""
    return is_lasting(text) and not _ON_THE_DAY.search(text)


def is_left_open(text: str) -> bool:
    """Whether it is a question of the user's own, or something announced: no "I'll let you know!", nothing asked
    after the other's life.
    """
    if is_question(text):
        return not (_OF_THE_OTHER.search(text) or _TOLD_OR_SHOWN.search(text) or _refers(text)) and bool(gist(text))
    rest = _PROMISE.sub("", text).strip()
    if (
        not is_own_claim(text)
        or is_about_the_other(text)
        or points_back(text)
        or _UNNAMED.search(text)
        or _refers(rest)
        or _TO_THE_OTHER.search(rest)
    ):
        return False
    return not text.isascii() or (_SELF.search(text) is not None and bool(gist(rest) - COMMON_STEMS))


def _refers(text: str) -> bool:
    """Whether a pronoun comes before anything that it could stand for: what is done with it is no such thing."""
    if _UNNAMED.search(text) or any(not _MANY.search(text, 0, found.start()) for found in _PLURAL.finditer(text)):
        return True
    named = {name.casefold() for name in _NAMED.findall(text)}
    said = words(text)
    before = ""
    for place, word in enumerate(said):
        after = said[place + 1 : place + 2]
        if word in _REFERRING:
            binds = word == "that" and before in _BEFORE_A_CLAUSE and bool(after) and after[0] not in _AFTER_A_THING
            return not (binds or (before == "made" and word == "it" and after == ["to"]))
        acts = before in _BEFORE_AN_ACT and bool(_REFERRING & set(said[place + 1 : place + 3])) and word not in named
        small = word in STOP_WORDS or word in IRREGULAR_VERBS or stem(word) in COMMON_STEMS
        if not (small or acts):
            return False
        before = word
    return False
