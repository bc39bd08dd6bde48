"""An assistant's folder: `assistant.toml` and `tools.py`, read and checked."""

import importlib.util
import inspect
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, get_args
from urllib.parse import urlsplit

from rekindle.assistants.assistant import (
    ABILITIES,
    INSTRUCTIONS,
    USUAL_ABILITIES,
    Assistant,
    Door,
    McpServer,
    Policy,
)
from rekindle.errors import ConfigurationError

_ABOUT = frozenset({"name", "title", "description", "greeting", "suggestions", "door"})
_KEYS = _ABOUT | {"instructions", "model", "tools", "abilities", "mcp", "recall"}
_MCP_KEYS = frozenset({"name", "command", "url", "env", "token", "tools"})
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What OpenAI's servers accept as a function's name."""
_DEFINITION = "assistant.toml"


def load_assistants(folders: Sequence[Path]) -> tuple[Assistant, ...]:
    """The assistants in these folders, in their order; a folder of such folders stands for those, by name.

    Raises ConfigurationError as `load_assistant` does.
    """
    found: list[Path] = []
    for folder in folders:
        if not (folder / _DEFINITION).exists() and folder.is_dir():
            inside = sorted(path.parent for path in folder.glob(f"*/{_DEFINITION}"))
            found += inside or [folder]
        else:
            found.append(folder)
    return tuple(load_assistant(folder) for folder in dict.fromkeys(path.resolve() for path in found))


def load_assistant(folder: Path) -> Assistant:
    """The assistant defined in `folder`: `assistant.toml` and, if it has tools, `tools.py`.

    Every line of `assistant.toml` may be left out: `name` is the folder's then, `tools` what `tools.py` has in
    `__all__`. Runs `tools.py`. Raises ConfigurationError, which names the file and what is wrong in it.
    """
    path = folder / _DEFINITION
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
            f"{path} holds {_listed(unknown)}, with no meaning here. It can hold {_listed(sorted(_KEYS))}."
        )
    return Assistant(
        name=_text(path, table, "name") or folder.resolve().name,
        title=_text(path, table, "title"),
        description=_text(path, table, "description"),
        greeting=_text(path, table, "greeting"),
        suggestions=_texts(path, table, "suggestions"),
        doors=_doors(path, table.get("door")),
        instructions=_text(path, table, "instructions") or INSTRUCTIONS,
        model=_text(path, table, "model"),
        tools=_load_tools(path, table.get("tools")),
        abilities=_abilities(path, table.get("abilities")),
        mcp=_servers(path, table.get("mcp", [])),
        folder=folder.resolve(),
        recall=_policy(path, table.get("recall")),
    )


def _text(path: Path, table: dict[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{path}: `{key}` must be a text that is not blank.")
    return value.strip()


def _texts(path: Path, table: dict[str, Any], key: str) -> tuple[str, ...]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise ConfigurationError(f"{path}: `{key}` must be a list of texts that are not blank.")
    return tuple(value.strip() for value in values)


def _doors(path: Path, doors: object) -> tuple[Door, ...]:
    known: tuple[Door, ...] = get_args(Door)
    wanted = doors if isinstance(doors, list) else [] if doors is None else [doors]
    if any(door not in known for door in wanted):
        raise ConfigurationError(f"{path}: `door` must be one of {_listed([*known])}, or a list of some.")
    return tuple(dict.fromkeys(wanted))


def _servers(path: Path, tables: object) -> tuple[McpServer, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigurationError(f"{path}: a server of tools is a table `[[mcp]]`.")
    servers = tuple(_server(path, table) for table in tables)
    if len({server.name for server in servers}) < len(servers):
        raise ConfigurationError(f"{path}: two tables `[[mcp]]` have the same `name`.")
    return servers


def _server(path: Path, table: dict[str, Any]) -> McpServer:
    if unknown := sorted(table.keys() - _MCP_KEYS):
        raise ConfigurationError(
            f"{path}: `[[mcp]]` holds {_listed(unknown)}, with no meaning here. "
            f"It can hold {_listed(sorted(_MCP_KEYS))}."
        )
    url, command = _text(path, table, "url"), table.get("command")
    try:
        host = urlsplit(url).hostname if url else None
        if isinstance(command, str):
            command = shlex.split(command)
    except ValueError as error:  # half a pair of quotation marks, half an IPv6 address
        raise ConfigurationError(
            f"{path}: the `{'url' if url else 'command'}` of `[[mcp]]` cannot be read: {error}."
        ) from error
    if (url is None) == (command is None):
        raise ConfigurationError(f"{path}: `[[mcp]]` needs either a `command` or a `url`.")
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{path}: the `url` of `[[mcp]]` begins with http:// or https://.")
    program = _texts(path, {"command": command or []}, "command")
    if url is None and not program:
        raise ConfigurationError(f"{path}: the `command` of `[[mcp]]` is empty.")
    return McpServer(
        name=_text(path, table, "name") or host or Path(program[0]).name,
        command=program,
        folder=path.parent.resolve(),
        variables=_texts(path, table, "env"),
        url=url,
        token=_text(path, table, "token"),
        tools=_texts(path, table, "tools") if "tools" in table else None,
    )


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
