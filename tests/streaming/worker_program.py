"""A worker as a process of its own, for tests that kill it.

Its arguments: the broker, the store, a folder, the topic, `run` or `once`, and the partitions that it takes without
asking; none: what the division gives it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from featurectl.core.errors import StoreError
from featurectl.offline.event_log import REJECTED_COLUMNS, EventLog
from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.protocols import StreamState
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.partition_start import WorkerTopic
from featurectl.streaming.rebuilds import Rebuilds, RebuiltStream
from featurectl.streaming.run import RunOptions, run_worker
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import Division, TakeLimits
from featurectl.streaming.worker import StreamWorker, WorkerStream
from featurectl.streaming.worker_pace import WorkerPace
from tests.streaming.conveyor import COLUMNS, SOURCE, VIEWS

HOST_CLOCK, STORE_CLOCK = "FEATURECTL_TEST_HOST_CLOCK", "FEATURECTL_TEST_STORE_CLOCK"


def log_in(folder: str) -> EventLog:
    """The log of these tests."""
    return EventLog(location=str(Path(folder) / "log"), columns=COLUMNS, shown="log")


def rejected_in(folder: str) -> EventLog:
    """The table of rejected events of these tests."""
    return EventLog(location=str(Path(folder) / "rejected"), columns=REJECTED_COLUMNS, shown="rejected")


def wall_us() -> int:
    return time.time_ns() // 1_000


def clock_of(variable: str) -> Callable[[], int]:
    """A clock that is off by as many microseconds as a file says, which a variable of the environment names."""
    path = os.environ.get(variable)
    return wall_us if path is None else lambda: wall_us() + int(Path(path).read_text())


def open_state(url: str) -> StreamState:
    return open_stream_state(url, clock=clock_of(STORE_CLOCK) if STORE_CLOCK in os.environ else None)


def told(error: StoreError | None) -> None:
    sys.stderr.write(f"{error or 'goes on'}\n")


def main(broker_url: str, store_url: str, folder: str, topic: str, mode: str, *own: str) -> None:
    broker, state, log = open_topics(broker_url), open_state(store_url), log_in(folder)
    place = StreamSource(project=topic, env="dev", source="swipes")
    division = None if own else Division(group="features", reader=f"{time.time_ns()}", lease_s=1.0)
    reader = broker.open_reader(topic, division)
    worker = StreamWorker(
        WorkerStream(source=SOURCE, views=VIEWS, place=place, state=state),
        WorkerTopic(state=lambda: broker.state(topic), watermarks=lambda: broker.watermarks(topic), reader=reader),
        LogWriter(log, rejected_in(folder)),
        WorkerPace(
            clock=time.monotonic,
            wall_us=clock_of(HOST_CLOCK),
            log_every_s=0.2,
            beside=ThreadPoolExecutor(1).submit,
        ),
    )
    seeded = {name: SeededView(name=name, view=view, source=SOURCE) for name, view in VIEWS.items()}
    options = RunOptions(
        limits=TakeLimits(messages=200, timeout_s=0.01), clock=time.monotonic, on_problem=told, once=mode == "once"
    )
    for partition in own:
        worker.begin(int(partition))
    stream = RebuiltStream(place=place, state=state, partitions=lambda: worker.start.names)
    run_worker(worker, Rebuilds(stream, log, seeded), threading.Event(), options)


if __name__ == "__main__":
    main(*sys.argv[1:])
