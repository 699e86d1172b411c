from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import get_args, get_type_hints

import polars as pl
import pytest

from featurectl.core.errors import PlanError, UsageError
from featurectl.language.definitions.source import Source, SqlQuery
from featurectl.sources.all_sources import SOURCE_KINDS
from featurectl.sources.base import RequiredColumns, SourceScan
from featurectl.sources.open import check_there, open_source, read_schema
from featurectl.sources.parquet_names import read_parquet_names
from tests.seeds import seed_of

ORDERS = Source(name="orders", format="parquet", path="orders.parquet", event_time="at")


FRAME = pl.DataFrame({
    "a": [1], "nested": [{"x": 1, "more": [{"z": 2.0}]}], "lists": [[[True]]], "ü b": ["x"], "none": [None],
    "at": [datetime(2026, 1, 1, tzinfo=UTC)], "exact": [Decimal("1.20")], "bytes": [b"x"],
})  # fmt: skip


@pytest.mark.parametrize("frame", [FRAME, pl.DataFrame({f"c{i}": [i] for i in range(300)}), FRAME.clear()])
def test_names_of_a_parquet_file_are_those_that_polars_reads(tmp_path, frame):
    file = tmp_path / "x.parquet"
    frame.write_parquet(file)
    assert read_parquet_names(file) == frame.columns
    whole, draws = file.read_bytes(), Random(seed_of(0))
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[draws.randrange(len(whole))] ^= 1 << draws.randrange(8)
        file.write_bytes(damaged[draws.choice([0, 0, 1, 40]) :])
        read_parquet_names(file)  # whatever it says, it comes back


def test_every_format_of_the_language_has_a_kind_of_source():
    assert set(SOURCE_KINDS) == set(get_args(get_type_hints(Source)["format"]))


@pytest.mark.parametrize("call", [open_source, read_schema, check_there])
def test_a_format_that_is_none_is_an_error_that_lists_those_that_are(call):
    unknown = replace(ORDERS, format="avro")
    with pytest.raises(UsageError) as caught:
        call(unknown, Path("/nowhere"))
    assert caught.value.message == "source orders: no format 'avro'"
    assert caught.value.hint == "formats: parquet, csv, ndjson, delta, sql, iceberg, stream"


def test_a_stream_can_be_declared_and_not_opened():
    with pytest.raises(PlanError) as caught:
        open_source(replace(ORDERS, format="stream"), Path("/nowhere"))
    assert caught.value.code == "FC402"


REQUIRED = RequiredColumns(keys=("a",))


class CountingReader:
    """A reader of a query, as far as a scan needs one."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def scan(self, parts, since, required):
        self.asked.append((parts, since, required))
        return pl.LazyFrame({"a": [1, 2]})


def test_a_scan_of_a_source_reads_it_when_it_is_asked_for_and_once():
    reader = CountingReader()
    scan = SourceScan(reader=reader, parts=(), required=REQUIRED)
    assert reader.asked == []
    assert scan.read().collect().height == scan.read().select("a").collect().height == 2
    assert reader.asked == [((), None, REQUIRED)]


def test_only_what_keeps_no_rows_of_gone_parts_is_a_snapshot(tmp_path):
    query = Source(name="q", format="sql", sql=SqlQuery(url="sqlite:///x", query="select 1"))
    readers = [open_source(replace(ORDERS, format=kind), tmp_path) for kind in ("parquet", "csv", "ndjson", "delta")]
    readers.append(open_source(query, tmp_path))
    assert [reader.is_snapshot for reader in readers] == [False, False, False, True, False]
    assert [reader.counts_rows for reader in readers] == [True, False, False, True, False]
