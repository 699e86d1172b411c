"""Reads of views of streams through `featurectl serve`, beside those of a view of files with as many features.

python -m benchmarks.stream_serving [--events N] [--entities N] [--requests N]

Both views have 15 features and lie in one Redis; a list has some 300 events in its windows, as a worker has left it. One
connection asks for both in turn: one entity, and 100. It prints the median and p99 of each, and the ratio of medians:
first of 200 entities that are read again and again, as a server remembers what lists have said; then of those that
nobody has read lately, as all are asked for in turn, which are more than it remembers: by a server with the extra
`fast`, once it has compiled loops, and by one without; and how long it takes that server with `fast` each time that it
is asked for the same hundred, of which it learns meanwhile that they are read again. At last of all in turn by a server
that has the memory to remember them (`--list-memory`), and what it and Redis take for that. Lists of the first 1,000 entities come from
events; those of the others are copies, each as of an instant of its own.
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
WITHOUT_LOOPS = """
import sys
from featurectl.cli.main import main
from featurectl.online.stream_state.compiled import loading
loading.PAYS = sys.maxsize
sys.exit(main(sys.argv[1:]))
"""
PATIENT = ("--timeout", "20s", "--store-timeout", "20s")  # beside what compiles on a machine that is busy
READ_AGAIN = 200  # entities, which a server remembers
OF_EVENTS = 1_000  # entities
TIMES, BETWEEN = 5, 12  # how often a hundred is asked for, and how much else between two times
KNOWN = 'featurectl_stream_lists_total{answer="known"}'
LATE = 0.05  # of events, by up to a day
LISTS = b"bench/dev/s:"
OF_A_LIST = 15_000  # bytes, with room to spare, as what is not asked for goes first
ASOF = slice(3, 11)  # bytes of a head, an unsigned integer


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
            print("read before")
            measure(server, 1, options, READ_AGAIN)
            measure(server, 100, options, READ_AGAIN)
            server.compile()
            print("not read lately, extra fast")
            measure(server, 1, options)
            measure(server, 100, options)
            measure_again(server, options)
        with served(root, options.entities, ["-c", WITHOUT_LOOPS]) as server:
            print("not read lately, without it")
            measure(server, 1, options)
            measure(server, 100, options)
        memory = f"{options.entities * OF_A_LIST >> 20}MiB"
        with served(root, options.entities, words=["--list-memory", memory]) as server:
            remember(server, store.url, options.entities)
            measure(server, 1, options)
            measure(server, 100, options)


def remember(server: Server, url: str, entities: int) -> None:
    """Have a server remember the lists of all entities, and print what that takes."""
    client = redis.Redis.from_url(url)
    before = server.memory_mb(), client.info("memory")["used_memory"]
    server.compile()
    known = 0.0
    while known < 0.99 * entities:  # of a turn: lists are kept meanwhile from the second time on
        known_before = server.known()
        for _ in range(entities // 100):
            server.ask("streamed", server.in_turn(100))
        known = server.known() - known_before
    took, of_redis = server.memory_mb() - before[0], client.info("memory")["used_memory"] - before[1]
    print(f"all remembered: {took} MB more of the server, loops among them, {of_redis >> 20} MB of Redis")


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
    """Give the other entities the lists and rows of the first ones, their heads as of some microseconds before."""
    client = redis.Redis.from_url(url)
    names = pack_columns({"card": "int64"}, {"card": [*range(entities)]}, entities)
    homes = [b"{%s}" % name for name in names if name is not None]
    generation = next(key.split(b"}")[1] for key in client.scan_iter(count=1_000) if key.startswith(LISTS + homes[0]))
    for card in range(OF_EVENTS, entities):
        of, to = homes[card % OF_EVENTS], homes[card]
        head, *records = client.lrange(LISTS + of + generation, 0, -1)
        asof = int.from_bytes(head[ASOF], "big") - card
        pipeline = client.pipeline()
        pipeline.rpush(
            LISTS + to + generation, head[: ASOF.start] + asof.to_bytes(8, "big") + head[ASOF.stop :], *records
        )
        pipeline.copy(b"bench/dev:" + of, b"bench/dev:" + to)
        pipeline.execute()


class Server:
    """A server, asked over one connection."""

    def __init__(self, port: int, said: Path, process: int, entities: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._said, self._process = said, process
        self._turn = cycle(range(entities))

    def in_turn(self, count: int) -> list[int]:
        """Return the next entities, of which all are asked for in turn."""
        return [next(self._turn) for _ in range(count)]

    def memory_mb(self) -> int:
        """Return what the process takes."""
        lines = Path(f"/proc/{self._process}/status").read_text().splitlines()
        return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmRSS"))

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

    def known(self) -> float:
        """Return of how many lists it was known what they say."""
        self._connection.request("GET", "/metrics")
        lines = self._connection.getresponse().read().decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(KNOWN)), 0.0)

    def compile(self) -> None:
        """Ask until the server has compiled loops."""
        while "lists_compiled" not in (said := self._said.read_text()):
            self.ask("streamed", self.in_turn(100))
            if "lists_not_compiled" in said:
                sys.exit(said)


@contextmanager
def served(
    root: Path, entities: int, program: Sequence[str] = ("-m", "featurectl"), words: Sequence[str] = ()
) -> Iterator[Server]:
    """Serve a repository."""
    port, said = free_port(), root / "said.txt"
    command = [sys.executable, *program, "serve", "-C", str(root), "--port", str(port), *PATIENT, *words]
    with said.open("w") as stderr:
        process = subprocess.Popen(command, stderr=stderr)
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
        yield Server(port, said, process.pid, entities)
    finally:
        process.terminate()
        process.wait()


def measure(server: Server, entities: int, options: argparse.Namespace, among: int = 0) -> None:
    """Ask for both views in turn: for some of the first entities, `among` so many, else for all, one after the other."""
    random = Random(2)
    took: dict[str, list[float]] = {"pushed": [], "streamed": []}
    count = options.requests if entities == 1 else options.requests // 10
    for number in range(count):
        chosen = random.sample(range(among), entities) if among else server.in_turn(entities)
        for view, times in took.items():
            asked_s = server.ask(view, chosen)
            if number > count // 10:
                times.append(asked_s)
    for view, times in took.items():
        print(f"{entities:4} entities  {view:9} p50 {statistics.median(times) * 1e3:7.3f} ms  p99 {p99(times):7.3f} ms")
    ratio = statistics.median(took["streamed"]) / statistics.median(took["pushed"])
    print(f"{entities:4} entities  ratio of medians {ratio:.2f}")


def measure_again(server: Server, options: argparse.Namespace) -> None:
    """Ask for a hundred entities several times, with some milliseconds of other reads between, then for others."""
    took: list[list[float]] = [[] for _ in range(TIMES)]
    for _ in range(options.requests // 20):
        chosen = server.in_turn(100)
        for times in took:
            times.append(server.ask("streamed", chosen))
            for _ in range(BETWEEN):
                server.ask("pushed", chosen)
    said = ", ".join(f"{statistics.median(times) * 1e3:.3f}" for times in took)
    print(f" 100 entities  asked for again and again, p50 each time: {said} ms")


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile of seconds, in milliseconds."""
    return statistics.quantiles(times, n=100)[98] * 1e3


if __name__ == "__main__":
    main()
