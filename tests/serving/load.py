"""A client that asks a server again and again, and remembers what came of each request."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import httpx2

from tests import web

GIVE_UP_S = 15
PAUSE_S = 0.01  # of each thread between two requests


@dataclass
class Load:
    """Requests that are sent one after the other by several threads until it is stopped."""

    url: str
    body: dict
    threads: int = 3
    answers: list[tuple[float, int, float]] = field(default_factory=list)  # when it was sent, status, seconds
    broken: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._running = [threading.Thread(target=self._ask) for _ in range(self.threads)]
        for thread in self._running:
            thread.start()
        return self

    def stop(self) -> None:
        """Send no further requests."""
        self._stop.set()

    def __exit__(self, *_: object) -> None:
        self.stop()
        for thread in self._running:
            thread.join()

    def _ask(self) -> None:
        with web.client(timeout=GIVE_UP_S) as client:
            while not self._stop.wait(PAUSE_S):
                begin = time.monotonic()
                try:
                    status = client.post(self.url, json=self.body).status_code
                except httpx2.HTTPError as error:
                    self.broken.append(repr(error))
                    status = 0
                self.answers.append((begin, status, time.monotonic() - begin))

    def wait_for(self, status: int, count: int = 5, since: float | None = None) -> None:
        """Wait until so many requests that were sent from now on have been answered with a status."""
        begin, end = time.monotonic() if since is None else since, time.monotonic() + 60
        while sum(1 for at, found, _ in list(self.answers) if found == status and at >= begin) < count:
            assert time.monotonic() < end, (status, self.statuses(begin), self.broken[-3:])
            time.sleep(0.01)

    def statuses(self, since: float = 0.0) -> Counter[int]:
        """Return how many requests sent since then were answered how."""
        return Counter(status for at, status, _ in list(self.answers) if at >= since)
