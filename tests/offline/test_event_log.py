"""The log of a stream: what was committed is there once, whoever else commits."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import polars as pl
import pytest
from deltalake import DeltaTable

from featurectl.core.errors import DataError, StoreError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import from_us
from featurectl.offline import event_log
from featurectl.offline.event_log import (
    OFFSET,
    OWN_COLUMNS,
    PARTITION,
    REJECTED,
    STAMP,
    EventLog,
    LoggedPartition,
    LogState,
    OpenedLog,
)
from featurectl.offline.log_times import latest_time
from featurectl.online.stream_state.base import StampGap
from featurectl.streaming.log_writer import LogWriter

COLUMNS = {"card": "string", "amount": "float64", "at": "timestamp"}


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(location=str(tmp_path / "log"), columns=COLUMNS, shown="offline/log")


def rows_of(partition: str, offsets: Sequence[int], columns: Sequence[str] = tuple(COLUMNS)) -> pl.DataFrame:
    values = {
        PARTITION: [partition] * len(offsets),
        OFFSET: list(offsets),
        STAMP: pl.Series([offset * 10 for offset in offsets], dtype=pl.Int64).cast(INSTANT),
        REJECTED: pl.Series([None] * len(offsets), dtype=pl.String),
        "card": [f"c{offset}" for offset in offsets],
        "amount": [offset / 2 for offset in offsets],
        "at": pl.Series(list(offsets), dtype=pl.Int64).cast(INSTANT),
        "shop": [f"s{offset}" for offset in offsets],
    }
    return pl.DataFrame({name: values[name] for name in [*OWN_COLUMNS, *columns]})


def logged(end: int) -> LoggedPartition:
    return LoggedPartition(first=0, end=end, applied_us=end * 10)


def add(log: EventLog, opened: OpenedLog, partition: str, end: int) -> bool:
    """Log what is new of a partition up to an offset, on what was opened."""
    before = opened.state.partitions.get(partition, logged(0)).end
    partitions = {**opened.state.partitions, partition: logged(end)}
    return log.commit(opened, rows_of(partition, range(before, end)), LogState(partitions=partitions))


def offsets(log: EventLog, after: dict[str, int] | None = None) -> dict[str, list[int]]:
    """All offsets in the log, by partition."""
    found: dict[str, list[int]] = {}
    for frame in log.read_rows(log.open(), [PARTITION, OFFSET], after):
        for partition, offset in frame.rows():
            found.setdefault(partition, []).append(offset)
    return {partition: sorted(numbers) for partition, numbers in found.items()}


def test_a_log_that_is_not_there_says_nothing(log: EventLog):
    opened = log.open()
    assert (opened.version, dict(opened.state.partitions), opened.state.asof_us) == (None, {}, None)
    assert list(log.read_rows(opened, [OFFSET])) == []


def test_a_commit_says_how_far_each_partition_is(log: EventLog):
    assert add(log, log.open(), "t/0#1", 3)
    assert add(log, log.open(), "t/1#1", 2)
    state = log.open().state
    assert state == LogState(partitions={"t/0#1": logged(3), "t/1#1": logged(2)})
    assert state.asof_us == 20
    table = DeltaTable(log.location)
    assert (table.transaction_version("t/0#1"), table.transaction_version("t/1#1")) == (3, 2)


def test_rows_come_back_as_they_were(log: EventLog):
    add(log, log.open(), "t/0#1", 3)
    found = pl.concat(log.read_rows(log.open(), rows_of("t/0#1", []).columns))
    assert found.sort(OFFSET).equals(rows_of("t/0#1", range(3)))


def test_rows_of_a_long_file_come_some_at_a_time(log: EventLog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(event_log, "_ROWS_AT_ONCE", 10)
    add(log, log.open(), "t/0#1", 35)
    assert [frame.height for frame in log.read_rows(log.open(), [OFFSET])] == [10, 10, 10, 5]
    assert offsets(log, {"t/0#1": 17}) == {"t/0#1": [*range(17, 35)]}


def test_rows_known_within_a_millisecond_are_found_after_a_compaction(log: EventLog):
    add(log, log.open(), "t/0#1", 20)
    add(log, log.open(), "t/0#1", 40)
    assert log.compact(log.open(), kept_hours=0)
    scan = log.scan_rows(log.open(), [STAMP], known_after=from_us(300))
    assert scan.filter(pl.col(STAMP) > from_us(300)).collect().height == 9


def test_a_log_says_when_the_last_event_was(log: EventLog):
    assert latest_time(log, log.open(), "at") is None
    add(log, log.open(), "t/0#1", 35)
    add(log, log.open(), "t/1#1", 3)
    rejected = rows_of("t/0#1", [35]).with_columns(pl.lit(None, dtype=INSTANT).alias("at"))
    state = LogState(partitions={"t/0#1": logged(36), "t/1#1": logged(3)})
    assert log.commit(log.open(), rejected, state)
    assert latest_time(log, log.open(), "at") == from_us(34)
    for path in Path(log.location).glob("*.parquet"):
        path.write_bytes(b"")  # the files are not read
    assert latest_time(log, log.open(), "at") == from_us(34)


def test_a_compacted_log_says_it_to_the_millisecond(log: EventLog):
    add(log, log.open(), "t/0#1", 35)
    add(log, log.open(), "t/0#1", 40)
    assert log.compact(log.open(), kept_hours=0)
    assert latest_time(log, log.open(), "at") == from_us(0)


def test_a_commit_without_rows_moves_the_instants(log: EventLog):
    add(log, log.open(), "t/0#1", 3)
    opened = log.open()
    later = LogState(partitions={"t/0#1": replace(logged(3), applied_us=99)}, gaps=[(5, 7)], run="r1")
    assert log.commit(opened, rows_of("t/0#1", []), later)
    found = log.open().state
    assert (found.asof_us, list(found.gaps), found.run) == (99, [(5, 7)], "r1")


def test_gaps_that_workers_tell_each_for_itself_are_one(log: EventLog):
    """Each worker has another beginning and end for the same loss, and of gaps the log keeps a hundred."""
    writer, many = LogWriter(log, log), 12
    assert log.commit(log.open(), writer.nothing(), LogState(partitions={}, gaps=[(1, 4), (50, 60)]))
    for number in range(many):
        assert writer.say_at_once(log.open(), StampGap(after=10 + number % 3, until=20 + number))
    assert writer.say_at_once(log.open(), StampGap(after=4, until=5))
    assert [*log.open().state.gaps] == [(1, 5), (10, 19 + many), (50, 60)]


def test_what_came_between_refuses_a_commit(log: EventLog):
    first, second = log.open(), log.open()
    assert add(log, first, "t/0#1", 3)
    assert not add(log, second, "t/0#1", 2)
    old = log.open()
    assert add(log, log.open(), "t/1#1", 4)
    assert not add(log, old, "t/0#1", 9)
    assert offsets(log) == {"t/0#1": [0, 1, 2], "t/1#1": [0, 1, 2, 3]}


def test_what_is_refused_leaves_no_file(log: EventLog):
    opened = log.open()
    assert add(log, opened, "swipes/0", 3)
    opened = log.open()
    assert add(log, opened, "swipes/0", 5)
    assert not add(log, opened, "swipes/1", 4)
    assert len([*Path(log.location).glob("*.parquet")]) == 2


def test_a_file_that_is_not_written_whole_is_removed(log: EventLog, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    assert add(log, log.open(), "swipes/0", 3)
    monkeypatch.setattr(event_log, "sync_path", full)
    with pytest.raises(StoreError, match="can't be written"):
        add(log, log.open(), "swipes/0", 5)
    assert len([*Path(log.location).glob("*.parquet")]) == 1


def test_a_part_of_the_log_is_read_by_offset(log: EventLog):
    for end in (3, 6, 9):
        add(log, log.open(), "t/0#1", end)
        add(log, log.open(), "t/1#1", end)
    assert offsets(log, {"t/0#1": 5, "t/1#1": 8}) == {"t/0#1": [5, 6, 7, 8], "t/1#1": [8]}
    assert offsets(log, {"t/0#1": 5}) == {"t/0#1": [5, 6, 7, 8]}
    assert offsets(log, {}) == {}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.sample(1)
def test_workers_that_race_log_each_offset_once(log: EventLog, seed: int):
    random, opened = Random(seed), [log.open() for _ in range(3)]
    ends = {"t/0#1": 0, "t/1#1": 0}
    won = 0
    for _ in range(40):
        worker, partition = random.randrange(3), random.choice(list(ends))
        if random.random() < 0.4:
            opened[worker] = log.open()
            continue
        before = opened[worker].state.partitions.get(partition, logged(0)).end
        if add(log, opened[worker], partition, before + random.randrange(1, 5)):
            won += 1
            ends[partition] = log.open().state.partitions[partition].end
    assert won > 3
    assert offsets(log) == {partition: list(range(end)) for partition, end in ends.items() if end}


def test_a_column_that_is_new_is_null_in_what_was_logged_before(log: EventLog):
    add(log, log.open(), "t/0#1", 1)
    wider = replace(log, columns={**COLUMNS, "shop": "string"})
    for _ in range(2):  # the first one adds the column to the table
        rows = rows_of("t/0#1", [1], [*COLUMNS, "shop"])
        if done := wider.commit(wider.open(), rows, LogState(partitions={"t/0#1": logged(2)})):
            break
    assert done
    found = pl.concat(wider.read_rows(wider.open(), [OFFSET, "shop"])).sort(OFFSET)
    assert found.rows() == [(0, None), (1, "s1")]
    assert pl.concat(log.read_rows(log.open(), [OFFSET, "card"])).height == 2  # an older worker goes on


def test_a_column_of_another_type_is_refused(log: EventLog):
    add(log, log.open(), "t/0#1", 1)
    with pytest.raises(DataError, match="'amount' is Float64 in the log of the stream offline/log"):
        replace(log, columns={**COLUMNS, "amount": "int64"}).open()


def test_small_files_are_put_together_and_nothing_is_lost(log: EventLog):
    for end in range(1, 12):
        add(log, log.open(), "t/0#1", end)
    (Path(log.location) / "part-00.parquet").write_bytes(b"left by a worker that was killed")
    assert log.compact(log.open(), kept_hours=0)
    assert [path.name.startswith("part-00.") for path in Path(log.location).glob("*.parquet")] == [False]
    assert log.open().state == LogState(partitions={"t/0#1": logged(11)})
    assert offsets(log) == {"t/0#1": list(range(11))}
    assert add(log, log.open(), "t/0#1", 12)


def test_what_is_logged_while_files_are_put_together_counts(log: EventLog):
    for end in (1, 2, 3):
        add(log, log.open(), "t/0#1", end)
    opened = log.open()
    add(log, log.open(), "t/0#1", 4)
    log.compact(opened)
    assert log.open().state == LogState(partitions={"t/0#1": logged(4)})
    assert add(log, log.open(), "t/0#1", 5)
    assert offsets(log) == {"t/0#1": list(range(5))}


def test_a_log_whose_commits_are_forgotten_says_what_it_said(log: EventLog):
    for end in (1, 2, 3):
        add(log, log.open(), "t/0#1", end)
    assert log.compact(log.open())
    DeltaTable(log.location).create_checkpoint()
    for number in range(3):  # as Delta does after a day
        (Path(log.location) / "_delta_log" / f"{number:020}.json").unlink()
    assert log.open().state == LogState(partitions={"t/0#1": logged(3)})
    assert add(log, log.open(), "t/0#1", 4)
    assert offsets(log) == {"t/0#1": list(range(4))}


@pytest.mark.long
def test_a_worker_logs_on_while_files_are_put_together(log: EventLog):
    ended = threading.Event()
    seen: list[int] = []

    def work() -> None:
        while not ended.is_set():
            opened = log.open()
            seen.append(opened.state.partitions["t/0#1"].end if opened.state.partitions else 0)
            add(log, opened, "t/0#1", seen[-1] + 1)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(12):
            before = len(seen)
            while len(seen) < before + 6 and worker.is_alive():
                time.sleep(0.01)
            log.compact(log.open(), kept_hours=1)
    finally:
        ended.set()
        worker.join(60)
    end = log.open().state.partitions["t/0#1"].end
    assert seen == sorted(seen)
    assert offsets(log) == {"t/0#1": list(range(end))}
    assert end > 12


def test_two_who_compact_at_once_double_nothing(log: EventLog):
    for end in range(1, 6):
        assert add(log, log.open(), "p", end)
    before, (one, two) = offsets(log), (log.open(), log.open())
    assert log.compact(one)
    log.compact(two)
    assert (offsets(log), log.open().state.partitions["p"].end) == (before, 5)


def test_a_log_that_others_compacted_says_what_it_said(log: EventLog):
    for end in (1, 2, 3):
        add(log, log.open(), "t/0#1", end)
    DeltaTable(log.location).optimize.compact()
    assert log.open().state == LogState(partitions={"t/0#1": logged(3)})
    assert add(log, log.open(), "t/0#1", 4)
    assert offsets(log) == {"t/0#1": [0, 1, 2, 3]}


def test_a_table_of_others_is_no_log(log: EventLog):
    rows_of("t/0#1", [1]).write_delta(log.location)
    with pytest.raises(StoreError, match="no log of a stream"):
        log.open()


PROGRAM = """
import sys
import threading
import time
from pathlib import Path
from tests.offline.test_event_log import COLUMNS, EventLog, add
log = EventLog(location=sys.argv[1], columns=COLUMNS, shown="log")
end = max((of.end for of in log.open().state.partitions.values()), default=0)
print("on", flush=True)
while True:
    end += 5
    add(log, log.open(), "t/0#1", end)
"""


@pytest.mark.long
@pytest.mark.parametrize("delay_ms", [0, 7, 19, 33, 60])
@pytest.mark.sample(1)
def test_a_worker_that_is_killed_leaves_the_old_log_or_the_new_one(log: EventLog, delay_ms: int):
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, log.location], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(0.05 + delay_ms / 1000)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        end = max((of.end for of in log.open().state.partitions.values()), default=0)
        assert offsets(log) == ({"t/0#1": list(range(end))} if end else {})


@pytest.mark.parametrize("place", ["folder", "s3", pytest.param("azure", marks=pytest.mark.guests)])
def test_rows_are_scanned_without_files_of_before_an_instant(
    tmp_path: Path, request: pytest.FixtureRequest, place: str
):
    location = f"{tmp_path}/log" if place == "folder" else f"{request.getfixturevalue(place).location()}/log"
    log = EventLog(location=location, columns=COLUMNS, shown="log")
    assert log.scan_rows(log.open(), [OFFSET]).collect().height == 0
    for first, end in ((0, 3), (3, 5), (5, 9)):
        stamps = pl.Series(STAMP, [offset * 10_000 for offset in range(first, end)]).cast(INSTANT)
        rows = rows_of("t/0#1", range(first, end)).with_columns(stamps)
        assert log.commit(log.open(), rows, LogState(partitions={"t/0#1": logged(end)}))
    opened = log.open()
    assert sorted(log.scan_rows(opened, [OFFSET]).collect()[OFFSET].to_list()) == list(range(9))
    after = from_us(42_000)
    assert sorted(log.scan_rows(opened, [OFFSET], after).collect()[OFFSET].to_list()) == [5, 6, 7, 8]
    assert log.small_files(opened) == 3
