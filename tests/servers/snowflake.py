"""A server that speaks Snowflake's protocol, in an environment of its own: fakesnow, which runs its SQL in DuckDB."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.guest_environment import guest_environment
from tests.servers.redis import free_port

PROGRAM = Path(__file__).with_name("snowflake_program.py")
START_LIMIT_S = 120
PASSWORD = "canary-9731"  # noqa: S105  # that of a user of a server of tests


@dataclass(frozen=True, slots=True)
class SnowflakeServer:
    """A server that answers; it takes any user and password."""

    port: int
    pid: int
    log: Path

    def url(self) -> str:
        """Return the URL of an empty database that nobody else has."""
        name = f"test_{secrets.token_hex(6)}"
        return snowflake_url(self.port, name)

    def end(self) -> None:
        """End it as a crash would."""
        os.kill(self.pid, signal.SIGKILL)


def snowflake_url(port: int, database: str = "shop") -> str:
    """Return the URL of a server on this machine."""
    options = f"host=127.0.0.1&port={port}&protocol=http&warehouse=small&role=reader"
    return f"snowflake://ana:{PASSWORD}@acct/{database}/public?{options}"


@contextmanager
def running_snowflake() -> Iterator[SnowflakeServer]:
    """Give a server. One that can't be started is an error, never a reason to skip a test."""
    guest = guest_environment("fakesnow")
    with tempfile.TemporaryDirectory(prefix="featurectl-snowflake-") as folder:
        log, port = Path(folder) / "log", free_port()
        command = [str(guest.program()), "-P", str(PROGRAM), str(port)]  # -P: this folder has a snowflake.py, too
        environ = {**guest.environ, "TZ": "UTC", "TMPDIR": folder}
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environ, stdout=output, stderr=output, cwd=folder)
        try:
            _wait_for(port, process, log)
            yield SnowflakeServer(port, process.pid, log)
        finally:
            process.kill()
            process.wait(START_LIMIT_S)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=START_LIMIT_S).close()
        except urllib.error.HTTPError:  # it has no such page
            return
        except OSError:
            assert process.poll() is None, f"fakesnow ended: {log.read_text()}"
            assert time.monotonic() < limit, f"fakesnow does not answer: {log.read_text()}"
            time.sleep(0.05)


def run_statements(url: str, *statements: str) -> list[list[dict[str, Any]]]:
    """Run statements at a server and return what each gives."""
    from adbc_driver_snowflake import dbapi

    from featurectl.sources.sql.snowflake_address import snowflake_address

    options = dict(snowflake_address(url, "UTC", Path).options)
    found = []
    with dbapi.connect(db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            found.append(cursor.fetch_arrow_table().to_pylist())
    return found
