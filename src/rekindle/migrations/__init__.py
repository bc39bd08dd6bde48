"""The database's schema: Alembic revisions in plain SQL, applied under a lock when a server starts."""

from pathlib import Path
from typing import Any

import psycopg

from rekindle.errors import ConfigurationError, Unavailable

LOCK = 0x52454B494E444C45
"""Key of the advisory lock ("REKINDLE" in ASCII): of servers that start together, one migrates."""
LOCK_SECONDS = 600
"""Longest wait for another's migration, which may have much to do; whoever hangs does not make all others hang."""


def revisions() -> list[str]:
    """All revisions: from the files' names, as loading Alembic would slow a start that has nothing to do."""
    return sorted(path.name[:4] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))


def head() -> str:
    """The newest revision."""
    return revisions()[-1]


def run(sql: str) -> None:
    """Execute plain SQL, several statements if need be, in the running revision's transaction."""
    _driver_connection().execute(sql)


def fence(*tables: str, owner: str = "user_id") -> None:
    """Put tables under row-level security: the app's role reaches the rows of its user, the system's role every row.

    `owner` is the column that names the user.
    """
    for table in tables:
        run(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY own ON {table} TO rekindle_app USING ({owner} = (SELECT current_user_id()));
            CREATE POLICY every ON {table} TO rekindle_system USING (true);
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO rekindle_app, rekindle_system;
            """
        )


def scalar(sql: str) -> Any:
    """The single value that `sql` selects."""
    row = _driver_connection().execute(sql).fetchone()
    return row[0] if row else None


def current_revision(conninfo: str) -> str | None:
    """The revision the database is at; None when it is new. Raises Unavailable, ConfigurationError."""
    with _connect(conninfo) as connection:
        if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None


def migrate(conninfo: str, revision: str = "head", *, lock_seconds: float = LOCK_SECONDS) -> bool:
    """Bring the database to `revision`, up or down; False when it was there already.

    Raises Unavailable when the database is out of reach or somebody else does not finish migrating it within
    `lock_seconds`, ConfigurationError for a revision there is not, for a database that a newer version has migrated,
    and for one that refuses a step (no pgvector, no right to it).
    """
    current, newest = current_revision(conninfo), head()
    if current == (newest if revision == "head" else revision):
        return False
    if revision not in ("head", "base", *revisions()):
        raise ConfigurationError(f"There is no revision {revision!r}: {', '.join(revisions())}, `head` and `base` are.")
    if current is not None and current > newest:
        raise ConfigurationError(
            f"The database is at revision {current}, but this version of Rekindle knows {newest} and older ones."
        )

    # Alembic and SQLAlchemy take most of a second to load: only a server that has work for them pays.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=NullPool)
    with _connect(conninfo) as lock:
        _take_turn(lock, lock_seconds)
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            down = revision == "base" or (revision != "head" and current is not None and revision < current)
            try:
                (command.downgrade if down else command.upgrade)(config, revision)
            except (CommandError, psycopg.Error) as error:
                raise ConfigurationError(f"The database cannot be brought to {revision!r}: {error}") from error
    return True


def _take_turn(connection: psycopg.Connection[Any], seconds: float) -> None:
    """Hold the lock as long as the connection is open."""
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{seconds * 1000:.0f}ms",))
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    except psycopg.errors.LockNotAvailable as error:
        raise Unavailable(
            f"Another server, or `rekindle migrate`, is migrating this database, and was not done within {seconds:g} "
            "seconds. Wait for it or stop it, and start again."
        ) from error


def _connect(conninfo: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        raise Unavailable(f"The database cannot be reached: {str(error).strip()}") from error
    except psycopg.ProgrammingError as error:  # its text is not shown: it quotes the URL, password and all
        raise ConfigurationError(
            "REKINDLE_DATABASE_URL cannot be read. It should look like postgresql://name:password@host:5432/database."
        ) from error


def _driver_connection() -> psycopg.Connection[Any]:
    from alembic import op

    driver: psycopg.Connection[Any] = op.get_bind().connection.driver_connection  # type: ignore[assignment]
    return driver
