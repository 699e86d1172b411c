"""Files and tables in object stores are sources as those in folders are, run by run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import polars as pl
import pytest
from obstore.store import from_url

from tests.model_shop import Shop

PROJECT = """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: "OFFLINE", online: "sqlite:///on.db", now: 2026-01-20T00:00:00Z}
"""
OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - {name: s, SOURCE, event_time: at, columns: {k: string, at: timestamp, n: int64, d: "decimal(9,2)"}}
feature_views:
  - {name: v, entity: key, source: s, features: [n, d]}
"""
KINDS = {
    "parquet": 'path: "PLACE/rows*.parquet"', "csv": 'path: "PLACE/rows*.csv"', "ndjson": 'path: "PLACE/rows*.ndjson"',
    "delta": 'path: "PLACE/table", format: delta',
}  # fmt: skip


def rows(first: int, count: int = 5) -> pl.DataFrame:
    """Return some rows, later the larger their number."""
    numbers = range(first, first + count)
    at = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number) for number in numbers]
    known = {"k": [f"k{number % 3}" for number in numbers], "at": at, "n": list(numbers)}
    return pl.DataFrame(known).with_columns((pl.col("n") / 4).cast(pl.Decimal(9, 2)).alias("d"))


def put(kind: str, place: str, number: int) -> None:
    """Add rows to a source."""
    more, name = rows(10 * number), f"{place}/rows{number}.{kind}"
    if kind == "delta":
        more.write_delta(f"{place}/table", mode="append")
    elif kind == "parquet":
        more.write_parquet(name)
    elif kind == "csv":
        more.write_csv(name)
    else:
        at = pl.col("at").dt.to_string("iso:strict")
        text = more.with_columns(at).write_ndjson().encode()
        if "://" in name:
            obstore.put(from_url(place), name.removeprefix(f"{place}/"), text)
        else:
            Path(name).write_bytes(text)


def tables(place: str) -> pl.DataFrame:
    """Return the offline table of the view, sorted."""
    frame = pl.read_delta(f"{place}/shop/v/v1")
    return frame.sort(frame.columns)


@pytest.fixture
def runs(tmp_path, monkeypatch, capsys, bucket):
    """Runs a view over a source at a place, three times with more rows, and gives what the runs did and the table."""

    def run(kind: str, name: str, place: str, offline: str) -> tuple[list[str], pl.DataFrame]:
        root = tmp_path / name
        root.mkdir()
        monkeypatch.chdir(root)
        (root / "featurectl.yaml").write_text(PROJECT.replace("OFFLINE", offline))
        (root / "o.yaml").write_text(OBJECTS.replace("SOURCE", KINDS[kind]).replace("PLACE", place))
        shop, did = Shop(root, capsys), []
        put(kind, place, 0)
        shop.run("apply", "--auto-approve")
        for number in (1, 2, 3):
            did.append(shop.run("materialize").out.splitlines()[1].split()[1])
            put(kind, place, number)
        return did, tables(offline)

    assert bucket
    return run


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_source_in_a_bucket_is_read_run_by_run_as_one_in_a_folder(runs, bucket, tmp_path, kind):
    (tmp_path / "here").mkdir()
    found = runs(kind, "away", bucket.location(), bucket.location())
    wanted = runs(kind, "local", ".", str(tmp_path / "here"))
    assert wanted[0] == ["first", "append", "append"]
    assert found[0] == (wanted[0] if kind == "delta" else ["first", "rebuild", "rebuild"])  # files there are one part
    assert found[1].equals(wanted[1])
    assert found[1].height == 15


@pytest.mark.guests
@pytest.mark.parametrize(
    "begin", ["az://warehouse", "abfs://warehouse", "abfss://warehouse@featurectl.dfs.core.windows.net"]
)
def test_each_way_to_write_an_address_of_azure_is_the_same_place(azure, begin):
    place = azure.location()
    rows(0).write_delta(f"{place}/table")
    other = place.replace("az://warehouse", begin)
    assert pl.read_delta(f"{other}/table").equals(rows(0))
    store = from_url(other)
    assert any(each["path"].startswith("table/_delta_log/") for some in obstore.list(store) for each in some)
