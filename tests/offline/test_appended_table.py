"""A table to which rows are appended a few at a time: its files stay few, and no reader sees a part of a commit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from featurectl.offline import appended_table, compact_turns
from featurectl.offline.appended_table import AppendedTable

PART, LIMIT_S = 7, 120  # rows of a commit; seconds
PROGRAM = """
import sys
from pathlib import Path
import polars as pl
from featurectl.offline import appended_table
from featurectl.offline.appended_table import AppendedTable
appended_table.COMPACTED_EACH = 3
table, folder = AppendedTable(sys.argv[1] + "/t", "t"), Path(sys.argv[1])
for number in range(int(sys.argv[2]), 10**9):
    table.append(pl.DataFrame({"commit": [number] * 7, "row": range(7)}))
    (folder / "done").write_text(str(number))
"""


def rows_of(number: int) -> pl.DataFrame:
    return pl.DataFrame({"commit": [number] * PART, "row": range(PART)})


def commits(place: Path) -> list[int]:
    """The commits that a reader finds, each of which has to be whole, and there once."""
    found = pl.read_delta(str(place)).group_by("commit").agg(pl.len(), pl.col("row").n_unique())
    assert {*found.select("len", "row").iter_rows()} <= {(PART, PART)}
    return sorted(found["commit"])


def files(place: Path) -> int:
    return len(DeltaTable(str(place)).file_uris())


@pytest.mark.long
def test_small_files_are_put_together_each_hundred_commits(tmp_path: Path):
    place, table = tmp_path / "t", AppendedTable(str(tmp_path / "t"), "t")
    for number in range(appended_table.COMPACTED_EACH):
        table.append(rows_of(number))
    assert files(place) == appended_table.COMPACTED_EACH
    table.append(rows_of(appended_table.COMPACTED_EACH))
    assert (files(place), commits(place)) == (1, [*range(appended_table.COMPACTED_EACH + 1)])
    table.append(rows_of(1_000))
    assert (files(place), commits(place)[-1]) == (2, 1_000)
    assert {*pl.read_delta(str(place), version=50)["commit"]} == {*range(51)}  # files of before are still there


@pytest.mark.long
def test_readers_see_whole_commits_while_files_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(appended_table, "COMPACTED_EACH", 8)
    place, count = tmp_path / "t", 60
    AppendedTable(str(place), "t").append(rows_of(0))
    seen, faults, ends = [commits(place)], list[BaseException](), threading.Event()

    def read() -> None:
        try:
            while not ends.is_set():
                seen.append(commits(place))
        except BaseException as error:  # noqa: BLE001 (the test looks at it)
            faults.append(error)

    def append(first: int) -> None:
        table = AppendedTable(str(place), "t")
        for number in range(first, count, 2):
            table.append(rows_of(number))

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=append, args=(first,)) for first in (1, 2)]  # as two workers do
    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join(LIMIT_S)
    ends.set()
    for thread in readers:
        thread.join(LIMIT_S)
    assert faults == []
    assert commits(place) == [*range(count)]
    assert files(place) < count / 2
    assert max(map(len, seen)) > 1


@pytest.mark.long
def test_a_writer_that_is_killed_leaves_whole_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place, done = tmp_path / "t", tmp_path / "done"
    for _ in range(6):
        first = commits(place)[-1] + 1 if (place / "_delta_log").is_dir() else 0
        with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path), str(first)]) as process:
            try:
                end = time.monotonic() + LIMIT_S
                while not (done.exists() and int(done.read_text() or -1) > first + 3):
                    assert time.monotonic() < end
                    assert process.poll() is None
            finally:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
        found = commits(place)
        assert found == [*range(len(found))]
        assert found[-1] >= int(done.read_text() or -1)
    monkeypatch.setattr(appended_table, "COMPACTED_EACH", 3)
    monkeypatch.setattr(compact_turns, "_GIVEN_UP", 20)
    last, count = AppendedTable(str(place), "t"), len(commits(place))
    for number in range(count, count + 45):  # though one was killed in its turn
        last.append(rows_of(number))
    assert commits(place) == [*range(count + 45)]
    assert files(place) < 40


def test_two_workers_do_not_put_the_same_files_together(tmp_path: Path):
    place = tmp_path / "t"
    for number in range(5):
        AppendedTable(str(place), "t").append(rows_of(number))
    one, two = DeltaTable(str(place)), DeltaTable(str(place))
    for table in (one, two):
        appended_table._compact(table)  # noqa: SLF001 (at one moment, as of one version)
    assert (commits(place), files(place)) == ([*range(5)], 1)
