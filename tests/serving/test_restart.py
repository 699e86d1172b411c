"""A server that is told to stop while clients ask it, on connections that they keep: none is lost.

Many of them in `make test`, without a pause in `make stress`.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import pytest

from tests.servers.redis import free_port
from tests.serving.process import running

BODY = json.dumps({"features": ["spend:*"], "entities": {"user": [1, 2, 3]}})
GIVE_UP_S = 30


@dataclass
class Keeping:
    """Clients that ask again and again, each on one connection as long as the server keeps it.

    A request is lost when it was sent, or begun to be, and had no answer; a connection that is refused is tried again.
    """

    port: int
    count: int
    pause_s: float
    answered: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        made = None
        while not self._stop.is_set():
            if made is None or made.sock is None:
                made = self._connected()
                continue
            try:
                made.request("POST", "/v1/features", BODY)
                answer = made.getresponse()
                told = answer.read()
                if answer.status == 503 and b"not ready yet" in told and answer.getheader("retry-after"):
                    self._stop.wait(0.05)  # the next server has begun: it answers before its models are loaded
                    continue
                self.answered[answer.status] += 1
                self._stop.wait(self.pause_s)
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                made = None
        if made is not None:
            made.close()

    def _connected(self) -> http.client.HTTPConnection | None:
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GIVE_UP_S)
        try:
            made.connect()
        except OSError:
            self._stop.wait(0.05)
            return None
        return made

    def wait_for_more(self, count: int = 50) -> None:
        """Wait until so many more requests have been answered."""
        wanted, end = self.answered.total() + count, time.monotonic() + 60
        while self.answered.total() < wanted:
            assert time.monotonic() < end, (self.answered, self.lost[-3:])
            time.sleep(0.01)


def restart(root, times: int, *options: str, pause_s: float = 0.0) -> Keeping:
    """Start a server so many times on one port, and stop each while eight clients ask."""
    port = free_port()
    with Keeping(port, 8, pause_s) as clients:
        for _ in range(times):
            with running(root, "--timeout", "20", *options, port=port, is_cold=True) as server:
                clients.wait_for_more()
                assert server.stop() == 0
                assert "Traceback" not in server.log.read_text()
    return clients


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_is_lost_when_a_server_is_restarted(clicks, workers):
    clients = restart(clicks, 2 if workers == "1" else 1, "--drain", "1s", "--workers", workers, pause_s=0.03)
    assert (clients.lost, set(clients.answered)) == ([], {200})


@pytest.mark.stress
@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_is_lost_in_many_restarts(clicks, workers):
    clients = restart(clicks, 8, "--drain", "5s", "--workers", workers)
    assert (clients.lost, set(clients.answered)) == ([], {200})
