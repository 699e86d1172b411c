"""A BigQuery is read as it says its columns are, and nobody pays for more than was asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source, SqlQuery
from featurectl.sources.original_columns import split_kept
from featurectl.sources.sql.reader import SqlReader
from tests.model_shop import PROJECT
from tests.servers.bigquery import run_in_bigquery

pytestmark = pytest.mark.guests
VIEW = """
entities: [{name: key, keys: {k: string}}]
sources:
  - name: s
    SQL
    columns: {k: string, at: timestamp, a: int64}
    event_time: at
    available_at: at
feature_views:
  - {name: v, entity: key, source: s, features: [a]}
"""


@pytest.fixture(scope="module")
def dataset(bigquery_server):
    return bigquery_server.made_dataset()


@pytest.fixture(params=["pages", "streams"])
def url(request, bigquery_server, dataset):
    """A dataset whose rows come by pages, or by the Storage Read API."""
    streams = [f"storage_endpoint=http://127.0.0.1:{bigquery_server.storage}"] * (request.param == "streams")
    return bigquery_server.url(dataset, *streams)


def reader(url, query, tmp_path, **keys):
    source = Source(name="orders", format="sql", sql=SqlQuery(url=url, query=query), event_time=None, **keys)
    return SqlReader(source=source, root=tmp_path, url=url)


def raw(url, query, tmp_path) -> pl.DataFrame:
    read = reader(url, query, tmp_path)
    return split_kept(read.scan_kept(read.parts()).collect())[1]


# What is asked for, the type that it is read as, and the value.
VALUES = [
    ("true", pl.Boolean(), True),
    ("9223372036854775807", pl.Int64(), 2**63 - 1),
    ("-0.1", pl.Float64(), -0.1),
    ("cast('-inf' as float64)", pl.Float64(), float("-inf")),
    ("parse_numeric('-12345678901234567890123456789.123456789')", pl.Decimal(38, 9),
     Decimal("-12345678901234567890123456789.123456789")),
    ("parse_bignumeric('0.000000001')", pl.Decimal(38, 9), Decimal("0.000000001")),
    ("'ä€😀'", pl.String(), "ä€😀"),
    ("''", pl.String(), ""),
    ("from_hex('00ff')", pl.Binary(), b"\x00\xff"),
    ("date '0001-01-01'", pl.Date(), date(1, 1, 1)),
    ("date '9999-12-31'", pl.Date(), date(9999, 12, 31)),
    ("datetime '2024-03-31 02:30:00.000001'", pl.Datetime("us"), datetime(2024, 3, 31, 2, 30, 0, 1)),  # noqa: DTZ001
    ("timestamp '2024-03-31 01:30:00.000001+00'", pl.Datetime("us", "UTC"),
     datetime(2024, 3, 31, 1, 30, 0, 1, tzinfo=UTC)),
    ("timestamp '1960-01-01 00:00:00-08'", pl.Datetime("us", "UTC"), datetime(1960, 1, 1, 8, tzinfo=UTC)),
    ("time '23:59:59.999999'", pl.Time(), time(23, 59, 59, 999_999)),
    ("json '[1]'", pl.String(), "[1]"),
    ("[1, 2]", pl.List(pl.Int64()), [1, 2]),
    ("['a']", pl.List(pl.String()), ["a"]),
    ("[numeric '1.5']", pl.List(pl.Decimal(38, 9)), [Decimal("1.5")]),
    ("struct(1 as x, 'a' as y)", pl.Struct({"x": pl.Int64(), "y": pl.String()}), {"x": 1, "y": "a"}),
    ("[struct(timestamp '2024-01-01 00:00:00+00' as t)]",
     pl.List(pl.Struct({"t": pl.Datetime("us", "UTC")})), [{"t": datetime(2024, 1, 1, tzinfo=UTC)}]),
    ("cast(null as string)", pl.String(), None),
    ("cast(null as timestamp)", pl.Datetime("us", "UTC"), None),
    ("cast(null as numeric)", pl.Decimal(38, 9), None),
    ("cast(null as array<int64>)", pl.List(pl.Int64()), []),  # as BigQuery gives them
]  # fmt: skip


def test_each_type_is_read_as_its_counterpart(url, tmp_path):
    names = [f"c{i}" for i in range(len(VALUES))]
    query = "select " + ", ".join(f"{text} as {name}" for name, (text, _, _) in zip(names, VALUES, strict=True))
    found = raw(url, query, tmp_path)
    assert list(found.schema.items()) == [(name, kind) for name, (_, kind, _) in zip(names, VALUES, strict=True)]
    assert found.rows() == [tuple(value for _, _, value in VALUES)]


def test_no_number_is_one(url, tmp_path):
    assert raw(url, "select cast('nan' as float64) as a", tmp_path)["a"].is_nan().all()


def test_what_has_no_counterpart_is_refused_by_name(url, tmp_path):
    with pytest.raises(DataError, match="column 'a' can't be read: it is of type INTERVAL: cast it") as caught:
        raw(url, "select interval 1 day as a", tmp_path)
    assert caught.value.code == "FC504"


def test_an_unknown_parameter_is_named(url, tmp_path):
    with pytest.raises(DataError, match="no parameter of BigQuery is called 'maximum_bytes'") as caught:
        raw(f"{url}&maximum_bytes=3", "select 1 as a", tmp_path)
    assert caught.value.code == "FC508"


def test_columns_are_checked_without_reading(bigquery_server, bigquery_url, tmp_path):
    def jobs() -> set[str]:  # the oldest of many are not listed any more
        return {job.job_id for job in bigquery_server.client().list_jobs() if not getattr(job, "dry_run", None)}

    run_in_bigquery(bigquery_url, "create table t (a int64, b string)", "insert into t values (1, 'x'), (2, 'y')")
    before = jobs()
    assert reader(bigquery_url, "select a from t", tmp_path).check_columns() is not None
    wrong = reader(bigquery_url, "select a from t", tmp_path, columns={"b": "string"}, columns_declared=True)
    with pytest.raises(DataError, match="no column 'b'"):
        wrong.check_columns()
    assert jobs() <= before


def test_a_plan_that_checks_sources_tells_what_is_billed(bigquery_url, tmp_path, capsys, monkeypatch):
    run_in_bigquery(bigquery_url, "create table t (k string, at timestamp, a int64)")
    monkeypatch.setattr(QueryJob(), "total_bytes_processed", property(lambda _: 3 << 30))
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    sql = f'sql: {{url: "{bigquery_url}", query: "select k, at, a from t where at >= :since"}}'
    (tmp_path / "o.yaml").write_text(VIEW.replace("SQL", sql))
    assert main(["plan", "--check-sources", "-C", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "source s: 3.2 GB are billed where it is read from the beginning" in said


def QueryJob() -> type:  # noqa: N802  # imported when its environment is there
    """Return Google's class of jobs."""
    from google.cloud import bigquery

    return bigquery.QueryJob
