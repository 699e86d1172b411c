"""How fast the state of streams takes events, against bare pipelined RPUSHes of the same bytes.

python -m benchmarks.stream_state [EVENTS] [ENTITIES] [STORE ...]

A batch of 5,000 events of entities by chance, a record of 200 bytes each, goes to the lists of three views: it is
claimed, appended and done, as a worker does it. In turn, in the same run: `bare` sends RPUSHes that are packed already
and reads their replies by hiredis, nothing else. Then how long single calls take, and a compaction of 40 records.
Microseconds of processor time of the client stand beside each figure; each is the median of several rounds.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import hiredis
import redis

from featurectl.online.all_stores import open_stream_state
from featurectl.online.redis.stream_keys import list_ends
from featurectl.online.redis.stream_append import push_command
from featurectl.online.stream_state.base import (
    Generation,
    GenerationCut,
    KnownStamps,
    ListAppend,
    ListReplacement,
    ListsAsk,
    ReadingPosition,
    StreamSource,
    digest_of,
)
from featurectl.online.stream_state.protocols import StreamConnection
from tests.servers.cluster import started_cluster
from tests.servers.postgres import started_postgres
from tests.servers.redis import redis_server, valkey_program

BATCH, RECORD_BYTES, ROUNDS, CALLS, FOLDED = 5_000, 200, 5, 300, 40
SOURCE = StreamSource(project="bench", env="prod", source="swipes")
VIEWS = [Generation(view=f"{name}@1", id="5f2c9a01") for name in ("spend", "visits", "risk")]
SENT_AT_ONCE = 1 << 18


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    entities = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    batches = batches_of(events, entities)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(redis_server())
        valkey = stack.enter_context(redis_server(program=valkey_program()))
        cluster = stack.enter_context(started_cluster())
        postgres = stack.enter_context(stack.enter_context(started_postgres()).database())
        urls = {"Redis": server.url, "Valkey": valkey.url, "Cluster": cluster.url, "PostgreSQL": postgres}
        for name, url in (urls | {"SQLite": f"sqlite:///{folder / 'online.db'}"}).items():
            if len(sys.argv) > 3 and name not in sys.argv[3:]:
                continue
            print(f"\n{name}, {events:,} events into 3 views, {entities:,} entities")
            state = open_stream_state(url)
            stack.callback(state.close)
            connection = state.connect(SOURCE)
            stack.callback(connection.close)
            begin(connection)
            bare = None if name in ("Cluster", "SQLite", "PostgreSQL") else url
            measure_appends(connection, batches, bare)
            measure_calls(connection)
            measure_replace(connection)


def batches_of(events: int, entities: int) -> list[tuple[list[bytes], list[bytes]]]:
    """Return entities and records of each batch."""
    random = Random(1)
    found = []
    for _ in range(0, events, BATCH):
        keys = [b"i6:%06d" % random.randrange(entities) for _ in range(BATCH)]
        found.append((keys, [b"\x01" + random.randbytes(RECORD_BYTES - 1) for _ in range(BATCH)]))
    return found


def begin(connection: StreamConnection) -> None:
    connection.register.add_partition("swipes/0#0")
    for of in VIEWS:
        cuts = connection.generations.add(of).cuts
        assert connection.lists.make_ready(of, connection.lists.seed(of, []), cuts)
        assert connection.generations.switch(of)


def measure_appends(
    connection: StreamConnection, batches: Sequence[tuple[list[bytes], list[bytes]]], bare: str | None
) -> None:
    ours, theirs, packed = [], [], []
    if bare is not None:
        packed = [b"".join(commands_of(keys, records)) for keys, records in batches]
        counts = [len({*keys}) * len(VIEWS) for keys, _ in batches]
    for _ in range(ROUNDS):
        ours.append(timed(lambda: apply_all(connection, batches)))
        if bare is not None:
            theirs.append(timed(lambda: push_bare(bare, packed, counts)))
    events = len(batches) * BATCH
    show("claim, append, done", ours, events)
    if theirs:
        show("bare RPUSH", theirs, events)
        ratio = statistics.median(seconds for seconds, _ in theirs) / statistics.median(seconds for seconds, _ in ours)
        print(f"  {ratio:.2f} of the bare rate")


def show(name: str, rounds: Sequence[tuple[float, float]], events: int) -> None:
    seconds, client = (statistics.median(each) for each in zip(*rounds, strict=True))
    rate = events / seconds
    print(f"  {name:<22} {rate:>9,.0f} events/s {rate * len(VIEWS):>9,.0f} records/s", end="")
    print(f"   client {client / events / len(VIEWS) * 1e6:.2f} us a record")


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds gone by, and of this process's processor time."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def apply_all(connection: StreamConnection, batches: Sequence[tuple[list[bytes], list[bytes]]]) -> None:
    for keys, records in batches:
        apply(connection, keys, records)


def apply(connection: StreamConnection, keys: Sequence[bytes], records: Sequence[bytes]) -> None:
    """Take a batch from its claim to its end."""
    first = connection.register.read_state().partitions[0].end
    claim = connection.register.claim(0, first, first + len(keys), KnownStamps())
    generations = [each.generation for each in claim.generations]
    connection.lists.append([ListAppend(generation=of, entities=keys, elements=records) for of in generations])
    assert connection.lists.mark(0, first, first + len(keys), claim.generations)
    assert connection.register.finish(0, first, first + len(keys), generations)
    connection.register.forget(0, first)


def commands_of(keys: Sequence[bytes], records: Sequence[bytes]) -> list[bytes]:
    """Return the RPUSHes of a batch, which go to lists of a generation that is none."""
    grouped: dict[bytes, list[bytes]] = {}
    for key, record in zip(keys, records, strict=True):
        grouped.setdefault(key, []).append(record)
    ends = [list_ends(SOURCE, Generation(view=of.view, id="bare0000")) for of in VIEWS]
    return [push_command(before + key + after, of) for before, after in ends for key, of in grouped.items()]


def push_bare(url: str, batches: Sequence[bytes], counts: Sequence[int]) -> None:
    """Send batches and read their replies, those of one while the next is on its way."""
    client = redis.Redis.from_url(url)
    connection = client.connection_pool.get_connection()
    sock: Any = connection._sock  # noqa: SLF001
    reader, due = hiredis.Reader(), 0
    for data, count in zip(batches, counts, strict=True):
        for start in range(0, len(data), SENT_AT_ONCE):
            sock.sendall(data[start : start + SENT_AT_ONCE])
        due += count
        while due:
            if reader.gets() is False:
                reader.feed(sock.recv(1 << 16))
            else:
                due -= 1
    connection.disconnect()
    client.close()


def measure_calls(connection: StreamConnection) -> None:
    register, generations = connection.register, VIEWS
    at = [register.read_state().partitions[0].end]

    def claim() -> None:
        register.claim(0, at[0], at[0] + BATCH, KnownStamps())

    def finish() -> None:
        assert register.finish(0, at[0], at[0] + BATCH, generations)
        at[0] += BATCH

    def beat() -> None:
        register.heartbeat([ReadingPosition(partition=0, position=at[0], at_end=True)])

    spent: dict[str, list[float]] = {"claim": [], "done": [], "heartbeat": []}
    for _ in range(CALLS):
        for name, call in (("claim", claim), ("done", finish), ("heartbeat", beat)):
            begun = time.perf_counter()
            call()
            spent[name].append(time.perf_counter() - begun)
    for name, seconds in spent.items():
        cuts = statistics.quantiles(seconds, n=100)
        print(f"  {name:<22} p50 {cuts[49] * 1e6:>6,.0f} us   p99 {cuts[98] * 1e6:>6,.0f} us")
    register.forget(0, at[0])
    cuts = [GenerationCut(generation=of, cut=at[0]) for of in VIEWS]
    assert connection.lists.mark(0, 0, at[0], cuts)


def measure_replace(connection: StreamConnection) -> None:
    """Fold 40 records of each of some lists into a head of half their bytes, 100 lists a trip."""
    random, lists = Random(2), 100
    records = [b"\x01" + random.randbytes(RECORD_BYTES - 1) for _ in range(FOLDED)]
    head, of = b"\x80" + random.randbytes(FOLDED * RECORD_BYTES // 2), VIEWS[0]
    seconds = []
    for number in range(ROUNDS):
        keys = [b"s8:%02d%06d" % (number, each) for each in range(lists)]
        entities = [key for key in keys for _ in records]
        connection.lists.append([ListAppend(generation=of, entities=entities, elements=records * lists)])
        begun = time.perf_counter()
        _, [found] = connection.lists.read([ListsAsk(view=of.view, entities=keys)])
        wanted = [
            ListReplacement(
                generation=of,
                entity=key,
                read=len(each.elements),
                digest=digest_of(each.elements),
                head=head,
                left=[],
                alone=head,
            )
            for key, each in zip(keys, found, strict=True)
            if each is not None
        ]
        assert connection.lists.replace(wanted) == [True] * lists
        seconds.append(time.perf_counter() - begun)
    print(f"  read and replace       {statistics.median(seconds) / lists / FOLDED * 1e6:.2f} us an event")


if __name__ == "__main__":
    main()
