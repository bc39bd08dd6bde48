"""The house's plan: who may import whom, and the mechanical rules of its style."""

import ast
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "rekindle"

DOMAINS = ("identity", "sessions", "conversation", "memory", "knowledge", "assistants", "usage")
FLOORS = (
    ("settings", "errors", "ids"),
    ("database", "cache", "embedded", "system_account", "migrations", "metrics", "tls"),
    DOMAINS,
    ("jobs",),
    ("house",),
    ("doors",),
    ("http",),
    ("app", "checkup"),
    ("cli", "__main__"),
)
"""From the ground up: a module imports from its own floor and from those below."""
BESIDE = ("testing",)
"""For tests: nothing of the house imports it, and it imports nothing of the house."""

MOST_LINES = 400
LONGER: dict[str, str] = {}
"""Modules that are longer, each with its reason."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import of one of our modules by another."""

    importer: str
    imported: str
    taken: str
    """What of the module is imported; empty for the module itself."""
    line: int
    for_types_only: bool
    late: bool
    """Inside a function, with its reason on the same line: to spare others a library that takes long to load."""

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def sources() -> dict[str, Path]:
    """Our modules' names, without the leading `rekindle.`, and their files."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


@cache
def nodes(name: str) -> tuple[ast.AST, ...]:
    """All that a module's text says, part by part."""
    return tuple(ast.walk(ast.parse(sources()[name].read_text())))


@cache
def imports() -> tuple[Import, ...]:
    """Every import of our own modules, those inside functions too."""
    return tuple(found for name in sources() for found in _imports_of(name))


def _imports_of(name: str) -> Iterator[Import]:
    typing_only = {
        id(inner)
        for node in nodes(name)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    lines = sources()[name].read_text().splitlines()
    for node in nodes(name):
        wanted: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            wanted = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names]
        for full in wanted:
            target, taken = full.removeprefix("rekindle."), ""
            if target == full:
                continue
            while target not in sources() and "." in target:
                target, _, taken = target.rpartition(".")
            if target in sources() and target != name:
                number = getattr(node, "lineno", 0)
                line = lines[number - 1]
                late = line.startswith(" ") and "#" in line
                yield Import(name, target, taken, number, id(node) in typing_only, late)


def libraries(name: str) -> set[str]:
    """The other packages that a module imports, by their first name."""
    found = set()
    for node in nodes(name):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
            case ast.Import(names=names):
                found |= {alias.name.partition(".")[0] for alias in names}
    return found - {"rekindle"}


def floor(name: str) -> int:
    top = name.partition(".")[0]
    return next(number for number, names in enumerate(FLOORS) if top in names)


def domain(name: str) -> str | None:
    top = name.partition(".")[0]
    return top if top in DOMAINS else None


def is_store(name: str) -> bool:
    return name.endswith(".store") and (domain(name) is not None or name == "jobs.store")


def touches_tables(name: str) -> bool:
    """Whether a module reads or writes rows itself, being a store or using one for more than the shape of its rows."""
    return is_store(name) or any(
        i.imported == "database" or (is_store(i.imported) and not i.taken[:1].isupper())
        for i in imports()
        if i.importer == name
    )


def test_every_module_has_its_floor() -> None:
    known = {name for names in FLOORS for name in names} | {*BESIDE}
    assert {name.partition(".")[0] for name in sources()} <= known


def test_imports_point_down_only() -> None:
    assert [str(i) for i in imports() if i.importer not in BESIDE and _points_up(i)] == []


def _points_up(found: Import) -> bool:
    if found.importer.partition(".")[0] in BESIDE or found.imported.partition(".")[0] in BESIDE:
        return found.importer.partition(".")[0] != found.imported.partition(".")[0]
    return floor(found.imported) > floor(found.importer)


def test_no_imports_go_round_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in sources()}
    for found in imports():
        if not found.for_types_only and not found.late:
            graph[found.importer].add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" → ".join(circle.args[1]))


def test_a_domain_is_entered_by_its_service_or_its_plain_values() -> None:
    assert [
        str(i)
        for i in imports()
        if domain(i.imported)
        and domain(i.importer) != domain(i.imported)
        and not i.imported.endswith(".service")
        and touches_tables(i.imported)
        and (is_store(i.imported) or not _takes_a_class_from_above(i))
    ] == []


def _takes_a_class_from_above(found: Import) -> bool:
    """Such as the house, which makes services, or an endpoint, which names an error."""
    return domain(found.importer) is None and found.taken[:1].isupper()


def test_a_domain_knows_nothing_of_the_web_or_the_terminal() -> None:
    foreign = {"fastapi", "starlette", "uvicorn", "typer", "rich"}
    assert {name: sorted(libraries(name) & foreign) for name in sources() if domain(name)} == {
        name: [] for name in sources() if domain(name)
    }


def test_sql_is_in_stores_only() -> None:
    # The doctor looks at PostgreSQL itself: versions, roles, extensions.
    inside = ("database", "embedded", "migrations", "checkup")
    assert [
        name
        for name in sources()
        if not is_store(name) and not name.startswith(inside) and ("psycopg" in libraries(name) or _executes(name))
    ] == []


def _executes(name: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute"
        for node in nodes(name)
    )


def test_a_module_is_read_in_one_sitting() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in sources().items()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES and name not in LONGER} == {}
    assert [name for name in LONGER if lengths[name] <= MOST_LINES] == []


def test_names_say_what_things_are() -> None:
    vague = re.compile(r"manager|helper|utils?$|^utils?_|_async$|^async_|_?v2$", re.IGNORECASE)
    definitions = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    # A door may bear the name that its seed printed.
    assert [
        f"{name}: {node.name}"
        for name in sources()
        if not name.startswith(("http.doors", "doors"))
        for node in nodes(name)
        if isinstance(node, definitions) and vague.search(node.name)
    ] == []
    assert [name for name in sources() if vague.search(name.rpartition(".")[2]) and not name.startswith("doors")] == []


def test_nothing_is_swallowed_without_a_reason() -> None:
    broad = {"Exception", "BaseException"}
    unexplained = []
    for name, path in sources().items():
        lines = path.read_text().splitlines()
        for node in nodes(name):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = {"BaseException"} if node.type is None else set(re.findall(r"\w+", ast.unparse(node.type)))
            goes_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if caught & broad and not goes_on and "#" not in lines[node.lineno - 1]:
                unexplained.append(f"{name}:{node.lineno}")
    assert unexplained == []


def test_every_task_is_kept_by_somebody() -> None:
    dropped = []
    for name in sources():
        groups = {
            item.optional_vars.id
            for node in nodes(name)
            if isinstance(node, ast.AsyncWith)
            for item in node.items
            if "TaskGroup" in ast.unparse(item.context_expr) and isinstance(item.optional_vars, ast.Name)
        }
        for node in nodes(name):
            if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
                continue
            owner, _, called = ast.unparse(node.value.func).rpartition(".")
            if called in ("create_task", "ensure_future") and owner not in groups:
                dropped.append(f"{name}:{node.lineno}")
    assert dropped == []


def test_tests_replace_nothing_by_stand_ins() -> None:
    stand_ins = re.compile(r"unittest\.mock|import mock|\bmocker\b|monkeypatch\.(setattr|setitem|delattr)")
    this = Path(__file__)
    assert [
        path.name for path in this.parent.rglob("*.py") if path != this and stand_ins.search(path.read_text())
    ] == []


WATCH = textwrap.dedent(
    '''
    """Imports every module, and says which of them touched files, processes, the network or the settings."""
    import importlib, sys

    source, *names = sys.argv[1:]
    watched = ("open", "socket.", "subprocess.", "os.mkdir", "os.listdir", "os.scandir", "sqlite3.", "tempfile.")
    seen = []

    def by_ours():
        """Who asked: one of our modules, rather than a library that is being imported."""
        frame = sys._getframe(2)
        while frame:
            file = frame.f_code.co_filename
            if file.startswith("<frozen importlib"):
                return None
            if file.startswith(source):
                return f"{file.removeprefix(source)}:{frame.f_lineno}"
            frame = frame.f_back

    def hook(event, arguments):
        if event.startswith(watched) and (place := by_ours()):
            seen.append(f"{place} {event} {arguments[:1]}")

    sys.addaudithook(hook)
    for name in names:
        importlib.import_module(name)
    print("\\n".join(seen))
    '''
)


def test_importing_touches_no_file_no_network_and_no_setting() -> None:
    # Alembic's own entry file runs inside a migration only.
    names = [f"rekindle.{name}" for name in sources() if name not in ("migrations.env", "__main__")]
    # Settings that are read would not hold: reading them fails.
    environment = {"PATH": os.environ["PATH"], "REKINDLE_WINDOW": "not a number", "REKINDLE_IDENTITY": "nonsense"}
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(SOURCE), *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


HEAVY = (
    "alembic",
    "fastapi",
    "openai",
    "procrastinate",
    "psycopg",
    "pydantic",
    "pydantic_ai",
    "rich",
    "typer",
    "uvicorn",
)


def test_importing_rekindle_alone_loads_none_of_its_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    code = f"""
import sys, time
began = time.perf_counter()
import rekindle
print(time.perf_counter() - began)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    seconds, loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert loaded == "[]"
    with capsys.disabled():
        print(f"\nimport rekindle: {float(seconds) * 1000:.1f} ms (may take 300)")  # noqa: T201 the figure is for people


def test_the_command_line_says_its_help_without_loading_the_server() -> None:
    code = f"""
import sys
from rekindle.cli import app
print([name for name in {("alembic", "fastapi", "openai", "procrastinate", "psycopg", "pydantic_ai", "uvicorn")!r}
       if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
