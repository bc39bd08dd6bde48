"""The past as the offline model reads it: what was said, by whom, when; and what of it bears on a message."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, datetime

from rekindle.assistants.voice import without_frames
from rekindle.memory.cues import Cue, cues, is_question
from rekindle.memory.extract import excerpt
from rekindle.memory.words import COMMON_STEMS, sentences, stem, without_stop_words, words

_HEAD = re.compile(r"^(?:CONTEXT: This user has chatted before|(EARLIER IN THIS SESSION))\b", re.MULTILINE)
_TAIL = re.compile(r"Use this context|The numbered lines are quoted")
_TITLES = (("**Previous", "summary"), ("**Said Before", "message"), ("**Known", "fact"))
_RECORD = re.compile(r"^\d+\.\s+(.*?)(?:\s+\[(?:session [^\],]+|profile),(?: messages? ([^\],]+),)? ([^\]]+)\])?\s*$")
_FRAME = re.compile(r"(?:The (user|assistant) (?:asked|said)|(A few words only)):((?: \"[^\"]*\")+)")
_FACT = re.compile(r"\w+: \"([^\"]+)\"$")
_QUOTED = re.compile(r"\"([^\"]*)\"")

_SAME = (
    "dog puppy hound",
    "cat kitten",
    "work job profession occupation employ career",
    "price cost fee charge expensive 少钱",
    "live reside home address move",
    "child kid son daughter",
    "partner husband wife spouse",
    "birthday born",
    "buy purchase",
    "exam test quiz",
    "like love enjoy prefer adore favorite favourite",
    "hate dislike",
    "phone telephone mobile",
    "old age",
    "repair fix mend broke break",
    "begin start",
    "grow growth grew grown",
    "name call heiße llamo appelle chiamo 名字",
)
_CANON = {stem(word): stem(group.split()[0]) for group in _SAME for word in group.split()}
_SMALL_CHANGE = COMMON_STEMS - _CANON.keys() - {stem("course"), stem("cancel")} | frozenset(
    map(stem, ("like", "name", "begin", "old"))
)
"""What tells nothing of what is asked. A course is one of a school's here, not the one of "of course", and may be what
somebody cancels."""
_META_WORDS = "tell say remember recall mention know ask talk discuss remind previous earlier last"
_META = frozenset(map(stem, _META_WORDS.split()))
"""Words of "What did I tell you about …", which the answer need not hold."""
_PERSONAL = re.compile(
    r"\b(?:I|I['’]m|my|me|mine|we|our|us|ich|mein[ers]?|mir|je|mon|ma|mes|mi|mis|yo|io|mio|mia)\b|[我私]|\bI['’]",
    re.IGNORECASE,
)
_TELL_ME = re.compile(
    r"\b(?:tell|show|give|teach|find|get|write|read|make|draw|send|help|explain(?: to)?) (?:me|us)\b", re.IGNORECASE
)
_REQUEST = re.compile(
    r"^(?:please |can you |could you )*(?:tell|show|give|explain|teach|help|recommend|suggest|describe|compare|"
    r"translate|convert|calculate|summari[sz]e|find|list|write|draw|create|generate)\b",
    re.IGNORECASE,
)
_WHEN = re.compile(
    r"\d|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|\b(?:january|february|march|april|may|june|july|august|"
    r"september|october|november|december|today|tomorrow|yesterday|week|month|year|morning|evening|weekend|summer|"
    r"winter|spring|autumn)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|dozen|hundred)\b", re.IGNORECASE)
_WANTED = (
    (
        re.compile(r"\bwhen\b|\bwhat (?:day|date|time|year)\b|\bwann\b|\bquand\b|\bcuándo\b", re.IGNORECASE),
        _WHEN,
    ),
    (
        re.compile(r"\bhow (?:much|many|old|long|far|often)\b|\bwhat(?:['’]s| is) the price\b", re.IGNORECASE),
        _NUMBER,
    ),
    (re.compile(r"\bwho\b|\bnamed?\b|\bcalled\b", re.IGNORECASE), re.compile(r"(?<!^)\b[A-Z][a-z]+|[^\x00-\u024f]")),
)


@dataclass(frozen=True, slots=True)
class Quote:
    """One sentence of the past. `by` is None for a sentence about the talk rather than of it."""

    text: str
    by: str | None
    date: str | None = None
    """The date of its session as the context writes it; None for this session, empty where none is given."""
    recalled: bool = False
    """Given because it is near to the message, in meaning perhaps, without a word in common."""
    told: tuple[int, int] | None = None
    """Of a message: its day and its number in its session, greater where it is newer; this session's are the newest."""

    @property
    def question(self) -> bool:
        """Whether it asks: a question, or "Tell me about robots"."""
        return is_question(self.text) or (self.by == "user" and _REQUEST.match(self.text) is not None)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the past: its date, empty where none is given, None for this session; its quotes; what it is.

    That is a past session's `summary`, a `message`, a `fact`, or what was said `earlier` in this session.
    """

    date: str | None
    quotes: tuple[Quote, ...]
    kind: str = "summary"


def read_records(system: Iterable[str]) -> list[Record]:
    """What is recalled in the system texts, as it stands there: of the sessions the newest first.

    It stands under "CONTEXT: This user has chatted before" or "EARLIER IN THIS SESSION", one a numbered line; some
    servers' templates make one text of several.
    """
    return [record for text in system for head in _HEAD.finditer(text) for record in _records(text, head)]


def _records(text: str, head: re.Match[str]) -> list[Record]:
    numbered: list[tuple[str, str]] = []
    kind = "earlier" if head[1] else "summary"
    for line in text[head.end() : head.end() + 40_000].splitlines()[1:]:
        if _TAIL.match(line):
            break
        if titled := next((titled for title, titled in _TITLES if line.startswith(title)), None):
            kind = titled
        elif re.match(r"\d+\.\s", line):
            numbered.append((kind, line))
        elif numbered and line.strip():
            numbered[-1] = kind, f"{numbered[-1][1]} {line.strip()}"
    return [_record(kind, line) for kind, line in numbered]


def _record(kind: str, line: str) -> Record:
    match = _RECORD.match(line)
    text, number, written = (match[1], match[2] or "", match[3] or "") if match else (line, "", "")
    date = None if kind == "earlier" else written
    told = (_day(date), int(number)) if number.isdecimal() and kind != "fact" else None
    quotes = [
        Quote(part, "assistant" if frame[1] == "assistant" else "user", date, recalled=kind == "message", told=told)
        for frame in _FRAME.finditer(text)
        for said in _QUOTED.findall(frame[3])
        for part in (sentences(said) if kind == "message" else [said])
    ]
    if kind == "fact" and (fact := _FACT.match(text)):
        quotes = [Quote(fact[1], None, date)]
    return Record(date, tuple(quotes or (Quote(said, None, date) for said in sentences(text))), kind)


def _day(date: str | None) -> int:
    try:
        return datetime.strptime(date, "%d %B %Y").toordinal() if date is not None else MAXYEAR * 366  # noqa: DTZ007
    except ValueError:
        return 0


def said_in(summary: str) -> list[tuple[bool, str]]:
    """What a summary quotes, of (by the user, text); nothing for one in a model's words."""
    return [(frame[1] != "assistant", said) for frame in _FRAME.finditer(summary) for said in _QUOTED.findall(frame[3])]


def said_here(window: Iterable[tuple[str, str]]) -> list[Quote]:
    """The sentences of this session, of (role, text), without what the offline model itself put around quotes."""
    return [
        Quote(sentence, role)
        for role, text in window
        for sentence in sentences(without_frames(excerpt(text, 6_000)) if role == "assistant" else excerpt(text, 6_000))
    ]


def key_stems(text: str) -> set[str]:
    """The stems of a text that count in a search, words of the same meaning as one."""
    found = {_CANON.get(stemmed, stemmed) for stemmed in map(stem, without_stop_words(words(text)))}
    if cues(text[:500]) & Cue.NAME:
        found.add(stem("name"))
    return found


def is_telling(stems: Iterable[str]) -> bool:
    """Whether any of these stems is more than chat's small change."""
    return any(stemmed not in _SMALL_CHANGE for stemmed in stems)


def is_personal(text: str) -> bool:
    """Whether it speaks of the speaker: "tell me about robots" does not."""
    return _PERSONAL.search(_TELL_ME.sub(" ", text)) is not None


def wants(question: str, sentence: str) -> bool:
    """Whether a sentence holds the kind of thing asked for: a time for "when", a number for "how many"."""
    return all(kind.search(sentence) for asks, kind in _WANTED if asks.search(question))


def without_echoes(quotes: Iterable[Quote], message: str) -> list[Quote]:
    """The quotes but for those that are the message itself, said before: to whoever says it again, no answer."""
    said = {" ".join(words(sentence)) for sentence in (message, *sentences(excerpt(message, 4_000)))}
    return [quote for quote in quotes if " ".join(words(quote.text)) not in said]


def asks_when(question: str) -> bool:
    """Whether a question asks for a time."""
    return _WANTED[0][0].search(question) is not None


def find(message: str, quotes: Sequence[Quote], most: int = 3) -> list[Quote]:
    """The quotes that share enough of the message's telling words, the best first, each said once.

    Of two that fit alike the one that stands earlier in `quotes` comes first, of two messages the newer: it may correct
    the other.
    """
    asked = key_stems(excerpt(message, 2_000))
    asked = {stemmed for stemmed in asked if stemmed not in _META} or asked
    held = [key_stems(quote.text) for quote in quotes]
    uses = Counter(stemmed for stems in held for stemmed in stems)

    def worth(stemmed: str) -> float:
        rarity = math.log(1 + (len(quotes) + 1) / (1 + uses[stemmed]))
        return rarity * (0.25 if stemmed in _SMALL_CHANGE else 1.0)

    order = list(range(len(quotes)))
    messages = [place for place in order if quotes[place].told]
    for turn, place in zip(
        messages, sorted(messages, key=lambda at: quotes[at].told or (0, 0), reverse=True), strict=True
    ):
        order[place] = turn
    whole = sum(map(worth, asked))
    telling = is_telling(asked)
    scored = []
    for place, (quote, stems) in enumerate(zip(quotes, held, strict=True)):
        shared = asked & stems
        if not shared or (telling and not is_telling(shared)):
            continue
        score = sum(map(worth, shared)) / whole
        if score < (0.3 if telling else 0.6):
            continue
        score += 0.2 * (wants(message, quote.text) and quote.by != "assistant") - 0.3 * quote.question
        scored.append((-round(score, 1), order[place], place))
    chosen: list[Quote] = []
    for _, _, place in sorted(scored):
        told = set(words(quotes[place].text))
        if all(len(told & set(words(other.text))) < 0.8 * len(told) for other in chosen):
            chosen.append(quotes[place])
    return chosen[:most]
