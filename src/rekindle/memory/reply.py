"""A model's reply, read as a summary or refused."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from rekindle.assistants.text import folded
from rekindle.errors import ModelCutShort, ModelError
from rekindle.memory.words import sentences, words

LONGEST_TEXT = 4_000
_LONGEST_REPLY = 30_000
"""With the thoughts that some models write before it."""
_MOST_ITEMS = 10
_MOST_OBJECTS = 50
"""Opening braces tried before a reply is taken to hold no JSON."""


def _items(value: object) -> object:
    """A list of short lines from a list, a string or nothing; what is neither text nor number is left out."""
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    lines = (folded(str(item), 300) for item in listed if isinstance(item, str | int | float))
    return tuple(dict.fromkeys(line for line in lines if line and line != "..."))[:_MOST_ITEMS]


def _line(value: object) -> object:
    return folded(value, LONGEST_TEXT + 1) if isinstance(value, str) else value


_Items = Annotated[tuple[str, ...], BeforeValidator(_items)]


class Written(BaseModel):
    """What a model wrote: the same members as `Summary`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    text: Annotated[str, BeforeValidator(_line)] = Field(validation_alias=AliasChoices("text", "summary", "Summary"))
    topics: _Items = ()
    preferences: _Items = ()
    open_questions: _Items = Field((), validation_alias=AliasChoices("open_questions", "openQuestions", "questions"))
    milestones: _Items = ()


_TAGS = "think|thinking|thought|reasoning|reflection|scratchpad"
_THOUGHT = re.compile(rf"<({_TAGS})\b[^<>]*>|(\[THINK\])|(<\|channel\|>analysis)", re.IGNORECASE)
_ENDS = re.compile(rf"</({_TAGS})\s*>|(\[/THINK\])|(<\|end\|>)", re.IGNORECASE)
"""The end of a thought in the group that its beginning has above."""
_THOUGHT_END = re.compile(rf".*</(?:{_TAGS})\s*>", re.IGNORECASE | re.DOTALL)
_THOUGHT_BEGIN = re.compile(rf"<(?:{_TAGS})\b|\[THINK\]|<\|channel\|>analysis", re.IGNORECASE)
_SPECIAL = re.compile(r"<\|[^|>]{1,30}\|>(?:final|assistant)?")
_ALOUD = re.compile(
    r"^(?:(?:ok(?:ay)?|alright|hmm+|well|so|now|wait|first)[,.: ]+)*(?:let(?:'s| me| us)\b|we (?:need|have|must|"
    r"should|are (?:asked|given))\b|looking at (?:the|this) (?:talk|chat|conversation|session)\b|"
    r"i (?:need|have|must|should|will|am asked|'ll|want|can|think)\b|i'(?:ll|m)\b|the (?:user|"
    r"task|prompt|instructions?|system|question) (?:wants? me|asks? me|is asking me|says? (?:to|i)|requires?|is to)|"
    r"the user (?:wants|is asking for) a (?:json|summary)|my (?:task|job) is|as an ai|i cannot|i can't|i am\b|"
    r"unfortunately,? i\b|sorry,? (?:i|but|for)\b|ich (?:muss|soll|sollte|werde|kann)\b|lass(?:t)? (?:mich|uns)\b|"
    r"(?:zuerst|zunächst) (?:muss|werde) ich\b|je (?:dois|vais)\b|tengo que\b|voy a\b)|"
    r"^(?:ok(?:ay)?|alright|hmm+|well|wait)[,.!…]+ |"
    r"^\W*(?:thinking|reasoning|analysis|thoughts?(?: process)?|step 1)\b\W*:|^\*+(?:thinking|reasoning|analysis)\b|"
    r"\bfinal (?:answer|summary|output)\*{0,2}:|"
    r"\b(?:the (?:json|output|response|schema) (?:should|must|needs|has to)|step by step|(?<![\"“'])let me (?:think|"
    r"re-?read|count|check))\b",
    re.IGNORECASE,
)
_LEAKED = re.compile(
    rf"</?(?:{_TAGS})\b|\[/?THINK\]|<\|[^|>]{{1,30}}\|>|</?talk\b|"
    r"(?<![\"“'])\blet me (?:think|re-?read|re-?consider|summari[sz]e|draft)\b",
    re.IGNORECASE,
)
"""What no summary holds, nor one of its lists."""
_SECOND_THOUGHTS = re.compile(
    r"(?:^|(?<=[.!?…] ))(?:(?:wait|hmm|okay|so|now|actually)[,.…]+ )*(?:(?:wait|hmm)[,.…]+ (?:i|let|no|actually|the|"
    r"but)|i (?:should|need to|must|will|'ll) (?:now )?(?:mention|include|write|summari[sz]e|output|produce|respond|"
    r"return))\b",
    re.IGNORECASE,
)
"""Where a sentence of a text begins; in a list they may be the user's own words."""
_NOTHING = re.compile(
    r"(?:string|text|summary|<[^<>]*>)\.?|(?:no|there (?:is|was) no) (?:conversation|talk|chat|session|transcript|text|"
    r"messages?|content)\b.{0,30}\b(?:provided|given|found|available|summari[sz]e)\b.{0,30}",
    re.IGNORECASE,
)
"""What stands where a summary should."""
_STUCK = re.compile(r"(.)\1{39}|(.{2,10}?)\2{14}")
_PREFACE = re.compile(
    r"^(?:(?:sure|certainly|of course)[,!.]? *)?(?:here(?:'s| is| are)[^:\n]{0,80}:|"
    r"(?:\*\*)?summary(?:\*\*)?:(?:\*\*)?)\s*",
    re.IGNORECASE,
)
_LONG = 300
"""Characters of a text whose last sentence has to end, if the others do."""
_ENDED = re.compile(r"[.!?…。！？؟।][\"'”’»)\]*]*$")
_HANGS = re.compile(
    r"(?:[,;:–—-]|\.\.\.|…|\b(?:a|an|the|and|or|but|of|to|with|for|from|their|und|oder|der|die|das|ein|eine|von|mit|zu))$",
    re.IGNORECASE,
)
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")


def read_reply(reply: str) -> Written:
    """The summary in a model's reply: a JSON object anywhere in it, else the whole as its text.

    Raises ModelCutShort for one that breaks off, ModelError for one that is no summary.
    """
    if len(reply) > _LONGEST_REPLY:
        raise ModelError("The model wrote far more than a summary.")
    reply = without_thoughts(reply)
    written = _from_json(reply) or _from_text(reply)
    judge(written)
    return written


def judge(written: Written) -> None:
    """Raises ModelError for what is no summary: empty, endless, going round in circles, or the model's thoughts;
    ModelCutShort for one that breaks off.
    """
    text = written.text
    if not any(character.isalnum() for character in text) or _NOTHING.fullmatch(text):
        raise ModelError("The model wrote an empty summary.")
    if len(text) > LONGEST_TEXT:
        raise ModelError("The model wrote far more than a summary.")
    lists = (*written.topics, *written.preferences, *written.open_questions, *written.milestones)
    aloud = _ALOUD.search(text) or _SECOND_THOUGHTS.search(text)
    if aloud or any(_LEAKED.search(part) for part in (text, *lists)):
        raise ModelError("The model thought aloud instead of writing a summary.")
    if _HANGS.search(text) or (len(text) > _LONG and not _ENDED.search(text) and len(sentences(text)) > 1):
        raise ModelCutShort("The model's summary breaks off.")
    if repeats_itself(text) or any(repeats_itself(item) for item in lists):
        raise ModelError("The model repeated itself instead of writing a summary.")


def repeats_itself(text: str) -> bool:
    """Whether a text goes round in circles: a sentence three times, or mostly the same four words."""
    said = Counter(tuple(words(sentence)) for sentence in sentences(text))
    if any(count > 2 for count in said.values()):
        return True
    if _STUCK.search(text):
        return True
    spoken = words(text)
    runs = [tuple(spoken[i : i + 4]) for i in range(len(spoken) - 3)]
    return len(runs) > 20 and len(set(runs)) < len(runs) * 0.6


def without_thoughts(reply: str) -> str:
    """The reply without what a model thinks before it; raises ModelCutShort where that is all there is."""
    reply = "".join(_between_thoughts(reply))
    if end := _THOUGHT_END.match(reply):  # templates that open the thought in the prompt send its end only
        reply = reply[end.end() :]
    if _THOUGHT_BEGIN.search(reply):
        raise ModelCutShort("The model's thinking took up its whole answer.")
    return _SPECIAL.sub("", reply).strip()


def _between_thoughts(reply: str) -> Iterator[str]:
    # Linear: one pattern from a beginning to its end would look through the rest of the reply at every beginning.
    ends: dict[str, list[re.Match[str]]] = {}
    for end in reversed(list(_ENDS.finditer(reply))):
        ends.setdefault(_kind(end), []).append(end)
    at = 0
    for begin in _THOUGHT.finditer(reply):
        to_come = ends.get(_kind(begin), [])
        while to_come and to_come[-1].start() < begin.end():
            to_come.pop()
        if to_come and begin.start() >= at:
            yield reply[at : begin.start()]
            at = to_come[-1].end()
    yield reply[at:]


def _kind(match: re.Match[str]) -> str:
    return match[1].casefold() if match[1] else str(match.lastindex)


def _from_json(reply: str) -> Written | None:
    for value in objects_in(reply):
        try:
            return Written.model_validate(value)
        except ValidationError:
            continue
    return None


def objects_in(reply: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in a text, each tried as it is and without trailing commas."""
    decoder = json.JSONDecoder(strict=False)
    for text in (reply, _TRAILING_COMMA.sub("", reply)):
        at = text.find("{")
        for _ in range(_MOST_OBJECTS):
            if at < 0:
                break
            try:
                value, end = decoder.raw_decode(text, at)
            except RecursionError:
                return
            except json.JSONDecodeError:
                end = at + 1
            else:
                if isinstance(value, dict):
                    yield value
            at = text.find("{", end)


def _from_text(reply: str) -> Written:
    if re.match(r"(?:```\w*\s*)?[{\[]", reply) or '"text":' in reply:
        raise ModelCutShort("The model's summary breaks off, or is no JSON.")
    text = _PREFACE.sub("", reply.replace("```", "")).strip()
    if text and len(text) <= LONGEST_TEXT and not _ENDED.search(text):
        raise ModelCutShort("The model's summary breaks off.")
    return Written.model_validate({"text": text})
