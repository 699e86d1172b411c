"""Every feature of the template's model, on all its flights, equals plain SQL written without featurectl."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from benchmarks.story import HONEST
from benchmarks.story_features import FEATURES, all_columns, open_tables
from featurectl.engines.base import Piece
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.load import load_repo
from featurectl.offline.base import TableStatistics
from featurectl.operations.init import template_folder, write_repository
from featurectl.operations.training.join import join_features
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.views import BoundView
from featurectl.sources.base import SourceScan
from featurectl.sources.open import open_source, read_schema

TIMES = {"flights": "decided_at", "departures": "departed_at", "arrivals": "sched_dep_at", "weather": "observed_at"}
FROM, TO = datetime(2013, 10, 30, tzinfo=UTC), datetime(2013, 11, 5, tzinfo=UTC)  # the clocks go back on 3 November


@dataclass
class InMemory:
    """Prepared rows in the place of an offline table."""

    rows: pl.DataFrame

    def buckets(self, version: int | None = None) -> int:  # noqa: ARG002  # of the protocol
        return 1

    def statistics(self, version: int | None = None) -> TableStatistics:  # noqa: ARG002  # of the protocol
        return TableStatistics(rows=self.rows.height, size_bytes=0, files=1)

    def read(self, *, bucket, version, columns=None) -> pl.DataFrame:  # noqa: ARG002  # of the protocol
        return self.rows


def by_featurectl(root: Path) -> pl.DataFrame:
    """Return the model's inputs at every row of the repository's spine."""
    repo = load_repo(root, lambda source: read_schema(source, root))
    engine, views = PolarsEngine(), {}
    for name, view in repo.views.items():
        reader = open_source(view.source, root)
        piece = Piece(scan=SourceScan(reader=reader, parts=reader.parts()), until=datetime(9999, 1, 1, tzinfo=UTC))
        table = InMemory(engine.prepare([piece], view).rows.of(0, 1))
        views[name] = BoundView(view=view, version=1, stored=table, table_version=0)  # type: ignore[arg-type]
    model = repo.models["late_arrival"]
    reader = open_source(model.spine.source, root)
    rows = reader.scan(reader.parts()).collect()
    spine = SpineRows(rows=rows, own=rows, time=rows[model.spine.time], time_column=model.spine.time, origin="flights")
    return join_features(engine, spine, model.inputs, views)


def by_sql(root: Path) -> pl.DataFrame:
    with open_tables(root / "data") as database:
        return all_columns(database, HONEST)


def different(ours: pl.Series, theirs: pl.Series) -> int:
    """Return how many values differ: text exactly, numbers by more than 1e-12 of themselves (or of a minute)."""
    if ours.dtype == pl.String:
        return int(ours.ne_missing(theirs).sum())
    a, b = ours.cast(pl.Float64), theirs.cast(pl.Float64)
    apart = (a - b).abs() > 1e-12 * pl.select(pl.max_horizontal(b.abs(), pl.lit(60.0))).to_series()
    return int((a.is_null() != b.is_null()).sum() + apart.sum())  # type: ignore[operator, operator]


def assert_equal(root: Path, rows: int) -> None:
    ours, theirs = by_featurectl(root), by_sql(root)
    assert ours.height == theirs.height == rows
    assert {name: n for name in FEATURES if (n := different(ours[name], theirs[name]))} == {}
    assert all(ours[name].null_count() < rows for name in FEATURES)


@pytest.mark.long
def test_six_days_of_flights_have_the_features_that_sql_gives_them(tmp_path):
    root = tmp_path / "flights"
    write_repository(template_folder() / "flights", root, "flights")
    for name, time in TIMES.items():
        path = root / "data" / f"{name}.parquet"
        pl.read_parquet(path).filter(pl.col(time).is_between(FROM, TO)).write_parquet(path)
    assert_equal(root, pl.read_parquet(root / "data" / "flights.parquet").height)


@pytest.mark.stress
def test_all_flights_have_the_features_that_sql_gives_them(tmp_path):
    root = tmp_path / "flights"
    write_repository(template_folder() / "flights", root, "flights")
    assert_equal(root, 336_776)
