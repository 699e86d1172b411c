"""Results are written whole or not at all."""

import polars as pl
import pytest

from featurectl.errors import UsageError
from featurectl.training.output import check_output, write_json, write_table

ROWS = pl.DataFrame({"a": [1, None], "tags": [["x", "y"], None]})


def test_parquet_keeps_types_and_csv_writes_lists_as_json(tmp_path):
    write_table(ROWS, tmp_path / "o.parquet")
    assert pl.read_parquet(tmp_path / "o.parquet").equals(ROWS)
    write_table(ROWS, tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_text() == 'a,tags\n1,"[""x"", ""y""]"\n,\n'
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "o.parquet"]


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
    with pytest.raises(Exception, match="cannot write"):
        write_table(broken, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["o.parquet"]


def test_json_ends_in_a_newline(tmp_path):
    write_json({"a": 1}, tmp_path / "m.json")
    assert (tmp_path / "m.json").read_text() == '{\n  "a": 1\n}\n'
