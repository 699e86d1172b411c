"""Clients that ask for flights, one a request, without a pause between rounds, and keep what came of each request."""

import itertools
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

KEPT = 100  # requests on one connection: the next one may reach another process
TIMEOUT_S = 30


class Clients:
    """Threads that ask for the rows in turn until they are stopped, `rate` a second together (0: as fast as they can).

    What was sent before the last `begin` does not count, but `lost` has every request that got no answer.
    """

    def __init__(self, url: str, model: str, rows: Sequence[dict], threads: int = 8, rate: float = 0.0) -> None:
        self.rate = rate
        self.lost: list[str] = []
        self.sent = 0
        self._address, self._path = urlsplit(url), f"/v1/predict/{model}"
        self._bodies = [json.dumps({"rows": [row]}).encode() for row in rows]
        self._turn, self._lock, self._stop = itertools.count(), threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(i, threads)) for i in range(threads)]
        self.begin()

    def begin(self) -> None:
        """Forget what came so far."""
        with self._lock:
            self.since = time.time()
            self.statuses: Counter[int] = Counter()
            self.versions: dict[int, Counter[int]] = defaultdict(Counter)  # by the row's place
            self.processes: set[str] = set()
            self.last: dict[int, float] = {}  # when a version has answered for the last time
            self.seconds: list[float] = []

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def asked(self) -> int:
        """Return how often each row was answered at least."""
        with self._lock:
            everyone = len(self.versions) == len(self._bodies)
            return min(found.total() for found in self.versions.values()) if everyone else 0

    def answered_by(self, version: int) -> int:
        """Return how many requests a version has answered."""
        with self._lock:
            return sum(found[version] for found in self.versions.values())

    def _ask(self, number: int, threads: int) -> None:
        connection, due = None, time.monotonic()
        for at in itertools.count(number):
            if self._stop.is_set():
                break
            if connection is None or at % KEPT == 0:
                connection = self._connection(connection)
            due = max(due + threads / self.rate, time.monotonic() - 1) if self.rate else time.monotonic()
            time.sleep(max(due - time.monotonic(), 0))
            place = next(self._turn) % len(self._bodies)
            begin = time.time()
            self.sent += 1
            try:
                connection.request("POST", self._path, self._bodies[place], {"content-type": "application/json"})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException) as error:
                self.lost.append(repr(error))
                connection = self._connection(connection)
                continue
            with self._lock:
                if begin >= self.since:
                    self._keep(place, begin, answer.status, json.loads(body))
        if connection is not None:
            connection.close()

    def _keep(self, place: int, begin: float, status: int, answer: dict) -> None:
        now = time.time()
        self.statuses[status] += 1
        self.seconds.append(now - begin)
        if status == 200:
            self.versions[place][answer["version"]] += 1
            self.processes.add(answer["server_name"])
            self.last[answer["version"]] = now

    def _connection(self, before: HTTPConnection | None) -> HTTPConnection:
        if before is not None:
            before.close()
        return HTTPConnection(self._address.hostname, self._address.port, timeout=TIMEOUT_S)
