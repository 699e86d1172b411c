"""A source is asked for its columns without a row being read: what is missing or of another type is told."""

from __future__ import annotations

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.source import SqlQuery
from featurectl.sources import enforce
from featurectl.sources.files import FileReader
from featurectl.sources.open import open_source
from tests.sources.every_kind import ALL_KINDS, COLUMNS, make_source, url_of

TYPED = (
    "parquet",
    "delta",
    "iceberg",
    "postgres",
    "snowflake",
    "bigquery",
    "ndjson",
)  # whose types are told without rows, or by the form of values


@pytest.fixture(params=ALL_KINDS)
def make(request, tmp_path):
    url = url_of(request)

    def made(**keys):
        return request.param, make_source(request.param, tmp_path, url, **keys)

    return made


@pytest.fixture(autouse=True)
def no_values(monkeypatch):
    """Fail where values are looked at."""

    def looks(*_, **__):
        raise AssertionError("values were looked at")

    for place in (enforce, __import__("featurectl.sources.files", fromlist=["files"])):
        monkeypatch.setattr(place, "check_values", looks)
    monkeypatch.setattr(FileReader, "scan", looks)


def test_columns_that_are_there_are_right(make, tmp_path):
    for keys in ({}, {"event_time": "at"}, {"columns": {"amount": "float64"}}):
        _, source = make(**keys)
        open_source(source, tmp_path).check_columns()


def test_a_column_that_is_not_there_is_named(make, tmp_path):
    kind, source = make(columns={**COLUMNS, "amnt": "float64"})
    if kind == "ndjson":  # a key left out is how JSON says null
        return
    with pytest.raises(DataError, match=r"source orders, .* has no column 'amnt'") as caught:
        open_source(source, tmp_path).check_columns()
    assert caught.value.code == "FC503"


def test_a_type_that_cannot_become_the_declared_one_is_told(make, tmp_path):
    kind, source = make(columns={**COLUMNS, "ok": "timestamp"})
    if kind not in TYPED:
        open_source(source, tmp_path).check_columns()
        return
    with pytest.raises(DataError, match=r"source orders, .*: column 'ok' is bool and can't be read as timestamp") as it:
        open_source(source, tmp_path).check_columns()
    assert it.value.code == "FC504"


def test_a_clock_that_is_not_among_undeclared_columns_is_named(make, tmp_path):
    kind, source = make(columns=None, columns_declared=False, event_time="when")
    if kind in ("csv", "ndjson"):  # whose types are told by rows
        return
    with pytest.raises(DataError, match=r"source orders.* has no column 'when', which `event_time` names"):
        open_source(source, tmp_path).check_columns()


def test_columns_are_told_where_they_are_not_declared_and_need_no_rows(make, tmp_path):
    kind, source = make(columns=None, columns_declared=False, event_time=None)
    if kind == "csv":  # its types are those that values spell
        return
    told = open_source(source, tmp_path).told_columns()
    assert (told is None) == (kind not in TYPED)
    assert told is None or told["id"] == "int64"
    assert open_source(make()[1], tmp_path).told_columns() is None


def test_a_query_that_fails_and_a_database_that_is_away_are_told(tmp_path, postgres_url):
    source = make_source("postgres", tmp_path, postgres_url, sql=SqlQuery(url=postgres_url, query="select no from t"))
    with pytest.raises(DataError, match=r"source orders, its query fails: .*no") as failed:
        open_source(source, tmp_path).check_columns()
    away = "postgresql://ana:secret@127.0.0.1:1/shop?connect_timeout=2"
    source = make_source("postgres", tmp_path, postgres_url, sql=SqlQuery(url=away, query="select 1 as id"))
    with pytest.raises(StoreError, match="can't be read") as caught:
        open_source(source, tmp_path).check_columns()
    assert (failed.value.code, caught.value.code) == ("FC508", "FC605")
    assert "secret" not in caught.value.message
