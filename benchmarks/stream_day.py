"""A day of events, as fast as they go: is the memory of a worker flat, the log compacted, the lag bounded?

python -m benchmarks.stream_day [--events N] [--minutes M] [--workers W] [--entities E] [--broker redis|sqlite]

A real repository, `featurectl stream run` as a process of its own, a Redis for the online store (and the topic, unless
it is in a file). Events of about 150 bytes are sent as fast as the broker takes them while fewer than a million wait;
their times run over the last 24 hours at 2,000 a second. A view is exact over an hour, one is in tiles over a day.
`featurectl materialize` runs beside it every five minutes, as a schedule would, and compacts the log. Each line has
what there is by then: events sent and logged, those that wait, the memory of the workers and of Redis, the bytes of the
topic's file, of the log and its number of files, and the age of `asof`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from featurectl.core.units import DAY_US, from_us
from featurectl.offline.event_log import EventLog
from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.servers.redis import redis_server

PROJECT = """project: day
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "ONLINE", streams: "STREAMS"}
"""
OBJECTS = """entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes, key: [card], retention: 10s}
    columns: {swipe: int64, card: string, shop: string, country: string, amount: float64, at: timestamp}
    event_time: at
feature_views:
  - {name: hour, entity: card, source: swipes, aggregates: [{column: amount, op: [sum, mean, max], windows: [10m, 1h]}]}
  - {name: day, entity: card, source: swipes, hop: 2m, aggregates: [{column: amount, op: [sum, max], windows: [1d]}]}
"""
PARTITIONS = 8
RATE = 2_000  # of the simulated day
WAITING = 1_000_000
EVERY_S = 15.0
MATERIALIZE_S = 300.0


@dataclass(kw_only=True)
class Day:
    """The repository of a day, and who sends into it."""

    root: Path
    online: str
    streams: str
    options: argparse.Namespace
    sent: int = 0
    ends: threading.Event = field(default_factory=threading.Event)

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "featurectl", *args, "-C", str(self.root)]

    def prepare(self) -> None:
        text = PROJECT.replace("ONLINE", self.online).replace("STREAMS", self.streams)
        (self.root / "featurectl.yaml").write_text(text)
        (self.root / "objects.yaml").write_text(OBJECTS)
        subprocess.run(self.command("apply", "--auto-approve", "-q"), check=True, stdout=subprocess.DEVNULL)
        with closing(open_topics(self.streams)) as broker:
            broker.create("swipes", PARTITIONS)

    def send(self, done: list[int]) -> None:
        """Send events until there are enough, or the time is over; `done` holds how many workers have done."""
        random, begin_us = Random(1), time.time_ns() // 1_000 - DAY_US
        cards = [(f"c{number:07}", f"c{number:07}".encode()) for number in range(self.options.entities)]
        with closing(open_topics(self.streams)) as broker, closing(broker.open_writer("swipes")) as writer:
            while not self.ends.is_set() and self.sent < self.options.events:
                if self.sent - done[0] > WAITING:
                    time.sleep(0.05)
                    continue
                at = from_us(begin_us + self.sent * 1_000_000 // RATE).isoformat()
                records = []
                for number in range(self.sent, self.sent + 5_000):
                    card, key = cards[int(random.random() * len(cards))]
                    text = (
                        f'{{"swipe":{number},"card":"{card}","shop":"s{number % 997:03}","country":"NL",'
                        f'"amount":{random.random() * 100:.2f},"at":"{at}"}}'
                    )
                    records.append((key, text.encode()))
                writer.send(records)
                self.sent = writer.flush()

    def measure(self, worker: subprocess.Popen[bytes], done: list[int], until: float) -> None:
        """Tell how it is now and then."""
        place = StreamSource(project="day", env="dev", source="swipes")
        begin = told = time.monotonic()
        materialized = begin
        with closing(open_stream_state(self.online)) as state:
            while time.monotonic() < until and not (self.sent >= self.options.events and done[0] >= self.sent):
                time.sleep(0.5)
                assert worker.poll() is None, "the worker has ended"
                with closing(state.connect(place)) as connection:
                    register = connection.register.read_state()
                done[0] = done_in(self, register)
                now = time.monotonic()
                if now - materialized >= MATERIALIZE_S:
                    materialized = now
                    self.materialize()
                if now - told >= EVERY_S:
                    told = now
                    self.tell(now - begin, worker, done[0], (time.time_ns() // 1_000 - register.asof) / 1e6)
            self.tell(time.monotonic() - begin, worker, done[0], 0.0)

    def materialize(self) -> None:
        begin = time.monotonic()
        ran = subprocess.run(self.command("materialize", "-o", "json", "-q"), check=False, capture_output=True)
        print(f"materialize: exit {ran.returncode}, {time.monotonic() - begin:.0f} s", flush=True)

    def tell(self, seconds: float, worker: subprocess.Popen[bytes], done: int, behind_s: float) -> None:
        log = self.root / "off" / "day" / "_streams" / "dev"
        files = [path for path in log.rglob("*") if path.is_file()]
        told = {
            "s": round(seconds),
            "sent": self.sent,
            "done": done,
            "rate": round(done / seconds),
            "wait": self.sent - done,
            "worker_MB": round(sum(resident(pid) for pid in family(worker.pid)) / 1e6),
            "redis_MB": round(self.redis_bytes() / 1e6),
            "topic_MB": round(sum(path.stat().st_size for path in self.root.glob("streams.db*")) / 1e6),
            "log_MB": round(sum(path.stat().st_size for path in files) / 1e6),
            "log_files": sum(path.suffix == ".parquet" for path in files),
            "asof_s": round(behind_s, 2),
        }
        print(json.dumps(told), flush=True)

    def redis_bytes(self) -> int:
        import redis

        with closing(redis.Redis.from_url(self.online)) as client:
            return int(client.info("memory")["used_memory"])


def done_in(day: Day, register: object) -> int:
    """Return how many events of all partitions are in the lists."""
    with closing(open_topics(day.streams)) as broker:
        positions = {int(of.name.rpartition("/")[2].partition("#")[0]): of.done for of in register.partitions}  # type: ignore[attr-defined]
        if not positions:
            return 0
        return day.sent - sum(broker.unread("swipes", positions).values())


def resident(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in text.splitlines() if line.startswith("VmRSS:")), "VmRSS: 0")
    return int(line.split()[1]) * 1024


def family(pid: int) -> list[int]:
    """Return a process and those that it began."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in family(int(child)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=RATE * 86_400)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--broker", choices=["redis", "sqlite"], default="redis")
    options = parser.parse_args()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(redis_server())
        streams = server.url if options.broker == "redis" else f"sqlite:///{root / 'streams.db'}"
        day = Day(root=root, online=server.url, streams=streams, options=options)
        day.prepare()
        done = [0]
        errors = stack.enter_context((root / "worker.log").open("wb"))
        worker = subprocess.Popen(
            day.command("stream", "run", *(["--workers", str(options.workers)] if options.workers > 1 else [])),
            stderr=errors,
        )
        sender = threading.Thread(target=day.send, args=(done,))
        sender.start()
        try:
            day.measure(worker, done, time.monotonic() + 60 * options.minutes)
        finally:
            day.ends.set()
            sender.join()
            worker.terminate()
            code = worker.wait(120)
            print((root / "worker.log").read_text()[-2_000:])
        print(f"worker: exit {code}; {logged(day)} events in the log of {day.sent} sent")


def logged(day: Day) -> int:
    location = next(path.parent for path in (day.root / "off").rglob("_delta_log") if "_streams" in path.parts)
    log = EventLog(location=str(location), columns={}, shown="log")
    return log.rows(log.open())


if __name__ == "__main__":
    main()
