"""Which tools fit a message, and their arguments where the message plainly holds them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rekindle.assistants.past import is_telling, key_stems
from rekindle.memory.extract import shorten
from rekindle.memory.phrases import key_phrases
from rekindle.memory.wordlists import COMMON_WORDS
from rekindle.memory.words import stem, words


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, text.split()))


_FEW = 4
"""Words of a message that is read word by word."""
_FREE_TEXT = _names(
    "query question q search text message topic keywords keyword term terms search_term search_query "
    "prompt subject input request problem symptom what"
)
_READING = _stems("get find search look lookup list show check read fetch calculate compute recall count query ask")
_ACTING = _stems(
    "book delete remove cancel send create update set add order pay buy register enroll enrol reset "
    "start stop close save write post schedule subscribe unsubscribe erase submit issue refund "
    "transfer forget rename share upload publish sign mark report call"
)
_SEARCHING = _stems("search find look lookup")
_OF_THE_PAST = _stems("recall past memory memories remember history earlier previous conversation")
_LOOKED_UP = _READING | _stems("status price cost info information details history state")
_PLAIN = _READING | _stems(
    "tool return result use user database name string number value data base argument parameter the"
)
_COUNTED = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "twenty": 20,
}  # fmt: skip
_NUMBER = re.compile(rf"(?<![\w.,-])(?:\d+(?:[.,]\d+)*|{'|'.join(_COUNTED)})(?![\w-])", re.IGNORECASE)
_AFTER = re.compile(r"[^,.;:?!\d]{0,30}")
_BEFORE = re.compile(r"[^,.;:?!\d]{0,30}$")
_PATTERNS = {
    "email": re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "url": re.compile(r"https?://[^\s\"<>]+"),
    "date": re.compile(r"\b\d{4}-\d{2}-\d{2}\b"),
    "phone": re.compile(r"\+?\d[\d ()/-]{6,}\d"),
    "id": re.compile(r"#?(?<![\w-])(?=[\w-]*\d)[A-Za-z0-9][\w-]{2,}\b"),
}
_HOW_MUCH = re.compile(
    r"\bhow much (?:is|are|for|per|would|will|it|this|that|altogether|in all)\b|\bhow much\s*\?|\bcosts?\b|\bpay for\b",
    re.IGNORECASE,
)
"""Of money; "how much chlorine does it need" is not."""
_PRICE = frozenset(key_stems("price"))
_ORDERED = re.compile(
    r"(?:^|[.!?,;]\s+)(?:(?:please|ok|okay|yes|hi|hello|hey|and|then|now|just|can you|could you|would you|will you|"
    r"i want to|i['’]d like to|i would like to|i need to|we want to|let['’]s|go ahead and),? )*([A-Za-z]+)",
    re.IGNORECASE,
)
"""The verb of "Please book …": what the assistant is told to do, not what is talked about."""
_POINTING = re.compile(
    r"(?<!time is )(?<!day is )(?<!date is )\b(?:that|this|it|one|those|these|them)\b(?! (?:rain|snow|possible|true))",
    re.IGNORECASE,
)
"""At something spoken of; "what time is it" points at nothing."""
_OF_AMOUNT = re.compile(r"[ \t]*(?:degrees?[ ]+|°[ ]?)?([^\W\d_]+)")
_FROM = re.compile(r"\bfrom[ ]+(?!\d)([^\W\d_]+)", re.IGNORECASE)
_INTO = re.compile(r"\b(?:to|into|in)[ ]+(?:degrees?[ ]+|°[ ]?)?([^\W\d_]+)[^\w]*(?:please\W*)?$", re.IGNORECASE)
"""What an amount is turned into, at a message's end: "10 miles to km", "How much is that in euros?"."""
_CURRENCY = re.compile(
    r"\bin[ ]+(?:us |american )?(?:euros?|dollars?|pounds?|francs?|yen|rupees?|eur|usd|gbp|chf)\b", re.IGNORECASE
)
_YOURS = re.compile(r"\byou(?:r|rs|rself)?\b|\byou['’]", re.IGNORECASE)
_WAS_SAID = re.compile(
    r"\b(?:did|had) (?:I|we)\b|\b(?:did|have|had) (?:I|we|you) (?:\w+ )?(?:say|said|tell|told|ask|mention)",
    re.IGNORECASE,
)
"""Of what was said before, which no document tells."""
_TO_DO = re.compile(
    r"\b(?:what|which|how|where|when|who)\b[^?.!]{0,30}?\b(?:can|could|should|shall|must|may|do) (?:I|we)\b|"
    r"\bwhat if\b|\bwhat happens\b|\bwhat now\b",
    re.IGNORECASE,
)
"""What one is to do, of which a document may tell in the plainest words: "What should I bring?"."""
_IN_QUOTES = re.compile(r"[\"“„«]([^\"”“»]{1,200})[\"”“»]")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as a model sees it; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    @property
    def properties(self) -> dict[str, dict[str, Any]]:
        """Each parameter's schema; of a choice of schemas the first that is not null."""
        return {name: _chosen(schema) for name, schema in (self.parameters.get("properties") or {}).items()}

    @property
    def required(self) -> frozenset[str]:
        """Names of the parameters a call must give."""
        return frozenset(self.parameters.get("required") or ())

    @property
    def free_text(self) -> str | None:
        """The one required parameter, when it takes any words, as a search does."""
        if len(self.required) != 1:
            return None
        [name] = self.required
        schema = self.properties.get(name, {})
        plain = schema.get("type") == "string" and not schema.get("enum") and not schema.get("format")
        return name if plain and name.casefold() in _FREE_TEXT else None

    @property
    def acts(self) -> set[str]:
        """The stem of its name's verb when it does more than look something up, else nothing."""
        first = re.split(r"[_\W]+|(?<=[a-z])(?=[A-Z])", self.name, maxsplit=1)[0]
        return set() if _named(self.name) & _LOOKED_UP else _named(first) & _ACTING

    @property
    def searches(self) -> bool:
        """Whether it looks for the words that it is given."""
        return bool(_named(self.name) & _SEARCHING)

    @property
    def of_the_past(self) -> bool:
        """Whether it looks into what the user said before."""
        return bool(_named(self.name) & _OF_THE_PAST)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to call."""

    name: str
    arguments: dict[str, Any]


def fitting_calls(
    message: str,
    tools: Sequence[Tool],
    *,
    asking: bool,
    query: str | None = None,
    about: Sequence[str] = (),
    before: str = "",
    most: int = 2,
) -> list[Call]:
    """The calls a message asks for, the fittest first; none when it is not plain what to call them with.

    `asking`: the message asks for something. `query`: what a search is given in its stead. `about`: what a tool may be
    told that takes, but does not require, what its answer is to be `about`; the first that its name does not say.
    `before`: what the user said last, which "And for 25 people?" goes on from. A tool that acts (`book_…`, `delete_…`)
    is called only when the message tells the assistant to do that very thing.
    """
    said = key_stems(message)
    goes_on = before[:1_000] if goes_on_from(message) else ""
    if _HOW_MUCH.search(f"{message} {goes_on}"):
        said |= _PRICE
    looked_up = is_looked_up(message)
    ordered = set() if "not" in words(message) else {s for m in _ORDERED.finditer(message) for s in key_stems(m[1])}
    rated = []
    for place, tool in enumerate(tools):
        if (arguments := _arguments(message, tool, query or message, about)) is None:
            continue
        acts = tool.acts
        looked_for = said | key_stems(goes_on) if tool.required and not tool.free_text else said
        fit = _fit_to_act(said, tool, acts, ordered) if acts else _fit(looked_for, tool, arguments, asking, looked_up)
        if asking and not acts and not tool.free_text and _is_for_so_many(message, tool):
            fit = max(fit, 2.0)
        if fit > 0:
            if "about" in tool.properties.keys() - tool.required:
                named = _named(tool.name)
                arguments |= next(({"about": one} for one in about if key_stems(one) - named), {})
            rated.append((-fit, place, Call(tool.name, arguments)))
    rated.sort(key=lambda each: each[:2])
    best = rated[0][0] if rated else 0.0
    return [call for fit, _, call in rated if fit <= best / 2][:most]


def is_looked_up(message: str) -> bool:
    """Whether a question may have its answer in a document: it names something, or asks in plain words what to do."""
    if _WAS_SAID.search(message):
        return False
    stems = key_stems(message)
    if is_telling(stems):
        return True
    return bool(stems) and (_TO_DO.search(message) is not None or (len(stems) > 1 and not _YOURS.search(message)))


def _is_for_so_many(message: str, tool: Tool) -> bool:
    """Whether it says "for 10 people", to a tool that takes `people`."""
    for number in _NUMBER.finditer(message):
        after = _AFTER.match(message, number.end())
        beside = key_stems(after[0]) if after else set()
        if message[: number.start()].casefold().endswith("for ") and any(
            _named(name) & beside for name in _numeric(tool)
        ):
            return True
    return False


def goes_on_from(message: str) -> bool:
    """Whether a message says of itself only how many, so that what of is what was spoken of before."""
    stems = [stemmed for stemmed in key_stems(message) if not stemmed[0].isdigit() and stemmed not in _COUNTED]
    return _NUMBER.search(message) is not None and not is_telling(stems)


def _fit_to_act(said: set[str], tool: Tool, acts: set[str], ordered: set[str]) -> float:
    rest = _named(tool.name) - acts
    # Without an argument to tell one deed from another, the message must name it in full.
    return 3.0 if acts <= ordered and (tool.required or rest <= said) else 0.0


def _fit(said: set[str], tool: Tool, arguments: Mapping[str, Any], asking: bool, looked_up: bool) -> float:
    named = _named(tool.name) - _PLAIN
    described = key_stems(tool.description[:500])
    for name, schema in tool.properties.items():
        described |= _named(name) | key_stems(str(schema.get("description") or "")[:200])
    in_name = 1.0 if named and named <= said else sum(_worth(each) for each in named & said)
    in_description = sum(_worth(each) for each in (described - named - _PLAIN) & said)
    fit = 2 * in_name + in_description
    shared = said & (described | named)
    if asking and tool.properties and not tool.required and not tool.of_the_past and said and shared == said:
        return max(fit, 1.0)  # "How have I changed?", to a tool that tells what changed
    if asking and (tool.free_text or not tool.required) and len(shared) >= 2 and len(shared) >= 0.6 * len(said):
        return max(fit, 1.0)  # nothing else has to be filled in, and most of what is said is what it is for
    if tool.free_text:
        # A search is worth trying on any question; on a statement only when it is about the tool's matter.
        return fit + 0.4 if asking and looked_up else fit if in_name + in_description >= 1 else 0.0
    given = any(not isinstance(value, str) or _PATTERNS["id"].fullmatch(value) for value in arguments.values())
    turned = len({name for name in tool.required if isinstance(arguments.get(name), str)}) > 1
    if given and turned and in_description >= 1:
        return fit + 1 if asking else 0.0  # "What is 10 miles in km?": so it is put when one thing is to become another
    if given and in_name:
        fit += 1
    return fit if asking and (in_name >= 1 or in_description >= 2 or (given and in_name)) else 0.0


def _worth(stemmed: str) -> float:
    return 1.0 if is_telling([stemmed]) else 0.3


def _named(name: str) -> set[str]:
    return key_stems(re.sub(r"[_\W]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)))


def _chosen(schema: object) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {}
    for choice in schema.get("anyOf") or schema.get("oneOf") or ():
        if isinstance(choice, dict) and choice.get("type") != "null":
            return {**choice, **{key: schema[key] for key in ("description", "default") if key in schema}}
    return schema


def _arguments(message: str, tool: Tool, query: str, about: Sequence[str]) -> dict[str, Any] | None:
    """The arguments of a call, required ones and those the message plainly names; None when one is missing."""
    if free := tool.free_text:
        return {free: shorten(" ".join(query.split()), 400)}
    arguments: dict[str, Any] = {}
    numbers = list(_NUMBER.finditer(message))
    open_texts = []
    for name, schema in tool.properties.items():
        value: Any = None
        kind = schema.get("type")
        if options := schema.get("enum"):
            value = _option(message, options)
        elif kind in ("integer", "number"):
            value = _number(message, name, numbers, kind, alone=_numeric(tool) == [name])
        elif kind == "string":
            if (pattern := _pattern(name, schema)) is not None:
                value = match[0] if (match := pattern.search(message)) else None
            elif name in tool.required:
                open_texts.append(name)
                continue
        if value is not None:
            arguments[name] = value
        elif name in tool.required:
            return None
    if len(open_texts) > 1:
        turned = _turned(message, open_texts, numbers)
        return arguments | turned if turned else None
    for name in open_texts:
        if (text := _subject(message, tool, about)) is None:
            return None
        arguments[name] = text
    return arguments


def _turned(message: str, names: Sequence[str], numbers: Sequence[re.Match[str]]) -> dict[str, str] | None:
    """The two words of "10 miles to km", where one parameter is what it is `to` be and the other is what it is."""
    into = [name for name in names if "to" in re.split(r"[_\W]+", name.casefold())]
    if len(names) != 2 or len(into) != 1 or len(numbers) != 1:
        return None
    end = numbers[0].end()
    of = _FROM.search(message, end) or _OF_AMOUNT.match(message, end)
    to = _INTO.search(message, of.end()) if of else None
    [other] = set(names) - set(into)
    return {other: of[1], into[0]: to[1]} if of and to else None


def _numeric(tool: Tool) -> list[str]:
    return [name for name, schema in tool.properties.items() if schema.get("type") in ("integer", "number")]


def _option(message: str, options: Iterable[object]) -> object | None:
    spoken = f" {' '.join(words(message))} "
    for option in options:
        if isinstance(option, str) and (said := " ".join(words(option))) and f" {said} " in spoken:
            return option
    return None


def _number(message: str, name: str, numbers: Sequence[re.Match[str]], kind: str, *, alone: bool) -> int | float | None:
    """The number beside the parameter's name, or the only one there is where nothing else takes a number."""
    for number in numbers:
        after, before = _AFTER.match(message, number.end()), _BEFORE.search(message[: number.start()][-30:])
        beside = key_stems(f"{before[0] if before else ''} {after[0] if after else ''}")
        if _named(name) & beside:
            return _value(number[0], kind)
    return _value(numbers[0][0], kind) if alone and len(numbers) == 1 else None


def _value(text: str, kind: str) -> int | float | None:
    if text.casefold() in _COUNTED:
        return _COUNTED[text.casefold()]
    plain = text.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text) else text.replace(",", ".")
    try:
        value = float(plain)
    except ValueError:
        return None
    if kind == "number":
        return value
    return int(value) if value.is_integer() else None


def _pattern(name: str, schema: Mapping[str, Any]) -> re.Pattern[str] | None:
    form = str(schema.get("format") or "")
    parts = set(re.split(r"[_\W]+", name.casefold()))
    for kind, aliases in (
        ("email", {"email", "mail"}),
        ("url", {"url", "uri", "link"}),
        ("date", {"date", "day", "from", "until", "since"}),
        ("phone", {"phone", "telephone"}),
        ("id", {"id", "code", "number", "no", "uuid", "sku", "reference"}),
    ):
        if form == kind or (form == "uri" and kind == "url") or parts & aliases:
            return _PATTERNS[kind]
    return None


def _subject(message: str, tool: Tool, about: Sequence[str]) -> str | None:
    """What a message is about, in its own words: what it puts in quotation marks, else its key phrase.

    "How much is that for ten people?" is about what was spoken of before, of which `about` is the newest first.
    """
    if quoted := _IN_QUOTES.search(message):
        return quoted[1].strip()
    spoken = _named(tool.name) | key_stems(" ".join(tool.properties))
    for phrase in (
        *key_phrases([_CURRENCY.sub(" ", message)], 4),
        *(about if _POINTING.search(message) or goes_on_from(message) else ()),
    ):
        if not set(map(stem, words(phrase))) <= spoken and not all(w in COMMON_WORDS for w in words(phrase)):
            kept = phrase.split()
            while len(kept) > 1 and key_stems(kept[-1]) <= spoken | _PRICE:  # "CPO training cost"
                kept.pop()
            return " ".join(kept)
    spare = _CURRENCY.sub(" ", message).split()
    if len(spare) <= _FEW:  # "price of CPO": too short for a phrase to stand out
        left = [word for word in spare if is_telling(key_stems(word) - spoken - _PRICE)]
        return " ".join(left).strip(" .,;:?!") or None
    return None
