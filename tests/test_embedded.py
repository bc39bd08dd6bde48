"""The embedded PostgreSQL, on the real programs: started, shared, killed and started again."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from rekindle.embedded import EmbeddedPostgres
from rekindle.errors import ConfigurationError, Unavailable
from rekindle.house import kept_up

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")

Postgres = Callable[..., EmbeddedPostgres]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a server that ran and was stopped: copied, they spare a test the making."""
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("prepared") / "postgres")
    postgres.start()
    assert postgres.stop()
    return postgres.folder


@pytest.fixture
def at(tmp_path: Path, prepared: Path) -> Iterator[Postgres]:
    """Servers in folders under `tmp_path`, stopped at the end."""
    made: list[EmbeddedPostgres] = []

    def make(folder: str = "postgres", *, new: bool = False) -> EmbeddedPostgres:
        postgres = EmbeddedPostgres(tmp_path / folder)
        if not new and not postgres.folder.exists():
            shutil.copytree(prepared / "data", postgres.folder / "data")
        made.append(postgres)
        return postgres

    yield make
    for postgres in made:
        assert postgres.stop(only_if_unused=False)


def remember(conninfo: str, note: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (note text)")
        connection.execute("INSERT INTO notes VALUES (%s)", [note])


def remembered(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as connection:
        return [note for (note,) in connection.execute("SELECT note FROM notes ORDER BY note").fetchall()]


def server_pid(postgres: EmbeddedPostgres) -> int:
    return int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])


def kill_the_server(postgres: EmbeddedPostgres) -> None:
    os.kill(server_pid(postgres), signal.SIGKILL)
    while postgres.running():
        time.sleep(0.01)


def python(program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


@pytest.mark.parametrize("folder", ["plain", "with a space", 'it\'s "quoted" $HOME `id`', "żółw, and a comma"])
def test_it_starts_in_any_folder(at: Postgres, folder: str) -> None:
    postgres = at(f"{folder}/postgres", new=True)
    remember(postgres.start(), "here")
    assert remembered(postgres.conninfo) == ["here"]


def test_it_starts_where_the_path_is_too_long_for_a_socket(at: Postgres) -> None:
    postgres = at("x" * 120 + "/postgres")
    conninfo = postgres.start()
    socket_dir = Path(str(conninfo_to_dict(conninfo)["host"]))
    assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
    kill_the_server(postgres)
    assert postgres.start() == conninfo
    assert postgres.stop()
    assert not socket_dir.exists()


def test_it_brings_vectors_and_knows_letters_of_all_alphabets(at: Postgres) -> None:
    with psycopg.connect(at().start()) as connection:
        connection.execute("CREATE EXTENSION vector")
        found = connection.execute(
            "SELECT '[1,2]'::vector <-> '[1,4]', lower('ŻÓŁĆ ДОМ'), 'É' ~* 'é',"
            " to_tsvector('simple', 'Żółć, дом!') @@ to_tsquery('simple', 'ŻÓŁĆ & ДОМ')"
        ).fetchone()
    assert found == (2.0, "żółć дом", True, True)


def test_it_keeps_what_was_acknowledged_and_listens_on_no_network(at: Postgres) -> None:
    with psycopg.connect(at().start()) as connection:
        rows = connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name IN"
            " ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'listen_addresses')"
        ).fetchall()
    assert dict(rows) == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
    }


def test_starting_a_running_server_again_is_quick_and_changes_nothing(at: Postgres) -> None:
    postgres = at()
    conninfo = postgres.start()
    pid = server_pid(postgres)
    began = time.monotonic()
    assert postgres.start() == conninfo
    assert at().start() == conninfo
    assert time.monotonic() - began < 10
    assert server_pid(postgres) == pid


def test_a_stopped_server_starts_again_with_its_data(at: Postgres) -> None:
    postgres = at()
    remember(postgres.start(), "before")
    assert postgres.stop()
    assert not postgres.running()
    with pytest.raises(Unavailable):
        _ = postgres.conninfo
    assert remembered(postgres.start()) == ["before"]


def test_stopping_what_never_ran_is_no_error(at: Postgres) -> None:
    assert at(new=True).stop()


def test_processes_that_start_it_at_once_share_one_server(at: Postgres, tmp_path: Path) -> None:
    program = """if True:
        import sys, psycopg
        from pathlib import Path
        from rekindle.embedded import EmbeddedPostgres
        with psycopg.connect(EmbeddedPostgres(Path(sys.argv[1])).start()) as connection:
            print(connection.execute("SELECT pg_postmaster_start_time()").fetchone())
        """
    processes = [python(program, tmp_path / "postgres") for _ in range(3)]
    assert len({finished(process) for process in processes}) == 1
    assert at().running()


def test_a_killed_server_starts_again_with_its_data(at: Postgres) -> None:
    postgres = at()
    remember(postgres.start(), "acknowledged")
    kill_the_server(postgres)
    assert remembered(postgres.start()) == ["acknowledged"]


def test_a_server_killed_under_the_house_is_started_again(at: Postgres) -> None:
    postgres = at()
    conninfo = postgres.start()
    remember(conninfo, "before")
    with kept_up(postgres):
        kill_the_server(postgres)
        deadline = time.monotonic() + 30
        while not postgres.running() and time.monotonic() < deadline:
            time.sleep(0.05)
        remember(conninfo, "after")
    assert remembered(conninfo) == ["after", "before"]


def test_a_killed_server_starts_again_once_its_last_query_is_done(at: Postgres) -> None:
    postgres = at()
    conninfo = postgres.start()
    with psycopg.connect(conninfo) as connection:
        connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 3000000)")
        kill_the_server(postgres)
        remember(postgres.start(), "after")
        connection.close()
    assert remembered(conninfo) == ["after"]


@needs_proc
def test_a_stranger_with_the_killed_server_s_number_does_not_keep_it_from_starting(at: Postgres) -> None:
    postgres = at()
    remember(postgres.start(), "before")
    kill_the_server(postgres)
    files = (postgres.folder / "data" / "postmaster.pid", postgres.folder / ".s.PGSQL.5432.lock")
    user = (postgres.folder / "data").stat().st_uid
    stranger = subprocess.Popen(["sleep", "60"], user=user if AS_ROOT else None)
    try:
        for file in filter(Path.exists, files):
            _, _, rest = file.read_text().partition("\n")
            file.write_text(f"{stranger.pid}\n{rest}")
        assert remembered(postgres.start()) == ["before"]
    finally:
        stranger.kill()
        stranger.wait()


def test_an_empty_lock_file_left_by_a_power_cut_does_not_keep_it_from_starting(at: Postgres) -> None:
    postgres = at()
    remember(postgres.start(), "before")
    kill_the_server(postgres)
    (postgres.folder / "data" / "postmaster.pid").write_text("")
    assert remembered(postgres.start()) == ["before"]


def test_a_start_killed_while_it_made_the_files_is_made_good(at: Postgres) -> None:
    postgres = at(new=True)
    (postgres.folder / "data.new" / "base").mkdir(parents=True)
    postgres.start()
    assert not (postgres.folder / "data.new").exists()


def test_it_is_not_stopped_under_a_connection(at: Postgres) -> None:
    postgres = at()
    with psycopg.connect(postgres.start()):
        assert not postgres.stop()
        assert postgres.running()
    assert postgres.stop()


def test_it_is_not_stopped_under_another_user_of_it_that_is_between_two_connections(at: Postgres) -> None:
    first, second = at(), at()
    first.start()
    second.start()
    assert not first.stop()
    assert second.running()
    assert second.stop()


def test_it_can_be_stopped_under_a_connection_if_that_is_wanted(at: Postgres) -> None:
    postgres = at()
    with psycopg.connect(postgres.start()) as connection:
        assert postgres.stop(only_if_unused=False)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_it_outlives_the_process_that_started_it(at: Postgres, tmp_path: Path) -> None:
    program = """if True:
        import os, signal, sys
        from pathlib import Path
        from rekindle.embedded import EmbeddedPostgres
        EmbeddedPostgres(Path(sys.argv[1])).start()
        os.kill(os.getpid(), signal.SIGKILL)
        """
    with python(program, tmp_path / "postgres") as process:
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert at().running()


def test_ctrl_c_in_the_terminal_does_not_reach_it(at: Postgres) -> None:
    postgres = at()
    postgres.start()
    assert os.getsid(server_pid(postgres)) != os.getsid(0)


def test_it_does_not_inherit_our_sockets(at: Postgres) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        address = listening.getsockname()
        at().start()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_its_log_keeps_no_word_of_a_failed_statement(at: Postgres) -> None:
    postgres = at()
    with psycopg.connect(postgres.start()) as connection, pytest.raises(psycopg.Error):
        connection.execute("SELECT 'a secret'::int")
    assert "ready to accept connections" in (postgres.folder / "log").read_text()
    assert "secret" not in (postgres.folder / "log").read_text()


def test_it_says_why_it_does_not_start(at: Postgres) -> None:
    postgres = at()
    postgres.start()
    postgres.stop()
    with (postgres.folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(ConfigurationError, match="no_such_setting"):
        postgres.start()


def test_it_does_not_touch_the_files_of_another_version(at: Postgres) -> None:
    postgres = at()
    postgres.start()
    postgres.stop()
    (postgres.folder / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(ConfigurationError, match="PostgreSQL 15"):
        postgres.start()


def test_it_says_where_it_cannot_write(at: Postgres, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot run in"):
        EmbeddedPostgres(tmp_path / "file" / "postgres").start()


@needs_root
@needs_proc
def test_root_runs_it_as_somebody_else(at: Postgres) -> None:
    postgres = at()
    postgres.start()
    assert Path(f"/proc/{server_pid(postgres)}").stat().st_uid != 0


@needs_root
def test_root_opens_the_folders_above_for_passing_only(at: Postgres, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "share").mkdir(parents=True)
    home.chmod(0o700)
    postgres = at("home/share/postgres")
    postgres.start()
    assert stat.S_IMODE(home.stat().st_mode) == 0o701
    assert stat.S_IMODE(postgres.folder.stat().st_mode) == 0o700


@needs_root
def test_files_that_root_copied_are_given_back_to_the_server(at: Postgres) -> None:
    postgres = at()
    remember(postgres.start(), "before")
    postgres.stop()
    for path in (postgres.folder, *postgres.folder.rglob("*")):
        os.chown(path, 0, 0)
    assert remembered(postgres.start()) == ["before"]


@needs_root
def test_it_runs_for_an_ordinary_user_and_root_may_join(at: Postgres, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, nobody, -1)
    for parent in home.parents:
        parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    at("somebody's").start()  # which lets others than root read the programs
    program = """if True:
        import os, sys
        from pathlib import Path
        import psycopg
        from rekindle.embedded import EmbeddedPostgres
        os.setgroups([])
        os.setgid(65534)
        os.setuid(int(sys.argv[2]))
        postgres = EmbeddedPostgres(Path(sys.argv[1]))
        with psycopg.connect(postgres.start()) as connection:
            connection.execute("CREATE TABLE notes AS SELECT 'mine' AS note")
        assert postgres.stop()
        postgres.start()
        """
    finished(python(program, home / "postgres", str(nobody)))
    postgres = at("home/postgres")
    assert remembered(postgres.start()) == ["mine"]
    assert postgres.stop()
    assert remembered(postgres.start()) == ["mine"]
    assert postgres.folder.stat().st_uid == nobody
