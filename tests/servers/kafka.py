"""A broker that speaks Kafka's protocol, from a wheel. It is young, and used by tests alone.

It keeps its topics when it is stopped, may lose the last ones when it is killed, knows no cooperative division and no
ids of topics. librdkafka's own mock of brokers (`mocked_brokers`) knows cooperative division, and no administration.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Producer

from tests.servers.redis import START_LIMIT_S, free_port


class KafkaServer:
    """A broker of its own on a free port of the loopback interface, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"kafka://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        log = self._folder / "kafka.log"
        options = ["--data-dir", str(self._folder / "data"), "--only", "kafka", "--kafka-port", str(self.port)]
        with log.open("ab") as out:
            self._process = subprocess.Popen([_program(), "start", *options], stdout=out, stderr=out)
        limit = time.monotonic() + START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert self._process.poll() is None, log.read_text()
                assert time.monotonic() < limit, log.read_text()
                time.sleep(0.02)
            else:
                return

    def pause(self) -> None:
        """Let it hang: it keeps its connections and answers nothing, from the return on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; what it was sent last may be lost."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it; what it was sent is kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(START_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise
            self._process = None


@contextmanager
def kafka_server() -> Iterator[KafkaServer]:
    """Give a broker of its own, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="featurectl-kafka-") as folder:
        server = KafkaServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def mocked_brokers() -> Iterator[str]:
    """Give the URL of brokers within this process, whose topics have four partitions and are made when asked for."""
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    [broker] = producer.list_topics(timeout=START_LIMIT_S).brokers.values()
    yield f"kafka://{broker.host}:{broker.port}"
    producer.poll(0)


def _program() -> str:
    spec = importlib.util.find_spec("noida_db")
    assert spec is not None, "no noida_db: install featurectl[test]"
    assert spec.origin is not None
    program = Path(spec.origin).parent / "noida-db"
    program.chmod(0o755)
    return str(program)
