"""Results are written whole or not at all."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from featurectl.errors import UsageError
from featurectl.training.output import check_columns, check_output, write_json, write_table

ROWS = pl.DataFrame({"a": [1, None], "tags": [["x", "y"], None]})


def test_parquet_keeps_types_and_csv_writes_lists_as_json(tmp_path):
    write_table(ROWS, tmp_path / "o.parquet")
    assert pl.read_parquet(tmp_path / "o.parquet").equals(ROWS)
    write_table(ROWS, tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_text() == 'a,tags\n1,"[""x"", ""y""]"\n,\n'
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "o.parquet"]


CLOCKS = {
    "naive": (pl.Datetime("us"), "2024-01-01T00:00:00.000000"),
    "utc_ns": (pl.Datetime("ns", "UTC"), "2024-01-01T00:00:00.000000000Z"),
    "tokyo": (pl.Datetime("ms", "Asia/Tokyo"), "2023-12-31T15:00:00.000000Z"),
    "utc": (pl.Datetime("us", "UTC"), "2024-01-01T00:00:00.000000Z"),
    "day": (pl.Date(), "2024-01-01"),
}


def test_csv_writes_clocks_whole_and_as_what_they_are(tmp_path):
    naive = pl.Series([datetime(2024, 1, 1), None])
    columns = {
        name: naive.cast(dtype) if isinstance(dtype, pl.Date) or not dtype.time_zone
        else naive.dt.replace_time_zone(dtype.time_zone).cast(dtype)
        for name, (dtype, _) in CLOCKS.items()
    }  # fmt: skip
    write_table(pl.DataFrame(columns), tmp_path / "o.csv")
    texts = ",".join(text for _, text in CLOCKS.values())
    assert (tmp_path / "o.csv").read_text() == f"{','.join(CLOCKS)}\n{texts}\n,,,,\n"


def test_csv_writes_items_of_lists_whole(tmp_path):
    nanos = pl.Series([[1, None], None]).cast(pl.List(pl.Datetime("ns")))
    pairs = pl.Series([[[1], []], None], dtype=pl.List(pl.List(pl.Int8)))
    times = pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)).cast(pl.Array(pl.Time, 2))
    write_table(pl.DataFrame({"n": nanos, "p": pairs, "t": times}), tmp_path / "o.csv")
    assert pl.read_csv(tmp_path / "o.csv").row(0) == (
        '["1970-01-01 00:00:00.000000001", null]', "[[1], []]", '["00:00:00.000000001", "00:00:00.000000002"]'
    )  # fmt: skip


@pytest.mark.parametrize(
    "column",
    [pl.Series([{"a": 1}]), pl.Series([b"x"]), pl.Series([timedelta(1)]), pl.Series([[b"x"]]), pl.Series([[{"a": 1}]]),
     pl.Series([[timedelta(1)]], dtype=pl.Array(pl.Duration, 1))],
)  # fmt: skip
def test_a_column_that_csv_can_not_hold_is_refused_before_anything_is_written(tmp_path, column):
    rows = pl.DataFrame({"a": [1], "odd": column})
    for write in (lambda path: check_columns(rows.schema, path), lambda path: write_table(rows, path)):
        with pytest.raises(UsageError, match=r"o\.csv: column 'odd' is .*, which CSV can't hold") as caught:
            write(tmp_path / "o.csv")
        assert caught.value.hint == f"write Parquet: --out {tmp_path}/o.parquet"
    assert list(tmp_path.iterdir()) == []
    check_columns(rows.schema, tmp_path / "o.parquet")
    write_table(rows, tmp_path / "o.parquet")
    assert pl.read_parquet(tmp_path / "o.parquet").equals(rows)


@pytest.mark.parametrize("column", [pl.Series([{}]), pl.Series([[{}]]), pl.Series([{"a": {}}])])
@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
def test_a_struct_without_fields_is_refused_by_both(tmp_path, column, name):
    with pytest.raises(UsageError, match=r"column 'odd' is .*, which neither Parquet nor CSV can hold"):
        check_columns(pl.DataFrame({"odd": column}).schema, tmp_path / name)


def test_equal_rows_are_equal_bytes(tmp_path):
    write_table(ROWS, tmp_path / "a.parquet")
    write_table(ROWS, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [("o.xlsx", "what format is it"), ("no/o.parquet", "does not exist"), ("folder.parquet", "is a folder")],
)
def test_an_output_that_can_not_be_written_is_refused_before_any_work(tmp_path, name, message):
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(UsageError, match=message):
        check_output(tmp_path / name)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "o.parquet"
    path.write_text("old")
    broken = pl.DataFrame({"o": [object()]})
    with pytest.raises(UsageError, match=r"o\.parquet can't be written: cannot write"):
        write_table(broken, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["o.parquet"]


def test_json_ends_in_a_newline(tmp_path):
    write_json({"a": 1}, tmp_path / "m.json")
    assert (tmp_path / "m.json").read_text() == '{\n  "a": 1\n}\n'
