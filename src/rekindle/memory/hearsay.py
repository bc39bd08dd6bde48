"""What in a person's message is not their own word: quoted, pasted, told by others, supposed, or said in jest.

Patterns, not understanding, of English, German and Spanish mostly. Everything runs on bounded text.
"""

import re

GAP = "[…]"
"""Stands where somebody else's words were."""

_FIRST_PERSON = re.compile(
    r"\b(?:I|my|me|we|our|ich|mein\w*|mir|mich|wir|unser\w*|yo|mi|mis|me|nos|je|mon|ma|mes|moi|nous)\b|\b[Ii]['’]|"
    r"\bj['’]",
    re.IGNORECASE,
)
_QUOTATION = re.compile(
    r"\"([^\"]{6,4000})\"|“([^“”]{6,4000})”|„([^„“”]{6,4000})[“”]|«([^«»]{6,4000})»|"
    r"(?<![\w'’])['‘]([^'‘’\n](?:[^'‘’\n]|(?<=\w)['’](?=\w)){5,1000})['’](?!\w)"
)
_TEXT = (
    r"(?:essays?|letters?|articles?|poems?|paragraphs?|passages?|texts?|stor(?:y|ies)|e-?mails?|messages?|reviews?|"
    r"transcripts?|homework|diary|lyrics|leaflet|statement|answers?|posts?|comments?|assignment|composition|"
    r"aufsatz|aufsätze|brief|gedicht|artikel|nachricht|mail|hausaufgabe|redacción|carta|artículo|poema|texto|mensaje|"
    r"lettre|poème|texte|rédaction)"
)
_INTRODUCED = re.compile(
    rf"^[^\n]{{0,200}}\b(?:{_TEXT}|wrote|writes|written by|said|says|schrieb|schreibt|escribió|dijo|a écrit|proofread|"
    r"translate|correct|summari[sz]e|rephrase|reword|edit|übersetze?|korrigiere?|traduce|corrige|resume|traduis)\b"
    r"[^\n:]{0,120}:[ \t]*\n\s*",
    re.IGNORECASE | re.MULTILINE,
)
_TO_TREAT = re.compile(
    r"\b(?:proofread|translate|correct|summari[sz]e|rephrase|reword|paraphrase|übersetze?|korrigiere?|traduce|"
    r"traduzca|corrige|traduis)\b[^\n:.!?]{0,80}:[ \t]+",
    re.IGNORECASE,
)
_CITED = re.compile(r"^[ \t]*>[^\n]*(?:\n|$)", re.MULTILINE)
_AFTERWARDS = re.compile(
    r"\n\s*\n?(?=(?:that['’]?s (?:all|it|the)|(?:can|could|would) you|please|what do you|how (?:can|could|would|do)|"
    r"any (?:ideas|feedback|thoughts)|end of|das war|kannst du|könntest|bitte|puedes|podrías)\b)",
    re.IGNORECASE,
)


def own_words(text: str) -> str:
    """The text with "[…]" for what it quotes or pastes of somebody who speaks of themselves there.

    Titles, error messages and whatever holds no first person stay.
    """
    if found := _INTRODUCED.search(text[:8_000]):
        text = _without(text, found.end())
    if found := _TO_TREAT.search(text[:8_000]):
        text = _without(text, found.end())
    text = _CITED.sub(lambda line: GAP + "\n" if _FIRST_PERSON.search(line[0]) else line[0], text)
    return _QUOTATION.sub(_quotation, text)


def _without(text: str, start: int) -> str:
    rest = text[start:]
    after = _AFTERWARDS.search(rest)
    pasted = rest[: after.start()] if after else rest
    if not _FIRST_PERSON.search(pasted):
        return text
    return text[:start] + GAP + (rest[after.start() :] if after else "")


def _quotation(found: re.Match[str]) -> str:
    inner = next(group for group in found.groups() if group is not None)
    spoken = len(inner.split()) > 2 and _FIRST_PERSON.search(inner)
    return found[0][0] + GAP + found[0][-1] if spoken else found[0]


_OTHERS = (
    r"(?:(?:my|our|the|a|an|one of (?:my|our)|his|her|their|some|every)(?: [\w'’-]+){1,4}|he|she|they|everyone|"
    r"everybody|people|someone|somebody|"
    r"(?-i:(?!(?:Please|Just|Now|Then|Do|Let|Also|Still)\b)[A-Z][\w'’-]+)|(?:mein|unser|der|die|sein|ihr)(?:e|er|es|"
    r"en)?(?: [\w-]+){1,3}|er|sie|alle|"
    r"(?:mi|mis|nuestr[oa]|el|la|su)(?: \w+){1,3})"
)
_DOCTOR = re.compile(
    r"\b(?:doctors?|doc|gp|physician|dentist|vet|nurse|specialist|surgeon|optician|midwife|tests?|scan|x-?ray|results?|"
    r"arzt|ärztin|zahnarzt|médic[oa]|doctora?|médecin)\b",
    re.IGNORECASE,
)
_SAYS = (
    r"(?:(?:just |always |also |once |literally |still |now )*(?:says?|said|tells?|told|thinks?|thought|reckons?|"
    r"claims?|"
    r"claimed|believes?|insists?|jokes?|joked|wrote|writes|swears?|(?:keeps?|kept|is|was) (?:saying|telling|joking|"
    r"going on)|wants? (?:me|us) to|wanted (?:me|us) to|meint|meinte|sagt|sagte|findet|glaubt|denkt|behauptet|"
    r"schreibt|schrieb|will, dass|dice|decía|dijo|cree|piensa|opina|quiere que|dit|croit|pense))"
)
_REPORTED = re.compile(
    rf"^(?:(?:and|but|so|also|bro|well|yes|no|even|und|aber|y|pero),? )*{_OTHERS},? {_SAYS}\b", re.IGNORECASE
)
_NOT_SELF = re.compile(r"^(?:I|we|you|ich|wir|yo)\b", re.IGNORECASE)
_SUPPOSED = re.compile(
    r"\bif (?:(?:only|ever) )?(?:I|we)(?:['’]d| (?:were|was|had|could|ever|won|lived|did|suddenly|(?!need|feed|"
    r"speed)\w+ed))\b|"
    r"\bif (?:I|we) (?:win|were) the lottery\b|^(?:suppos(?:e|ing)|imagine|pretend|let['’]s say|what if|assuming)\b|"
    r"\b(?:I|we) wish (?:I|we)\b|\bin (?:an(?:other)?|my next|some other) (?:life|world|ideal world)\b|"
    r"\b(?:almost|nearly) (?:bought|took|quit|moved|got|signed)\b|\bwas (?:going|about|so ready) to\b|"
    r"\bwenn\b.{0,60}\b(?:wäre|hätte|würde|könnte|lotto)\b|\b(?:angenommen|stell dir vor|hätte ich|wäre ich|ich "
    r"wünschte)\b|"
    r"\bsi\b.{0,40}(?:[aie]ra|iese|ase|[ai]éramos)\b.{0,80}ía\b|\bojalá\b|\bsi j['’](?:avais|étais)\b",
    re.IGNORECASE,
)
_JEST = re.compile(
    r"^(?:oh |ah |well |yeah |wow )?(?:great|brilliant|wonderful|fantastic|perfect|lovely),? (?:another|yet another|"
    r"one more)\b|"
    r"\bjust what (?:I|we)(?:['’]ve)? (?:always |really )?(?:wanted|needed)\b|\bsaid no ?(?:one|body)\b|\byeah,? "
    r"right[.!]*$|"
    r"^(?:na|ja) (?:toll|super|klasse|prima|wunderbar)\b|\b(?:was für ein Spaß|genau mein ding)\b|^qué bien,? "
    r"otr[oa]\b|"
    r"🙄|(?:^|\s)/s(?:\s|$)|\b(?:j/?k|just kidding|only joking|i['’]?m joking|i['’]?m kidding)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"^(?:(?:no|ha(?:ha)*|lol|ok),? )*(?:just kidding|only joking|kidding|j/?k|not really|i['’]?m (?:just "
    r")?(?:kidding|joking)|"
    r"said no ?(?:one|body)\b|war (?:nur )?(?:ein )?(?:scherz|spaß)|spaß|(?:es )?broma)\b",
    re.IGNORECASE,
)


def is_told_by_others(sentence: str) -> bool:
    """Whether it gives what somebody else says, thinks or wants; a diagnosis counts as the speaker's own."""
    if _NOT_SELF.match(sentence):
        return False
    found = _REPORTED.match(sentence)
    return found is not None and _DOCTOR.search(found[0]) is None


def is_supposed(sentence: str) -> bool:
    """Whether it speaks of what is not so: a wish, a lottery win, what nearly happened."""
    return _SUPPOSED.search(sentence) is not None


def is_in_jest(sentence: str) -> bool:
    """Whether its words betray that the opposite is meant."""
    return _JEST.search(sentence) is not None


def takes_back(sentence: str) -> bool:
    """Whether it says of the sentence before that it was a joke."""
    return _TAKEN_BACK.search(sentence) is not None


def is_own_claim(sentence: str) -> bool:
    """Whether the speaker says it of themselves, of what is so, and means it; as far as words tell."""
    return not (GAP in sentence or is_told_by_others(sentence) or is_supposed(sentence) or is_in_jest(sentence))
