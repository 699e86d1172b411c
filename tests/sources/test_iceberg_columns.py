"""Columns of Iceberg tables: their types, and what became of them while the table lived."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

import polars as pl
import pyarrow as pa
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from featurectl.sources.open import open_source, read_schema
from tests.sources.lake import Lake
from tests.sources.test_iceberg import SOURCE

PLAIN = replace(SOURCE, event_time=None, delay_us=None)
AT = datetime(2024, 3, 9, 5, 0, 0, 250_000, tzinfo=UTC)
# Column, its type in Iceberg, a value as Arrow takes it, its type in the language ("": it has none), and its value.
TYPES = [
    ("i", IntegerType(), 7, "int64", 7),
    ("l", LongType(), 2**62, "int64", 2**62),
    ("f", FloatType(), 0.5, "float64", 0.5),
    ("d", DoubleType(), -0.25, "float64", -0.25),
    ("m", DecimalType(20, 3), Decimal("12345678901234567.125"), "decimal(20,3)", Decimal("12345678901234567.125")),
    ("s", StringType(), "ä, b", "string", "ä, b"),
    ("day", DateType(), date(1960, 1, 1), "date", date(1960, 1, 1)),
    ("naive", TimestampType(), AT.replace(tzinfo=None), "timestamp", AT),
    ("zoned", TimestamptzType(), AT, "timestamp", AT),
    ("n", ListType(1000, LongType(), element_required=False), [1, None, 3], "list(int64)", [1, None, 3]),
    ("u", UUIDType(), uuid.UUID(int=5).bytes, "", None),
    ("x", FixedType(3), b"abc", "", None),
    ("b", BinaryType(), b"\x00\xff", "", None),
    ("t", TimeType(), time(3, 4, 5), "", None),
    ("r", StructType(NestedField(1001, "a", LongType())), {"a": 1}, "", None),
]


def made(lake: Lake, schema: Schema, **keys):
    with lake.catalog as catalog:
        catalog.create_namespace_if_not_exists("shop")
        return catalog.create_table("shop.orders", schema=schema, **keys)


def read(root, source=PLAIN):
    reader = open_source(source, root)
    frame = reader.scan(reader.parts()).collect()
    assert list(frame.columns) == list(reader.columns())
    return frame


def test_each_type_is_read_as_the_one_that_holds_its_values(tmp_path):
    lake = Lake(tmp_path)
    fields = [NestedField(n + 1, name, dtype, required=False) for n, (name, dtype, *_) in enumerate(TYPES)]
    table = made(lake, Schema(*fields))
    values = {name: [value, None] for name, _, value, *_ in TYPES}
    table.append(pa.Table.from_pydict(values, schema=table.schema().as_arrow()))
    known = {name: dtype for name, _, _, dtype, _ in TYPES if dtype}
    assert read_schema(PLAIN, tmp_path) == known
    frame = read(tmp_path)
    assert frame.row(0) == tuple(value for _, _, _, dtype, value in TYPES if dtype)
    assert frame.row(1) == (None,) * len(known)


def test_columns_follow_their_ids_through_every_change(tmp_path):
    lake = Lake(tmp_path)
    lake.create(pl.DataFrame({"id": [1], "small": pl.Series([2], dtype=pl.Int32), "old": ["a"], "drop": [True]}))
    lake.append(pl.DataFrame({"id": [1], "small": pl.Series([2], dtype=pl.Int32), "old": ["a"], "drop": [True]}))
    with lake.table.update_schema() as changed:
        changed.rename_column("old", "name")
        changed.update_column("small", LongType())
        changed.delete_column("drop")
        changed.add_column("drop", StringType())  # another column of the same name
        changed.add_column("late", DoubleType())
    lake.append(pl.DataFrame({"id": [2], "small": [2**40], "name": ["b"], "drop": ["x"], "late": [0.5]}))
    assert read(tmp_path).select("id", "small", "name", "drop", "late").rows() == [
        (1, 2, "a", None, None),
        (2, 2**40, "b", "x", 0.5),
    ]
    reader = open_source(PLAIN, tmp_path)
    old = next(part for part in reader.parts() if part.name.endswith(".parquet"))
    assert reader.scan((old,)).collect().get_column("name").to_list() == ["a"]


def test_partitions_and_their_change_alter_no_row(tmp_path):
    lake = Lake(tmp_path)
    columns = {"id": pl.Int64, "at": pl.Datetime("us")}
    lake.create(pl.DataFrame(schema=columns))
    rows = [(n, AT.replace(tzinfo=None, day=1 + n % 3)) for n in range(12)]
    lake.append(pl.DataFrame(rows[:4], columns, orient="row"))
    with lake.table.update_spec() as changed:
        changed.add_field("id", IdentityTransform(), "part")
    lake.append(pl.DataFrame(rows[4:8], columns, orient="row"))
    with lake.table.update_spec() as changed:
        changed.remove_field("part")
        changed.add_field("at", IdentityTransform(), "instant")
    lake.append(pl.DataFrame(rows[8:], columns, orient="row"))
    assert sorted(read(tmp_path).get_column("id").to_list()) == list(range(12))


def test_a_table_without_snapshot_has_columns_and_no_rows(tmp_path):
    Lake(tmp_path).create(pl.DataFrame({"id": [1]}))
    assert read(tmp_path).shape == (0, 1)
    assert read_schema(PLAIN, tmp_path) == {"id": "int64"}


def test_columns_are_kept_as_they_are_for_a_spine(tmp_path):
    lake = Lake(tmp_path)
    rows = pl.DataFrame({"id": pl.Series([1], dtype=pl.Int32), "raw": [b"x"]})
    lake.create(rows)
    lake.append(rows)
    reader = open_source(PLAIN, tmp_path)
    kept = reader.scan_kept(reader.parts()).collect()
    assert {name.removeprefix("\x00kept "): str(dtype) for name, dtype in kept.schema.items() if "kept" in name} == {
        "id": "Int32",
        "raw": "Binary",
    }
