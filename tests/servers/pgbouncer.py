"""A real PgBouncer for tests, of Debian: connections to a PostgreSQL that are lent for a transaction each."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa

from tests.servers.debian import debian_programs
from tests.servers.redis import START_LIMIT_S, free_port

CONFIGURATION = """
[databases]
* = host={host} port={server_port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
"""


@contextmanager
def started_pgbouncer(url: str, connections: int = 1) -> Iterator[str]:
    """Give the URL of a database by PgBouncer, which has so many connections to it."""
    address, port = sa.make_url(url), free_port()
    debian = debian_programs("pgbouncer", "pgbouncer", "libcares2", "libevent-2.1-7t64")
    with tempfile.TemporaryDirectory(prefix="featurectl-pgbouncer-") as folder:
        Path(folder).chmod(0o755)  # for the user that it becomes
        file, log = Path(folder) / "pgbouncer.ini", Path(folder) / "log"
        places = {"host": address.host, "server_port": address.port, "user": address.username}
        file.write_text(CONFIGURATION.format(**places, port=port, connections=connections))
        program = [str(debian.folder / "usr/sbin/pgbouncer"), str(file)]
        program += ["--user", "nobody"] if os.geteuid() == 0 else []
        with log.open("w") as output:
            process = subprocess.Popen(program, env=debian.environ, stdout=output, stderr=output)
        try:
            found = address.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
            _wait_for(found, process, log)
            yield found
        finally:
            process.terminate()
            process.wait(START_LIMIT_S)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert process.poll() is None, f"pgbouncer ended: {log.read_text()}"
            assert time.monotonic() < limit, f"pgbouncer does not answer: {log.read_text()}"
            time.sleep(0.05)
        else:
            return
