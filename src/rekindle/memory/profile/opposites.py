"""When two things known of a person cannot both hold: "I live in Hamburg" and "I moved to Berlin".

Patterns, not understanding: what has one value at a time (a home, a name, a favourite), and what is liked or is not.
In English and German, with a few phrases of other languages.
"""

import re
from dataclasses import dataclass

from rekindle.memory.hearsay import is_own_claim
from rekindle.memory.profile.likeness import TASTE, gist, shared
from rekindle.memory.words import COMMON_STEMS

_PAST = re.compile(
    r"\b(?:used to|formerly|previously|grew up|was born|früher|aufgewachsen|geboren|gelebt|gewohnt)\b", re.IGNORECASE
)
_TENTATIVE = re.compile(
    r"\b(?:might|may(?! \d)|maybe|perhaps|thinking (?:of|about)|consider(?:ing)?|(?:want|hope|like|plan|planning|"
    r"going) to|gonna|"
    r"will|would|could|next (?:week|month|year|spring|summer|autumn|fall|winter)|not sure|not moving|looking at|"
    r"überleg\w*|vielleicht|möchten?|würden?|werden?|nächste[nsr]?|noch nicht sicher|quizás?|tal vez|pensando|quiero|"
    r"gustaría|peut-être)\b|['’](?:ll|d)\b",
    re.IGNORECASE,
)
"""What is weighed or planned holds not yet, and so ends nothing that does."""
_SLOTS = {
    "home": re.compile(
        r"\b(?:live[sd]?|living|moved|moving|reside[sd]?|residing|based|relocated)(?: now| currently)? (?:in|to|at)\b|"
        r"\b(?:wohne|wohnt|wohnen|lebe|lebt|leben)(?: ich| wir)?(?: jetzt| nun| inzwischen| doch){0,2} in\b|"
        r"\b(?:nach|in) (?=(?:[\w-]+ ){1,3}(?:um)?(?:gezogen|ziehe|ziehen)\b)|\bziehe[n]? nach\b|"
        r"\b(?:habite|vivo|vive) (?:à|en|a)\b",
        re.IGNORECASE,
    ),
    "work": re.compile(
        r"\bwork(?:s|ing)? (?:(?:now|full[- ]time|part[- ]time|nights?|days|(?:night|day|early|late) shifts?) ){0,2}"
        r"(?:as|for|at (?!night|home|the (?:moment|weekends?)))\b|\b(?:I|we)(?:['’]ve)? (?:just )?start(?:ed)?(?: "
        r"work| working)? at (?=the |(?-i:[A-Z]))|\bjob is\b|\b(?:selbständig|self-employed|angestellt) als\b|"
        r"\b(?:self-employed|freelancing) as\b|\bgot (?:a|the|my) (?:new )?job (?:at|with|as|in)\b|"
        r"(?:\bam|['’]m|\bim) an? (?!(?:big|huge|total|complete|bit|beginner|natural|genius|novice|mess|pro)\b)"
        r"(?:[\w-]+ ){1,3}?at (?=an? |the (?!moment)|(?-i:[A-Z]))|\bemployed (?:at|by|as)\b|"
        r"\barbeite[tn]?(?: jetzt| nun| inzwischen)? (?:bei|als|für)\b",
        re.IGNORECASE,
    ),
    "name": re.compile(
        r"\bname(?:['’]s| is| ist)\b|\bcall(?:ed)? me\b|\bhei(?:ß|ss)[et]\b|\bje m['’]appelle\b", re.IGNORECASE
    ),
    "age": re.compile(r"\b(?:am|is|['’]m|turned|bin|ist) (?=\d{1,3}\b(?! ?(?:%|kg|cm|km|m\b)))", re.IGNORECASE),
    "study": re.compile(r"\bstud(?:y|ies|ying) (?:now )?at\b|\bstudier(?:e|t|en) (?:jetzt )?an\b", re.IGNORECASE),
}
_FAVOURITE = re.compile(r"\bfavou?rite ((?:\w+ ){0,1}\w+) (?:is|are)\b", re.IGNORECASE)
_LIEBLING = re.compile(r"\bLieblings(\w+) (?:ist|sind)\b", re.IGNORECASE)
_OWN = re.compile(
    r"\b(?:my|our|their|his|her|user['’]s) (address|birthday|budget|deadline|goal|target|level|size|weight|phone|"
    r"phone number|e-?mail|e-?mail address|boss|manager|teacher|coach|doctor|landlord) (?:is|are)\b",
    re.IGNORECASE,
)
_NO = re.compile(
    r"\b(?:not|no longer|never|cannot|hates?|hated|dislikes?|disliked|stopped|quit|gave up|given up|avoids?|any ?more|"
    r"nicht|kein\w*|nie|niemals|hasse|aufgehört|nunca|jamais)\b|n['’]t\b",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"[.;!?]\s+|,? (?:and|but|so|because|since|where|und|aber|weil|wo|y|pero) (?:also )?|"
    r", (?=(?:I|we|my|ich|wir|mein\w*|vivo|soy|tengo|trabajo)\b)|"
    r"(?<!ly)(?<!now)(?<!still)(?<!['’]m)(?<! am)\s(?=(?:living|working|based|residing|employed)\b)",
    re.IGNORECASE,
)
_STATES = re.compile(
    r"^(?:(?:I|we|they|he|she|(?:the )?(?:user|person)|ich|wir)(?:['’]\w+)? \S|"
    r"(?:my|our|their|his|her|meine?|unsere?)(?: [\w-]+){1,3} (?:is|are|has|have|works?|ist|sind|hat)\b|"
    r"(?:have|has|own|run|teach|study|play|speak|work|love|like|prefer|enjoy|need|am|is|live|habe|bin|arbeite|liebe|"
    r"mag|"
    r"wohne|lebe|me llamo|vivo|soy|tengo|trabajo)s?\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a line claims: its gist, without words of taste too; what it says of what has one value at a time."""

    gist: frozenset[str]
    subject: frozenset[str]
    values: dict[str, frozenset[str]]
    negative: bool
    """Whether it says that something is not so."""
    past: bool
    statements: tuple[str, ...] = ()
    """What it says by itself, where that is more than one thing: "I live in Hamburg", "I work as a nurse"."""

    @classmethod
    def of(cls, text: str) -> "Claim":
        """What this line claims."""
        stems = gist(text)
        past = _PAST.search(text) is not None or is_tentative(text) or not is_own_claim(text)
        return cls(
            stems, stems - TASTE, {} if past else _values(text), _NO.search(text) is not None, past, _statements(text)
        )

    def contradicts(self, other: "Claim") -> bool:
        """Whether both cannot hold at once, as far as their words tell."""
        if self.past or other.past:
            return False
        for slot in self.values.keys() & other.values.keys():
            new, old = self.values[slot], other.values[slot]
            if new and old and not (new <= old or old <= new) and shared(new, old) < 0.5:
                return True
        new, old = self.subject, other.subject
        if self.negative == other.negative or not (new and old):
            return False
        return new <= old or old <= new or shared(new, old) >= 0.6

    def supersedes(self, other: "Claim") -> bool:
        """Whether it contradicts all that the other says; else something would be lost with it that holds still."""
        return self.contradicts(other) and all(self.contradicts(Claim.of(part)) for part in other.statements)


def is_tentative(text: str) -> bool:
    """Whether it speaks of what is weighed, wished or planned."""
    return _TENTATIVE.search(text) is not None


def is_lasting(text: str) -> bool:
    """Whether a sentence tells something that holds for a while: a home, work, a name, what is one's own."""
    if is_tentative(text):
        return False
    return bool(_values(text)) or _LASTING.search(text) is not None


_LASTING = re.compile(
    r"\bI(?:['’]m| am) (?:a|an|the|from|single|married|retired|pregnant|diabetic|vegan|vegetarian|allergic)\b|"
    r"\b(?:I|we) (?:run|own|teach|study|play|speak|work|coach|manage|come from|have (?!to\b)|suffer from) |"
    r"\bich bin (?:\w+ )?(?:\d|(?-i:[A-ZÄÖÜ])\w{3,})|\bich (?:habe|spiele|unterrichte|studiere|leite) (?:ein|eine|"
    r"einen|zwei|drei|\d|seit)|"
    r"\b(?:mein|unser)e? (?:frau|mann|sohn|tochter|hund|katze|freundin|freund|bruder|schwester|mutter|vater|firma|"
    r"auto) |"
    r"\bsoy \w|\btengo (?:un|una|dos|tres|\d)|\bmi (?:marido|esposo|mujer|esposa|hij[oa]|perr[oa]|gat[oa]|herman[oa]|"
    r"novi[oa]) |"
    r"\bwe (?:run|own|have) |"
    r"\bmy (?:\w+ )?(?:wife|husband|partner|son|daughter|kids?|children|mother|father|sister|brother|dog|cat|job|"
    r"company|team|school|car|bike|house|flat|laptop|computer)\b(?! (?:isn|was|were|will|would|asked|gave|took|came|"
    r"went)\b)",
    re.IGNORECASE,
)


def _statements(text: str) -> tuple[str, ...]:
    parts = _BETWEEN.split(text)
    if len(parts) == 1:
        return ()
    return tuple(part for part in parts if _is_statement(part))


def _is_statement(part: str) -> bool:
    return _STATES.match(part) is not None and bool(gist(part) - COMMON_STEMS - TASTE)


def told_apart(text: str) -> tuple[str, ...]:
    """A line's statements as lines of their own, in its words, where one of them tells what has one value at a time:
    "I live in Hamburg", "I work as a nurse". So one can be superseded while the other stands.
    """
    parts, start = [], 0
    for between in _BETWEEN.finditer(text):
        if _is_statement(text[start : between.start()]) and _is_statement(text[between.end() :]):
            parts.append(text[start : between.start()].strip(" ,"))
            start = between.end()
        elif not start and len(text[: between.start()].split()) == 1:
            start = between.end()  # a greeting
    parts.append(text[start:])
    return tuple(parts) if len(parts) > 1 and any(map(_values, parts)) else (text,)


def _values(text: str) -> dict[str, frozenset[str]]:
    """What is said of each thing that has one value at a time."""
    found = {}
    for slot, pattern in _SLOTS.items():
        if match := pattern.search(text):
            found[slot] = gist(_clause(text[match.end() :]))
    if match := _FAVOURITE.search(text):
        found["favourite " + " ".join(sorted(gist(match[1])))] = gist(_clause(text[match.end() :]))
    if match := _LIEBLING.search(text):
        found["favourite " + " ".join(sorted(gist(match[1])))] = gist(_clause(text[match.end() :]))
    if match := _OWN.search(text):
        found["own " + match[1].lower()] = gist(_clause(text[match.end() :]))
    return found


def _clause(text: str) -> str:
    return re.split(
        r"[.;!?]|, (?:and|but|so|because|und|aber)\b| (?:and|but|because|since|und|aber|weil|seit) ", text, maxsplit=1
    )[0]
