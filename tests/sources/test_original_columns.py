"""Beside its rows in the language's types a source gives its columns as they are in it."""

from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source, SqlQuery
from featurectl.sources.open import open_source, read_schema
from featurectl.sources.original_columns import split_kept
from tests.frames import assert_same, frames
from tests.seeds import examples
from tests.sources.every_kind import COLUMNS, KINDS, make_source

NAN = float("nan")


def kept(source, root):
    """The rows in the language's types and as they are; the first are what `scan` gives."""
    reader = open_source(source, root)
    rows, own = split_kept(reader.scan_kept(reader.parts()).collect())
    assert rows.equals(open_source(source, root).scan(reader.parts()).collect().select(rows.columns))
    return rows, own


def files(kind="parquet", **keys):
    return Source(name="orders", format=kind, path=f"*.{kind}", **keys)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_gives_the_rows_of_scan_and_its_own_types(kind, tmp_path, postgres_url):
    source = make_source(kind, tmp_path, postgres_url, columns=None, columns_declared=False, event_time="at")
    rows, own = kept(source, tmp_path)
    assert own.columns == rows.columns == list(COLUMNS)
    clock = own.schema["at"]
    spelled = {"csv": pl.Datetime("us", "UTC"), "ndjson": pl.String(), "sqlite": pl.String()}
    assert clock == spelled.get(kind, pl.Datetime("us"))
    assert rows.schema["at"] == pl.Datetime("us", "UTC")


@settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(frames())
def test_a_parquet_file_is_kept_whatever_its_types(tmp_path, frame):
    frame.write_parquet(tmp_path / "a.parquet")
    reader = open_source(files(), tmp_path)
    rows, own = split_kept(reader.scan_kept(reader.parts()).collect())
    assert_same(own, frame)
    assert set(rows.columns) <= set(frame.columns)


def test_a_declared_column_is_kept_in_its_type_and_no_other_column_is(tmp_path):
    at = pl.Series([datetime(2024, 1, 1)], dtype=pl.Datetime("ns"))  # noqa: DTZ001  # a time without a zone is meant
    pl.DataFrame({"n": pl.Series([7], dtype=pl.Int8), "x": [NAN], "day": at, "at": at, "more": [1]}).write_parquet(
        tmp_path / "a.parquet"
    )
    columns = {"n": "int64", "x": "float64", "day": "date", "at": "timestamp"}
    rows, own = kept(files(columns=columns, columns_declared=True, event_time="day"), tmp_path)
    assert list(own.schema.items()) == [
        ("n", pl.Int64()), ("x", pl.Float64()), ("day", pl.Date()), ("at", pl.Datetime("us", "UTC"))
    ]  # fmt: skip
    assert own["x"].is_nan().all()
    assert rows["x"].is_null().all()
    assert rows.schema["day"] == pl.Datetime("us", "UTC")


def test_a_clock_that_is_declared_a_date_and_is_none_is_refused(tmp_path):
    pl.DataFrame({"day": [datetime(2024, 1, 1, 5)]}).write_parquet(tmp_path / "a.parquet")  # noqa: DTZ001  # a time without a zone is meant
    source = files(columns={"day": "date"}, columns_declared=True, event_time="day")
    reader = open_source(source, tmp_path)
    with pytest.raises(DataError, match=r"file a\.parquet: column 'day' has 1 value that can't be read as date"):
        reader.scan_kept(reader.parts())


def test_files_that_differ_give_a_column_that_holds_the_values_of_all(tmp_path):
    one = {"n": pl.Series([1], dtype=pl.Int8), "x": pl.Series([NAN], dtype=pl.Float32), "s": [{"a": 1}], "o": [None]}
    two = {"n": pl.Series([2**40]), "x": [0.5], "s": [{"b": "z"}], "o": [b"o"], "more": [time(5)]}
    pl.DataFrame(one).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame(two).write_parquet(tmp_path / "b.parquet")
    rows, own = kept(files(), tmp_path)
    assert rows.columns == ["n", "x"]
    assert own.columns == ["n", "x", "s", "o", "more"]
    assert own["n"].to_list() == [1, 2**40]
    assert [str(x) for x in own["x"]] == ["nan", "0.5"]
    assert own["s"].to_list() == [{"a": 1, "b": None}, {"a": None, "b": "z"}]
    assert own["o"].to_list() == [None, b"o"]
    assert own["more"].to_list() == [None, time(5)]


def test_files_of_one_narrow_type_keep_it(tmp_path):
    for name, value in (("a", 1), ("b", 2), ("c", None)):
        pl.DataFrame({"n": pl.Series([value], dtype=pl.Int16)}).write_parquet(tmp_path / f"{name}.parquet")
    pl.DataFrame({"n": [None]}).write_parquet(tmp_path / "d.parquet")
    _, own = kept(files(), tmp_path)
    assert_same(own, pl.DataFrame({"n": pl.Series([1, 2, None, None], dtype=pl.Int16)}))


def test_types_that_nothing_holds_together_are_named_with_the_file(tmp_path):
    pl.DataFrame({"n": [1], "t": [time(5)]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"n": [1], "t": [timedelta(5)]}).write_parquet(tmp_path / "b.parquet")
    reader = open_source(files(), tmp_path)
    said = r"source orders, file b\.parquet: column 't' is Duration\(.*\), in files before it is Time"
    with pytest.raises(DataError, match=said) as caught:
        reader.scan_kept(reader.parts())
    assert caught.value.code == "FC504"
    assert reader.scan(reader.parts()).collect().columns == ["n"]


def test_json_objects_in_a_row_are_kept_and_a_key_a_file_lacks_is_null(tmp_path):
    (tmp_path / "a.ndjson").write_text('{"id": 1, "addr": {"zip": "00501"}, "none": null}\n{"id": 2}\n')
    (tmp_path / "b.ndjson").write_text('{"id": 3, "addr": null, "tags": ["x"], "none": null}\n')
    rows, own = kept(files("ndjson"), tmp_path)
    assert rows.columns == ["id", "none", "tags"]
    assert own.to_dicts() == [
        {"id": 1, "addr": {"zip": "00501"}, "none": None, "tags": None},
        {"id": 2, "addr": None, "none": None, "tags": None},
        {"id": 3, "addr": None, "none": None, "tags": ["x"]},
    ]
    assert own.schema["none"] == pl.Null


def test_texts_are_kept_in_the_types_that_they_spell(tmp_path):
    (tmp_path / "a.csv").write_text("zip,n,x,day,at\n00501,1,NaN,2024-01-01,2024-01-01T00:00:00Z\n")
    _, own = kept(files("csv", event_time="day"), tmp_path)
    assert own.dtypes == [pl.String, pl.Int64, pl.Float64, pl.Date, pl.Datetime("us", "UTC")]
    assert own["x"].is_nan().all()


def test_a_delta_table_keeps_its_types_in_files_older_than_a_field(tmp_path):
    frame = pl.DataFrame({"n": pl.Series([1], dtype=pl.Int8), "s": [{"a": 1}], "b": [b"\xff"], "x": [NAN]})
    frame.write_delta(tmp_path / "t")
    frame.with_columns(s=pl.struct(a=pl.lit(2), c=pl.lit("new"))).write_delta(
        tmp_path / "t", mode="append", delta_write_options={"schema_mode": "merge"}
    )
    rows, own = kept(Source(name="orders", format="delta", path="t"), tmp_path)
    assert rows.columns == ["n", "x"]
    assert own.schema["n"] == pl.Int8
    assert own["s"].to_list() == [{"a": 1, "c": None}, {"a": 2, "c": "new"}]
    assert own["b"].to_list() == [b"\xff"] * 2
    assert own["x"].is_nan().all()


def test_a_database_keeps_values_of_types_that_the_language_lacks(tmp_path, postgres_url):
    query = (
        "select 1::smallint as n, 'NaN'::float8 as x, '\\xff00'::bytea as b, '05:06:07'::time as t, "
        "'36:00'::interval as took, '{\"a\": [1, null]}'::jsonb as doc, '10.0.0.1'::inet as addr, "
        "array['05:00'::time] as times, null::jsonb as none"
    )
    source = Source(name="orders", format="sql", sql=SqlQuery(url=postgres_url, query=query))
    reader = open_source(source, tmp_path)
    rows, own = split_kept(reader.scan_kept(reader.parts()).collect())
    assert list(reader.columns()) == rows.columns == ["n", "x"]
    assert own.row(0, named=True) | {"x": None} == {
        "n": 1, "x": None, "b": b"\xff\x00", "t": time(5, 6, 7), "took": timedelta(hours=36), "doc": '{"a": [1, null]}',
        "addr": "10.0.0.1", "times": '["05:00:00"]', "none": None,
    }  # fmt: skip
    assert own["x"].is_nan().all()
    declared = Source(name="orders", format="sql", sql=source.sql, columns={"doc": "string"}, columns_declared=True)
    reader = open_source(declared, tmp_path)
    with pytest.raises(DataError, match="column 'doc' is Unknown and can't be read as string"):
        reader.scan_kept(reader.parts())


def test_bytes_of_sqlite_are_kept(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/r.db")
    with engine.begin() as connection:
        connection.execute(sa.text("create table t (id integer, b blob)"))
        connection.execute(sa.text("insert into t values (1, x'ff00'), (2, null)"))
    engine.dispose()
    source = Source(name="orders", format="sql", sql=SqlQuery(url="sqlite:///r.db", query="select * from t"))
    rows, own = kept(source, tmp_path)
    assert (rows.columns, own.rows()) == (["id"], [(1, b"\xff\x00"), (2, None)])


@pytest.mark.parametrize(
    "column",
    [pl.Series([2**64 - 1, 1], dtype=pl.UInt64), pl.Series([[1, 2**63], None], dtype=pl.List(pl.UInt64)),
     pl.Series([[1, 2**63], None], dtype=pl.Array(pl.UInt64, 2))],
)  # fmt: skip
def test_numbers_beyond_int64_are_kept_and_are_no_column_of_the_language(tmp_path, column):
    frame = pl.DataFrame({"big": column, "n": [1, 2]})
    frame.write_parquet(tmp_path / "a.parquet")
    reader = open_source(files(), tmp_path)
    rows, own = split_kept(reader.scan_kept(reader.parts()).collect())
    assert_same(own, frame)
    assert rows.columns == ["n"]
    with pytest.raises(DataError, match=r"column 'big' has 1 value that can't be read as .*int64.*; first at row 1"):
        reader.scan(reader.parts())


def test_a_column_without_values_in_one_file_has_the_type_of_the_others(tmp_path):
    pl.DataFrame({"v": [None], "w": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"v": [7], "w": [None]}).write_parquet(tmp_path / "b.parquet")
    reader = open_source(files(), tmp_path)
    assert reader.columns() == read_schema(files(), tmp_path) == {"v": "int64", "w": "int64"}
    assert reader.scan(reader.parts()).collect().rows() == [(None, 1), (7, None)]


def test_instants_are_the_same_in_both(tmp_path):
    pl.DataFrame({"at": [date(2024, 1, 1)]}).write_parquet(tmp_path / "a.parquet")
    rows, own = kept(files(event_time="at"), tmp_path)
    assert rows["at"].to_list() == [datetime(2024, 1, 1, tzinfo=UTC)]
    assert own["at"].to_list() == [date(2024, 1, 1)]
