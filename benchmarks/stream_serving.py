"""Reads of views of streams through `featurectl serve`, beside those of a view of files with as many features.

python -m benchmarks.stream_serving [--events N] [--entities N] [--requests N]

Both views have 15 features and lie in one Redis; a list has 300 events in its windows, as a worker has left it. One
connection asks for both in turn: one entity, and 100. It prints the median and p99 of each, and the ratio of medians:
first where each list was read before, as its server remembers what lists have said, then by one that remembers nothing.
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
from pathlib import Path
from random import Random

from featurectl.cli.main import main as run_command
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
FORGETFUL = """
import sys
from featurectl.cli.main import main
from featurectl.online.stream_state import known_answers
known_answers.HELD.most = 0
sys.exit(main(sys.argv[1:]))
"""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--entities", type=int, default=200)
    parser.add_argument("--requests", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, redis_server() as store:
        root = Path(folder)
        make(root, store.url, options)
        for program, what in ((["-m", "featurectl"], "read before"), (["-c", FORGETFUL], "read anew")):
            print(what)
            with served(root, program) as port:
                for entities in (1, 100):
                    measure(port, entities, options)


def make(root: Path, online: str, options: argparse.Namespace) -> None:
    """Make a repository, its topic, and all that is online of it."""
    (root / "featurectl.yaml").write_text(PROJECT.format(online=online))
    (root / "objects.yaml").write_text(OBJECTS)
    random, now = Random(1), datetime.now(UTC)
    rows = [
        (card, round(random.uniform(1, 500), 2), (now - timedelta(seconds=random.uniform(10, 29 * 86_400))).isoformat())
        for card in range(options.entities)
        for _ in range(options.events)
    ]
    random.shuffle(rows)
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


@contextmanager
def served(root: Path, program: Sequence[str] = ("-m", "featurectl")) -> Iterator[int]:
    """Serve a repository, and give the port."""
    port = free_port()
    words = [sys.executable, *program, "serve", "-C", str(root), "--port", str(port)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
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
        yield port
    finally:
        process.terminate()
        process.wait()


def measure(port: int, entities: int, options: argparse.Namespace) -> None:
    """Ask for both views in turn."""
    random, connection = Random(2), http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    took: dict[str, list[float]] = {"pushed": [], "streamed": []}
    count = options.requests if entities == 1 else options.requests // 10
    for number in range(count):
        cards = random.sample(range(options.entities), entities)
        for view, times in took.items():
            body = json.dumps({"features": [f"{view}:*"], "entities": {"card": cards}})
            begin = time.perf_counter()
            connection.request("POST", "/v1/features", body)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                sys.exit(content.decode())
            if number > count // 10:
                times.append(time.perf_counter() - begin)
    for view, times in took.items():
        print(f"{entities:4} entities  {view:9} p50 {statistics.median(times) * 1e3:7.3f} ms  p99 {p99(times):7.3f} ms")
    ratio = statistics.median(took["streamed"]) / statistics.median(took["pushed"])
    print(f"{entities:4} entities  ratio of medians {ratio:.2f}")


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile in milliseconds."""
    return sorted(times)[int(len(times) * 0.99)] * 1e3


if __name__ == "__main__":
    main()
