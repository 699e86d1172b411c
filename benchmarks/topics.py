"""How fast topics take and give messages of 200 bytes, beside the bare client in the same run.

python -m benchmarks.topics [MESSAGES] [KIND ...]

Kinds are sqlite, redis, valkey, cluster and kafka (the broker of the tests, which answers a fetch at once and so keeps
a core busy while nothing comes). Messages of 10,000 keys go to a topic of four partitions and are taken from it by one
reader: by our writer and reader, and by the least loop over the same client, turn by turn, three times. The bare loops:
executemany in transactions of 10,000 and one select (SQLite), a pipeline of 5,000 XADDs and XREADs of 5,000 (Redis),
produce and consume (Kafka). Last, messages are sent one at a time while a reader waits: how long until it has each.
Figures are medians; ratios in one run are what to compare.
"""

from __future__ import annotations

import statistics
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import redis
from confluent_kafka import Consumer, Producer, TopicPartition

from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.topics.partitioner import partition_of
from featurectl.streaming.topics.redis.keys import stream_key
from tests.servers.cluster import started_cluster
from tests.servers.kafka import kafka_server
from tests.servers.redis import redis_server, valkey_program

MESSAGES, KEYS, PARTITIONS, ROUNDS, SIZE = 200_000, 10_000, 4, 3, 200
ONE_BY_ONE = 300
KINDS = ("sqlite", "redis", "valkey", "cluster", "kafka")
Records = list[tuple[bytes, bytes]]


def main(count: int, kinds: list[str]) -> None:
    records = [(b"key-%d" % (number % KEYS), b"%010d" % number + b"x" * (SIZE - 10)) for number in range(count)]
    print(f"{count:,} messages of {SIZE} bytes, {PARTITIONS} partitions, medians of {ROUNDS}")
    print(f"{'':8} {'send':>11} {'bare':>11} {'ratio':>6} {'take':>11} {'bare':>11} {'ratio':>6}  one by one p50, p99")
    for kind in kinds:
        with ExitStack() as stack:
            url = opened(kind, stack)
            sends, bare_sends, takes, bare_takes = [], [], [], []
            for _ in range(ROUNDS):
                topic = f"b-{uuid.uuid4().hex[:8]}"
                with closing(open_topics(url)) as broker:
                    broker.create(topic, PARTITIONS)
                    sends.append(count / seconds(lambda: send(broker, topic, records)))
                    takes.append(count / seconds(lambda: take(broker, topic, count)))
                bare_send, bare_take = BARE[kind](url, records)
                bare_sends.append(count / seconds(bare_send))
                bare_takes.append(count / seconds(bare_take))
            waits = one_by_one(url)
        row = [statistics.median(column) for column in (sends, bare_sends, takes, bare_takes)]
        p50, p99 = waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3
        print(
            f"{kind:8} {row[0]:9,.0f}/s {row[1]:9,.0f}/s {row[0] / row[1]:6.2f}"
            f" {row[2]:9,.0f}/s {row[3]:9,.0f}/s {row[2] / row[3]:6.2f}  {p50:.1f} ms, {p99:.1f} ms",
            flush=True,
        )


def opened(kind: str, stack: ExitStack) -> str:
    if kind == "sqlite":
        return f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/streams.db"
    if kind == "kafka":
        return stack.enter_context(kafka_server()).url
    if kind == "cluster":
        return stack.enter_context(started_cluster()).url
    return stack.enter_context(redis_server(program=valkey_program() if kind == "valkey" else None)).url


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def send(broker, topic: str, records: Records) -> None:
    with closing(broker.open_writer(topic)) as writer:
        writer.send(records)
        assert writer.flush() == len(records)


def take(broker, topic: str, count: int) -> None:
    with closing(broker.open_reader(topic)) as reader:
        for partition in range(PARTITIONS):
            reader.seek(partition, 0)
        left = count
        while left:
            left -= sum(len(batch.values) for batch in reader.take(TakeLimits(timeout_s=1)).batches)


def one_by_one(url: str) -> list[float]:
    topic, came, waits = f"b-{uuid.uuid4().hex[:8]}", threading.Event(), []

    def reads() -> None:
        with closing(open_topics(url)) as broker, closing(broker.open_reader(topic)) as reader:
            for partition in range(PARTITIONS):
                reader.seek(partition, 0)
            left = ONE_BY_ONE
            while left:
                if batches := reader.take(TakeLimits(timeout_s=0.5)).batches:
                    left -= sum(len(batch.values) for batch in batches)
                    came.set()

    with closing(open_topics(url)) as broker:
        broker.create(topic, PARTITIONS)
        reader = threading.Thread(target=reads)
        reader.start()
        with closing(broker.open_writer(topic)) as writer:
            for number in range(ONE_BY_ONE):
                came.clear()
                begin = time.perf_counter()
                writer.send([(b"key-%d" % number, b"x" * SIZE)])
                writer.flush()
                came.wait()
                waits.append(time.perf_counter() - begin)
                time.sleep(0.005)
        reader.join()
    return sorted(waits)


def bare_sqlite(url: str, records: Records) -> tuple[Callable[[], None], Callable[[], None]]:
    path = Path(url.removeprefix("sqlite:///")).with_name(f"{uuid.uuid4().hex}.db")

    def connected() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("pragma journal_mode = wal")
        return connection

    def sends() -> None:
        with closing(connected()) as connection:
            connection.execute("create table m(p integer, o integer, k blob, v blob, primary key (p, o)) without rowid")
            connection.execute("pragma synchronous = full")
            for start in range(0, len(records), 10_000):
                connection.execute("begin immediate")
                rows = enumerate(records[start : start + 10_000], start)
                connection.executemany("insert into m values (0, ?, ?, ?)", ((o, k, v) for o, (k, v) in rows))
                connection.execute("commit")

    def takes() -> None:
        with closing(connected()) as connection:
            assert len(connection.execute("select o, k, v from m where p = 0 order by o").fetchall()) == len(records)

    return sends, takes


def bare_redis(url: str, records: Records) -> tuple[Callable[[], None], Callable[[], None]]:
    name = f"b-{uuid.uuid4().hex[:8]}"
    streams = [stream_key(name, partition) for partition in range(PARTITIONS)]
    clustered = "+cluster" in url
    port = int(url.partition("127.0.0.1:")[2].partition("/")[0].partition(",")[0])

    def client():
        kind = redis.RedisCluster if clustered else redis.Redis
        return kind(host="127.0.0.1", port=port)

    def sends() -> None:
        with closing(client()) as own:
            for start in range(0, len(records), 5_000):
                pipe = own.pipeline() if clustered else own.pipeline(transaction=False)
                for key, value in records[start : start + 5_000]:
                    pipe.execute_command(
                        "XADD", streams[partition_of(key, PARTITIONS)], "*", "key", key, "value", value
                    )
                pipe.execute()

    def takes() -> None:
        with closing(client()) as own:
            left, places = len(records), dict.fromkeys(streams, b"0-0")
            while left:
                for stream in streams:
                    if found := own.xread({stream: places[stream]}, count=5_000):
                        entries = found[stream][0] if isinstance(found, dict) else found[0][1]
                        places[stream] = entries[-1][0]
                        left -= len(entries)

    return sends, takes


def bare_kafka(url: str, records: Records) -> tuple[Callable[[], None], Callable[[], None]]:
    name, brokers = f"b-{uuid.uuid4().hex[:8]}", url.removeprefix("kafka://")
    with closing(open_topics(url)) as broker:
        broker.create(name, PARTITIONS)

    def sends() -> None:
        producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 2,
                             "queue.buffering.max.messages": 1_000_000})  # fmt: skip
        for key, value in records:
            producer.produce(name, value, key)
        assert producer.flush(60) == 0

    def takes() -> None:
        consumer = Consumer({"bootstrap.servers": brokers, "group.id": "b", "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(name, partition, 0) for partition in range(PARTITIONS)])
        left = len(records)
        while left:
            left -= sum(message.error() is None for message in consumer.consume(10_000, 0.1))
        consumer.close()

    return sends, takes


BARE = {"sqlite": bare_sqlite, "kafka": bare_kafka} | dict.fromkeys(("redis", "valkey", "cluster"), bare_redis)

if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else MESSAGES, sys.argv[2:] or list(KINDS))
