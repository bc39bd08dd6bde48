"""What is there is documented, and what is documented is there."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scripts.reference import command_tree, operations, pages, variable

from rekindle.checkup import OTHER_VARIABLES
from rekindle.settings import Settings
from tests.http.routes import API

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "rekindle"
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
MARKDOWN = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- what is there is documented ---


@pytest.mark.parametrize("name", ["settings.md", "commands.md", "endpoints.md", "errors.md"])
def test_the_reference_is_as_the_code_is(name: str) -> None:
    assert (REFERENCE / name).read_text() == made()[name], "make reference"


@cache
def made() -> dict[str, str]:
    """The reference, made once for all that look at it."""
    return pages(API)


def test_every_setting_is_documented() -> None:
    page = (REFERENCE / "settings.md").read_text()
    assert [name for name in Settings.model_fields if f"| `{variable(name)}` |" not in page] == []
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_command_and_option_is_documented() -> None:
    page = (REFERENCE / "commands.md").read_text()
    for name, command in command_tree().items():
        assert f"\n## {name}\n" in page
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"
            assert f"`{parameter.opts[0] if parameter.opts[0].startswith('-') else parameter.name.upper()}`" in page


def test_every_endpoint_is_documented() -> None:
    page = (REFERENCE / "endpoints.md").read_text()
    assert [f"{method} {path}" for path, method, _ in endpoints() if f"### `{method} {path}`" not in page] == []
    assert [path for path, _, operation in endpoints() if not operation.get("description")] == []


def test_every_error_code_is_documented() -> None:
    page = (REFERENCE / "errors.md").read_text()
    codes = {
        str(statement.value.value)
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and ast.unparse(statement.targets[0]) == "code"
        and isinstance(statement.value, ast.Constant)
    }
    assert len(codes) > 15
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []


def test_everything_public_has_a_docstring() -> None:
    """Those of stores say their SQL by their names; migrations and what overrides say theirs elsewhere."""
    silent = []
    for path in sorted(SOURCE.rglob("*.py")):
        if "versions" in path.parts:
            continue
        module = ast.parse(path.read_text())
        if not ast.get_docstring(module):
            silent.append(named(path))
        silent += [
            f"{named(path)}: {name}"
            for name, node in public(module)
            if not ast.get_docstring(node) and not (path.name == "store.py" and not isinstance(node, ast.ClassDef))
        ]
    assert silent == []


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(parent: ast.Module | ast.ClassDef) -> Iterator[tuple[str, Definition]]:
    for node in parent.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from ((f"{node.name}.{name}", inner) for name, inner in public(node))


def test_every_decision_is_in_the_index() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    decisions = sorted(path for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert [path.name for path in decisions if f"({path.name})" not in index] == []
    for number, path in enumerate(decisions, 1):
        assert path.name.startswith(f"{number:04d}-"), "decisions are numbered without a gap"
        text = path.read_text()
        assert text.startswith(f"# {number}. ")
        parts = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert (*parts[:2], parts[-1]) == ("Context", "Decision", "Consequences"), path.name


def test_every_library_has_its_reason() -> None:
    [reasons] = [path.read_text() for path in (DOCS / "decisions").glob("*-libraries.md")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for extras in project["project"].get("optional-dependencies", {}).values():
        wanted += extras
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in wanted}  # type: ignore[index]
    assert sorted(name for name in names if f"`{name}`" not in reasons) == []


def test_every_page_is_in_an_index() -> None:
    read = {ROOT / "README.md"}
    waiting = [ROOT / "README.md"]
    while waiting:
        for target, _ in links(waiting.pop()):
            if target.suffix == ".md" and target not in read:
                read.add(target)
                waiting.append(target)
    assert [named(path) for path in MARKDOWN if path not in read] == []


# --- what is documented is there ---


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The page's links into the tree: the file and the anchor."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`\n]*`", "", text)
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
        path, _, anchor = "".join(target).partition("#")
        if "://" not in path:
            yield (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    astray = []
    for target, anchor in links(page):
        if not target.exists() or (anchor and anchor not in anchors(target)):
            astray.append(f"{target}#{anchor}")
    assert astray == []


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def code(page: Path) -> list[str]:
    """What stands as code on the page: lines of blocks, whole where they are continued, and pieces of lines."""
    text = page.read_text()
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in fenced for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", prose)


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_settings_that_are_named_are_there(page: Path) -> None:
    there = {variable(name) for name in Settings.model_fields} | OTHER_VARIABLES
    assert set(re.findall(r"\bREKINDLE_[A-Z_]+\b", page.read_text())) - there == set()


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_commands_that_are_named_are_there(page: Path) -> None:
    commands = command_tree()
    unknown = []
    for piece in code(page):
        for name, rest in re.findall(r"(?:^|[\s(]|bin/)rekindle ([a-z]+)\b([^`|]*)", piece):
            if any(command.startswith(f"{name} ") for command in commands):  # a group, such as `rekindle prices import`
                inner, _, rest = rest.strip().partition(" ")
                name = f"{name} {inner}" if inner else next(c for c in commands if c.startswith(name))
            if name not in commands:
                unknown.append(f"rekindle {name}")
                continue
            options = {"--help"}.union(*(parameter.opts for parameter in commands[name].params))
            unknown += [
                f"rekindle {name} {option}" for option in re.findall(r"(?<!\S)--[\w-]+", rest) if option not in options
            ]
    assert unknown == []


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_make_targets_that_are_named_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named_here = {found for piece in code(page) for found in re.findall(r"(?:^|[`&;] ?)make ([a-z]+)", piece)}
    assert named_here - targets == set()


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_addresses_that_are_named_are_there(page: Path) -> None:
    paths = {path for path, *_ in endpoints()} | {"/", "/docs", "/openapi.json"}
    patterns = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in paths]
    found = {
        address
        for piece in code(page)
        for address in re.findall(
            r"(?<![\w.*}])(/(?:api/v1|chat|sessions|health|ready|metrics)(?:/(?:\{[^}]*\}|[^\s\"'`?),*])*)?)", piece
        )
    }
    whole = {address.rstrip("/") for address in found}
    # A prefix such as `/api/v1` stands for what is below it.
    assert sorted(a for a in whole if not any(p.fullmatch(a) or p.pattern.startswith(a + "/") for p in patterns)) == []


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_files_that_are_named_are_there(page: Path) -> None:
    named_here = {
        found
        for piece in code(page)
        for found in re.findall(r"(?<![\w/.])(?:src|tests|docs|bench|scripts)/[\w./-]+", piece)
    }
    assert [found for found in sorted(named_here) if not (ROOT / found.rstrip("./")).exists()] == []


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_modules_that_are_named_are_there(page: Path) -> None:
    missing = []
    for name in {found for piece in code(page) for found in re.findall(r"\brekindle(?:\.\w+)+", piece)}:
        parts = name.split(".")[1:]
        while parts and not _is_module(parts):
            parts.pop()
        if not parts:
            missing.append(name)
    assert missing == []


def _is_module(parts: list[str]) -> bool:
    path = SOURCE.joinpath(*parts)
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_programs_on_the_pages_are_python(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        compile(block, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | inspect.CO_NESTED)


@cache
def endpoints() -> tuple[tuple[str, str, dict[str, Any]], ...]:
    """Path, method and description of every endpoint."""
    return tuple(operations(API))
