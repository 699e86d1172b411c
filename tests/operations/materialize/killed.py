"""What a process does that materializes a view file by file until it is killed.

Each run takes one more file of the source into a table of many buckets, a few of which are compacted at every run. It
writes a letter to stdout as it goes: `r` when a run begins, `w` when its files begin to be written, `c` when they are
committed, `e` at the end.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from featurectl.engines.base import BucketedRows
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore, ViewTable
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.table_increment import Materialized, materialize_view
from featurectl.sources.base import SourceScan
from featurectl.sources.open import open_source
from tests.definitions import ARRIVALS, LATEST

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=999)
ROWS = 4_000
VIEW = replace(LATEST, source=replace(ARRIVALS, path="data/*.parquet", dedup_key=("carrier", "at")))


def write_file(root: Path, number: int) -> None:
    """Write one file of the source: events of its day, known by its end; each carrier has a few."""
    (root / "data").mkdir(exist_ok=True)
    place = pl.int_range(ROWS, eager=True)
    day = START + timedelta(days=number)
    at = pl.lit(day) + pl.duration(seconds=pl.col("place"))
    frame = pl.DataFrame({"place": place}).select(
        (pl.col("place") * 7919 % 500).cast(pl.String).alias("carrier"),
        pl.lit("JFK").alias("origin"),
        (pl.col("place") * 0.25 + number).alias("arr_delay"),
        at.cast(pl.Datetime("us", "UTC")).alias("at"),
        pl.lit(day + timedelta(hours=20)).cast(pl.Datetime("us", "UTC")).alias("known_at"),
    )
    whole = root / "data" / f"{number:04}.parquet"
    part = whole.with_suffix(".part")
    frame.write_parquet(part)
    part.replace(whole)  # what is killed here leaves no half of a source


def open_run(root: Path, offline: str = "offline", view: FeatureView = VIEW) -> MaterializeRun:
    """Return the view with its source and its table of 16 buckets, which are compacted beyond three files."""
    store = DeltaStore(str(root / offline), "p", rows_per_bucket=ROWS // 16, files_per_bucket=3)
    table = store.table(view.name, 1, view.key_types)
    return MaterializeRun(
        view=view, version=1, reader=open_source(view.source, root), table=table, spill=root / "spill"
    )


def materialize(root: Path, offline: str = "offline") -> Materialized:
    """Bring the table up to its source, with so little memory that rows lie in files."""
    return materialize_view(PolarsEngine(1 << 20, 2), open_run(root, offline), NOW)


def say(letter: str) -> None:
    """Write a letter at once."""
    sys.stdout.write(letter)
    sys.stdout.flush()


def main(root: Path, files: int) -> None:
    """Take one file after the other, telling how far each run has come."""
    commit, log = ViewTable._commit, ViewTable._log  # noqa: SLF001  # kills between two steps of a commit

    def told_commit(self: ViewTable, *args: object) -> int:
        say("w")
        return commit(self, *args)  # type: ignore[arg-type]

    def told_log(self: ViewTable, *args: object) -> int:
        number = log(self, *args)  # type: ignore[arg-type]
        say("c")
        return number

    ViewTable._commit, ViewTable._log = told_commit, told_log  # type: ignore[method-assign,assignment]  # noqa: SLF001  # kills between two steps of a commit
    for number in range(files):
        if not (root / "data" / f"{number:04}.parquet").exists():
            write_file(root, number)
        say("r")
        materialize(root)
    say("e")


def expected(root: Path, coverage: Coverage | None) -> pl.DataFrame | None:
    """Return the rows of the files that a table says it has read, as one undisturbed run gives them."""
    if coverage is None:
        return None
    run = open_run(root)
    pieces = [part for part in run.reader.parts() if part.name in coverage.parts]
    from featurectl.engines.base import Piece

    prepared = PolarsEngine(1 << 30, 1).prepare(
        [Piece(scan=SourceScan(reader=run.reader, parts=(part,)), until=NOW) for part in pieces], VIEW
    )
    rows: BucketedRows = prepared.rows
    return rows.of(0, 1)
