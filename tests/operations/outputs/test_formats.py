"""Formats of outputs: the same bytes however rows lie in memory, and every value in a type that the format has."""

# ruff: noqa: DTZ001  # times without a zone are what is tested

import hashlib
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from featurectl.core.errors import UsageError
from featurectl.operations.outputs import parquet
from featurectl.operations.outputs.all_output_formats import FORMATS, check_columns, format_of
from featurectl.operations.outputs.csv import write_csv
from featurectl.operations.outputs.delta import delta_dtype
from featurectl.operations.outputs.delta_commit import is_delta_table
from featurectl.operations.outputs.frames import Frames
from featurectl.operations.outputs.parquet import write_parquet
from featurectl.operations.outputs.write_table import write_table

ROWS = pl.DataFrame(
    {
        "i": [None if i % 7 == 0 else i for i in range(100)],
        "x": [i / 3 for i in range(100)],
        "s": [f"text {i % 11}" for i in range(100)],
        "lists": [[f"item {j}" for j in range(i % 4)] if i % 5 else None for i in range(100)],
        "structs": [{"a": i, "b": [i, None]} for i in range(100)],
        "nothing": [None] * 100,
    },
).with_columns(pl.col("s").cast(pl.Categorical).alias("c"))
CUTS = [[100], [1, 99], [30, 30, 40], [0, 64, 0, 36], [13] * 7 + [9]]


def cut(sizes):
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return Frames(
        schema=ROWS.schema,
        height=ROWS.height,
        read=lambda: (ROWS[end - size : end] for size, end in zip(sizes, ends, strict=True)),
    )


@pytest.mark.parametrize("group", [7, 32, 100, 1_000])
def test_equal_rows_are_equal_bytes_however_they_are_cut(tmp_path, monkeypatch, group):
    monkeypatch.setattr(parquet, "_ROW_GROUP", group)
    found = set()
    for sizes in CUTS:
        write_parquet(cut(sizes), tmp_path / "o.parquet")
        found.add((tmp_path / "o.parquet").read_bytes())
        assert pl.read_parquet(tmp_path / "o.parquet").equals(ROWS)
    assert len(found) == 1


@pytest.mark.long
def test_pages_inside_a_row_group_do_not_show_how_rows_lay_in_memory(tmp_path):
    count = 300_000
    lists = pl.Series([["a", None], [], None, ["bb"]] * (count // 4))
    rows = pl.DataFrame({"l": lists, "i": range(count), "s": lists.list.first().fill_null("long text of a cell")})
    found = set()
    for size in (count, 70_001):
        frames = [rows[start : start + size] for start in range(0, count, size)]
        write_parquet(Frames(schema=rows.schema, height=count, read=lambda f=frames: iter(f)), tmp_path / "o.parquet")
        found.add(hashlib.sha256((tmp_path / "o.parquet").read_bytes()).hexdigest())
    assert len(found) == 1


def test_csv_has_one_header_however_the_rows_are_cut(tmp_path):
    columns = pl.Schema({"i": pl.Int64, "lists": pl.List(pl.String)})
    found = set()
    for sizes in CUTS:
        frames = cut(sizes)
        some = Frames(schema=columns, height=100, read=lambda f=frames: (x.select("i", "lists") for x in f.read()))
        write_csv(some, tmp_path / "o.csv")
        found.add((tmp_path / "o.csv").read_text())
    (text,) = found
    assert text.startswith("i,lists\n,\n1,")
    assert len(text.splitlines()) == 101


@pytest.mark.parametrize("name", ["o.parquet", "o.csv", "o.delta"])
def test_a_table_without_rows_keeps_its_columns(tmp_path, name):
    write_table(pl.DataFrame(schema={"a": pl.Int64, "b": pl.String}), tmp_path / name)
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "delta": pl.read_delta}[name[2:]]
    found = read(str(tmp_path / name))
    assert (found.columns, found.height) == (["a", "b"], 0)


DELTA = {
    "small": (pl.Series([1, None], dtype=pl.UInt8), pl.Int16, [1, None]),
    "large": (pl.Series([2**64 - 1, 0], dtype=pl.UInt64), pl.Decimal(20, 0), [Decimal(2**64 - 1), Decimal(0)]),
    "kind": (pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), pl.String, ["a", "b"]),
    "pair": (pl.Series([[1, 2], None], dtype=pl.Array(pl.UInt16, 2)), pl.List(pl.Int32), [[1, 2], None]),
    "inside": (pl.Series([{"a": 1}], dtype=pl.Struct({"a": pl.UInt32})).new_from_index(0, 2),
               pl.Struct({"a": pl.Int64}), [{"a": 1}, {"a": 1}]),
    "naive": (pl.Series([datetime(2024, 1, 1), None], dtype=pl.Datetime("ms")), pl.Datetime("us"),
              [datetime(2024, 1, 1), None]),
    "day": (pl.Series([date(2024, 1, 1), None]), pl.Date, [date(2024, 1, 1), None]),
    "bytes": (pl.Series([b"x", None]), pl.Binary, [b"x", None]),
    "nothing": (pl.Series([None, None]), pl.String, [None, None]),
}  # fmt: skip


def test_delta_holds_every_value_in_a_type_of_its_own(tmp_path):
    rows = pl.DataFrame({name: column for name, (column, _, _) in DELTA.items()})
    rows = rows.with_columns(tokyo=pl.col("naive").dt.replace_time_zone("Asia/Tokyo"))
    write_table(rows, tmp_path / "o.delta")
    found = pl.read_delta(str(tmp_path / "o.delta"))
    for name, (_, dtype, values) in DELTA.items():
        assert (found[name].dtype, found[name].to_list()) == (dtype, values), name
    assert found.schema["tokyo"] == pl.Datetime("us", "UTC")
    assert found["tokyo"].dt.replace_time_zone(None).to_list() == [datetime(2023, 12, 31, 15), None]


def test_a_delta_table_is_written_anew_as_a_version_whatever_its_columns(tmp_path):
    path = tmp_path / "o.delta"
    write_table(pl.DataFrame({"a": [1, 2]}), path)
    write_table(pl.DataFrame({"b": ["x"]}), path)
    assert is_delta_table(path)
    assert pl.read_delta(str(path)).to_dict(as_series=False) == {"b": ["x"]}
    assert pl.read_delta(str(path), version=0).to_dict(as_series=False) == {"a": [1, 2]}


@pytest.mark.parametrize("naive", [datetime(2024, 1, 1), [datetime(2024, 1, 1)]])
def test_zoneless_times_are_the_next_version_of_a_table_that_had_none(tmp_path, naive):
    path = tmp_path / "o.delta"
    write_table(pl.DataFrame({"a": [1]}), path)
    for value in (naive, naive, 2):
        write_table(pl.DataFrame({"a": [value]}), path)
        assert pl.read_delta(str(path)).to_dict(as_series=False) == {"a": [value]}
    assert pl.read_delta(str(path), version=0).to_dict(as_series=False) == {"a": [1]}


def test_a_commit_that_fails_at_what_comes_after_it_keeps_its_rows(tmp_path, monkeypatch):
    path = tmp_path / "o.delta"
    write_table(pl.DataFrame({"a": [1]}), path)
    commit = DeltaTable.create_write_transaction

    def fail_behind(*words):
        commit(*words)
        raise DeltaError("no room for a checkpoint")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", fail_behind)
    with pytest.raises(UsageError, match="no room for a checkpoint"):
        write_table(pl.DataFrame({"a": [2]}), path)
    assert pl.read_delta(str(path)).to_dict(as_series=False) == {"a": [2]}


@pytest.mark.parametrize(
    "column",
    [pl.Series([time(1)]), pl.Series([timedelta(1)]), pl.Series([1]).cast(pl.Datetime("ns")), pl.Series([[time(1)]]),
     pl.Series([1], dtype=pl.Int128), pl.Series([{"a": timedelta(1)}])],
)  # fmt: skip
def test_a_column_that_delta_can_not_hold_is_refused_before_any_write(tmp_path, column):
    rows = pl.DataFrame({"a": [1], "odd": column})
    assert delta_dtype(column.dtype) is None
    for write in (lambda path: check_columns(rows.schema, path), lambda path: write_table(rows, path)):
        with pytest.raises(UsageError, match=r"o\.delta: column 'odd' is .*, which Delta can't hold"):
            write(tmp_path / "o.delta")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", FORMATS)
def test_a_format_writes_a_table_and_finds_its_file(tmp_path, ending):
    path, form = tmp_path / f"o{ending}", FORMATS[ending]()
    form.check_place(path)
    write_table(pl.DataFrame({"a": [1, 2]}), path)
    form.check_place(path)
    file = form.file_of(path)
    assert file is not None
    assert file.is_file()
    assert form.name == ending.removeprefix(".")
    assert form.holds(pl.Int64())


def test_a_name_without_a_format_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(UsageError, match="what format") as caught:
        format_of(tmp_path / "o.xlsx")
    assert caught.value.hint == "names end in .parquet, .csv, .delta"
