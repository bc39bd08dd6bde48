"""A look at everything a server stands on: what is well, what is not, and what to do about it. Changes nothing."""

import asyncio
import os
import platform
import re
import shutil
import stat
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from rekindle.assistants.service import Assistants
from rekindle.errors import ConfigurationError, RekindleError
from rekindle.house import database_for, open_house, secret_key
from rekindle.identity.tokens import Tokens
from rekindle.memory.embedder import WordEmbedder, build_embedder
from rekindle.migrations import current_revision, head
from rekindle.settings import Settings

State = Literal["ok", "warn", "fail"]

OLDEST_POSTGRES = 15
CONNECT_SECONDS = 5
LOW_DISK, NO_DISK = 2_000_000_000, 200_000_000
"""Bytes: below the first it is time to make room, below the second PostgreSQL is about to stop."""
UNKNOWN = 1_000
"""Sessions that wait to be kept for search are counted so far."""
ROLES = ("rekindle_app", "rekindle_system")
OTHER_VARIABLES = frozenset({"REKINDLE_SERVED_ASSISTANTS", "REKINDLE_LOCOMO"})
"""Variables that are no settings: what `serve` tells its workers, where the tests find a file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do when it is not well."""

    name: str
    state: State
    what: str
    advice: str = ""


async def examine(settings: Settings, environment: Mapping[str, str], *, ask: bool = False) -> AsyncIterator[Finding]:
    """Everything, one finding after the other. With `ask`, models are asked for a word, which may cost a little.

    An embedded database that is stopped runs while it is looked at.
    """
    yield Finding("Rekindle", "ok", f"{version('rekindle')} on Python {platform.python_version()}")
    yield _settings(settings, environment)
    yield _data_folder(settings.data_dir)
    yield _secret(settings)
    yield _disk(settings.data_dir)
    yield await _model(settings, ask=ask)
    embedder = await _embedder(settings, ask=ask)
    yield embedder
    with ExitStack() as stack:
        if not settings.database_url and not (settings.data_dir / "postgres" / "data").exists():
            yield Finding("Database", "warn", "embedded, not made yet", "`rekindle serve` makes it when it starts.")
            return
        try:
            conninfo = await asyncio.to_thread(database_for, settings, stack)
            connection = stack.enter_context(await asyncio.to_thread(_connect, conninfo))
        except (RekindleError, psycopg.Error) as error:
            yield _unreachable(settings, error)
            return
        try:
            at_head = False
            for finding in _database(connection, conninfo, embedded=not settings.database_url):
                at_head = at_head or (finding.name == "Migrations" and finding.state == "ok")
                yield finding
            if at_head:
                for finding in _work(connection):
                    yield finding
                if embedder.state != "fail":  # without it no house opens
                    async for finding in _past(settings):
                        yield finding
                    yield _knowledge(connection, settings)
        except psycopg.Error as error:
            yield _unreachable(settings, error)


# --- this machine ---


def _settings(settings: Settings, environment: Mapping[str, str]) -> Finding:
    known = {
        str(field.validation_alias or f"REKINDLE_{name.upper()}"): name for name, field in Settings.model_fields.items()
    }
    given = sorted(variable for variable, name in known.items() if name in settings.model_fields_set)
    what = f"{len(given)} set: {', '.join(given)}" if given else "none set: everything as it comes"
    if set(environment) & known.keys() - set(given):
        what += " (others are blank)"
    file = Path(".env")
    in_file = (
        re.findall(r"^\s*(?:export\s+)?(\w+)\s*=", file.read_text(errors="replace"), re.M) if file.is_file() else []
    )
    unknown = sorted(
        {name for name in (*environment, *in_file) if name.upper().startswith("REKINDLE_")}
        - {name for name in (*environment, *in_file) if name.upper() in known.keys() | OTHER_VARIABLES}
    )
    if unknown:
        close = get_close_matches(unknown[0], known, 1)
        hint = f"Is it {close[0]}?" if close else "Look at its spelling, or unset it."
        return Finding("Settings", "warn", f"{what}; there is no {', '.join(unknown)}", hint)
    return Finding("Settings", "ok", what)


def _data_folder(folder: Path) -> Finding:
    name = "Data folder"
    if not folder.exists():
        return Finding(name, "warn", f"{folder} is not there yet", "`rekindle serve` makes it when it starts.")
    if not folder.is_dir():
        return Finding(name, "fail", f"{folder} is not a folder", "Set REKINDLE_DATA_DIR to another.")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            name, "fail", f"{folder} cannot be written to", f"Its owner is {_owner(folder)}: run as that user."
        )
    if open_paths := [path for path in (folder, folder / "secret.key") if _others_may(path)]:
        what = f"{' and '.join(map(str, open_paths))} can be read or changed by others"
        return Finding(name, "warn", what, f"chmod -R go-rw '{folder}'")
    return Finding(name, "ok", f"{folder}, private and writable")


def _others_may(path: Path) -> bool:
    # Passing through is allowed: as root, PostgreSQL runs as another user, in a folder of its own below this one.
    return path.exists() and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) & 0o066)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"


def _secret(settings: Settings) -> Finding:
    name = "Secret key"
    if not settings.secret_key and not (settings.data_dir / "secret.key").exists():
        return Finding(name, "ok", "made when it is first needed")
    try:
        Tokens(secret_key(settings))
    except ConfigurationError as error:
        return Finding(name, "fail", error.detail, "Set REKINDLE_SECRET_KEY to 32 or more random characters.")
    except OSError as error:
        return Finding(name, "fail", f"secret.key cannot be read: {error.strerror}")
    return Finding(name, "ok", "set" if settings.secret_key else "kept in the data folder")


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    state: State = "fail" if free < NO_DISK else "warn" if free < LOW_DISK else "ok"
    advice = "Make room: a full disk stops the database." if state != "ok" else ""
    return Finding("Disk", state, f"{free / 1e9:,.1f} GB free", advice)


# --- models ---


async def _model(settings: Settings, *, ask: bool) -> Finding:
    name, model = "Model", settings.model_name
    if model == "offline":
        return Finding(name, "ok", "offline, built in: it quotes, it does not think")
    assistants = Assistants(settings)
    try:
        await assistants.load()
        what = f"{model}, {_key(settings)}" if model.startswith("openai") else model
        if not ask:
            return Finding(name, "ok", f"{what}; not asked (--ask asks it)")
        began = time.monotonic()
        answer, usage = await assistants.complete("Answer with one word.", "Say hello.")
        took = f"answered in {time.monotonic() - began:.1f} s, {usage.input_tokens + usage.output_tokens} tokens"
        state: State = "ok" if answer.strip() else "warn"
        return Finding(name, state, f"{what}; {took}" if answer.strip() else f"{what}; answered nothing")
    except RekindleError as error:
        return Finding(name, "fail", error.detail, _settings_of("REKINDLE_MODEL"))
    finally:
        await assistants.close()


async def _embedder(settings: Settings, *, ask: bool) -> Finding:
    name = "Embedder"
    try:
        async with aclosing(build_embedder(settings)) as embedder:
            if isinstance(embedder, WordEmbedder):
                advice = "`rekindle embedder` gets the weights of one that does, once."
                return Finding(name, "warn", f"{embedder.name}: it knows words, not their meaning", advice)
            if not settings.embedding_model:
                return Finding(name, "ok", f"{embedder.name}, built in")
            what = f"{embedder.name}, {_key(settings)}" if embedder.name.startswith("openai:") else embedder.name
            if not ask:
                return Finding(name, "ok", f"{what}; not asked (--ask asks it)")
            began = time.monotonic()
            [vector] = await embedder.embed(["hello"])
            return Finding(name, "ok", f"{what}; answered in {time.monotonic() - began:.1f} s, {len(vector)} wide")
    except RekindleError as error:
        return Finding(name, "fail", error.detail, _settings_of("REKINDLE_EMBEDDING_MODEL"))


def _key(settings: Settings) -> str:
    at = ", at OPENAI_BASE_URL" if settings.openai_base_url else ""
    return f"{'with' if settings.openai_api_key else 'without'} a key{at}"


def _settings_of(variable: str) -> str:
    return f"Look at {variable}, OPENAI_API_KEY and OPENAI_BASE_URL."


# --- the database ---


def _connect(conninfo: str) -> psycopg.Connection:
    return psycopg.connect(conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS)


def _unreachable(settings: Settings, error: Exception) -> Finding:
    reason = error.detail if isinstance(error, RekindleError) else " ".join(str(error).split())
    advice = "Is it running, and is REKINDLE_DATABASE_URL right?" if settings.database_url else "See the log beside it."
    return Finding("Database", "fail", f"cannot be reached: {reason}", advice)


def _database(connection: psycopg.Connection, conninfo: str, *, embedded: bool) -> Iterator[Finding]:
    number = connection.info.server_version
    where = "embedded" if embedded else _place(conninfo)
    new_enough = number >= OLDEST_POSTGRES * 10_000
    advice = "" if new_enough else f"Rekindle needs PostgreSQL {OLDEST_POSTGRES} or newer."
    yield Finding(
        "Database", "ok" if new_enough else "fail", f"PostgreSQL {number // 10_000}.{number % 10_000}, {where}", advice
    )
    yield _pgvector(connection)
    revision = current_revision(conninfo)
    if revision == head():
        yield Finding("Migrations", "ok", f"at {revision}, the newest")
    elif revision is None or revision < head():
        advice = "`rekindle migrate` brings it up; so does the next `rekindle serve`."
        yield Finding("Migrations", "warn", f"at {revision or 'base'}, not yet at {head()}", advice)
    else:
        advice = "Update Rekindle, or bring the database down with the version that brought it up."
        yield Finding("Migrations", "fail", f"at {revision}, which this version ({head()}) does not know", advice)
    if revision is not None:
        yield _roles(connection)
        yield _row_security(connection)


def _place(conninfo: str) -> str:
    parts = conninfo_to_dict(conninfo)
    return f"{parts.get('dbname') or 'the default database'} at {parts.get('host') or 'this machine'}"


def _pgvector(connection: psycopg.Connection) -> Finding:
    installed, available = _row(
        connection,
        "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector'), "
        "(SELECT default_version FROM pg_available_extensions WHERE name = 'vector')",
    )
    if installed:
        return Finding("pgvector", "ok", installed)
    if available:
        return Finding("pgvector", "warn", f"{available} is there, not yet in this database", "Migrating puts it in.")
    return Finding("pgvector", "fail", "not installed on the database's server", "Install pgvector there.")


def _roles(connection: psycopg.Connection) -> Finding:
    """The two roles that the server becomes must not be above row-level security."""
    found = {
        row[0]: row[1:]
        for row in connection.execute(
            """
            SELECT r.rolname, r.rolsuper, r.rolbypassrls, pg_has_role(current_user, r.oid, 'MEMBER'),
                EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p', 'v'))
            FROM pg_roles r WHERE r.rolname = ANY (%s)
            """,
            [list(ROLES)],
        )
    }
    wrong = []
    for role in ROLES:
        if role not in found:
            wrong.append(f"{role} is missing")
            continue
        is_super, bypasses, ours, owns = found[role]
        wrong += [f"{role} is a superuser"] * is_super + [f"{role} bypasses row security"] * bypasses
        wrong += [f"{role} owns tables"] * owns + [f"we may not become {role}"] * (not ours)
    if wrong:
        return Finding("Roles", "fail", "; ".join(wrong), "Make them plain roles again: NOSUPERUSER NOBYPASSRLS.")
    return Finding("Roles", "ok", f"{' and '.join(ROLES)}, without special rights")


def _row_security(connection: psycopg.Connection) -> Finding:
    """Every table that holds a person's rows guards them, even from its owner."""
    rows = connection.execute(
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity
            AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND (c.relname = 'users' OR EXISTS (
              SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_id' AND NOT a.attisdropped))
        ORDER BY 1
        """
    ).fetchall()
    bare = [name for name, guarded in rows if not guarded]
    if bare:
        advice = "ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; look at who changed it."
        return Finding("Row security", "fail", f"not forced on {', '.join(bare)}", advice)
    return Finding("Row security", "ok", f"forced on all {len(rows)} tables with people's rows")


# --- work that waits ---


def _work(connection: psycopg.Connection) -> Iterator[Finding]:
    failed, waiting = _row(
        connection,
        "SELECT count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'todo') "
        "FROM procrastinate_jobs",
    )
    if failed:
        advice = "What they were to do is found again each minute while a server runs; its log says why they failed."
        yield Finding("Jobs", "warn", f"{failed:,} failed, {waiting:,} wait", advice)
    else:
        yield Finding("Jobs", "ok", f"none failed, {waiting:,} wait")
    with connection.transaction():
        connection.execute("SELECT become_system()")
        running, left = _row(
            connection,
            "SELECT count(*), count(*) FILTER (WHERE lease_until < now() - interval '30 seconds') "
            "FROM messages WHERE status = 'running'",
        )
    if left:
        advice = "No server is there to take them over: start one."
        yield Finding("Turns", "warn", f"{left:,} were left in the middle by a server that is gone", advice)
    else:
        yield Finding("Turns", "ok", f"{running:,} running")


async def _past(settings: Settings) -> AsyncIterator[Finding]:
    async with open_house(settings, work=False) as house:
        waiting = await house.memory.waiting()
        progress = await house.recall.progress()
        unknown = len(await house.recall.unindexed(limit=UNKNOWN, whole=False))
    if waiting:
        advice = "A running server writes them, newest first, when its model answers."
        yield Finding("Summaries", "warn", f"{waiting:,} wait", advice)
    else:
        yield Finding("Summaries", "ok", "none wait")
    what = f"{progress.current:,} of {progress.blocks:,} blocks of lines kept by {progress.model or 'their words'}"
    if not progress.blocks:
        what = "nothing kept yet" if unknown else "nothing to keep yet"
    if unknown:
        more = " or more" if unknown == UNKNOWN else ""
        what += f", {unknown:,}{more} session{' has' if unknown == 1 else 's have'} lines that are not kept yet"
    if progress.current < progress.blocks:
        advice = "A running server keeps them anew; until then the model that was set before, or words, find them."
        yield Finding("Search", "warn", what, advice)
    else:
        yield Finding("Search", "ok", what)


def _knowledge(connection: psycopg.Connection, settings: Settings) -> Finding:
    """What assistants may look up, and how much of it waits for the embedder that is set."""
    embedder = build_embedder(settings)
    passages, bare, documents = _row(
        connection,
        "SELECT count(*), count(*) FILTER (WHERE embedding_model IS DISTINCT FROM %s), "
        "(SELECT count(*) FROM documents) FROM chunks",
        embedder.name,
    )
    what = f"{documents:,} documents in {passages:,} passages" if documents else "no documents"
    if bare and not isinstance(embedder, WordEmbedder):
        advice = "A running server sees to it; until then words find them."
        return Finding("Knowledge", "warn", f"{what}, of which {bare:,} wait for {embedder.name}", advice)
    return Finding("Knowledge", "ok", what)


def _row(connection: psycopg.Connection, query: Any, *values: Any) -> tuple[Any, ...]:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row
