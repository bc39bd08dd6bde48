"""Whether a person is drawn to a topic of their talk: they like it, do it, want it or ask about it.

Patterns, not understanding, of a few languages. A topic that only came up is none: "My neighbours have a drill."
"""

import re
from collections.abc import Sequence

from rekindle.memory.cues import is_question
from rekindle.memory.hearsay import is_own_claim
from rekindle.memory.phrases import is_vague
from rekindle.memory.profile.likeness import gist

_AS_A_STATE = (
    r"\b(?:(?:I|we) (?:am|was|are|were|feel|felt|became)|I['’]m|we['’]re)(?: not| so| very| really| too| quite| a bit)?"
)
_AS_AN_ACT = r"\b(?:I|we|they|he|she|can|will|would|could|should|cannot|not|don['’]t|can['’]t)"
_ON_WHOM = r"(?:me|us|him|her|them|myself|ourselves)\b"
_DRAWN = re.compile(
    r"\b(?:I|we|really|also|still|do|kinda|both) like\b|\b(?:loves?|loved|loving|enjoy(?:ed|ing)?|prefer|adore|"
    r"favou?rites?|fan of|into|keen on|interested|"
    r"passionate|fascinated|hobb(?:y|ies)|learn(?:t|ed|ing|s)?|study(?:ing)?|studied|practi[sc](?:e|ing)|play(?:s|ed|"
    r"ing)?|"
    r"joined|joining|sign(?:ed|ing) up|taking up|took up|started|starting|collect(?:ing)?|want(?:ed)?|wanna|"
    r"(?:would|['’]d) like|needs?|look(?:ed|ing) (?:for|into)|trying (?:to|out)|tried|hop(?:e|ing) to|dream(?:ing)?|"
    r"plan|planning|"
    r"thinking (?:of|about)|train(?:ing)? for|courses?|class(?:es)?|lessons?|read(?:ing)? about|working on|"
    r"paint(?:ed|ing)?|wrote|writing|built|building|made a|passed|finished|"
    r"mag|liebe|interessier\w+|lern(?:e|en)|spiele|suche|brauche|möchte|will|gerne?|liebsten|hobb(?:y|ys)|angefangen|"
    r"fange|baue|sammle|übe|kurs\w*|meisterschule|"
    r"gustan?|gustaría|encantan?|interesan?|quiero|quisiera|aprend\w+|busco|necesito|prefiero|apunté|apuntado|practico|"
    r"juego|estudio|empecé|afición|curso|"
    r"aime|adore|apprends|cherche|voudrais|besoin|joue|étudie|intéresse|cours|gosto|quero|preciso|mi piace|vorrei|"
    r"imparo)\b|[喜爱想学要好欲]|أحب|أريد",
    re.IGNORECASE,
)
_AGAINST = re.compile(
    r"\b(?:not|never|no longer|hates?|hated|dislike|can['’]?t stand|cannot stand|afraid|scared|allergic|allergy|quit|"
    r"stopped|gave up|dropped|used to|any ?more|instead of|"
    r"nicht|kein\w*|nie|hasse|aufgehört|allergi\w+|alérgic[oa]|ya no|nunca|odio|no me|jamais|déteste)\b|"
    r"n['’]t\b|\b(?:dont|cant|didnt|doesnt|isnt|wont|arent)\b",
    re.IGNORECASE,
)
_WHERE = (
    r"\b(?:in|near|at|from|around|to|nach|aus|von|bei|im|am|beim|zum|zur|vom|en|a|de|desde|hasta|cerca de|à) (?:the |"
    r"a |der |dem |la |el )?"
)
_ABOUT = (
    r"\b(?:about|what(?:['’]s| is| are|s)|explain|learn(?:ing)?|recommend|über|sobre|qué es|was ist|was sind|"
    r"erklär\w* mir) "
    r"(?:the |a |an |me |some |la |el |das |die |der )?"
)
_CLAUSES = re.compile(
    r"[;:–—]\s|,? (?:but|because|so|since|aber|weil|deshalb|pero|porque) |"
    r",\s(?=(?:\w+ ){0,2}(?:is|are|was|were|has|have|had|it|I|my|we|they|he|she|which|prob|ist|sind|war|hat|ich|es|"
    r"son|fue|mi|yo|hace)\b)",
    re.IGNORECASE,
)
_ASKS_FOR = re.compile(
    r"^(?:please |can you |could you )*(?:tell|show|give|teach|explain|find|recommend|suggest|help|describe|compare|"
    r"list)\b|"
    r"^(?:bitte )?(?:erklär|zeig|erzähl|nenn|empfiehl)\w*\b|^(?:por favor,? )?(?:dime|explícame|muéstrame|"
    r"recomiéndame)\b",
    re.IGNORECASE,
)
_TRAVEL = re.compile(r"\b(?:visit|travel|trip|holiday|explor|reis|urlaub|viaj|voyag|vacation)", re.IGNORECASE)


def is_interest(topic: str, own: Sequence[str]) -> bool:
    """Whether one of a person's `own` sentences tells that they are drawn to this topic of their talk.

    Where there are none to go by, any subject will do.
    """
    if is_vague(topic) or not _is_subject(topic, own):
        return False
    if not own:
        return True
    stems = gist(topic)
    if not stems:
        return False
    return any(stems <= gist(part) and _draws(part, topic) for text in own for part in _parts(text))


def _parts(text: str) -> list[str]:
    """Its clauses: in "I prefer watercolour, oils are too messy" only one thing is preferred; a list stays whole."""
    if is_question(text) or not is_own_claim(text):
        return [text]
    return _CLAUSES.split(text)


def _draws(text: str, topic: str) -> bool:
    if topic[0].isupper() and re.search(_WHERE + re.escape(topic), text, re.IGNORECASE) and not _TRAVEL.search(text):
        return False  # where something is, and not what is asked about
    if is_question(text) or _ASKS_FOR.search(text):
        named = " " in topic or any(letter.isupper() or letter.isdigit() for letter in topic[1:])
        return named or re.search(_ABOUT + re.escape(topic), text, re.IGNORECASE) is not None
    if " " not in topic and re.search(r"\b(?:with|mit|con) (?:\w+ ){0,2}" + re.escape(topic), text, re.IGNORECASE):
        return False
    return is_own_claim(text) and _DRAWN.search(text) is not None and _AGAINST.search(text) is None


def _is_subject(topic: str, own: Sequence[str]) -> bool:
    """Whether it names a subject: not "allergic" of "I am allergic", nor "stresses" of "work stresses me"."""
    if " " in topic or not topic.islower() or topic.endswith("ing"):
        return True
    word = re.escape(topic)
    used = re.compile(rf"\b{word}\b", re.IGNORECASE)
    otherwise = re.compile(rf"{_AS_A_STATE} {word}\b|{_AS_AN_ACT} {word}\b|\b{word} {_ON_WHOM}", re.IGNORECASE)
    uses = sum(len(used.findall(text)) for text in own)
    return uses == 0 or uses > sum(len(otherwise.findall(text)) for text in own)
