"""The built-in model, without network or weights: it answers by quoting and calls tools that plainly fit.

Imports pydantic_ai (over a second): see `models`.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from rekindle.assistants.choosing import choose
from rekindle.assistants.past import (
    Quote,
    Record,
    find,
    is_personal,
    is_telling,
    key_stems,
    read_records,
    without_echoes,
)
from rekindle.assistants.quoting import (
    Found,
    answer,
    asks_advice,
    asks_what_was_asked,
    is_about_the_model,
    is_answered,
    is_asking,
    is_named_only,
    is_to_go_on,
)
from rekindle.assistants.toolfit import Call, Tool, fitting_calls, goes_on_from
from rekindle.assistants.voice import warning, without_frames
from rekindle.errors import ModelRefused
from rekindle.memory.cues import Cue, cues
from rekindle.memory.extract import shorten
from rekindle.memory.phrases import key_phrases
from rekindle.memory.words import sentences

_PIECE = re.compile(r"\s*\S{1,24}")
_READ_CHARS = 30_000
"""Characters of a session that are read, newest messages first; enough for any window of ordinary talk."""
_MESSAGE_CHARS = 8_000
_LONGEST_PIECE = 400
_MOST_PIECES = 3
_LISTED = 5
_LONGEST_CHOICE = 80
"""Characters of an answer to "Which one?"."""


def offline_model() -> Model:
    """A pydantic-ai model named `offline`, for single requests and agents, streamed or not.

    Same messages, same answer. Raises ModelRefused when asked for output other than text.
    """
    return FunctionModel(_respond, stream_function=_stream, model_name="offline")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request holds, once read."""

    message: str
    earlier: tuple[tuple[str, str], ...]
    records: tuple[Record, ...]
    returned: tuple[ToolReturnPart, ...]
    called: bool
    """Whether tools were called for this message already."""


async def _respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    asked = _read(messages)
    if calls := _calls(asked, info):
        return ModelResponse([ToolCallPart(call.name, call.arguments) for call in calls])
    return ModelResponse([TextPart(_answer(asked))])


async def _stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
    asked = _read(messages)
    if calls := _calls(asked, info):
        for index, call in enumerate(calls):
            yield {index: DeltaToolCall(call.name, json.dumps(call.arguments, ensure_ascii=False))}
        return
    for piece in _PIECE.findall(_answer(asked)):
        yield piece


def _read(messages: Sequence[ModelMessage]) -> _Asked:
    system: list[str] = []
    said: list[tuple[str, str]] = []
    returned: list[ToolReturnPart] = []
    called = False
    for message in messages:
        if isinstance(message, ModelRequest):
            for part in message.parts:
                if isinstance(part, SystemPromptPart):
                    system.append(part.content)
                elif isinstance(part, UserPromptPart):
                    said.append(("user", _text(part)))
                    returned, called = [], False
                elif isinstance(part, ToolReturnPart):
                    returned.append(part)
        else:
            called = called or bool(message.tool_calls)
            if text := "".join(part.content for part in message.parts if isinstance(part, TextPart)):
                said.append(("assistant", text))
    asked = next((place for place in reversed(range(len(said))) if said[place][0] == "user"), None)
    if asked is None:
        return _Asked("", (), tuple(read_records(system)), tuple(returned), called)
    room = _READ_CHARS
    earlier: list[tuple[str, str]] = []
    for role, text in reversed(said[:asked]):
        earlier.append((role, text[: min(room, _MESSAGE_CHARS)]))
        room -= len(earlier[-1][1])
        if room <= 0:
            break
    return _Asked(said[asked][1], tuple(reversed(earlier)), tuple(read_records(system)), tuple(returned), called)


def _text(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return " ".join(item for item in part.content if isinstance(item, str))


def _calls(asked: _Asked, info: AgentInfo) -> list[Call]:
    if not info.allow_text_output:
        raise ModelRefused("The offline model answers in text only.")
    if asked.called or not info.function_tools or is_about_the_model(asked.message) or warning(asked.message):
        return []
    tools = [Tool(tool.name, tool.description or "", tool.parameters_json_schema) for tool in info.function_tools]
    asking = is_asking(asked.message)
    if asking and is_answered(asked.message, asked.earlier, asked.records):
        return []
    if is_to_go_on(asked.message):
        tools = [tool for tool in tools if tool.of_the_past]
    if not asking or not is_personal(asked.message) or asks_advice(asked.message):
        tools = [tool for tool in tools if not tool.of_the_past]
    needed = _needed(asked.message)
    message = asked.message[:_MESSAGE_CHARS]
    asking = asking or needed is not None or is_named_only(message)
    told = [text for role, text in reversed(asked.earlier) if role == "user"]
    whole = [text for text in told if not goes_on_from(text[:_MESSAGE_CHARS])]
    before = " ".join(whole[1::-1] if whole and is_named_only(whole[0]) else whole[:1])  # it may be which one is meant
    last = next((text for role, text in reversed(asked.earlier)), "")
    if before and message and len(message) < _LONGEST_CHOICE and last.rstrip(' "').endswith("Which one?"):
        message, asking = f'{before} "{message.strip(" .?!")}"', True
    return fitting_calls(message, tools, asking=asking, query=needed, about=_about(asked), before=before)


def _needed(message: str) -> str | None:
    """What somebody needs who asks nothing: whoever says "I need CPO training for my team" wants to be told of that."""
    if is_asking(message) or not cues(message[:_MESSAGE_CHARS]) & Cue.NEED:
        return None
    return next(iter(key_phrases([message[:_MESSAGE_CHARS]], 1)), message)


def _about(asked: _Asked) -> list[str]:
    """What the user was at in this session, the newest first, for a tool that may be told what is to be found."""
    said = [text for role, text in (*asked.earlier, ("user", asked.message)) if role == "user"]
    return [
        phrase
        for text in reversed(said)
        if not is_to_go_on(text)  # "Continue my training" is about what was, whatever that is called here
        for phrase in (
            [text]
            if is_named_only(text) and len(key_stems(text)) == len(text.split())
            else key_phrases([text[:_MESSAGE_CHARS]], 1)
        )
    ]


def _answer(asked: _Asked) -> str:
    found = [_found(asked.message, part) for part in asked.returned]
    if not is_asking(asked.message) and not is_named_only(asked.message):  # they told something: it is noted instead
        found = [result for result in found if result.pieces]
    return answer(asked.message[:_MESSAGE_CHARS], asked.earlier, asked.records, found)


def _found(message: str, part: ToolReturnPart) -> Found:
    text = part.model_response_str(wrap_if_error=False)
    if part.outcome != "success":
        return Found(part.tool_name, ((text, ""),) if text.strip() else (), failed=True)
    pieces = _pieces(_parsed(text))
    if Tool(part.tool_name, "", {}).of_the_past:
        # Of what was said before only what fits is worth repeating, and nothing that was a quotation itself.
        best = _best(message, [(_own(text), source) for text, source in pieces])
        told = [Quote(text, "user" if source.startswith("You said") else None) for text, source in best]
        if not asks_what_was_asked(message):
            told = [quote for quote in told if not quote.by or not quote.question]
        fresh = {quote.text for quote in without_echoes(told, message)}
        return Found(part.tool_name, tuple(piece for piece in best if piece[0] in fresh), of_the_past=True)
    names_nothing = not is_telling(key_stems(message) - key_stems(part.tool_name.replace("_", " ")))
    searches = Tool(part.tool_name, "", {}).searches
    if searches and names_nothing:
        # Plain words only, "What should I bring?": what has them, else what the search took them to mean.
        best = choose(message, pieces)
        return Found(part.tool_name, tuple(best or pieces[:1]), fits=bool(best))
    if len(pieces) > 1 and (names_nothing or _needed(message)):
        # "What would you recommend?", "I need CPO training": nothing to choose a sentence by. What the tool put first
        # is the answer: each line of a list, of a document once its first sentence.
        first: dict[str, tuple[str, str]] = {}
        matter = {stemmed for stemmed in key_stems(_needed(message) or "") if is_telling([stemmed])}
        if not names_nothing:
            pieces = [
                (text, where)
                for text, where in pieces
                if matter & key_stems(where) or (len(matter) > 1 and matter & key_stems(_first(text)))
            ]
        lines = all(len(sentences(text[:_MESSAGE_CHARS])) == 1 for text, _ in pieces)
        for text, where in pieces:
            first.setdefault(text if lines else where or text, (_first(text), where))
        return Found(part.tool_name, tuple(first.values())[:_LISTED])
    if not searches and len(pieces) > 1 and all(len(piece) <= _LONGEST_PIECE for piece, _ in pieces):
        # A list that was made for this very question: its themes where themes are asked for, else all of it.
        asked = {stemmed for stemmed in key_stems(message) if is_telling([stemmed])}
        named = [(piece, where) for piece, where in pieces if asked & key_stems(where.partition(":")[0])]
        if named or not any(asked & key_stems(f"{where} {piece}") for piece, where in pieces):
            return Found(part.tool_name, tuple((named or pieces)[:_LISTED]))
    if len(pieces) > 1 or any(len(piece) > _LONGEST_PIECE for piece, _ in pieces):
        best = choose(message, pieces)
        return Found(part.tool_name, tuple(best or [(pieces[0][0], pieces[0][1])]), fits=bool(best))
    return Found(part.tool_name, tuple(pieces))


def _first(text: str) -> str:
    return next(iter(sentences(text)), text)


def _own(text: str) -> str:
    """What of an earlier text was not itself quoted from a tool or from before."""
    return without_frames("\n".join(line for line in text.splitlines() if not line.startswith(("From the tool", "- "))))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


_TEXTS = ("text", "content", "snippet", "summary", "description", "answer", "body", "result")
_SOURCES = ("title", "source", "name", "url", "link", "date")
_LISTS = ("results", "items", "documents", "hits", "chunks", "matches", "guides", "data")


def _pieces(value: Any) -> list[tuple[str, str]]:
    """A tool's result as pieces of text, each with its source."""
    if value is None or value in ("", [], {}):
        return []
    if isinstance(value, list):
        return [piece for item in value[:50] for piece in _pieces(item)]
    if isinstance(value, dict):
        for key in _LISTS:
            if isinstance(value.get(key), list):
                return _pieces(value[key])
        for key in _TEXTS:
            if isinstance(text := value.get(key), str) and text.strip():
                source = next((str(value[at]) for at in _SOURCES if at != key and value.get(at)), "")
                if because := value.get("because"):
                    source = f"{source}, as you spoke of {shorten(str(because), 80)}"
                return [(text, source[:200])]
        return [(", ".join(f"{key}: {_plain(item)}" for key, item in value.items() if item is not None), "")]
    return [(str(value), "")]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _best(message: str, pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The sentences of the pieces that fit the message best, if any do.

    A sentence is read with the title it stands under, if it fits itself or the title says all that is asked. Of those
    that fit alike the one comes first that fits itself, then the one whose title does, then the one that the tool put
    first.
    """
    asked = key_stems(message)
    read: dict[str, tuple[str, str]] = {}
    for text, source in sorted(pieces, key=lambda piece: -len(asked & key_stems(piece[1]))):
        titled = asked <= key_stems(source)
        for sentence in sentences(text[:20_000]):
            if not sentence.startswith(("#", "|")) and (titled or asked & key_stems(sentence)):
                read.setdefault(f"{source}: {sentence}", (sentence, source))
    said = sorted(list(read)[:400], key=lambda text: not asked & key_stems(read[text][0]))
    quotes = [Quote(text, "assistant") for text in said]
    return [read[quote.text] for quote in find(message, quotes, _MOST_PIECES)]
