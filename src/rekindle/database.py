"""PostgreSQL: one pool, and transactions that say whose rows they may touch.

Row-level security holds for every statement the server runs. A transaction becomes one of two roles, neither of
which owns a table: `rekindle_app`, which sees the rows of one user, or `rekindle_system`, which sees all and is for
work without a user (check-in, sweeps, jobs). Role and user are set inside the transaction, never on the connection,
so a pooled connection carries nothing over and PgBouncer may stand between.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, LiteralString, Self
from uuid import UUID

import structlog
from psycopg import AsyncConnection, DatabaseError, OperationalError, sql
from psycopg.abc import Buffer
from psycopg.errors import PipelineAborted, QueryCanceled
from psycopg.pq import PipelineStatus
from psycopg.rows import DictRow, dict_row
from psycopg.types.datetime import TimestamptzLoader
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from rekindle.errors import Unavailable, UserGone

log = structlog.get_logger()

CHECK_SECONDS = 2.0
AWAY_SECONDS = 1.0
"""How long a database that could not be reached is not asked again; then it gets as long to answer."""
BUSY_SECONDS = 2.0
"""One that answered others within this time is busy, not away."""
RECONNECT_SECONDS = 5.0
"""How long the pool tries to renew a lost connection by itself before it waits to be asked."""
STATEMENT_SECONDS = 30.0
"""Longest time a connection is held: a database that hangs is as good as away."""

GAVE_WAY = "40"
"""Class of SQLSTATEs of a transaction that was rolled back so that another could go on, as in a deadlock."""
TOO_LARGE = "54"
"""Class of SQLSTATEs of a statement that no PostgreSQL could run, as of a word or an index row over its limits."""
GONE = "RK401"
"""SQLSTATE of `admit_user` for a user who is not there."""

Connection = AsyncConnection[DictRow]


def vector(values: Sequence[float]) -> str:
    """A vector in pgvector's text form: its binary one would need a dependency."""
    return "[" + ",".join(f"{value:.7g}" for value in values) + "]"


class FromRow:
    """A frozen dataclass whose fields are columns, by their names."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """What a row says; of its columns those that are fields."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


class _UtcLoader(TimestamptzLoader):
    """Times are in UTC here, whatever zone the database is set to."""

    def load(self, data: Buffer) -> datetime:
        try:
            return datetime.fromisoformat(str(data, "ascii")).astimezone(UTC)
        except ValueError:
            return super().load(data).astimezone(UTC)


class DatabaseDown(Unavailable):
    """The database cannot be reached. Try again in a moment."""

    code = "database_down"


class TooMuch(Unavailable):
    """This takes too long to find. Ask for less: fewer days, or another filter."""

    code = "took_too_long"


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, conninfo: str, *, pool_size: int = 10, prepare: bool = True, wait_seconds: float = 10) -> None:
        self.conninfo = conninfo
        self.round_trips = 0
        """Times the database was asked, for tests that count; a transaction counts as one."""
        self._prepare = prepare
        self._wait_seconds = wait_seconds
        self._away_until: float | None = None
        self._answered_at = float("-inf")
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            connection_class=AsyncConnection[DictRow],
            min_size=min(2, pool_size),
            max_size=pool_size,
            timeout=wait_seconds,
            reconnect_timeout=RECONNECT_SECONDS,
            open=False,
            configure=self._configure,
            kwargs={"autocommit": True, "row_factory": dict_row, "application_name": "rekindle"},
        )

    async def open(self) -> None:
        """Connect; raises `DatabaseDown` when the database does not answer within 10 s."""
        try:
            await self._pool.open(wait=True, timeout=10)
        except PoolTimeout as error:
            await self._pool.close()
            raise DatabaseDown from error

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection on which each statement commits by itself, for functions that set their own identity."""
        self.round_trips += 1
        away = self._away_until
        if away is not None and time.monotonic() < away:
            raise DatabaseDown  # at once: what can go on without the database must not wait for it
        task = asyncio.current_task()
        cancellings = task.cancelling() if task else 0
        try:
            wait = self._wait_seconds if away is None else AWAY_SECONDS
            async with asyncio.timeout(STATEMENT_SECONDS), self._pool.connection(timeout=wait) as connection:
                try:
                    yield connection
                finally:
                    # Who is cut off as it enters or leaves a pipeline leaves that open, and psycopg does not mind: what
                    # is done here next would not be committed.
                    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
                        await connection.close()
            self._away_until = None
            self._answered_at = time.monotonic()
            if task and task.cancelling() > cancellings:
                # The pool may lose a cancellation that comes as it hands out a connection (psycopg issue 1345): a task
                # that works in rounds would never end, and with it neither would the server.
                raise asyncio.CancelledError
        except PipelineAborted:
            raise  # a statement failed, and who saw it went on: no sign of the database being away
        except QueryCanceled as error:
            raise TooMuch from error
        except (OperationalError, TimeoutError) as error:
            # A statement's own faults are no OperationalErrors, but for those of this class.
            if isinstance(error, OperationalError) and (error.sqlstate or "").startswith(TOO_LARGE):
                raise
            if self._answers_others(error):
                log.warning("database.busy", error=type(error).__name__)
                raise DatabaseDown("The database has too much to do. Try again in a moment.") from error
            log.warning("database.unreachable", error=type(error).__name__)
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise DatabaseDown from error

    def _answers_others(self, error: OperationalError | TimeoutError) -> bool:
        """Whether it is there although it failed this one: nobody else need be told that it is away."""
        if isinstance(error, OperationalError) and (error.sqlstate or "").startswith(GAVE_WAY):
            return True
        waited = isinstance(error, PoolTimeout | TimeoutError)
        return waited and time.monotonic() - self._answered_at < BUSY_SECONDS

    @asynccontextmanager
    async def transaction(self, user_id: UUID) -> AsyncIterator[Connection]:
        """A transaction that sees and writes the rows of `user_id` alone; commits when the block ends.

        Raises `UserGone` when there is no such user: erased, or merged into another.
        """
        try:
            async with self._as("SELECT admit_user(%s)", user_id) as connection:
                yield connection
        except DatabaseError as error:
            if error.sqlstate == GONE:
                raise UserGone from error
            raise

    @asynccontextmanager
    async def system(self, *, seconds: float | None = None) -> AsyncIterator[Connection]:
        """A transaction that sees every row: for check-in, sweeps and jobs, never for a user's request.

        With `seconds`, a statement that takes longer is given up: `TooMuch`.
        """
        async with self._as("SELECT become_system()") as connection:
            if seconds is not None:
                limit = f"{int(seconds * 1000)}ms"
                await connection.execute("SELECT set_config('statement_timeout', %s, true)", (limit,))
            yield connection

    @asynccontextmanager
    async def _as(self, become: LiteralString, *arguments: Any) -> AsyncIterator[Connection]:
        # BEGIN and the identity go along with the first statement, COMMIT with what ends the pipeline: psycopg's own
        # `transaction()` makes three round trips more. What fails is rolled back as the connection returns to the pool.
        async with self.connection() as connection, connection.pipeline():
            await connection.execute("BEGIN")
            await connection.execute(become, arguments)
            yield connection
            await connection.execute("COMMIT")

    async def notices(self, channel: str, *, quiet_seconds: float) -> AsyncGenerator[str | None]:
        """What is notified on `channel`, heard on a connection of its own until that is lost (`DatabaseDown`).

        None says that it listens from now on, and again after each `quiet_seconds` without a notice.
        """
        try:
            async with await AsyncConnection.connect(
                self.conninfo, autocommit=True, application_name="rekindle notices", connect_timeout=5
            ) as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                while True:
                    yield None
                    async for notice in connection.notifies(timeout=quiet_seconds):
                        yield notice.payload
        except OperationalError as error:
            raise DatabaseDown from error

    async def check(self) -> None:
        """Ask the database for a sign of life; raises `DatabaseDown` when none comes within 2 s."""
        try:
            async with asyncio.timeout(CHECK_SECONDS), self.connection() as connection:
                await connection.execute("SELECT 1")
        except TimeoutError as error:
            raise DatabaseDown from error

    async def _configure(self, connection: Connection) -> None:
        connection.adapters.register_loader("timestamptz", _UtcLoader)
        if not self._prepare:
            connection.prepare_threshold = None
