"""Is what was read online, while events came, what a training set says of those instants?

python -m benchmarks.stream_proof [--events N] [--seconds S] [--kills K] [--store redis|sqlite]

A real repository with two views of a stream, `featurectl stream run --workers 2` as a process, a Redis (or a file) for
topic and online store. Events are sent at an even rate: 5 % of them late by up to two hours, 2 % sent a second time,
1 % no events. Meanwhile a client reads random cards, with the `asof` of each answer, and a worker is killed by SIGKILL
each 17 to 22 seconds.
At the end the worker is told to stop, `materialize` makes the tables, and a training set is asked about each card at
the `asof` that it was read at. All values are compared: those that differ by more than the arithmetic of floats are
printed, and how many are equal to the last bit.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl

import featurectl
from benchmarks.stream_day import family
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import from_us
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.servers.redis import redis_server

PROJECT = """project: proof
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "ONLINE", streams: "STREAMS"}
"""
OBJECTS = """entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes, key: [card]}
    columns: {swipe: int64, card: string, shop: string, amount: float64, cents: int64, at: timestamp}
    event_time: at
    dedup_key: [swipe]
feature_views:
  - name: spend
    entity: card
    source: swipes
    aggregates:
      - {op: count, windows: [1m, 10m, 1h]}
      - {column: cents, op: [sum, min], windows: [1m, 10m, 1h]}
      - {column: amount, op: [sum, mean, max, median], windows: [1m, 1h]}
      - {column: shop, op: [count_distinct, last], windows: [10m]}
  - {name: newest, entity: card, source: swipes, ttl: 30m, features: [amount, shop, cents]}
"""
CARDS = 300
FEATURES = ["spend:*", "newest:*"]
AT_ONCE = 20


@dataclass(kw_only=True)
class Proof:
    """The repository, what was sent, and what was read: rows of card, asof and values."""

    root: Path
    options: argparse.Namespace
    sent: Counter[str] = field(default_factory=Counter)
    read: list[tuple[str, int, dict[str, object]]] = field(default_factory=list)
    unanswered: Counter[str] = field(default_factory=Counter)
    ends: threading.Event = field(default_factory=threading.Event)

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "featurectl", *args, "-C", str(self.root)]

    def send(self, url: str) -> None:
        random, number, before = Random(1), 0, ""
        pause_s = 100 * self.options.seconds / self.options.events
        with closing(open_topics(url)) as broker, closing(broker.open_writer("swipes")) as writer:
            while not self.ends.is_set() and sum(self.sent.values()) < self.options.events:
                records = []
                for _ in range(100):
                    kind = random.choices(["plain", "late", "repeated", "bad"], [92, 5, 2, 1])[0]
                    kind = "plain" if kind == "repeated" and not before else kind
                    number += 1
                    late_s = random.uniform(1, 7_200) if kind == "late" else random.uniform(-1, 2)
                    event = {
                        "swipe": number,
                        "card": f"c{int(CARDS * random.random() ** 2)}",
                        "shop": f"s{random.randrange(9)}",
                        "amount": random.choice([0.1, 1e-9, random.gauss(0, 1e4), None]),
                        "cents": random.randrange(-(2**50), 2**50),
                        "at": (datetime.now(UTC) - timedelta(seconds=late_s)).isoformat(),
                    }
                    text = {"bad": "{", "repeated": before}.get(kind) or json.dumps(event)
                    before = text if kind in ("plain", "late") else before
                    records.append((None, text.encode()))
                    self.sent[kind] += 1
                writer.send(records)
                writer.flush()
                time.sleep(pause_s)

    def look(self) -> None:
        random = Random(2)
        with featurectl.open_client(self.root) as client:
            while not self.ends.is_set():
                cards = [f"c{int(CARDS * random.random() ** 2)}" for _ in range(AT_ONCE)]
                try:
                    found = client.get(FEATURES, {"card": cards}).columns
                except featurectl.errors.FeaturectlError as error:
                    self.unanswered[error.message[:150]] += 1
                    time.sleep(0.1)
                    continue
                asof = {id(column): column.computed_us for column in found.values()}
                for place, card in enumerate(cards):
                    instants = {each[place] for each in asof.values()}
                    for asof_us in instants - {None}:
                        values = {n: c.values[place] for n, c in found.items() if c.computed_us[place] == asof_us}
                        self.read.append((card, int(asof_us or 0), values))
                time.sleep(0.02)

    def kill_now_and_then(self, worker: subprocess.Popen[bytes]) -> int:
        random, kills = Random(3), 0
        while not self.read and not self.ends.wait(0.1):
            pass
        while kills < self.options.kills and worker.poll() is None and not self.ends.wait(random.uniform(17, 22)):
            own = [pid for pid in family(worker.pid)[1:] if is_worker(pid)]
            if own:
                os.kill(min(own), signal.SIGKILL)  # three that die within 30 s of their start end the command
                kills += 1
        return kills

    def compare(self) -> None:
        subprocess.run(self.command("materialize", "-q"), check=True, stdout=subprocess.DEVNULL)
        rows = sorted(self.read, key=lambda row: row[1])
        spine = pl.DataFrame({"card": [row[0] for row in rows], "t": [from_us(row[1]) for row in rows]})
        project = featurectl.open_project(self.root)
        made = project.training_set(
            features=FEATURES, spine=spine.with_columns(pl.col("t").cast(INSTANT)), time="t"
        ).rows
        counts: Counter[str] = Counter()
        for place, (card, asof_us, values) in enumerate(rows):
            truth = made.row(place, named=True)
            for name, value in values.items():
                kind = verdict(value, truth[name])
                counts[kind] += 1
                if kind == "differs" and counts[kind] <= 20:
                    print(card, from_us(asof_us).isoformat(), name, repr(value), repr(truth[name]))
        print(f"compared {counts.total():,} values of {len(rows):,} answers: {dict(counts)}")


def is_worker(pid: int) -> bool:
    """Return whether a process is one that `stream run --workers` has begun."""
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def verdict(read: object, truth: object) -> str:
    if read == truth and type(read) is type(truth):
        return "equal to the last bit"
    if isinstance(read, float) and isinstance(truth, float) and math.isclose(read, truth, rel_tol=1e-9, abs_tol=1e-6):
        return "equal but for rounding"
    return "differs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--store", choices=["redis", "sqlite"], default="redis")
    options = parser.parse_args()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(redis_server())
        files = options.store == "sqlite"
        online, streams = ("sqlite:///o.db", f"sqlite:///{root / 's.db'}") if files else (server.url, server.url)
        proof = Proof(root=root, options=options)
        (root / "featurectl.yaml").write_text(PROJECT.replace("ONLINE", online).replace("STREAMS", streams))
        (root / "objects.yaml").write_text(OBJECTS)
        subprocess.run(proof.command("apply", "--auto-approve", "-q"), check=True, stdout=subprocess.DEVNULL)
        with closing(open_topics(streams)) as broker:
            broker.create("swipes", 4)
        told = stack.enter_context((root / "worker.log").open("wb"))
        worker = subprocess.Popen(proof.command("stream", "run", "--workers", "2"), stderr=told, stdout=told)
        threads = [threading.Thread(target=proof.send, args=(streams,)), threading.Thread(target=proof.look)]
        for thread in threads:
            thread.start()
        try:
            kills = proof.kill_now_and_then(worker)
            threads[0].join()
            time.sleep(5)
        finally:
            proof.ends.set()
            for thread in threads:
                thread.join()
            worker.terminate()
            code = worker.wait(120)
        print(
            f"sent {dict(proof.sent)}, {kills} workers killed, reads without an answer: {dict(proof.unanswered)}; exit {code}"
        )
        if code:
            print((root / "worker.log").read_text()[-3_000:])
        proof.compare()


if __name__ == "__main__":
    main()
