"""Every kind of source gives the same rows in the language's types."""

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from featurectl.core.frames.types import polars_dtype
from featurectl.sources.open import open_source, read_schema
from tests.sources.every_kind import ALL_KINDS, COLUMNS, ROWS, UTC_TEXTS, make_source, url_of


@pytest.fixture(params=ALL_KINDS)
def make(request, tmp_path):
    url = url_of(request)
    return lambda **keys: make_source(request.param, tmp_path, url, **keys)


def rows_of(source, root):
    reader = open_source(source, root)
    frame = reader.scan(reader.parts()).collect()
    assert dict(frame.schema) == {name: polars_dtype(dtype) for name, dtype in reader.columns().items()}
    return frame


def test_declared_columns_come_out_as_declared_and_in_order(make, tmp_path):
    frame = rows_of(make(event_time="at", timezone="America/New_York"), tmp_path)
    assert frame.columns == list(COLUMNS)
    assert frame["at"].dt.to_string("%Y-%m-%d %H:%M:%S%.6f").to_list() == UTC_TEXTS
    assert frame.drop("at").rows() == [row[:5] for row in ROWS]


@pytest.mark.sample(16)
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("clock", ["event_time", "available_at"])
def test_a_clock_of_dates_is_midnight_in_the_zone(make, tmp_path, clock, declared):
    undeclared = {} if declared else {"columns": None, "columns_declared": False}
    frame = rows_of(make(**{clock: "day"}, timezone="America/New_York", **undeclared), tmp_path)
    zone = ZoneInfo("America/New_York")
    days = [row[list(COLUMNS).index("day")] for row in ROWS]
    midnights = [None if day is None else datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]
    assert frame["day"].to_list() == midnights


def test_only_declared_columns_are_kept(make, tmp_path):
    frame = rows_of(make(columns={"amount": "float64", "id": "int64"}), tmp_path)
    assert frame.columns == ["amount", "id"]


def test_a_missing_declared_column_is_named(make, tmp_path):
    source = make(columns={"id": "int64", "amnt": "float64"})
    if source.format == "ndjson":  # a key left out is how JSON says null
        assert rows_of(source, tmp_path)["amnt"].to_list() == [None] * 3
        return
    reader = open_source(source, tmp_path)
    with pytest.raises(Exception, match=r"source orders, .* has no column 'amnt'") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC503"


def test_values_that_do_not_fit_are_counted_and_the_first_is_shown(make, tmp_path):
    reader = open_source(make(columns={"amount": "int64"}), tmp_path)
    with pytest.raises(
        Exception, match=r"column 'amount' has 2 values that can't be read as int64; first (at row 1|in line 2): '?1.5"
    ) as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC504"


def test_without_declared_columns_the_clocks_are_timestamps(make, tmp_path):
    frame = rows_of(make(columns=None, columns_declared=False, event_time="at", available_at="day"), tmp_path)
    assert frame.schema["at"] == frame.schema["day"] == pl.Datetime("us", "UTC")
    assert frame["day"].to_list() == [datetime(2024, 3, 9, tzinfo=UTC), None, datetime(1960, 1, 1, tzinfo=UTC)]
    assert frame["id"].to_list() == [1, 2, 2**62]
    assert frame["amount"].to_list() == [1.5, None, -0.25]


def test_a_clock_that_is_no_column_is_named_with_its_key(make, tmp_path):
    reader = open_source(make(event_time="when"), tmp_path)
    with pytest.raises(Exception, match="no column 'when', which `event_time` names") as caught:
        reader.scan(reader.parts())
    assert caught.value.code == "FC503"


def test_a_source_without_rows_keeps_its_columns(make, tmp_path):
    source = make(rows=[])
    if source.format == "delta":
        pl.DataFrame(schema={n: polars_dtype(d) for n, d in COLUMNS.items()}).write_delta(tmp_path / "table")
    frame = rows_of(source, tmp_path)
    assert frame.height == 0
    assert frame.columns == list(COLUMNS)


def test_the_schema_is_read_without_rows(make, tmp_path):
    source = make(event_time="at", columns=None, columns_declared=False)
    schema = read_schema(source, tmp_path)
    if source.format in {"parquet", "delta", "iceberg"}:
        assert schema == COLUMNS
    elif source.format == "csv":
        assert schema == dict.fromkeys(COLUMNS, "unknown")
    else:
        assert schema is None


def test_a_variable_of_a_path_is_filled_where_it_leads_to_files(make, tmp_path, monkeypatch):
    plain = make(event_time="at", columns=None, columns_declared=False)
    if not plain.path:
        return
    for written in ("${ROWS:-.}/", "${ROWS}/"):
        source = replace(plain, path=written + plain.path)
        monkeypatch.delenv("ROWS", raising=False)
        assert read_schema(source, tmp_path) == (read_schema(plain, tmp_path) if ":-" in written else None)
        monkeypatch.setenv("ROWS", ".")
        assert read_schema(source, tmp_path) == read_schema(plain, tmp_path)
        for elsewhere in ("nowhere", str(tmp_path.parent), "s3://lake"):
            monkeypatch.setenv("ROWS", elsewhere)
            assert read_schema(source, tmp_path) is None


def test_nan_is_null_unless_it_is_kept(tmp_path):
    pl.DataFrame({"x": [1.0, float("nan")], "l": [[float("nan")], []]}).write_parquet(tmp_path / "x.parquet")
    (tmp_path / "x.csv").write_text("x\n1\nNaN\n")
    for kind in ("parquet", "csv"):
        source = make_source("parquet", tmp_path, "", format=kind, path=f"x.{kind}", columns={"x": "float64"})
        assert rows_of(source, tmp_path)["x"].to_list() == [1.0, None]
        kept = make_source("parquet", tmp_path, "", format=kind, path=f"x.{kind}", columns={"x": "float64"}, nan="keep")
        assert rows_of(kept, tmp_path)["x"].is_nan().to_list() == [False, True]


def test_postgres_types_are_told_by_the_database_even_without_values(tmp_path, postgres_url):
    source = make_source("postgres", tmp_path, postgres_url, columns=None, columns_declared=False)
    assert open_source(source, tmp_path).columns() == COLUMNS
    empty = make_source("postgres", tmp_path, postgres_url, rows=[], columns=None, columns_declared=False)
    assert rows_of(empty, tmp_path).columns == list(COLUMNS)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_since_leaves_out_what_the_query_compares_with_it(kind, tmp_path, postgres_url):
    made = make_source(kind, tmp_path, postgres_url, event_time="at", timezone="Asia/Tokyo")
    query = made.sql.__class__(url=made.sql.url, query="select *, 'a :b' as note from t where at > :since order by at")
    source = make_source(kind, tmp_path, postgres_url, rows=[], sql=query, event_time="at", timezone="Asia/Tokyo")
    reader = open_source(source, tmp_path)
    since = datetime(2024, 3, 9, 17, 30, tzinfo=UTC)  # 02:30 in Tokyo: the second row, exactly
    assert reader.scan(reader.parts(), since).collect()["day"].to_list() == [date(1960, 1, 1)]
    assert reader.scan(reader.parts()).collect().height == 3
