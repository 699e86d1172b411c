"""Event streams: how many events a worker takes, how fresh they are, what a read costs, and the memory of a list.

python -m benchmarks.streams [WORK ...] [--events N] [--entities N] [--topics NAME ...] [--beat SECONDS]

`rate`: one worker takes events of about 150 bytes from a topic (SQLite, Redis, Kafka) into three views (5 aggregates
x 1h 1d 30d, exact) in Redis and logs them; beside it, in turn, a bare loop over the same topic: take, `json.loads`,
and RPUSHes of the same bytes, which are packed already. `fresh`: events at 1,000 a second, two workers, from sending
until a reader's `asof` is at or behind the event's stamp; and one event a second on 16 partitions, and what a worker
without events costs the store's server. `read`: 15 features of lists of 10, 300 and 4,000 events, and of a million in
tiles. `memory`: bytes of Redis for lists of 300 events of one float, compacted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from random import Random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hiredis
import redis

from featurectl.core.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US, from_us
from featurectl.expressions.check import type_expression
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.offline.event_log import REJECTED_COLUMNS, EventLog
from featurectl.online.all_stores import open_stream_state
from featurectl.online.redis.stream_append import ListPush, push_commands
from featurectl.online.redis.stream_keys import list_ends
from featurectl.online.stream_state.base import Generation, ListsAsk, StampRange, StreamSource
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.layout import ListLayout, layout_of, state_of
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.protocols import StreamState
from featurectl.online.stream_state.record import EventRecord, pack_record
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.partition_start import WorkerTopic
from featurectl.streaming.read_events import EventReader
from featurectl.streaming.rebuilds import Rebuilds, RebuiltStream
from featurectl.streaming.run import RunOptions, run_worker
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits, TopicBroker
from featurectl.streaming.worker_pace import WorkerPace
from featurectl.streaming.worker import StreamWorker, WorkerStream
from tests.servers.kafka import kafka_server
from tests.servers.redis import redis_server

COLUMNS = {
    "swipe": "int64", "card": "string", "shop": "string", "device": "string", "country": "string",
    "amount": "float64", "at": "timestamp",
}  # fmt: skip
SOURCE = Source(name="swipes", format="stream", event_time="at", columns=COLUMNS)
WINDOWS = {"1h": HOUR_US, "1d": DAY_US, "30d": 30 * DAY_US}
FEATURES = tuple(
    Feature(
        name=f"{op}_{name}", op=op, column="amount", dtype="int64" if op == "count" else "float64", window_us=window_us
    )
    for name, window_us in WINDOWS.items()
    for op in ("count", "sum", "mean", "min", "max")
)
LIMITS = TakeLimits(messages=5_000, timeout_s=0.005)


def view(name: str, key: str) -> FeatureView:
    amount = NamedExpression(name="amount", expression=type_expression("amount", COLUMNS), dtype="float64")
    return FeatureView(
        name=name,
        kind="event",
        entity=Entity(name=key, keys={key: "string"}),
        source=SOURCE,
        join={key: key},
        where=None,
        inputs=(amount,),
        features=FEATURES,
    )


VIEWS = {"spend@1": view("spend", "card"), "shops@1": view("shops", "shop"), "devices@1": view("devices", "device")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", nargs="*", default=["rate", "fresh", "read", "memory"])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--topics", nargs="+", default=["SQLite", "Redis", "Kafka"])
    parser.add_argument("--beat", type=float, help="seconds between heartbeats, by default those of the store")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(redis_server())
        topics = {"SQLite": f"sqlite:///{folder / 'streams.db'}", "Redis": server.url}
        if "Kafka" in options.topics:
            topics["Kafka"] = stack.enter_context(kafka_server()).url
        topics = {name: url for name, url in topics.items() if name in options.topics}
        if "rate" in options.work:
            for name, url in topics.items():
                measure_rate(name, url, server.url, folder, options)
        if "fresh" in options.work:
            for name, url in topics.items():
                measure_freshness(name, url, server.url, folder, options.beat)
        if "read" in options.work:
            measure_reads()
        if "memory" in options.work:
            measure_memory(server.url)


def events(count: int, entities: int) -> Iterator[bytes]:
    random, now_us = Random(1), time.time_ns() // 1_000
    for number in range(count):
        yield json.dumps(
            {
                "swipe": number,
                "card": f"c{random.randrange(entities):07}",
                "shop": f"s{random.randrange(entities // 4):06}",
                "device": f"d{random.randrange(entities // 2):07}",
                "country": "DE",
                "amount": round(random.random() * 100, 2),
                "at": from_us(now_us - random.randrange(MINUTE_US)).isoformat().replace("+00:00", "Z"),
            }
        ).encode()


def make_topic(broker: TopicBroker, topic: str, values: Sequence[bytes], partitions: int = 4) -> None:
    broker.create(topic, partitions)
    with closing(broker.open_writer(topic)) as writer:
        writer.send((None, value) for value in values)
        writer.flush()


def worker_on(
    broker: TopicBroker, state: StreamState, topic: str, folder: Path, own: Sequence[int], beat_s: float
) -> StreamWorker:
    made = StreamWorker(
        WorkerStream(
            source=SOURCE, views=VIEWS, place=StreamSource(project=topic, env="dev", source="swipes"), state=state
        ),
        WorkerTopic(
            state=lambda: broker.state(topic),
            watermarks=lambda: broker.watermarks(topic),
            reader=broker.open_reader(topic),
        ),
        LogWriter(
            EventLog(location=str(folder / topic), columns=COLUMNS, shown=topic),
            EventLog(location=str(folder / f"{topic}_rejected"), columns=REJECTED_COLUMNS, shown=topic),
        ),
        WorkerPace(
            clock=time.monotonic,
            wall_us=lambda: time.time_ns() // 1_000,
            beat_every_s=beat_s,
            beside=ThreadPoolExecutor(1).submit,
        ),
    )
    for partition in own:
        made.begin(partition)
    return made


def seed(state: StreamState, topic: str) -> None:
    """Have lists of all views that can be read."""
    connection = state.connect(StreamSource(project=topic, env="dev", source="swipes"))
    for name in VIEWS:
        generation = Generation(view=name, id="5f2c9a01")
        cuts = connection.generations.add(generation).cuts
        assert connection.lists.make_ready(generation, connection.lists.seed(generation, []), cuts)
        assert connection.generations.switch(generation)
    connection.close()


def measure_rate(name: str, topics_url: str, store_url: str, folder: Path, options: argparse.Namespace) -> None:
    values = list(events(options.events, options.entities))
    print(f"\n{name}: {len(values):,} events of {len(values[0])} bytes into 3 views in Redis")
    ours, theirs = [], []
    for number in range(3):
        with closing(open_topics(topics_url)) as broker, closing(open_stream_state(store_url)) as state:
            topic = f"rate{name.lower()}{number}"
            make_topic(broker, topic, values)
            worker = worker_on(broker, state, topic, folder, range(4), state.heartbeat_s)
            seed(state, topic)
            begun = time.perf_counter()
            while worker.counts.events < len(values):
                worker.step(LIMITS)
            ours.append(time.perf_counter() - begun)
            worker.close()
            theirs.append(bare_loop(broker, topic, store_url, values))
    rates = [len(values) / statistics.median(each) for each in (ours, theirs)]
    print(f"  worker {rates[0]:,.0f} events/s, bare loop {rates[1]:,.0f}: {rates[0] / rates[1]:.2f} of it")


def bare_loop(broker: TopicBroker, topic: str, store_url: str, values: Sequence[bytes]) -> float:
    """Take, parse, and send the same bytes; return the seconds."""
    packed = packed_records(values)
    client = redis.Redis.from_url(store_url)
    connection = client.connection_pool.get_connection()
    sock: Any = connection._sock  # noqa: SLF001
    replies = hiredis.Reader()
    place = StreamSource(project=f"{topic}bare", env="dev", source="swipes")
    ends = [list_ends(place, Generation(view=view_name, id="bare")) for view_name in VIEWS]
    with closing(broker.open_reader(topic)) as reader:
        for partition in range(4):
            reader.seek(partition, 0)
        begun, taken = time.perf_counter(), 0
        while taken < len(values):
            for batch in reader.take(LIMITS).batches:
                found = [json.loads(value) for value in batch.values]
                commands = [
                    command
                    for of, pushes in zip(ends, packed, strict=True)
                    for command in push_commands(of, [pushes[event["swipe"]] for event in found])
                ]
                sock.sendall(b"".join(commands))
                due = len(commands)
                while due:
                    if replies.gets() is False:
                        replies.feed(sock.recv(1 << 16))
                    else:
                        due -= 1
                taken += len(found)
        spent = time.perf_counter() - begun
    connection.disconnect()
    client.close()
    return spent


def packed_records(values: Sequence[bytes]) -> list[list[ListPush]]:
    """The entity and the record of each event, by view."""
    from featurectl.streaming.topics.base import MessageBatch
    from featurectl.streaming.view_records import StampedEvent, ViewRecords

    reader = EventReader(SOURCE)
    records = [ViewRecords(of, reader.decoder) for of in VIEWS.values()]
    batch = MessageBatch(
        partition=0,
        first=0,
        end=len(values),
        offsets=range(len(values)),
        keys=[None] * len(values),
        values=values,
        sent_at_us=[None] * len(values),
    )
    stamped = reader.stamp(reader.read(batch), 0, [StampRange(first=0, end=len(values), stamp=time.time_ns() // 1_000)])

    return [[(of.entity(event.row) or b"", (of.element(event),)) for event in stamped.events] for of in records]


def measure_freshness(name: str, topics_url: str, store_url: str, folder: Path, beat_s: float | None) -> None:
    for rate, partitions, seconds in ((1_000, 4, 20), (1, 16, 60)):
        with closing(open_topics(topics_url)) as broker, closing(open_stream_state(store_url)) as state:
            topic = f"fresh{name.lower()}{rate}"
            broker.create(topic, partitions)
            place = StreamSource(project=topic, env="dev", source="swipes")
            beat = state.heartbeat_s if beat_s is None else beat_s
            workers = [worker_on(broker, state, topic, folder, range(n, partitions, 2), beat) for n in range(2)]
            seed(state, topic)
            stop = threading.Event()
            threads = []
            log = EventLog(location=str(folder / topic), columns=COLUMNS, shown=topic)
            seeded = {view_name: SeededView(name=view_name, view=of, source=SOURCE) for view_name, of in VIEWS.items()}
            options = RunOptions(limits=TakeLimits(), clock=time.monotonic, on_problem=print)
            for worker in workers:
                stream = RebuiltStream(place=place, state=state, partitions=lambda: worker.start.names)
                arguments = (worker, Rebuilds(stream, log, seeded), stop, options)
                threads.append(threading.Thread(target=run_worker, args=arguments))
                threads[-1].start()
            idle = server_share(store_url, partial(time.sleep, 5)) / len(workers)
            delays = sent_until_readable(broker, state, topic, rate, seconds)
            stop.set()
            for thread in threads:
                thread.join()
            first, *rest = delays  # the first one waits for the workers, which have just begun
            cuts = statistics.quantiles(rest, n=100, method="inclusive")
            print(
                f"{name}, {rate:,} events/s on {partitions} partitions, two workers: sent -> readable "
                f"p50 {cuts[49] * 1e3:.0f} ms, p99 {cuts[98] * 1e3:.0f} ms, most {max(rest) * 1e3:.0f} ms "
                f"({len(rest)} events; the first {first * 1e3:.0f} ms); a worker without events takes "
                f"{idle:.1%} of a core of the store's server, with a heartbeat each {beat * 1e3:.0f} ms"
            )


def server_share(url: str, work: Callable[[], object]) -> float:
    """Return how much of a core a Redis server takes while something is done."""
    with closing(redis.Redis.from_url(url)) as client:
        before, begun = client.info("cpu"), time.perf_counter()
        work()
        seconds, after = time.perf_counter() - begun, client.info("cpu")
    return sum(after[name] - before[name] for name in ("used_cpu_user", "used_cpu_sys")) / seconds


def sent_until_readable(broker: TopicBroker, state: StreamState, topic: str, rate: int, seconds: int) -> list[float]:
    """Send events at a rate, and return of some how long it took until a reader's answer had them."""
    place, delays = StreamSource(project=topic, env="dev", source="swipes"), list[float]()
    every = max(1, rate // 20)
    layout = layout_of(VIEWS["spend@1"])
    reader = ListReader(FEATURES, layout)
    with closing(broker.open_writer(topic)) as writer:
        begin = time.perf_counter()
        for number, value in enumerate(events(rate * seconds, 10**6)):
            ahead = begin + number / rate - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
            if number % every:
                writer.send([(None, value)])
                if number % 10 == 0:
                    writer.flush()
                continue
            card = f"own{number}"
            event = {**json.loads(value), "card": card, "at": from_us(time.time_ns() // 1_000).isoformat()}
            sent = time.perf_counter()
            writer.send([(None, json.dumps(event).encode())])
            writer.flush()
            entity = f"s{len(card)}:{card}".encode()
            while True:
                [answer] = state.read(place, [ListsAsk(view="spend@1", entities=[entity])])
                found = answer.lists[0] if answer.lists else None
                if found is not None and found.elements:
                    values = reader.answer(parse_list(found.elements, layout), answer.asof).values or {}
                    if values["count_1h"] == 1:
                        break
                time.sleep(0.001)
            delays.append(time.perf_counter() - sent)
    return delays


def list_of(layout: ListLayout, count: int, decimals: int = 20) -> tuple[list[bytes], int]:
    """A compacted list of so many events in 30 days, and the instant behind the last."""
    random, begin = Random(1), 1_790_000_000_000_000
    instants = sorted(begin + random.randrange(30 * DAY_US) for _ in range(count))
    elements: list[bytes] = []
    for start in range(0, count, 10_000):
        for i in range(start, min(count, start + 10_000)):
            at = instants[i]
            event_us = (at - random.randrange(SECOND_US)) // 1_000 * 1_000  # clocks of programs give milliseconds
            elements.append(
                pack_record(EventRecord(0, i, event_us, at, 0, (), (round(100 * random.random(), decimals),)), layout)
            )
        elements = [compact(elements, layout, AppliedInstants(applied_us={0: at}, asof_us=at, clock_us=at)).head]
    return elements, at


def measure_reads() -> None:
    for count, hop_us in ((10, None), (300, None), (4_000, None), (1_000_000, 15 * MINUTE_US)):
        folded = tuple(dict.fromkeys(filter(None, map(state_of, FEATURES)))) if hop_us else ()
        layout = ListLayout(
            kind="event", inputs={"amount": "float64"}, span_us=30 * DAY_US, hop_us=hop_us, folded=folded
        )
        elements, at_us = list_of(layout, count)
        reader, spent = ListReader(FEATURES, layout), []
        for _ in range(1_000):
            begun = time.perf_counter()
            reader.answer(parse_list(elements, layout), at_us)
            spent.append(time.perf_counter() - begun)
        cuts = statistics.quantiles(spent, n=100)
        kind = "exact" if hop_us is None else "hop 15m"
        print(
            f"15 features of {count:,} events, {kind}: p50 {cuts[49] * 1e6:.0f} us, p99 {cuts[98] * 1e6:.0f} us, "
            f"{len(elements[0]):,} bytes"
        )


def measure_memory(store_url: str) -> None:
    client = redis.Redis.from_url(store_url)
    layout = ListLayout(kind="event", inputs={"amount": "float64"}, span_us=30 * DAY_US)
    place = StreamSource(project="memory", env="dev", source="swipes")
    first, last = list_ends(place, Generation(view="spend@1", id="5f2c9a01"))
    for kind, decimals in (("of two decimals", 2), ("of any digits", 20)):
        elements, _ = list_of(layout, 300, decimals)
        client.flushall()
        before = client.info("memory")["used_memory"]
        for number in range(2_000):
            client.rpush(first + b"s8:c%07d" % number + last, *elements)
        used = (client.info("memory")["used_memory"] - before) / 2_000
        print(f"memory of 300 events of one float {kind}, compacted: {used:,.0f} bytes an entity")
    client.close()


if __name__ == "__main__":
    main()
