"""The last events of a partition come from the newest files of the log, however large it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from featurectl.offline.event_log import OWN_COLUMNS, EventLog, LoggedPartition, LogState, column_dtype
from featurectl.offline.log_tail import last_events

COLUMNS = {"card": "string", "n": "int64"}
BUSY, QUIET = "swipes/0#1", "swipes/1#1"


class Tailed(EventLog):
    """A log that notes how many files are read."""

    read = 0

    def scan_files(self, paths: Sequence[str], columns: Sequence[str]) -> pl.LazyFrame:
        self.read += len(paths)
        return super().scan_files(paths, columns)


Row = tuple[str, int, str | None]  # partition, offset, why it is rejected


def logged(folder: Path, commits: Sequence[Sequence[Row]]) -> Tailed:
    """A log of some commits, each of them a second after the one before."""
    log = Tailed(location=str(folder / "a/b/c/log"), columns=COLUMNS, shown="log")
    types = pl.Schema({name: column_dtype(dtype) for name, dtype in {**OWN_COLUMNS, **COLUMNS}.items()})
    for number, rows in enumerate(commits):
        made = [(partition, at, number * 1_000_000, why, "c", at) for partition, at, why in rows]
        frame = pl.DataFrame(made, schema=types.names(), orient="row").cast(types)
        parts = {name: LoggedPartition(first=0, end=10**6, applied_us=number) for name in (BUSY, QUIET)}
        assert log.commit(log.open(), frame, LogState(partitions=parts))
    return log


def tail(log: Tailed, partition: str, begin: int = 0, end: int = 10**6) -> list[int]:
    """The offsets of the last 4 events."""
    found = last_events(log, log.open(), partition, (begin, end), 4)
    assert found.columns == ["_offset", *COLUMNS]
    assert found["n"].to_list() == found["_offset"].to_list()
    return found["_offset"].to_list()


def events(partition: str, first: int, end: int, why: str | None = None) -> list[Row]:
    return [(partition, at, why) for at in range(first, end)]


def test_a_partition_whose_offsets_all_files_span_is_read_from_few(tmp_path: Path):
    commits = [[*events(BUSY, 100 * i, 100 * i + 100), *events(QUIET, i, i + 1)] for i in range(12)]
    log = logged(tmp_path, [*commits, events(BUSY, 1_200, 1_300)])
    assert (tail(log, QUIET), log.read) == ([9, 10, 11], 7)
    log.read = 0
    assert (tail(log, BUSY), log.read) == ([1_296, 1_297, 1_298, 1_299], 2)


def test_a_partition_without_new_events_is_not_looked_for_in_all_files(tmp_path: Path):
    commits = [[(QUIET, 0, None), (BUSY, 0, None)], *[[(BUSY, at, None)] for at in range(1, 9)]]
    log = logged(tmp_path, commits)
    assert tail(log, QUIET) == [0]
    log = logged(tmp_path / "larger", [*commits, *[[(BUSY, at, None), (QUIET, 5, "bad")] for at in range(9, 50)]])
    assert (tail(log, QUIET), log.read) == ([], 32)


def test_events_before_others_that_are_rejected_are_found(tmp_path: Path):
    log = logged(tmp_path, [events(BUSY, 0, 9), [*events(BUSY, 9, 12), *events(BUSY, 12, 99, "bad")]])
    assert tail(log, BUSY) == [9, 10, 11]
    assert tail(logged(tmp_path / "all", [events(BUSY, 0, 9), events(BUSY, 9, 99, "bad")]), BUSY) == [5, 6, 7, 8]


def test_events_that_lie_far_apart_are_not_read_over_all_between(tmp_path: Path):
    rejected = [*events(BUSY, 0, 3), *events(BUSY, 3, 9_000, "bad"), (BUSY, 9_000, None)]
    assert tail(logged(tmp_path, [rejected]), BUSY) == [9_000]


@pytest.mark.parametrize(("begin", "end", "found"), [(0, 5, [1, 2, 3, 4]), (3, 5, [3, 4]), (8, 99, [8]), (9, 99, [])])
def test_events_are_those_within_bounds(tmp_path: Path, begin: int, end: int, found: list[int]):
    assert tail(logged(tmp_path, [events(BUSY, 0, 6), events(BUSY, 6, 9)]), BUSY, begin, end) == found


def test_a_log_that_nobody_has_made_has_none(tmp_path: Path):
    assert tail(logged(tmp_path, []), BUSY) == []
