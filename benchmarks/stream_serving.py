"""Reads of views of streams through `featurectl serve`, beside those of a view of files with as many features.

python -m benchmarks.stream_serving [--events N] [--entities N] [--requests N]

Both views have 15 features and lie in one Redis; a list has some 300 events in its windows, as a worker has left it. One
connection asks for both in turn: one entity, and 100, of all entities in turn. It prints the median and p99 of each,
and the ratio of medians. Lists of the first 1,000 entities come from events; those of the others are copies.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, contextmanager
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from random import Random

import redis

from featurectl.cli.main import main as run_command
from featurectl.online.client.entity_keys import pack_columns
from featurectl.streaming.compaction_queue import LONG
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.servers.redis import free_port, redis_server

PROJECT = """
project: bench
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "{online}", streams: "sqlite:///streams.db"}}
"""
AGGREGATES = (
    "[{op: count, windows: [1h, 1d, 30d]}, {column: amount, op: [sum, mean, min, max], windows: [1h, 1d, 30d]}]"
)
OBJECTS = f"""
entities: [{{name: card, keys: {{card: int64}}}}]
sources:
  - name: swipes
    stream: {{topic: swipes}}
    columns: {{card: int64, amount: float64, at: timestamp}}
    event_time: at
  - name: past
    path: past.csv
    columns: {{card: int64, amount: float64, at: timestamp}}
    event_time: at
feature_views:
  - {{name: streamed, entity: card, source: swipes, aggregates: {AGGREGATES}}}
  - {{name: pushed, entity: card, source: past, aggregates: {AGGREGATES}}}
"""
PATIENT = ("--timeout", "20s", "--store-timeout", "20s")  # on a machine that is busy
OF_EVENTS = 1_000  # entities
LATE = 0.05  # of events, by up to a day
LISTS = b"bench/dev/s:"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, redis_server() as store:
        root = Path(folder)
        make(root, store.url, options)
        copy_lists(store.url, options.entities)
        with served(root, options.entities) as server:
            measure(server, 1, options)
            measure(server, 100, options)


def make(root: Path, online: str, options: argparse.Namespace) -> None:
    """Make a repository, its topic, and all that is online of it."""
    (root / "featurectl.yaml").write_text(PROJECT.format(online=online))
    (root / "objects.yaml").write_text(OBJECTS)
    random, now = Random(1), datetime.now(UTC)
    rows = [
        (card, round(random.uniform(1, 500), 2), (now - timedelta(seconds=random.uniform(10, 29 * 86_400))).isoformat())
        for card in range(min(options.entities, OF_EVENTS))
        for _ in range(options.events + card % LONG - LONG // 2)
    ]
    rows.sort(key=lambda row: row[2] if random.random() > LATE else now.isoformat())
    (root / "past.csv").write_text("card,amount,at\n" + "".join(f"{card},{amount},{at}\n" for card, amount, at in rows))
    with closing(open_topics(f"sqlite:///{root / 'streams.db'}")) as broker:
        broker.create("swipes", 4)
        with closing(broker.open_writer("swipes")) as writer:
            writer.send(
                [
                    (str(card).encode(), json.dumps({"card": card, "amount": amount, "at": at}).encode())
                    for card, amount, at in rows
                ]
            )
            writer.flush()
    place = ["-C", str(root), "-q"]
    for words in (["apply", "--auto-approve"], ["materialize", "pushed"], ["stream", "run", "--once"]):
        if run_command([*words, *place]):
            sys.exit(f"{words} failed")


def copy_lists(url: str, entities: int) -> None:
    """Give the other entities the lists and rows of the first ones."""
    client = redis.Redis.from_url(url)
    names = pack_columns({"card": "int64"}, {"card": [*range(entities)]}, entities)
    homes = [b"{%s}" % name for name in names if name is not None]
    generation = next(key.split(b"}")[1] for key in client.scan_iter(count=1_000) if key.startswith(LISTS + homes[0]))
    for card in range(OF_EVENTS, entities):
        of, to = homes[card % OF_EVENTS], homes[card]
        client.copy(LISTS + of + generation, LISTS + to + generation)
        client.copy(b"bench/dev:" + of, b"bench/dev:" + to)


class Server:
    """A server, asked over one connection."""

    def __init__(self, port: int, entities: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._turn = cycle(range(entities))

    def in_turn(self, count: int) -> list[int]:
        """Return the next entities, of which all are asked for in turn."""
        return [next(self._turn) for _ in range(count)]

    def ask(self, view: str, cards: Sequence[int]) -> float:
        """Ask for all features of some entities, and return how long that took, in seconds."""
        body = json.dumps({"features": [f"{view}:*"], "entities": {"card": [*cards]}})
        begin = time.perf_counter()
        self._connection.request("POST", "/v1/features", body)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            sys.exit(content.decode())
        return time.perf_counter() - begin


@contextmanager
def served(root: Path, entities: int) -> Iterator[Server]:
    """Serve a repository."""
    port = free_port()
    command = [sys.executable, "-m", "featurectl", "serve", "-C", str(root), "--port", str(port), *PATIENT]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            time.sleep(0.1)
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/ready")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                continue
        yield Server(port, entities)
    finally:
        process.terminate()
        process.wait()


def measure(server: Server, entities: int, options: argparse.Namespace) -> None:
    """Ask for some entities of both views in turn."""
    took: dict[str, list[float]] = {"pushed": [], "streamed": []}
    count = options.requests if entities == 1 else options.requests // 10
    for number in range(count):
        chosen = server.in_turn(entities)
        for view, times in took.items():
            asked_s = server.ask(view, chosen)
            if number > count // 10:
                times.append(asked_s)
    for view, times in took.items():
        print(f"{entities:4} entities  {view:9} p50 {statistics.median(times) * 1e3:7.3f} ms  p99 {p99(times):7.3f} ms")
    ratio = statistics.median(took["streamed"]) / statistics.median(took["pushed"])
    print(f"{entities:4} entities  ratio of medians {ratio:.2f}")


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile of seconds, in milliseconds."""
    return statistics.quantiles(times, n=100)[98] * 1e3


if __name__ == "__main__":
    main()
