"""Writes docs/reference/ from the code: `make reference`. A test holds that what is there is up to date."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

import rekindle
from rekindle.app import create_app
from rekindle.cli import app as commands
from rekindle.errors import RekindleError
from rekindle.settings import Settings

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
MADE = "<!-- Made from the code by `make reference`. -->\n"

Schema = dict[str, Any]


def pages(described: Schema) -> dict[str, str]:
    """The name and the text of every page, given the API's description."""
    return {
        "settings.md": settings_page(),
        "commands.md": commands_page(),
        "endpoints.md": endpoints_page(described),
        "errors.md": errors_page(),
    }


# --- settings ---


def settings_page() -> str:
    """Every setting: name, type, default, meaning."""
    rows = [
        (f"`{variable(name)}`", _value_type(field.annotation), _default(field, name), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return _page(
        "Settings",
        "Environment variables, or the same lines in a file `.env` in the folder the server is started in. They are "
        "read once, when a command starts; one that cannot be used ends the command with a line that says which.",
        _table(("name", "type", "default", "meaning"), rows),
    )


def variable(name: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"REKINDLE_{name.upper()}"


def _value_type(annotation: Any) -> str:
    if get_origin(annotation) in (frozenset, tuple, list):
        return "list"
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if kinds := [kind for kind in get_args(annotation) if kind is not type(None)]:
        return ", ".join(map(_value_type, kinds))
    name = str(annotation.__name__)
    return {
        "str": "text",
        "SecretStr": "text (secret)",
        "int": "whole number",
        "float": "number",
        "bool": "`true` or `false`",
        "Path": "folder",
    }.get(name, name)


def _default(field: Any, name: str) -> str:
    if name == "data_dir":
        return "the platform's folder of user data"
    if field.default in (None, frozenset()):
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


# --- commands ---


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = []
    for name, command in command_tree().items():
        rows = []
        for parameter in command.params:
            is_option = parameter.param_type_name == "option"
            shown = ", ".join(f"`{word}`" for word in parameter.opts) if is_option else f"`{parameter.name.upper()}`"
            rows.append((shown, "required" if parameter.required else _plain(parameter), parameter.help or ""))
        usage = " ".join(
            [f"rekindle {name}"]
            + [_argument(p) for p in command.params if p.param_type_name == "argument"]
            + ["[OPTIONS]" for p in command.params[:1] if any(p.param_type_name == "option" for p in command.params)]
        )
        parts.append(f"## {name}\n\n```\n{usage}\n```\n\n{command.help}\n\n{_table(('', 'default', 'meaning'), rows)}")
    return _page(
        "Commands",
        "In a clone, `uv run rekindle …` or `.venv/bin/rekindle …`; where the wheel is installed, `rekindle …`. All "
        "take `--help`. Exit code 0: done; 1: it could not be done, and standard error says why; 2: the command line "
        "was not understood; 130: stopped by Ctrl+C.",
        *parts,
    )


def command_tree() -> dict[str, Any]:
    """The commands by name, as typer has them; those of a group by both names: `prices import`."""
    group: Any = typer.main.get_command(commands)
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= {f"{name} {each}": own for each, own in inner.items()} if inner else {name: command}
    return found


def _argument(parameter: Any) -> str:
    return parameter.name.upper() if parameter.required else f"[{parameter.name.upper()}]"


def _plain(parameter: Any) -> str:
    if parameter.default is None or parameter.default is False:
        return ""
    return f"`{parameter.default}`"


# --- endpoints ---


def endpoints_page(openapi: Schema) -> str:
    """Every endpoint by its group, and every shape they take and give."""
    groups: dict[str, list[str]] = {}
    for path, method, operation in operations(openapi):
        groups.setdefault(operation["tags"][0], []).append(_endpoint(path, method, operation))
    sent = {
        _type(_json(operation["requestBody"])) for *_, operation in operations(openapi) if "requestBody" in operation
    }
    shapes = []
    for name, shape in sorted(openapi["components"]["schemas"].items(), key=lambda item: _shape_name(item[0])):
        is_sent = any(f"[{_shape_name(name)}]" in body for body in sent)
        fields = _table(("field", "type", "meaning"), _fields(shape, is_sent=is_sent))
        shapes.append("\n\n".join(filter(None, [f"### {_shape_name(name)}", shape.get("description", ""), fields])))
    return _page(
        "Endpoints",
        "The running server shows the same at `/docs`, to read and to try, and at `/openapi.json`, for programs. "
        "*Bearer* marks those that need `Authorization: Bearer …`. Whatever is not as it should be is answered with "
        "a problem: see [errors](errors.md).",
        *(f"## {group[0].upper()}{group[1:]}\n\n" + "\n\n".join(parts) for group, parts in groups.items()),
        "## Shapes\n\n" + "\n\n".join(shapes),
    )


def operations(openapi: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Path, method and operation of every endpoint, in the order they are defined."""
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _endpoint(path: str, method: str, operation: Schema) -> str:
    lines = [f"### `{method} {path}`", ""]
    lines.append(operation["description"] + (" *Bearer.*" if operation.get("security") else ""))
    parameters = [
        (f"`{p['name']}`", p["in"], _type(p["schema"]).removesuffix(" or null"), _meaning(p, p["schema"]))
        for p in operation.get("parameters", [])
        if p["in"] != "path"
    ]
    if parameters:
        lines += ["", _table(("parameter", "in", "type", "meaning"), parameters)]
    facts = []
    if body := operation.get("requestBody"):
        facts.append(f"Body: {_type(_json(body))}.")
    for status, response in operation["responses"].items():
        if status.isdigit() and (content := response.get("content")):
            kinds = [_type(_json(response)) if _json(response) else f"`{kind}`" for kind in content]
            facts.append(f"{status}: {' or '.join(kinds)}.")
    return "\n".join([*lines, "", " ".join(facts)]).rstrip()


def _json(part: Schema) -> Schema:
    shape: Schema = part.get("content", {}).get("application/json", {}).get("schema", {})
    return shape


def _fields(shape: Schema, *, is_sent: bool) -> list[tuple[str, ...]]:
    required = shape.get("required", [])
    return [
        (
            f"`{name}`",
            _type(field),
            _meaning({**field, "required": name in required}, field) if is_sent else field.get("description", ""),
        )
        for name, field in shape.get("properties", {}).items()
    ]


def _meaning(part: Schema, schema: Schema) -> str:
    facts = [part.get("description", "")]
    if part.get("required"):
        facts.append("Required.")
    elif schema.get("default") not in (None, {}, []):
        facts.append(f"Unless given: `{schema['default']}`.")
    return " ".join(filter(None, facts))


def _type(shape: Schema) -> str:
    if "$ref" in shape:
        name = _shape_name(shape["$ref"].rpartition("/")[2])
        return f"[{name}](#{_anchor(name)})"
    if parts := shape.get("anyOf") or shape.get("oneOf"):
        return " or ".join(map(_type, parts))
    if "const" in shape:
        return f"`{shape['const']}`"
    if "enum" in shape:
        return ", ".join(f"`{value}`" for value in shape["enum"])
    if shape.get("type") == "array":
        return f"list of {_type(shape['items'])}"
    bounds = [
        f"{word} {shape[key]:,}"
        for key, word in (
            ("minimum", "from"),
            ("maximum", "to"),
            ("minLength", "at least"),
            ("maxLength", "at most"),
        )
        if key in shape
    ]
    kind = str(shape.get("format") or shape.get("type") or "anything")
    name = {"uuid": "id", "date-time": "time", "string": "text", "integer": "whole number"}.get(kind, kind)
    return f"{name} ({', '.join(bounds)})" if bounds else name


def _shape_name(name: str) -> str:
    # Shapes of one name in two files are told apart by OpenAPI with their modules' names.
    if name.startswith("Page_"):
        return f"Page of {name[5:-1]}"
    parts = name.split("__")
    return f"{parts[-1]} ({parts[-2].replace('_', ' ')})" if len(parts) > 1 else name


def _anchor(heading: str) -> str:
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


# --- errors ---


def errors_page() -> str:
    """Every error with its code, status and words."""
    for module in pkgutil.walk_packages(rekindle.__path__, "rekindle."):
        if not module.name.startswith(("rekindle.migrations.", "rekindle.__main__")):
            importlib.import_module(module.name)
    rows = [
        (f"{'&ensp;' * 2 * depth}`{error.code}`", f"{error.status}", _message(error))
        for error, depth in error_tree(RekindleError)
    ]
    return _page(
        "Errors",
        "Every error is `application/problem+json`: `type`, `title`, `status`, `detail`, `code`, and sometimes more, "
        "such as `turn_id`. `code` is stable and what programs should look at; `detail` is for people and may change. "
        "A kind of error stands indented below what it is a kind of. A 429 or 503 may carry `Retry-After`.",
        _table(("code", "status", "meaning"), rows),
        "Beside these, HTTP's own: `not_found` for an address that is none, `method_not_allowed`, `bad_request`.\n\n"
        "A reply that did not complete has its code in `error.code`: one of the above, or `interrupted` (its server "
        "stopped in the middle of it), `failed` (its server stopped three times before it began) or `cancelled`.",
    )


def error_tree(error: type[RekindleError], depth: int = 0) -> Iterator[tuple[type[RekindleError], int]]:
    """The error and all its kinds that have a code of their own, each with its depth."""
    yield error, depth
    # Those of `errors` come first, as they stand there; the others' order is that of their import, which varies.
    ours = [kind for kind in error.__subclasses__() if kind.__module__.startswith("rekindle.")]
    for kind in sorted(ours, key=lambda kind: "" if kind.__module__ == "rekindle.errors" else kind.code):
        if kind.code != error.code:
            yield from error_tree(kind, depth + 1)


def _message(error: type[RekindleError]) -> str:
    return error().detail


# --- Markdown ---


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([MADE + f"\n# {title}", *(part.strip() for part in parts)]) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rows = [tuple(" ".join(cell.split()).replace("|", "\\|") for cell in row) for row in rows]
    if not rows:
        return ""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in pages(create_app(Settings(_env_file=None)).openapi()).items():  # type: ignore[call-arg]
        (FOLDER / file).write_text(text)
