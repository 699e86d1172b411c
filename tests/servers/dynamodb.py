"""A DynamoDB for tests, started here and ended afterwards."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.servers.redis import free_port

PROGRAM = Path(__file__).with_name("dynamodb_program.py")
REGION = "eu-central-1"
START_LIMIT_S = 120
ENVIRON: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(slots=True, kw_only=True)
class DynamoServer:
    """A server; tests keep apart by their tables."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def url(self, table: str = "") -> str:
        """Return the URL of a store in a table; without a name in one that is not there yet."""
        return f"dynamodb://{REGION}/{table or f'features-{secrets.token_hex(4)}'}?endpoint={self.endpoint}"

    def client(self) -> Any:
        """Return a client of the server, without featurectl."""
        import boto3

        return boto3.client(
            "dynamodb",
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  # of a server of this process
        )

    def kill(self) -> None:
        """End the server at once, with all that it has."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(START_LIMIT_S)

    def start(self) -> None:
        """Start it again on its port, empty."""
        self.process = _started(self.port)


def table_of(url: str) -> str:
    """Return the name of the table of a store's URL."""
    return url.partition("?")[0].rpartition("/")[2]


@contextmanager
def running_dynamodb() -> Iterator[DynamoServer]:
    """Give a server. One that can't be started is an error, never a reason to skip a test."""
    port = free_port()
    server = DynamoServer(port=port, process=_started(port))
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            server.process.send_signal(signal.SIGCONT)
        server.process.terminate()
        server.process.wait(START_LIMIT_S)


def _started(port: int) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, str(PROGRAM), str(port)], stdout=log, stderr=log)
        limit = time.monotonic() + START_LIMIT_S
        while not _answers(port):
            log.seek(0)
            assert process.poll() is None, f"moto ended: {log.read().decode()}"
            if time.monotonic() > limit:
                process.kill()
                raise AssertionError("moto does not answer")
            time.sleep(0.02)
        return process


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=START_LIMIT_S)
    try:
        connection.request("GET", "/moto-api/data.json")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True
