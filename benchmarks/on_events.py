"""Predictions on events: how long one takes from its event, and how many a worker makes.

python -m benchmarks.on_events [WORK ...] [--rate N] [--seconds S] [--events N] [--brokers NAME ...]

A real repository: a LightGBM of 200 trees on 15 features of a card (count, sum, mean, min, max of 1h, 1d, 30d), whose
history of 100,000 swipes of 2,000 cards is in the lists. State is in Redis, topics are in Redis and Kafka.

`latency`: events are sent at N a second (500) to 4 partitions, two workers predict them, and a reader of the topic of
predictions takes the time when one has come; the event has the time when it was sent. `rate`: a backlog of events is
sent first, then one worker begins; from the first prediction to the last, beside `bare`: the same model asked in
batches of 256 for as many rows, its features at hand.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from tests.servers.kafka import kafka_server
from tests.servers.redis import redis_server

PROJECT = """project: onevents
environments:
  dev:
    registry: "sqlite:///r.db"
    offline: off
    online: "ONLINE"
    streams: "STREAMS"
    prediction_log: {sample: 1.0}
"""
OBJECTS = """entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes, key: [card]}
    history: before
    columns: {swipe: int64, card: string, amount: float64, fraud: bool, at: timestamp}
    event_time: at
    dedup_key: [swipe]
  - name: before
    path: before.csv
    columns: {swipe: int64, card: string, amount: float64, fraud: bool, at: timestamp}
    event_time: at
    dedup_key: [swipe]
feature_views:
  - name: spend
    entity: card
    source: swipes
    closed: left
    aggregates:
      - {op: count, windows: [1h, 1d, 30d]}
      - {column: amount, op: [sum, mean, min, max], windows: [1h, 1d, 30d]}
models:
  - name: fraud
    spine: {source: swipes, time: at, known_at: available_at, label: {name: fraud}}
    features: [{view: spend, features: "*"}]
    on_events: {to: {topic: scores}, max_age: 1h}
    trainer:
      estimator: lightgbm.LGBMClassifier
      params: {n_estimators: 200, num_threads: 1, verbose: -1}
"""
CARDS, HISTORY = 2_000, 100_000


@dataclass(kw_only=True)
class Scored:
    """When each prediction came, by the swipe's offset, and what it said of its event."""

    latencies_s: list[float] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    ends: threading.Event = field(default_factory=threading.Event)
    count: int = 0

    def read(self, url: str) -> None:
        with closing(open_topics(url)) as broker:
            while not self.ends.is_set():
                try:
                    partitions = [*broker.watermarks("scores")]
                    break
                except Exception:  # noqa: BLE001 (it is made with the first prediction)
                    time.sleep(0.05)
            else:
                return
            with closing(broker.open_reader("scores")) as reader:
                for partition in partitions:
                    reader.seek(partition, 0)
                while not self.ends.is_set():
                    for batch in reader.take(TakeLimits(timeout_s=0.005)).batches:
                        self.take(batch.values)

    def take(self, values) -> None:
        now = datetime.now(UTC)
        for value in values:
            found = json.loads(value)
            self.count += 1
            self.ids.add(found["prediction_id"])
            self.at_s.append(time.monotonic())
            self.latencies_s.append((now - datetime.fromisoformat(found["event_time"])).total_seconds())


def event(number: int, random: Random, at: datetime) -> bytes:
    values = {"swipe": number, "card": f"c{random.randrange(CARDS)}", "amount": random.lognormvariate(3, 1)}
    return json.dumps(values | {"fraud": False, "at": at.isoformat()}).encode()


def prepare(root: Path, online: str, streams: str) -> None:
    (root / "featurectl.yaml").write_text(PROJECT.replace("ONLINE", online).replace("STREAMS", streams))
    (root / "objects.yaml").write_text(OBJECTS)
    random, begin = Random(1), datetime.now(UTC) - timedelta(days=20)
    with (root / "before.csv").open("w") as file:
        file.write("swipe,card,amount,fraud,at\n")
        for number in range(HISTORY):
            at = begin + timedelta(seconds=number * 17)
            fraud = str(random.random() < 0.1).lower()
            file.write(
                f"{10**9 + number},c{random.randrange(CARDS)},{random.lognormvariate(3, 1)},{fraud},{at.isoformat()}\n"
            )
    for words in (["apply", "--auto-approve", "-q"], ["materialize", "-q"], ["train", "fraud", "-q"]):
        subprocess.run(command(root, *words), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def command(root: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "featurectl", *words, "-C", str(root)]


def start(root: Path, *words: str) -> subprocess.Popen[bytes]:
    log = (root / "worker.log").open("ab")
    return subprocess.Popen(command(root, "stream", "run", *words), stdout=log, stderr=log)


def send(url: str, count: int, rate: float | None, first: int) -> None:
    """Send events, so many a second (None: as fast as it goes), ten at a time where that is more than 100."""
    random, begin_s = Random(first), time.monotonic()
    step = 1 if rate is not None and rate <= 100 else 10 if rate is not None else 500
    with closing(open_topics(url)) as broker, closing(broker.open_writer("swipes")) as writer:
        for number in range(0, count, step):
            if rate is not None:
                time.sleep(max(0.0, begin_s + number / rate - time.monotonic()))
            now = datetime.now(UTC)
            times = [now + timedelta(microseconds=i) for i in range(step)]
            records = [
                (b"%d" % random.randrange(64), event(first + number + i, random, at)) for i, at in enumerate(times)
            ]
            writer.send(records)
            writer.flush()


def quantiles(values: list[float]) -> str:
    ordered = sorted(values)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return f"p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms, greatest {ordered[-1] * 1e3:.0f} ms"


def wait_for(scored: Scored, count: int, limit_s: float = 180) -> bool:
    end_s = time.monotonic() + limit_s
    while len(scored.ids) < count and time.monotonic() < end_s:
        time.sleep(0.05)
    return len(scored.ids) >= count


def measure_latency(root: Path, url: str, name: str, options: argparse.Namespace) -> None:
    worker, scored = start(root, "--workers", "2"), Scored()
    thread = threading.Thread(target=scored.read, args=(url,))
    thread.start()
    try:
        send(url, 500, 100, 1)
        if not wait_for(scored, 500):
            print("no predictions:", (root / "worker.log").read_text()[-2_000:])
            return
        scored.latencies_s.clear()
        count = int(options.rate * options.seconds)
        send(url, count, options.rate, 10_000)
        whole = wait_for(scored, 500 + count)
        print(
            f"latency {name}: {options.rate} events/s, {count:,} events: {quantiles(scored.latencies_s)}"
            f"{'' if whole else ', NOT ALL PREDICTED'}, {scored.count - len(scored.ids)} repeats"
        )
    finally:
        scored.ends.set()
        thread.join()
        worker.terminate()
        worker.wait(120)


def measure_rate(root: Path, url: str, name: str, options: argparse.Namespace) -> None:
    send(url, options.events, None, 1_000_000)
    scored, before_s = Scored(), time.monotonic()
    thread = threading.Thread(target=scored.read, args=(url,))
    thread.start()
    worker = start(root)
    try:
        whole = wait_for(scored, options.events + options.before)
        own = scored.at_s[-options.events :]
        rates = len(own) / (own[-1] - own[0])
        print(
            f"rate {name}: {rates:,.0f} predictions/s by one worker, {options.events:,} events"
            f"{'' if whole else ', NOT ALL PREDICTED'}; first after {own[0] - before_s:.1f} s"
        )
    finally:
        scored.ends.set()
        thread.join()
        worker.terminate()
        worker.wait(120)


def measure_bare(root: Path, options: argparse.Namespace) -> None:
    """Measure the model alone, by ONNX Runtime as workers have it."""
    import numpy as np

    from featurectl.models.runtimes.onnx import load_onnxruntime

    onnxruntime = load_onnxruntime()
    path = max((root / "off").rglob("*.onnx"))
    setting = onnxruntime.SessionOptions()
    setting.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), setting)
    matrix = np.random.default_rng(1).random((256, 15), dtype=np.float32)
    taken = []
    for _ in range(5):
        begin_s = time.perf_counter()
        for _ in range(options.events // 256):
            session.run(None, {session.get_inputs()[0].name: matrix})
        taken.append(time.perf_counter() - begin_s)
    print(
        f"bare: {options.events / statistics.median(taken):,.0f} predictions/s of the model alone, median of 5 rounds"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", nargs="*", default=["latency", "rate"], choices=["latency", "rate"])
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--brokers", nargs="*", default=["redis", "kafka"], choices=["redis", "kafka"])
    options = parser.parse_args()
    for name in options.brokers:
        with ExitStack() as stack:
            server = stack.enter_context(redis_server())
            streams = server.url if name == "redis" else stack.enter_context(kafka_server()).url
            root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            prepare(root, server.url, streams)
            with closing(open_topics(streams)) as broker:
                broker.create("swipes", 4)
                broker.create("scores", 4)
            options.before = 0
            if "latency" in options.work:
                measure_latency(root, streams, name, options)
                options.before = 500 + int(options.rate * options.seconds)
            if "rate" in options.work:
                measure_rate(root, streams, name, options)
                measure_bare(root, options)


if __name__ == "__main__":
    main()
