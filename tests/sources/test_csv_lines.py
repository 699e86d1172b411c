"""Lines of CSV files that can't be read are named by their numbers in the file; so are values that do not fit."""

import csv
import gzip
import io
from random import Random

import pytest

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import CsvOptions
from featurectl.sources.csv_fields import find_short_line
from tests.seeds import seed_of
from tests.sources.test_bad_input import rows


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,name\n1,x\n".encode("utf-16"), "it is UTF-16, not UTF-8"),
        (b'id,name\n1,"two\nlines"\n2,caf\xe9\n', "line 4 is not UTF-8: byte 0xE9"),
        (b'id,name\n1,x\n2,"open\n3,y\n', "line 3 opens a quote that nothing closes"),
        (b'id,name\n1,x\n2,"y"z\n3,y\n', "line 3 has text behind a closing quote"),
        (b"id,name\n1,x\n2", "line 3 is the last and has 1 field, the header 2"),
        (b'id,name\n1,"two\nlines"\n2\n\n', "line 4 is the last and has 1 field, the header 2"),
        (b'id,name\r\n1,"two\r\n,,"\r\n\r\n2\r\n3,x\r\n', "line 5 has 1 field, the header 2"),
        (b"id,name,last\n1,,\n2,\n3,a,b\n4,c\n", "line 3 has 2 fields, the header 3; 1 more line lacks fields"),
        (b"id,name,\n1,x,\n2,y\n3,z,\n", "line 3 has 2 fields, the header 3"),
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
    "text",
    [
        'id,name\n1,"two\nlines"',
        "id\n1\n2",
        "id,name\r\n1,x\r\n2,\r\n",
        "id,name\n",
        "id,name",
        "id,name,\n1,x,\n2,,",
    ],
)
def test_a_line_with_all_its_fields_is_a_row_whatever_they_hold(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, newline="")
    assert rows(tmp_path, "csv", "a.csv").height == len(list(csv.reader(io.StringIO(text, newline="")))) - 1


@pytest.mark.long
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_short_lines_are_those_that_a_reader_of_csv_finds(tmp_path, end):
    draws = Random(seed_of(end == "\n"))
    quoted = ["", "x", '"a;b"', f'"{end}"', f'"{end}{end};"', '"say ""it"";"', " ", '""']
    file, found = tmp_path / "a.csv", set()
    for _ in range(150):
        lines = [";".join(draws.choices(quoted, k=3)) for _ in range(draws.randrange(5))]
        for _ in range(draws.choice([0, 0, 1, 2])):
            lines.insert(
                draws.randint(0, len(lines)), draws.choice(["", ";".join(draws.choices(quoted[1:], k=2)), "x"])
            )
        text = end.join(["a;b;c", *lines]) + draws.choice(["", end, 2 * end])
        file.write_text(text, newline="")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
        line = find_short_line(file, ";")
        assert (line is not None) == any(0 < len(row) < 3 for row in rows), text
        found.add(line is None)
    assert len(found) == 2


def test_the_line_of_a_bad_value_is_that_of_the_file(tmp_path):
    (tmp_path / "a.csv").write_text('id,name\n1,"two\nlines"\n\nx,y\n')
    with pytest.raises(DataError, match=r"first in line 5: 'x'"):
        rows(tmp_path, "csv", "a.csv", columns={"id": "int64"}, columns_declared=True)


@pytest.mark.parametrize(
    ("text", "form"),
    [("19970131", "%Y%m%d"), ("31.1.1997", "%d.%m.%Y"), ("31.1.1997 9:30", "%d.%m.%Y %H:%M"), ("31.1.97", "%d.%m.%y"),
     ("31/1/1997 11:38", "%d/%m/%Y %H:%M"), ("01/31/1997 11:38", "%m/%d/%Y %H:%M"), ("1997-1-31", "%Y-%m-%d"),
     ("1/31/97 1:38 PM", "%m/%d/%y %I:%M %p"), ("31-Jan-1997 11:38:09.5", "%d-%b-%Y %H:%M:%S%.f")],
)  # fmt: skip
def test_the_format_of_times_that_are_not_iso_is_named_and_reads_them(tmp_path, text, form):
    (tmp_path / "a.csv").write_text(f"at\n{text}\n")
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "a.csv", event_time="at")
    assert f'csv: {{timestamp_format: "{form}"}}' in caught.value.hint
    read = rows(tmp_path, "csv", "a.csv", event_time="at", csv=CsvOptions(timestamp_format=form))
    assert read["at"][0].date().isoformat() == "1997-01-31"


def test_both_forms_are_named_where_day_and_month_look_alike(tmp_path):
    (tmp_path / "a.csv").write_text("at\n01/01/2015 11:38\n")
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "a.csv", event_time="at")
    wanted = '{timestamp_format: "%d/%m/%Y %H:%M"} or {timestamp_format: "%m/%d/%Y %H:%M"}'
    assert caught.value.hint == f"of the source, say how its times are written: csv: {wanted}"


@pytest.mark.parametrize("text", ["2015-02-29", "2015-02-29 10:00", "2015-01-31 24:00", "soon"])
def test_no_form_is_named_that_would_not_read_the_value(tmp_path, text):
    (tmp_path / "a.csv").write_text(f"at\n{text}\n")
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "a.csv", event_time="at")
    assert "timestamp_format" not in caught.value.hint


def test_whole_numbers_as_pandas_writes_them_with_gaps_are_float64(tmp_path):
    (tmp_path / "a.csv").write_text("id,name\n1.0,x\n,y\n")
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "a.csv", columns={"id": "int64", "name": "string"}, columns_declared=True)
    assert caught.value.hint.startswith("declare id: float64")


@pytest.mark.parametrize("nulls", [("",), ("", "-"), ("-",), ()])
@pytest.mark.parametrize("types", [None, {"id": "int64", "name": "string"}])
def test_an_empty_field_in_quotes_is_null_where_the_empty_text_is(tmp_path, nulls, types):
    (tmp_path / "a.csv").write_text('id,name\n"1","x"\n"2",""\n"3",\n"4","-"\n')
    declared = {} if types is None else {"columns": types, "columns_declared": True}
    frame = rows(tmp_path, "csv", "a.csv", csv=CsvOptions(null_values=nulls), **declared)
    assert frame["id"].to_list() == [1, 2, 3, 4]
    assert frame["name"].to_list() == ["x", None if "" in nulls else "", None, None if "-" in nulls else "-"]


@pytest.mark.parametrize("nulls", [("",), ("-",)])
def test_an_empty_number_in_quotes_is_null_or_says_how_it_becomes_it(tmp_path, nulls):
    (tmp_path / "a.csv").write_text('id,v\n"1","2.5"\n"2",""\n')
    declared = {"columns": {"id": "int64", "v": "float64"}, "columns_declared": True}
    options = CsvOptions(null_values=nulls)
    if "" in nulls:
        assert rows(tmp_path, "csv", "a.csv", csv=options)["v"].to_list() == [2.5, None]
        assert rows(tmp_path, "csv", "a.csv", csv=options, **declared)["v"].to_list() == [2.5, None]
        return
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "a.csv", csv=options, **declared)
    assert caught.value.hint.endswith("csv: {null_values: ['']}")


@pytest.mark.parametrize("value", ["NA", "n/a", "-"])
def test_a_value_that_may_be_how_nulls_are_written_names_null_values(tmp_path, value):
    (tmp_path / "a.csv").write_text(f"id,name\n1,x\n{value},y\n")
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "a.csv", columns={"id": "int64", "name": "string"}, columns_declared=True)
    assert f"csv: {{null_values: ['{value}']}}" in caught.value.hint
