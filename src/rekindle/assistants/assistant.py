"""What an assistant is, what it is asked and what it answers: plain values, cheap to import."""

import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias
from uuid import UUID

from rekindle.errors import ConfigurationError

INSTRUCTIONS = (
    "You are a helpful assistant. Answer plainly and to the point. "
    "Say so when you do not know something; never invent facts, sources or memories."
)
"""What an assistant is told when its definition says nothing else."""

_KEYS = frozenset({"name", "instructions", "model", "tools"})
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
    without either, `Using NAME…`.
    """


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the window."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """One record of the user's past: what a session was about, and which one it was."""

    session_id: UUID
    date: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked: the newest messages, oldest first, and what is recalled of earlier sessions."""

    window: tuple[Said, ...]
    """Oldest first; the last is the user's new message."""
    recalled: tuple[Recalled, ...] = ()
    """In any order; the model sees the newest first."""


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


Event: TypeAlias = Status | Text | ToolUsed | Usage


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
    )


def _text(path: Path, table: dict[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{path}: `{key}` must be a text that is not blank.")
    return value.strip()


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
