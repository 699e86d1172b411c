"""What it costs to make the lists of a view anew from a log, as the log grows, beside a bare scan of the same log.

python -m benchmarks.stream_rebuild [MILLIONS ...] [--once]

A log of so many million events (20 an entity, in files of 500,000 rows, or compacted to one with `--once`), and a view
of 5 aggregates x 1h 1d 30d, whose lists are seeded into Redis by a process of its own: seconds, those of its processor,
its peak memory, and how often the rows of the log were read. The bare scan reads all columns of the same log, some rows
at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.streams import COLUMNS, SOURCE, view
from featurectl.core.units import DAY_US, SECOND_US
from featurectl.offline.event_log import (
    OFFSET,
    PARTITION,
    REJECTED,
    STAMP,
    EventLog,
    LoggedPartition,
    LogState,
    OpenedLog,
)
from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import KnownStamps, ReadingPosition, StampRange, StreamSource
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding
from tests.servers.redis import redis_server

NAME, VIEW, OF_ENTITY, OF_COMMIT = "swipes/0#1", "spend@1", 20, 500_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("millions", nargs="*", type=float, default=[2.0, 4.0, 8.0])
    parser.add_argument("--once", action="store_true", help="put the files of the log together first")
    options = parser.parse_args()
    print("| events | log | bare scan | seeding | processor | peak of the scan | peak | reads of the log |")
    print("|---|---|---|---|---|---|---|---|")
    for number, millions in enumerate(options.millions):
        with tempfile.TemporaryDirectory() as folder, redis_server() as server:
            events = int(millions * 1e6)
            of_child([folder, "write", str(events), str(int(options.once))])
            scan = of_child([folder, "scan"])
            made = of_child([folder, "seed", server.url, str(number)])
            size = sum(file.stat().st_size for file in (Path(folder) / "log").rglob("*.parquet")) / 1e6
            print(
                f"| {events / 1e6:g} M | {size:,.0f} MB | {scan['seconds']:.1f} s | {made['seconds']:.1f} s "
                f"| {made['processor']:.1f} s | {scan['peak']:,.0f} MiB | {made['peak']:,.0f} MiB "
                f"| {made['rows'] / events:.2f} |",
                flush=True,
            )


def of_child(arguments: Sequence[str]) -> Mapping[str, float]:
    """Return what a process of its own says of a piece of work."""
    command = [sys.executable, "-m", "benchmarks.stream_rebuild", "child", *arguments]

    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (our own)
    found: Mapping[str, float] = json.loads(done.stdout or "{}")
    return found


def child(folder: str, work: str, *rest: str) -> None:
    log = CountingLog(location=f"{folder}/log", columns=COLUMNS, shown="log")
    begun_s = time.perf_counter()
    if work == "write":
        write(log, int(rest[0]))
        if rest[1] == "1":
            log.compact(log.open(), kept_hours=0)
        return
    if work == "scan":
        for _ in log.read_rows(log.open(), [PARTITION, OFFSET, STAMP, REJECTED, *COLUMNS]):
            pass
    else:
        seed(log, rest[0])
    seconds, used = time.perf_counter() - begun_s, resource.getrusage(resource.RUSAGE_SELF)
    told = {"processor": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024, "rows": log.rows_read}
    print(json.dumps({"seconds": seconds, **told}))


@dataclass(kw_only=True)
class CountingLog(EventLog):
    """A log that counts the rows which were read of it."""

    rows_read: int = 0

    def read_rows(
        self, opened: OpenedLog, columns: Sequence[str], after: Mapping[str, int] | None = None
    ) -> Iterator[pl.DataFrame]:
        for frame in super().read_rows(opened, columns, after):
            self.rows_read += frame.height
            yield frame


def write(log: EventLog, events: int) -> None:
    """Write a log of events of the last day, each of an entity by chance."""
    random, now_us = np.random.default_rng(1), time.time_ns() // 1_000
    entities = max(events // OF_ENTITY, 1)
    for first in range(0, events, OF_COMMIT):
        count = min(OF_COMMIT, events - first)
        at_us = now_us - DAY_US + (first + np.arange(count)) * (DAY_US - SECOND_US) // events
        rows = pl.DataFrame(
            {
                PARTITION: [NAME] * count,
                OFFSET: np.arange(first, first + count),
                STAMP: instants(at_us),
                REJECTED: pl.Series([None] * count, dtype=pl.String),
                "swipe": np.arange(first, first + count),
                "card": names("c", random.integers(0, entities, count)),
                "shop": names("s", random.integers(0, entities // 4 + 1, count)),
                "device": names("d", random.integers(0, entities // 2 + 1, count)),
                "country": ["DE"] * count,
                "amount": np.round(random.random(count) * 100, 2),
                "at": instants(at_us - random.integers(0, 60 * SECOND_US, count)),
            }
        )
        applied = LoggedPartition(first=0, end=first + count, applied_us=int(at_us[-1]))
        assert log.commit(log.open(), rows, LogState(partitions={NAME: applied}))


def instants(at_us: np.ndarray) -> pl.Series:
    return pl.Series(at_us, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))


def names(kind: str, numbers: np.ndarray) -> pl.Series:
    return pl.select(pl.lit(kind) + pl.Series(numbers).cast(pl.String).str.zfill(7)).to_series()


def seed(log: EventLog, url: str) -> None:
    """Seed the lists of a view, as a worker does after a store was lost."""
    opened = log.open()
    [(name, of)] = opened.state.partitions.items()
    last = StampRange(first=of.end - 1, end=of.end, stamp=of.applied_us)
    place = StreamSource(project="bench", env="prod", source="swipes")
    with closing(open_stream_state(url)) as state, closing(state.connect(place)) as connection:
        begin(connection, name, last)
        seeding = Seeding(SeededView(name=VIEW, view=view("spend", "card"), source=SOURCE), connection, log)
        assert seeding.step(connection) == "done"


def begin(connection: StreamConnection, name: str, last: StampRange) -> None:
    number = connection.register.add_partition(name, last.first)
    assert connection.register.claim(number, last.first, last.end, KnownStamps(logged=[last])) is not None
    assert connection.register.finish(number, last.first, last.end, [])
    assert connection.register.heartbeat([ReadingPosition(partition=number, position=last.end, at_end=True)]) == [True]


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main()
