"""Put load on a server and show how long its answers take.

    python -m benchmarks.serving.load URL [--body FILE ...] [--connections N] [--rate R] [--seconds S] [--warm S] [--json]

Closed loop (`--rate 0`): each connection sends its next request when the answer to the last one is there. Open loop:
so many requests a second are due, whatever the server does; a request that finds no free connection waits for one, and
latency counts from the instant at which it was due, so that a server that stands still is seen to.

A body file holds one request a line, sent in turn: POST of JSON; without one, GET. Requests that were sent in the first
`--warm` seconds are not counted. The client shares the machine with the server, so it does little: bytes made once, and
of an answer no more than status and length are looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import resource
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

GRACE_S = 5.0  # that the last answers have
TICK_S = 0.001  # how often arrivals are looked at, the least that uvloop waits: less would be waiting busily


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What load is put on: `rate` 0 is the closed loop."""

    url: str
    bodies: Sequence[bytes] = ()
    connections: int = 8
    rate: float = 0.0
    seconds: float = 5.0
    warm: float = 1.0
    headers: Sequence[str] = ()


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of it: milliseconds by percentile, requests a second, statuses, errors; `cpu_us` is our own, a request.

    `buckets` holds [upper bound in milliseconds, requests], each bound a quarter above the last.
    """

    requests: int
    per_second: float
    p50: float
    p95: float
    p99: float
    p999: float
    max: float
    mean: float
    cpu_us: float
    statuses: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    buckets: list[tuple[float, int]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many requests got no answer, or another one than 200."""
        return sum(self.errors.values()) + sum(n for status, n in self.statuses.items() if status != "200")


def requests_of(plan: Plan) -> list[bytes]:
    """Return the bytes of each request."""
    url = urlsplit(plan.url)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    more = "".join(f"{line}\r\n" for line in plan.headers)
    head = f" {path} HTTP/1.1\r\nhost: {url.netloc}\r\n{more}"
    if not plan.bodies:
        return [f"GET{head}\r\n".encode()]
    head = f"POST{head}content-type: application/json\r\ncontent-length: "
    return [f"{head}{len(body)}\r\n\r\n".encode() + body for body in plan.bodies]


class _Load:
    """The state of a run; times are monotonic seconds (uvloop counts its own in whole milliseconds)."""

    def __init__(self, plan: Plan, loop: asyncio.AbstractEventLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.requests: Iterator[bytes] = itertools.cycle(requests_of(plan))
        self.taken = array("d")
        self.statuses: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.due: deque[float] = deque()
        self.free: list[_Connection] = []
        self.open: set[_Connection] = set()
        self.counted_from = self.begin = time.monotonic()
        self.end = float("inf")
        self.last = self.begin
        self.done = loop.create_future()

    async def run(self) -> None:
        """Connect, send until the time is over, wait for the last answers."""
        await asyncio.gather(*(self.connect() for _ in range(self.plan.connections)))
        self.begin = time.monotonic()
        self.counted_from = self.begin + self.plan.warm
        self.end = self.counted_from + self.plan.seconds
        if self.plan.rate:
            self._arrive(0)
        else:
            for connection in list(self.free):
                self.next(connection)
        await asyncio.sleep(self.end - time.monotonic())
        limit = time.monotonic() + GRACE_S
        while (self.due or len(self.free) < len(self.open)) and time.monotonic() < limit:
            await asyncio.sleep(0.002)
        for connection in self.open:
            if connection.since is not None and connection.since >= self.counted_from:
                self.errors["unanswered"] += 1
            connection.transport.abort()
        unsent = sum(due >= self.counted_from for due in self.due)
        if unsent:
            self.errors["unsent"] += unsent

    async def connect(self) -> None:
        url = urlsplit(self.plan.url)
        try:
            _, connection = await self.loop.create_connection(lambda: _Connection(self), url.hostname, url.port or 80)
        except OSError as error:
            self.errors[f"connect: {error.strerror or type(error).__name__}"] += 1
            if time.monotonic() < self.end:
                await asyncio.sleep(0.05)
                await self.connect()
            return
        self.open.add(connection)
        self.next(connection)

    def next(self, connection: _Connection) -> None:
        """Give a connection that is free its next request, if there is one."""
        now = time.monotonic()
        if self.plan.rate:
            if self.due:
                connection.send(self.due.popleft())
                return
        elif self.end != float("inf") and now < self.end:
            if connection in self.free:
                self.free.remove(connection)
            connection.send(now)
            return
        self.free.append(connection)

    def _arrive(self, number: int) -> None:
        """Let the requests arrive that are due by now, and come back."""
        now = min(time.monotonic(), self.end)
        while (due := self.begin + number / self.plan.rate) <= now:
            number += 1
            if self.free:
                self.free.pop().send(due)
            else:
                self.due.append(due)
        if now < self.end:
            self.loop.call_later(max(TICK_S, due - now), self._arrive, number)

    def answered(self, connection: _Connection, status: str, since: float) -> None:
        now = time.monotonic()
        if since >= self.counted_from:
            self.taken.append(now - since)
            self.statuses[status] += 1
            self.last = now
        self.next(connection)

    def broken(self, connection: _Connection, error: str, since: float | None) -> None:
        """Count what was lost, and open another connection."""
        self.open.discard(connection)
        if connection in self.free:
            self.free.remove(connection)
        if since is not None and since >= self.counted_from:
            self.errors[error] += 1
        if time.monotonic() < self.end:
            task = self.loop.create_task(self.connect())
            task.add_done_callback(lambda _: None)


class _Connection(asyncio.Protocol):
    """One connection with keep-alive, one request at a time."""

    def __init__(self, load: _Load) -> None:
        self.load = load
        self.since: float | None = None
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self._data = b""
        self._length = -1

    def connection_made(self, transport) -> None:
        self.transport = transport

    def send(self, since: float) -> None:
        self.since = since
        self.transport.write(next(self.load.requests))

    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        if self._length < 0 and not self._read_head(data):
            self._data = data
            return
        if len(data) < self._length:
            self._data = data
            return
        since, status = self.since, data[9:12].decode()
        self.since, self._data, self._length = None, b"", -1
        assert since is not None, "an answer to no request"
        self.load.answered(self, status, since)

    def _read_head(self, data: bytes) -> bool:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = data[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        assert at >= 0, "an answer without content-length"
        stop = head.find(b"\r\n", at + 2)
        self._length = end + 4 + int(head[at + 17 : stop if stop >= 0 else end])
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        since, self.since = self.since, None
        self.load.broken(self, type(exc).__name__ if exc else "closed by the server", since)


def put_load(plan: Plan) -> Result:
    """Put load on a server, and return what came of it."""
    import uvloop

    async def go() -> _Load:
        load = _Load(plan, asyncio.get_running_loop())
        await load.run()
        return load

    before = resource.getrusage(resource.RUSAGE_SELF)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(go())
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return summed(load.taken, max(load.last - load.counted_from, plan.seconds), cpu_s * plan.seconds / (plan.warm + plan.seconds),
                  load.statuses, load.errors)  # fmt: skip


def summed(
    taken: Sequence[float], seconds: float, cpu_s: float, statuses: Counter[str], errors: Counter[str]
) -> Result:
    """Return the percentiles of some latencies (seconds) and the rest.

    >>> summed([0.001, 0.002, 0.003, 0.1], 2.0, 0.0, Counter({"200": 4}), Counter()).p50
    2.0
    """
    ordered = sorted(taken)

    def at(share: float) -> float:
        """The least latency that so large a share of all does not exceed."""
        return round(1e3 * ordered[max(0, -int(-share * len(ordered) // 1) - 1)], 3) if ordered else 0.0

    count = len(ordered)
    return Result(
        requests=count,
        per_second=round(count / seconds, 1),
        p50=at(0.5),
        p95=at(0.95),
        p99=at(0.99),
        p999=at(0.999),
        max=at(1.0),
        mean=round(1e3 * sum(ordered) / count, 3) if count else 0.0,
        cpu_us=round(1e6 * cpu_s / count, 1) if count else 0.0,
        statuses=dict(statuses),
        errors=dict(errors),
        buckets=_buckets(ordered),
    )


def _buckets(ordered: Sequence[float]) -> list[tuple[float, int]]:
    """Return how many latencies are up to each bound and above the one before it."""
    buckets: list[tuple[float, int]] = []
    bound, start = 0.0001, 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end] <= bound:
            end += 1
        if end > start or buckets:
            buckets.append((round(bound * 1e3, 3), end - start))
        start, bound = end, bound * 1.25
    return buckets


def render(result: Result) -> str:
    """Return a result as text, with the histogram."""
    most = max((n for _, n in result.buckets), default=1)
    lines = [
        f"{result.requests:,} requests, {result.per_second:,.0f} a second; {result.cpu_us:.0f} us CPU of the client each",
        f"ms: mean {result.mean:g}, p50 {result.p50:g}, p95 {result.p95:g}, p99 {result.p99:g}, "
        f"p99.9 {result.p999:g}, max {result.max:g}",
        "statuses: " + (", ".join(f"{k} {n:,}" for k, n in sorted(result.statuses.items())) or "none"),
        "errors: " + (", ".join(f"{k} {n:,}" for k, n in sorted(result.errors.items())) or "none"),
    ]
    lines += [f"  to {bound:>9.3f} ms {n:>9,} {'#' * round(40 * n / most)}" for bound, n in result.buckets if n]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Put load on a server, print what came of it; 1 where a request was not answered with 200."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.load", description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--body", action="append", type=Path, default=[], metavar="FILE", help="a request a line")
    parser.add_argument("--header", action="append", default=[], metavar="NAME:VALUE")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; 0 is the closed loop")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm", type=float, default=1.0, help="seconds before that are not counted")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    bodies = [line for path in given.body for line in path.read_bytes().splitlines() if line]
    plan = Plan(url=given.url, bodies=bodies, connections=given.connections, rate=given.rate, seconds=given.seconds,
                warm=given.warm, headers=given.header)  # fmt: skip
    result = put_load(plan)
    sys.stdout.write((json.dumps(asdict(result)) if given.json else render(result)) + "\n")
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
