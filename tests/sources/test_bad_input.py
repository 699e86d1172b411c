"""What is wrong with a file or a database is said with the source, the file and the column; nothing else escapes."""

import csv
import gzip
import io
import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from random import Random

import polars as pl
import pytest

from featurectl.core.errors import DataError, PlanError, StoreError, UsageError
from featurectl.language.definitions.source import CsvOptions, Source, SqlQuery
from featurectl.sources.open import check_there, open_source, read_schema
from tests.seeds import seed_of
from tests.sources.every_kind import frame, make_source


def opened(tmp_path, kind, path, **keys):
    return open_source(Source(name="orders", format=kind, path=path, **keys), tmp_path)


def rows(tmp_path, kind, path, **keys):
    reader = opened(tmp_path, kind, path, **keys)
    return reader.scan(reader.parts()).collect()


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson"])
@pytest.mark.parametrize("path", ["no/rows.x", "no/*.x"])
def test_a_missing_file_names_the_path_of_the_repository(tmp_path, kind, path):
    with pytest.raises(DataError, match=r"source orders: no file matches no/") as caught:
        opened(tmp_path, kind, path).parts()
    assert caught.value.code == "FC501"


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson", "delta"])
def test_a_path_that_the_system_refuses_is_told_as_the_file_has_it(tmp_path, kind):
    source = Source(name="orders", format=kind, path="x" * 300)
    with pytest.raises(DataError, match=r"source orders: x{300} can't be looked at: File name too long") as caught:
        check_there(source, tmp_path)
    assert caught.value.code == "FC502"


def test_a_missing_delta_table_and_database_file_are_missing_files(tmp_path):
    with pytest.raises(DataError, match="no Delta table at data/t") as caught:
        opened(tmp_path, "delta", "data/t").parts()
    assert caught.value.code == "FC501"
    reader = opened(tmp_path, "sql", "", sql=SqlQuery(url="sqlite:///no.db", query="select 1 as a"))
    with pytest.raises(DataError, match=r"sqlite:///no\.db has no database file") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC501"
    assert not (tmp_path / "no.db").exists()


@pytest.mark.parametrize("declared", [{}, {"columns": {"id": "int64", "name": "string"}, "columns_declared": True}])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_csv_line_of_too_many_fields_is_named_with_its_file(tmp_path, pack, declared):
    draws = Random(seed_of(0))
    for case in range(6):
        names = [draws.choice(["x", "a,b", 'say "so"', "two\nlines", ""]) for _ in range(9)]
        wrong = draws.randrange(9)
        lines = [[1, name, *(["more"] if row == wrong else [])] for row, name in enumerate(names)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([["id", "name"], *lines])
        (tmp_path / f"{case}a.csv").write_bytes(pack(b"id,name\n1,x\n"))
        (tmp_path / f"{case}b.csv").write_bytes(pack(text.getvalue().encode()))
        number = 2 + wrong + sum("\n" in name for name in names[:wrong])
        said = f"source orders, file {case}b.csv can't be read: line {number} has 3 fields, the header 2"
        with pytest.raises(DataError, match=said) as caught:
            rows(tmp_path, "csv", f"{case}*.csv", **declared)
        assert (caught.value.code, caught.value.hint) == ("FC502", "quote a field that holds ',', or correct the line")


def test_a_text_named_parquet_and_a_cut_off_parquet_name_the_file(tmp_path):
    (tmp_path / "a.parquet").write_text("id,name\n1,x\n")
    pl.DataFrame({"id": list(range(1000))}).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "b.parquet").read_bytes()[:-100])
    for name in ("a", "b"):
        for read in (lambda n: rows(tmp_path, "parquet", n), lambda n: read_schema(source(n), tmp_path)):

            def source(path):
                return Source(name="orders", format="parquet", path=path)

            with pytest.raises(DataError, match=rf"source orders, file {name}\.parquet can't be read") as caught:
                read(f"{name}.parquet")
            assert caught.value.code == "FC502"


@pytest.mark.parametrize("text", ["", "a,b\n1,2,3\n"])
def test_an_empty_or_ragged_csv_can_not_be_read(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=r"source orders.* can't be read") as caught:
        rows(tmp_path, "csv", "a.csv", columns={"a": "int64"}, columns_declared=True)
    assert caught.value.code == "FC502"


def test_the_bad_file_and_row_are_named_among_many(tmp_path):
    for number, value in enumerate(["1", "2", "3x", "4"]):
        (tmp_path / f"{number}.csv").write_text(f"id,v\na,0\nb,{value}\n")
    with pytest.raises(DataError) as caught:
        rows(tmp_path, "csv", "*.csv", columns={"v": "int64"}, columns_declared=True)
    assert caught.value.message == (
        "source orders, file 2.csv: column 'v' has 1 value that can't be read as int64; first in line 3: '3x'"
    )


@pytest.mark.parametrize(
    ("text", "dtype"),
    [("1.0", "int64"), ("9223372036854775808", "int64"), ("yes", "bool"), ("2013-02-29", "date"), ("1,5", "float64"),
     ("2013-01-01T25:00", "timestamp"), ("01/02/2013", "timestamp"), ("1.555", "decimal(5,2)"),
     ("1e9", "decimal(5,2)")],
)  # fmt: skip
def test_a_text_that_spells_no_value_of_the_type_is_refused(tmp_path, text, dtype):
    (tmp_path / "a.csv").write_text(f'v\n\n"{text}"\n')
    with pytest.raises(DataError, match="first in line 3") as caught:
        rows(tmp_path, "csv", "a.csv", columns={"v": dtype}, columns_declared=True)
    assert caught.value.code == "FC504"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [(pl.Series([1.5]), "int64"), (pl.Series([2], dtype=pl.Int8), "bool"), (pl.Series([2**53 + 1]), "float64"),
     (pl.Series([2**63], dtype=pl.UInt64), "int64"), (pl.Series([datetime(2020, 1, 1, 1)]), "date"),  # noqa: DTZ001  # a time without a zone is meant
     (pl.Series([1.005]), "decimal(5,2)")],
)  # fmt: skip
def test_a_value_that_would_change_is_refused(tmp_path, values, dtype):
    values.to_frame("v").write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"1 value that can't be read as {dtype.split('(')[0]}") as caught:
        rows(tmp_path, "parquet", "a.parquet", columns={"v": dtype}, columns_declared=True)
    assert caught.value.code == "FC504"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [(pl.Series([1]), "timestamp"), (pl.Series([0.5]), "string"), (pl.Series([[1]]), "int64"),
     (pl.Series([1]).cast(pl.Duration), "int64"), (pl.Series([{"a": 1}]), "string")],
)  # fmt: skip
def test_a_type_that_never_becomes_the_declared_one_is_refused(tmp_path, values, dtype):
    values.to_frame("v").write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=f"column 'v' is .* and can't be read as {dtype}") as caught:
        rows(tmp_path, "parquet", "a.parquet", columns={"v": dtype}, columns_declared=True)
    assert caught.value.code == "FC504"


def test_a_clock_of_another_type_is_refused_and_other_columns_are_left_out(tmp_path):
    frame = pl.DataFrame({"id": [1], "took": pl.Series([1]).cast(pl.Duration)})
    frame.write_parquet(tmp_path / "a.parquet")
    assert rows(tmp_path, "parquet", "a.parquet").columns == ["id"]
    for clock in ("id", "took"):
        with pytest.raises(DataError, match=f"column '{clock}' is .* can't be read as timestamp"):
            rows(tmp_path, "parquet", "a.parquet", event_time=clock)


def test_files_with_different_types_say_which(tmp_path):
    pl.DataFrame({"v": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"v": ["x"]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"file b\.parquet: column 'v' is string, in files before it is int64"):
        rows(tmp_path, "parquet", "*.parquet")


def test_a_stream_is_not_opened_as_files_are(tmp_path):
    with pytest.raises(PlanError, match="source orders: streams") as caught:
        opened(tmp_path, "stream", "")
    assert caught.value.code == "FC402"


def test_an_unset_variable_is_named_when_the_source_is_opened(tmp_path, monkeypatch):
    monkeypatch.delenv("LAKE", raising=False)
    with pytest.raises(UsageError, match="LAKE"):
        opened(tmp_path, "parquet", "${LAKE}/a.parquet")
    monkeypatch.setenv("LAKE", str(tmp_path))
    frame([]).write_parquet(tmp_path / "a.parquet")
    assert rows(tmp_path, "parquet", "${LAKE}/a.parquet").height == 0


def failing(tmp_path, url, query):
    reader = opened(tmp_path, "sql", "", sql=SqlQuery(url=url, query=query))
    with pytest.raises((DataError, StoreError)) as caught:
        reader.scan(reader.parts())
    return caught.value


def test_a_mute_database_is_a_store_error_without_its_password(tmp_path):
    error = failing(tmp_path, "postgresql://ana:secret@127.0.0.1:1/shop?connect_timeout=2", "select 1")
    assert error.code == "FC605"
    assert "source orders: postgresql://127.0.0.1:1/shop can't be read" in error.message
    assert "secret" not in error.message


def test_the_unexpanded_url_stands_in_errors(tmp_path, monkeypatch):
    monkeypatch.setenv("DB", "postgresql://ana:secret@127.0.0.1:1/shop?connect_timeout=2")
    error = failing(tmp_path, "${DB}", "select 1")
    assert "source orders: ${DB} can't be read" in error.message
    assert "secret" not in error.message


@pytest.mark.parametrize("url", ["no url", "nosuchdb://h/d"])
def test_an_unknown_kind_of_database_is_said(tmp_path, url):
    assert failing(tmp_path, url, "select 1").code in {"FC508", "FC605"}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_query_that_fails_repeats_the_database_s_words(tmp_path, postgres_url, kind):
    source = make_source(kind, tmp_path, postgres_url)
    for query in ("select * from no_table", "selec", "select id, id from t", "insert into t (id) values (9)"):
        error = failing(tmp_path, source.sql.url, query)
        assert error.code == "FC508", query
        assert error.message.startswith("source orders, its query ")


WRITES = (
    "vacuum into 'FILE'", "attach 'FILE' as other", "create temp table x as select 1", "pragma journal_mode = delete",
    "select load_extension('FILE')", "select hex(FTS3_TOKENIZER('simple'))",
    "select fts3_tokenizer('mine', x'41') as a", "drop table t", "select * from t; attach 'FILE' as other",
)  # fmt: skip


@pytest.mark.parametrize("query", WRITES)
def test_a_query_to_sqlite_reaches_nothing_but_its_file(tmp_path, query):
    source, file = make_source("sqlite", tmp_path, ""), tmp_path / "made.db"
    before = sorted(tmp_path.iterdir())
    assert failing(tmp_path, source.sql.url, query.replace("FILE", str(file))).code == "FC508"
    assert sorted(tmp_path.iterdir()) == before


def test_a_query_to_sqlite_may_read_in_every_way(tmp_path):
    with closing(sqlite3.connect(tmp_path / "w.db")) as made:
        made.executescript(
            "create table t (a int); insert into t values (1), (2); create view v as select a from t;"
            "create virtual table places using rtree(id, low, high); insert into places values (1, 0, 1);"
            "create virtual table words using fts5(word); insert into words values ('one');"
        )
    queries = (
        "with recursive n(a) as (select 1 union all select a + 1 from n where a < 3) select a from n",
        "values (1)", "select a, row_number() over (order by a) as n from v", "select value as a from json_each('[1]')",
        "select id as a from places where low < 1", "select rowid as a from words where word match 'one'",
        "select (select max(a) from t) as a, upper('x') || strftime('%Y', 'now') as b",
    )  # fmt: skip
    for query in queries:
        reader = opened(tmp_path, "sql", "", sql=SqlQuery(url="sqlite:///w.db", query=query))
        assert reader.scan(reader.parts()).collect().height > 0, query


def test_a_query_without_end_is_ended_by_an_interrupt(tmp_path):
    url = make_source("sqlite", tmp_path, "").sql.url
    query = "with recursive n(a) as (select 1 union all select a + 1 from n) select a from n where a < 0"
    reader = opened(tmp_path, "sql", "", sql=SqlQuery(url=url, query=query))
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            reader.scan(reader.parts())
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_column_of_mixed_kinds_is_refused(tmp_path):
    source = make_source("sqlite", tmp_path, "")
    error = failing(tmp_path, source.sql.url, "select case id when 1 then 'x' else id end as v from t")
    assert error.code == "FC504"
    assert "column 'v' mixes int and str" in error.message


def test_csv_options_are_obeyed(tmp_path):
    (tmp_path / "a.csv").write_text("at;v\n31.12.2012 23:30;NA\n01.01.2013 05:00;2\n;\n")
    options = CsvOptions(separator=";", null_values=("NA",), timestamp_format="%d.%m.%Y %H:%M")
    frame = rows(tmp_path, "csv", "a.csv", csv=options, event_time="at", timezone="Europe/Berlin")
    assert frame["v"].to_list() == [None, 2, None]
    assert frame["at"].to_list()[:2] == [
        datetime(2012, 12, 31, 22, 30, tzinfo=UTC),
        datetime(2013, 1, 1, 4, tzinfo=UTC),
    ]


def test_an_inferred_csv_loses_no_digits_and_looks_at_every_row(tmp_path):
    lines = ["zip,big,n,x,flag,day,none"] + ["1,1,1,1,true,2013-01-01,"] * 2000
    lines.append("00501,99999999999999999999,2,2.5,FALSE,2013-01-02,")
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    reader = opened(tmp_path, "csv", "a.csv")
    assert reader.columns() == {
        "zip": "string", "big": "string", "n": "int64", "x": "float64", "flag": "bool", "day": "date", "none": "string"
    }  # fmt: skip
    assert reader.scan(reader.parts()).collect()["zip"][2000] == "00501"


def test_parts_are_files_in_order_and_change_with_their_content(tmp_path):
    folder = tmp_path / "data"
    (folder / "_tmp").mkdir(parents=True)
    for name in ("b", "a", "_tmp/c"):
        pl.DataFrame({"v": [name]}).write_parquet(folder / f"{name}.parquet")
    reader = opened(tmp_path, "parquet", "data")
    before = reader.parts()
    assert [part.name for part in before] == ["data/a.parquet", "data/b.parquet"]
    assert reader.scan(before).collect()["v"].to_list() == ["a", "b"]
    assert reader.scan(before[1:]).collect()["v"].to_list() == ["b"]
    pl.DataFrame({"v": ["a", "longer"]}).write_parquet(folder / "a.parquet")
    after = opened(tmp_path, "parquet", "data/*.parquet").parts()
    assert after[0].stamp != before[0].stamp
    assert after[1] == before[1]


def test_files_that_gained_a_column_are_null_before_it(tmp_path):
    pl.DataFrame({"v": pl.Series([1], dtype=pl.Int16)}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"w": ["x"], "v": [2.5]}).write_parquet(tmp_path / "b.parquet")
    assert rows(tmp_path, "parquet", "*.parquet").rows() == [(1.0, None), (2.5, "x")]
    (tmp_path / "a.ndjson").write_text('{"v": 1}\n{"v": 2}\n')
    (tmp_path / "b.ndjson").write_text('{"w": 3}\n')
    assert rows(tmp_path, "ndjson", "*.ndjson", columns={"w": "int64"}, columns_declared=True)["w"].to_list() == [
        None,
        None,
        3,
    ]


def test_a_delta_table_with_a_new_column_and_partitions_is_read_whole(tmp_path):
    rows_ = pl.DataFrame({"p": ["a b/c", None], "v": pl.Series([1, 2], dtype=pl.Int32)})
    rows_.write_delta(tmp_path / "t", delta_write_options={"partition_by": ["p"]})
    rows_.with_columns(w=pl.lit(0.5)).write_delta(
        tmp_path / "t", mode="append", delta_write_options={"schema_mode": "merge"}
    )
    reader = opened(tmp_path, "delta", "t")
    assert reader.columns() == {"p": "string", "v": "int64", "w": "float64"}
    found = reader.scan(reader.parts()).collect()
    assert set(found.select("p", "v", "w").rows()) == {
        ("a b/c", 1, None),
        (None, 2, None),
        ("a b/c", 1, 0.5),
        (None, 2, 0.5),
    }
    assert reader.scan(reader.parts()[:1]).collect().height == 1


def test_a_delta_table_without_rows_is_one_part_without_rows(tmp_path):
    pl.DataFrame(schema={"v": pl.Int32}).write_delta(tmp_path / "t")
    reader = opened(tmp_path, "delta", "t")
    assert len(reader.parts()) == 1
    frame = reader.scan(reader.parts()).collect()
    assert frame.schema == {"v": pl.Int64}
    assert frame.height == 0


@pytest.mark.parametrize("keep", [0, 50, None])
def test_a_broken_or_missing_data_file_of_a_delta_table_is_named(tmp_path, keep):
    pl.DataFrame({"v": [1]}).write_delta(tmp_path / "t")
    (file,) = (tmp_path / "t").glob("*.parquet")
    if keep is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:keep])
    reader = opened(tmp_path, "delta", "t")
    with pytest.raises(DataError, match=rf"source orders, table t, file .*{file.name} can't be read") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC502"


def test_a_delta_table_with_deletion_vectors_is_refused(tmp_path):
    column = {"name": "v", "type": "long", "nullable": True, "metadata": {}}
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    metadata = {
        "id": "1",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": [column]}),
        "partitionColumns": [],
        "configuration": {},
        "createdTime": 0,
    }
    lines = [{"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}}, {"metaData": metadata}]
    log = tmp_path / "t" / "_delta_log" / f"{0:020}.json"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match="uses deletionVectors, which this version does not read") as caught:
        opened(tmp_path, "delta", "t").parts()
    assert caught.value.code == "FC502"
