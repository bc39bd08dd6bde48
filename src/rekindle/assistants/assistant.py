"""What an assistant is, what it is asked and what it answers: plain values, cheap to import."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

from rekindle.assistants.text import folded

if TYPE_CHECKING:
    from rekindle.identity.service import Caller
    from rekindle.knowledge.fetch import Fetcher

INSTRUCTIONS = (
    "You are a helpful assistant. Answer plainly and to the point. "
    "Say so when you do not know something; never invent facts, sources or memories."
)
"""What an assistant is told when its definition says nothing else."""

ABILITIES = ("recall_past", "search_knowledge", "course_price", "recommendations", "growth_over_time")
"""The tools that the house makes: an assistant names those it may use."""
USUAL_ABILITIES = ("recall_past", "search_knowledge", "course_price")
"""What an assistant has whose definition names none."""

Policy: TypeAlias = Literal["nearest", "summaries", "off"]

_SOURCE_CHARS = {
    "kind": 40, "title": 300, "url": 2_000, "session_id": 40, "message_id": 40, "document_id": 40, "date": 40,
    "quote": 500, "licence": 100,
}  # fmt: skip


Door: TypeAlias = Literal["000", "001", "002", "003", "004"]


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server of tools that speaks the Model Context Protocol: a program to start, or an address."""

    name: str
    command: tuple[str, ...] = ()
    folder: Path | None = None
    """Where the program is started."""
    variables: tuple[str, ...] = ()
    """Names of environment variables it is given; of the others it sees what any program needs, and no secret."""
    url: str | None = None
    token: str | None = None
    """Name of the environment variable that holds the bearer token for the address."""
    tools: tuple[str, ...] | None = None
    """Those of its tools that may be used; None: all."""


@dataclass(frozen=True, slots=True)
class Assistant:
    """Who answers: a name, what it is told, which model, and what it can do."""

    name: str = "assistant"
    title: str | None = None
    """What people are shown instead of the name."""
    description: str | None = None
    greeting: str | None = None
    """What people read before anything is said; the model does not see it."""
    suggestions: tuple[str, ...] = ()
    """Things to say, for people to pick from."""
    doors: tuple[Door, ...] = ()
    """The doors whose sessions are this assistant's; the first served assistant has all others."""
    instructions: str = INSTRUCTIONS
    model: str | None = None
    """A pydantic-ai model name or `offline`; None: the server's."""
    tools: tuple[Callable[..., Any], ...] = ()
    """Functions, plain or async. Their names, annotations and docstrings are shown to the model.

    What a reader sees while a tool runs is its attribute `status` or a line `Status: …` of its docstring;
    without either, `Using NAME…`. One whose first parameter is annotated `Errand` is given the turn's, which the
    model neither sees nor chooses.
    """
    abilities: tuple[str, ...] = USUAL_ABILITIES
    """Tools that the house makes, by name; see `ABILITIES`."""
    mcp: tuple[McpServer, ...] = ()
    """Servers whose tools it may use."""
    folder: Path | None = None
    """Where it is defined: what it knows is in `knowledge/` and `prices.csv` there."""
    recall: Policy = "nearest"
    """What of the user's past a turn is given: the last summaries and what is `nearest` to the message, the
    `summaries` alone, or nothing (`off`). What was said earlier in the session itself is given in any case.
    """

    @property
    def knows(self) -> bool:
        """Whether there is something in its folder to be read for what it knows."""
        return self.folder is not None and any((self.folder / name).exists() for name in ("knowledge", "prices.csv"))


@dataclass(frozen=True, slots=True)
class Errand:
    """What a turn is run for: whose it is comes from here, never from what a model says."""

    caller: "Caller"
    session_id: UUID
    seq: int
    """Of the message that is answered."""
    assistant: str
    """The assistant's name: what of the house's knowledge is its own goes by it."""
    about: Callable[[], Awaitable[dict[str, Any]]]
    """The session's metadata, read when it is asked for."""
    web: "Fetcher | None" = None
    """Fetches from public addresses only, bounded in size and time; there is one in every turn."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where something that a tool found stands: one of url, session_id or document_id leads there."""

    kind: str
    """`document`, `price`, `session`, `message`, `profile`, `web` or what else a reader should tell apart."""
    title: str
    url: str | None = None
    session_id: UUID | None = None
    message_id: UUID | None = None
    document_id: UUID | None = None
    date: datetime | None = None
    quote: str | None = None
    licence: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The source as it is kept and shown: what is known of it, within bounds."""
        return {
            key: value if isinstance(value, str) else value.isoformat() if isinstance(value, datetime) else str(value)
            for key, bound in _SOURCE_CHARS.items()
            if (value := getattr(self, key)) is not None
            and (value := folded(value, bound) if isinstance(value, str) else value)
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool may return: a text for the model, where it is from, and notes for the reply's metadata.

    The text of several pieces is best JSON, `{"results": [{"text", "title", "url"}, …]}`, best first: the
    offline model quotes from it. See `found`.
    """

    text: str
    sources: tuple[Source, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


def found(pieces: Sequence[tuple[str, Source]], notes: Mapping[str, Any] | None = None) -> Found:
    """What a search found, best first: each piece of text with its source. Nothing found is an empty list."""
    results = [
        {"text": text, "title": source.title}
        | ({"url": source.url} if source.url else {})
        | ({"date": source.date.date().isoformat()} if source.date else {})
        | ({"licence": source.licence} if source.licence else {})
        for text, source in pieces
    ]
    sources = tuple(dict.fromkeys(source for _, source in pieces))
    return Found(json.dumps({"results": results}, ensure_ascii=False), sources, notes or {})


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the window."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """One record of the user's past, and where it is from."""

    session_id: UUID | None
    """None for what the user says of themselves, outside of any session."""
    date: datetime
    text: str
    kind: Literal["summary", "earlier", "note", "message", "fact"] = "summary"
    """`summary` of another session; of what was said `earlier` in this one; the `note` with which this one was started;
    a `message`; a `fact` known of the user.
    """
    seq: int | None = None
    """The message's place in its session; of what was said earlier, up to which message."""
    message_id: UUID | None = None
    by: Literal["user", "assistant"] | None = None
    """Whose message it is."""
    what: str = ""
    """Of a fact, its kind: `preference` or the like."""
    nearest: bool = False
    """Recalled for one message, being near to it, and not for the session."""
    here: bool = False
    """Of this session itself."""

    def as_json(self) -> dict[str, Any]:
        """Its source, as a turn keeps it: never its text."""
        source: dict[str, Any] = {"kind": self.kind}
        if self.session_id:
            source["session_id"] = str(self.session_id)
        if self.seq:
            source["seq"] = self.seq
        if self.message_id:
            source["message_id"] = str(self.message_id)
        if self.by:
            source["role"] = self.by
        if self.what:
            source["what"] = self.what
        source["date"] = self.date.isoformat()
        return source | ({"nearest": True} if self.nearest else {})


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked: the newest messages, oldest first, and what is recalled of the past."""

    window: tuple[Said, ...]
    """Oldest first; the last is the user's new message."""
    recalled: tuple[Recalled, ...] = ()
    """Of each kind the best first, but summaries in any order: the model sees the newest of them first."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the assistant is doing, for people: `Using search…`."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the reply. Never empty; holds no NUL and no lone surrogate."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """A tool was called and has returned, or failed."""

    name: str
    arguments: dict[str, Any]
    result_chars: int
    """Length of the result as the model sees it, in characters; 0 when the tool failed."""
    milliseconds: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens used, over all requests that one answer took."""

    model: str
    input_tokens: int
    output_tokens: int
    estimated: bool
    """True when the provider gave no numbers for all or part of it, so that part is counted from the text."""


@dataclass(frozen=True, slots=True)
class Sourced:
    """Where what a tool found stands, as JSON; and its notes for the reply's metadata."""

    sources: tuple[dict[str, Any], ...]
    notes: dict[str, Any] = field(default_factory=dict)


Event: TypeAlias = Status | Text | ToolUsed | Sourced | Usage
