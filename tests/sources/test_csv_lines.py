"""Lines of CSV files that can't be read are named by their numbers in the file; so are values that do not fit."""

import csv
import gzip
import io

import pytest

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import CsvOptions
from tests.sources.test_bad_input import rows


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'id,name\n1,"two\nlines"\n2,caf\xe9\n', "line 4 is not UTF-8: byte 0xE9"),
        (b'id,name\n1,x\n2,"open\n3,y\n', "line 3 opens a quote that nothing closes"),
        (b'id,name\n1,x\n2,"y"z\n3,y\n', "line 3 has text behind a closing quote"),
        (b"id,name\n1,x\n2", "line 3 is the last and has 1 field, the header 2"),
        (b'id,name\n1,"two\nlines"\n2\n\n', "line 4 is the last and has 1 field, the header 2"),
    ],
)
@pytest.mark.parametrize("declared", [{}, {"columns": {"id": "int64", "name": "string"}, "columns_declared": True}])
def test_a_csv_line_that_is_cut_or_can_not_be_read_is_named(tmp_path, text, said, pack, declared):
    (tmp_path / "a.csv").write_bytes(pack(text))
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "a.csv", **declared)
    assert (caught.value.message, caught.value.code) == (f"source orders, file a.csv can't be read: {said}", "FC502")
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ['id,name\n1,"two\nlines"', "id\n1\n2", "id,name\r\n1,x\r\n2,\r\n", "id,name\n", "id,name"]
)
def test_a_last_line_with_all_its_fields_is_a_row_whatever_they_hold(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, newline="")
    assert rows(tmp_path, "csv", "a.csv").height == len(list(csv.reader(io.StringIO(text, newline="")))) - 1


def test_the_line_of_a_bad_value_is_that_of_the_file(tmp_path):
    (tmp_path / "a.csv").write_text('id,name\n1,"two\nlines"\n\nx,y\n')
    with pytest.raises(DataError, match=r"first in line 5: 'x'"):
        rows(tmp_path, "csv", "a.csv", columns={"id": "int64"}, columns_declared=True)


@pytest.mark.parametrize(
    ("text", "form"), [("19970131", "%Y%m%d"), ("31.1.1997", "%d.%m.%Y"), ("31.1.1997 9:30", "%d.%m.%Y %H:%M")]
)
def test_the_format_of_times_that_are_not_iso_is_named_and_reads_them(tmp_path, text, form):
    (tmp_path / "a.csv").write_text(f"at\n{text}\n")
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "a.csv", event_time="at")
    assert f'csv: {{timestamp_format: "{form}"}}' in caught.value.hint
    read = rows(tmp_path, "csv", "a.csv", event_time="at", csv=CsvOptions(timestamp_format=form))
    assert read["at"][0].date().isoformat() == "1997-01-31"
