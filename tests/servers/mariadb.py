"""A real MariaDB for tests: Debian's, taken apart below `.guests`, started here and ended afterwards."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pymysql

from tests.servers.debian import debian_programs
from tests.servers.redis import free_port

START_LIMIT_S = 120
MODES = "ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_TRANS_TABLES"  # the contract's queries are those of other databases, too


@dataclass(frozen=True, slots=True)
class MariadbServer:
    """A server that answers, and the number of its process; its root has no password."""

    port: int
    pid: int

    def url(self, name: str = "", user: str = "root") -> str:
        """Return the URL of a database, for a user, who may be `NAME:PASSWORD`."""
        return f"mysql://{user}@127.0.0.1:{self.port}/{name}"

    def connect(self, name: str | None = None) -> pymysql.Connection:
        """Return a connection for a test that changes what the server has; all statements are committed."""
        return pymysql.connect(host="127.0.0.1", port=self.port, user="root", database=name, autocommit=True)

    def run(self, *statements: str, name: str | None = None) -> list[tuple]:
        """Run statements and return the rows of the last one."""
        rows: list[tuple] = []
        with self.connect(name) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of an empty database that is dropped afterwards."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.run(f"create database {name}")
        try:
            yield self.url(name)
        finally:
            self.run(f"drop database {name}")


@contextmanager
def started_mariadb(*options: str) -> Iterator[MariadbServer]:
    """Give a server of its own; one that can't be started is an error, never a reason to skip a test."""
    with tempfile.TemporaryDirectory(prefix="featurectl-mariadb-") as folder, _started(Path(folder), options) as server:
        yield server


@contextmanager
def _started(folder: Path, options: Sequence[str]) -> Iterator[MariadbServer]:
    debian = debian_programs("mariadb", "mariadb-server-core", "mariadb-client-core", "libaio1t64", "liburing2")
    programs, environ = debian.folder, debian.environ
    user = pwd.getpwuid(os.geteuid()).pw_name
    data, log, port = folder / "data", folder / "log", free_port()
    places = ["--no-defaults", f"--basedir={programs / 'usr'}", f"--datadir={data}", f"--user={user}"]
    install = [str(programs / "usr/bin/mariadb-install-db"), *places]
    install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
    done = subprocess.run(install, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{install[0]} failed: {done.stdout}\n{done.stderr}"
    serve = [str(programs / "usr/sbin/mariadbd"), *places, f"--socket={folder / 'socket'}", f"--port={port}"]
    serve += ["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"]
    serve += [f"--sql-mode={MODES}", "--max-recursive-iterations=4294967295", "--character-set-server=utf8mb4"]
    serve += ["--userstat=1", *options]  # it counts the rows of each table that are read
    with log.open("w") as output:
        process = subprocess.Popen(serve, env=environ, stdout=output, stderr=output)
    try:
        server = MariadbServer(port, process.pid)
        _wait_for(server, process, log)
        yield server
    finally:
        process.terminate()
        process.wait(START_LIMIT_S)


def _wait_for(server: MariadbServer, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            server.connect().close()
        except pymysql.OperationalError:
            assert process.poll() is None, f"mariadbd ended: {log.read_text()}"
            assert time.monotonic() < limit, f"mariadbd does not answer: {log.read_text()}"
            time.sleep(0.05)
        else:
            return
