"""What an assistant is, what it is asked and what it answers: plain values, cheap to import."""

import importlib.util
import inspect
import json
import re
import sys
import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

from rekindle.assistants.text import folded
from rekindle.errors import ConfigurationError

if TYPE_CHECKING:
    from rekindle.identity.service import Caller

INSTRUCTIONS = (
    "You are a helpful assistant. Answer plainly and to the point. "
    "Say so when you do not know something; never invent facts, sources or memories."
)
"""What an assistant is told when its definition says nothing else."""

ABILITIES = ("recall_past", "search_knowledge", "course_price", "recommendations")
"""The tools that the house makes: an assistant names those it may use."""
USUAL_ABILITIES = ("recall_past", "search_knowledge")
"""What an assistant has whose definition names none."""

Policy: TypeAlias = Literal["nearest", "summaries", "off"]

_KEYS = frozenset({"name", "instructions", "model", "tools", "abilities", "recall"})
_SOURCE_CHARS = {
    "kind": 40, "title": 300, "url": 2_000, "session_id": 40, "message_id": 40, "document_id": 40, "date": 40,
    "quote": 500, "licence": 100,
}  # fmt: skip
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What OpenAI's servers accept as a function's name."""


@dataclass(frozen=True, slots=True)
class Assistant:
    """Who answers: a name, what it is told, which model, and what it can do."""

    name: str = "assistant"
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
    recall: Policy = "nearest"
    """What of the user's past a turn is given: the last summaries and what is `nearest` to the message, the
    `summaries` alone, or nothing (`off`). What was said earlier in the session itself is given in any case.
    """


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
    kind: Literal["summary", "earlier", "message", "fact"] = "summary"
    """`summary` of another session; of what was said `earlier` in this one; a `message`; a `fact` known of the user."""
    seq: int | None = None
    """The message's place in its session; of what was said earlier, up to which message."""
    by: Literal["user", "assistant"] | None = None
    """Whose message it is."""
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
        if self.by:
            source["role"] = self.by
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


def load_assistant(folder: Path) -> Assistant:
    """The assistant defined in `folder`: `assistant.toml` and, if it has tools, `tools.py`.

    `assistant.toml` may hold `name` (the folder's, unless given), `instructions`, `model` and `tools`, a list
    of names of functions in `tools.py`; without that list `__all__` of `tools.py` is used. Runs `tools.py`.
    Raises ConfigurationError, which names the file and what is wrong in it.
    """
    path = folder / "assistant.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}. An assistant is a folder with a file assistant.toml."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    if unknown := sorted(table.keys() - _KEYS):
        raise ConfigurationError(
            f"{path} holds {_listed(unknown)}, which mean nothing here. It can hold {_listed(sorted(_KEYS))}."
        )
    return Assistant(
        name=_text(path, table, "name") or folder.resolve().name,
        instructions=_text(path, table, "instructions") or INSTRUCTIONS,
        model=_text(path, table, "model"),
        tools=_load_tools(path, table.get("tools")),
        abilities=_abilities(path, table.get("abilities")),
        recall=_policy(path, table.get("recall")),
    )


def _text(path: Path, table: dict[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{path}: `{key}` must be a text that is not blank.")
    return value.strip()


def _policy(path: Path, policy: object) -> Policy:
    match policy:
        case None:
            return "nearest"
        case "nearest" | "summaries" | "off":
            return policy
    raise ConfigurationError(f"{path}: `recall` must be `nearest`, `summaries` or `off`.")


def _abilities(path: Path, names: object) -> tuple[str, ...]:
    if names is None:
        return USUAL_ABILITIES
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{path}: `abilities` must be a list of names, of {_listed([*ABILITIES])}.")
    if unknown := [name for name in names if name not in ABILITIES]:
        raise ConfigurationError(
            f"{path}: there is no ability {_listed(unknown)}. There are {_listed([*ABILITIES])}. "
            "A function of your own is a tool: it belongs into `tools`."
        )
    return tuple(dict.fromkeys(names))


def _load_tools(definition: Path, names: object) -> tuple[Callable[..., Any], ...]:
    path = definition.with_name("tools.py")
    if not path.exists():
        if names:
            raise ConfigurationError(f"{definition} lists tools, but there is no {path}.")
        return ()
    if names == []:
        return ()
    module = _run(path)
    if names is None:
        names = getattr(module, "__all__", None)
    if names is None:
        raise ConfigurationError(
            f"{path} does not say which of its functions are tools: "
            f"set `__all__` in it, or `tools = [...]` in {definition.name}."
        )
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{definition}: `tools` must be a list of names of functions in {path.name}.")
    return tuple(_tool(path, module, name) for name in dict.fromkeys(names))


def _run(path: Path) -> ModuleType:
    # Named by its place, so that two assistants' tools.py do not meet in sys.modules, where dataclasses and
    # annotations inside it are looked up.
    name = f"rekindle_tools_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises is said, with its cause, in our words
        del sys.modules[name]
        raise ConfigurationError(f"{path} fails: {type(error).__name__}: {error}") from error
    return module


def _tool(path: Path, module: ModuleType, name: str) -> Callable[..., Any]:
    tool = getattr(module, name, None)
    if not inspect.isfunction(tool):
        raise ConfigurationError(f"{path} has no function named {name!r}.")
    if not _TOOL_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{path}: {name!r} cannot be a tool's name: only A-Z, a-z, 0-9, _ and -, at most 64 characters."
        )
    return tool


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
