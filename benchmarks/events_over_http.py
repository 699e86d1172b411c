"""Events over HTTP through `featurectl serve --events`: one event a request, on SQLite and on Redis.

python -m benchmarks.events_over_http [--requests N] [--connections N ...]

So many connections send one event after the other, with and without an `Idempotency-Key`. It prints requests a second,
the median and p99 of the time until 202, and the processor time of the server for each request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from featurectl.cli.main import main as run_command
from tests.servers.redis import free_port, redis_server

PROJECT = """
project: bench
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "{online}", streams: "{streams}"}}
"""
OBJECTS = """
sources:
  - name: swipes
    stream: {topic: swipes, key: [card]}
    columns: {swipe: string, card: string, merchant: string, country: string, amount: float64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
    checks: [{column: amount, between: [0, 100000]}]
"""
START_LIMIT_S = 60


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server: its port, and its process."""

    port: int
    process: int

    def processor_s(self) -> float:
        """Return the time that its process has had of processors."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    options = parser.parse_args()
    with redis_server() as redis:
        for kind, url in (("sqlite", ""), ("redis", redis.url)):
            with tempfile.TemporaryDirectory() as folder, _served(Path(folder), url) as server:
                for connections in options.connections:
                    for keyed in (False, True):
                        _report(f"{kind} {'with a key' if keyed else 'plain'}", server, options.requests, connections)


def _report(name: str, server: Server, requests: int, connections: int) -> None:
    keyed = name.endswith("key")
    asyncio.run(_load(server.port, requests // 10, connections, keyed=keyed))
    before_s, begin_s = server.processor_s(), time.perf_counter()
    times = sorted(asyncio.run(_load(server.port, requests, connections, keyed=keyed)))
    took_s, used_s = time.perf_counter() - begin_s, server.processor_s() - before_s
    median, last = statistics.median(times) * 1e3, times[int(len(times) * 0.99)] * 1e3
    rate, cost = len(times) / took_s, used_s / len(times) * 1e6
    sys.stdout.write(f"{name:16} {connections:3} connections {rate:8,.0f} req/s  p50 {median:7.2f} ms  p99 {last:7.2f}"
                     f" ms  server {cost:6.0f} us of the processor a request\n")  # fmt: skip
    sys.stdout.flush()


async def _load(port: int, requests: int, connections: int, *, keyed: bool) -> Sequence[float]:
    """Return how long each request took, sent by so many connections one after the other."""
    times: list[float] = []

    async def send(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count):
            request = _request(keyed=keyed)
            begin_s = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            await reader.readexactly(int(length.partition(b":")[2]))
            times.append(time.perf_counter() - begin_s)
            assert head.startswith(b"HTTP/1.1 202"), head
        writer.close()

    await asyncio.gather(*(send(requests // connections) for _ in range(connections)))
    return times


def _request(*, keyed: bool) -> bytes:
    swipe = os.urandom(8).hex()
    event = {"swipe": swipe, "card": f"card-{swipe[:3]}", "merchant": "m-17", "country": "DE", "amount": 12.5,
             "at": datetime.now(UTC).isoformat(), "terminal": "t" * 40}  # fmt: skip
    body, key = json.dumps(event).encode(), f"Idempotency-Key: {swipe}\r\n" if keyed else ""
    head = f"POST /v1/events/swipes HTTP/1.1\r\nHost: localhost\r\n{key}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@contextmanager
def _served(folder: Path, url: str) -> Iterator[Server]:
    """Serve a repository whose topics and online store lie at a URL, or in files where that is empty."""
    project = PROJECT.format(online=url or "sqlite:///on.db", streams=url or "sqlite:///streams.db")
    (folder / "featurectl.yaml").write_text(project)
    (folder / "objects.yaml").write_text(OBJECTS)
    assert run_command(["-C", str(folder), "apply", "--auto-approve", "-q"]) == 0
    port = free_port()
    words = ["-m", "featurectl", "serve", "-C", str(folder), "--events", "--port", str(port), "--event-timeout", "60s"]
    process = subprocess.Popen([sys.executable, *words])
    try:
        end_s = time.monotonic() + START_LIMIT_S
        while not _is_ready(port):
            assert time.monotonic() < end_s
            time.sleep(0.1)
        yield Server(port=port, process=process.pid)
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    main()
