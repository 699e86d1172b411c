"""Tables in real object stores: what the log says of the objects, commits of several runs at once, refusals.

`test_delta.py` is the contract that they share with folders.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import obstore
import polars as pl
import pytest
from obstore.store import from_url
from polars.testing import assert_frame_equal

from featurectl.core.errors import StoreError, TryAgainError
from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore
from featurectl.offline.files import RunFiles
from featurectl.offline.rows import FrameRows
from tests.offline.table_rows import KEYS, as_table, table_rows
from tests.servers.redis import free_port

EMPTY = Coverage()
WRITERS = 4


def open_table(location, **sizes):
    return DeltaStore(location, "flights", **sizes).table("delays", 1, KEYS)


def test_the_log_says_the_size_of_each_object_to_the_byte(bucket):
    """Readers of Parquet find the end of a file by it; what Polars makes of a file with two row groups has another."""
    location = bucket.location()
    number, at = np.arange(280_000), datetime(2026, 1, 1, tzinfo=UTC)
    rows = pl.DataFrame({"k": number, "event_time": at, "available_at": at, "tie_order": number})
    rows = rows.with_columns(pl.when(pl.col("k") % 7 != 0).then(pl.col("k").cast(pl.String)).alias("text"))
    made = RunFiles(location=location, name="part", rows=FrameRows(rows, ("k",)), buckets=1, columns=rows.columns)
    action = made.write({})[0]
    assert action.size == obstore.head(from_url(location), action.path)["size"]


@pytest.mark.long
def test_of_runs_that_commit_at_once_one_wins(bucket):
    location = bucket.location()
    open_table(location).append(FrameRows(table_rows(3), KEYS), EMPTY)
    for number in range(3):
        handles = [open_table(location) for _ in range(WRITERS)]
        for handle in handles:
            handle.coverage()
        begin = threading.Barrier(WRITERS)

        def add(handle, begin=begin, number=number):
            begin.wait()
            try:
                return handle.append(FrameRows(table_rows(2, start=10 * (number + 1)), KEYS), EMPTY)
            except TryAgainError:
                return None

        with ThreadPoolExecutor(WRITERS) as pool:
            assert sorted(pool.map(add, handles), key=str) == [number + 1] + [None] * (WRITERS - 1)
    assert open_table(location).read().height == 9


@pytest.mark.long
def test_of_first_runs_at_once_one_makes_the_table(bucket):
    location = bucket.location()
    begin = threading.Barrier(WRITERS)

    def add(_):
        handle = open_table(location)
        assert handle.coverage() is None
        begin.wait()
        try:
            return handle.append(FrameRows(table_rows(5), KEYS), EMPTY)
        except TryAgainError:
            return None

    with ThreadPoolExecutor(WRITERS) as pool:
        assert sorted(pool.map(add, range(WRITERS)), key=str) == [0] + [None] * (WRITERS - 1)
    assert open_table(location).read().height == 5


def test_a_vacuum_removes_what_no_version_needs_once(bucket):
    location = bucket.location()
    table = open_table(location, vacuum_hours=0)
    frames = [table_rows(10 + i, start=100 * i) for i in range(4)]
    for frame in frames:
        table.replace(FrameRows(frame, KEYS), EMPTY)
    objects = from_url(f"{location}/flights/delays/v1")
    obstore.put(objects, "bucket=0/part-of-a-run-that-was-ended-0.parquet", b"PAR1")
    assert table.vacuum([1]) == 3
    assert_frame_equal(table.read(), as_table(frames[3]))
    assert_frame_equal(table.read(version=1), as_table(frames[1]))
    newest = table.version()
    assert table.vacuum([1]) == 0
    assert table.version() == newest


@pytest.mark.long
def test_what_the_store_says_is_told_in_one_line(bucket, monkeypatch):
    with pytest.raises(StoreError) as caught:
        open_table(bucket.absent).version()
    table = f"the offline table {bucket.absent}/flights/delays/v1"
    noun = "container" if bucket.absent.startswith("az:") else "bucket"
    assert caught.value.message == f"{table} can't be read: The specified {noun} does not exist ({bucket.not_there})"
    monkeypatch.setenv(*bucket.wrong_key)
    with pytest.raises(StoreError, match=rf"can't be read: [^\n]*\({bucket.refused}\)$"):
        open_table(bucket.location()).version()
    port = free_port()
    monkeypatch.setenv(bucket.endpoint_name, f"http://127.0.0.1:{port}")
    with pytest.raises(StoreError, match=rf"can't be read: no answer from http://127\.0\.0\.1:{port}$") as caught:
        open_table(bucket.location()).version()
    assert caught.value.code == "FC603"


def test_a_data_file_that_can_not_be_written_leaves_no_version(bucket, monkeypatch):
    table = open_table(bucket.location())
    assert table.coverage() is None
    with monkeypatch.context() as patched:
        patched.setenv(*bucket.wrong_key)
        with pytest.raises(StoreError, match=rf"the offline table .* can't be .*\({bucket.refused}\)$"):
            table.append(FrameRows(table_rows(5), KEYS), EMPTY)
    assert open_table(table.store.location).version() is None
