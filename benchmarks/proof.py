"""Count, over all of the template's flights, that features are what they claim to be; print a table.

    python -m benchmarks.proof [DIR]       (DIR is made anew; default: proof)

Everything goes through the commands of featurectl; what they give is held against code that shares nothing with
them: `tests/end_to_end`. `make test` runs the same checks on six weeks. Takes some minutes.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tests.end_to_end.checks import (
    MODELS,
    Joined,
    against_oracle,
    against_range_joins,
    against_spine,
    ambiguous_rows,
    different,
    draw_rows,
)
from tests.end_to_end.compare import Compared
from tests.end_to_end.flights import TIME, Repository, build, write_flights
from tests.end_to_end.increments import add_files, blank_rows, tables_below, late_rows, split_sources
from tests.end_to_end.perturb import differing_cells, perturb_sources
from tests.end_to_end.served import SERVED, add_environment, online_rows, scores_by_hand, write_requests

ROWS, SEED = 2_000, 2013
INSTANTS = [
    datetime(2013, *day, tzinfo=UTC)
    for day in ((2, 14, 17), (5, 31, 12, 30), (8, 20, 21, 15), (11, 3, 6), (12, 24, 19, 45))
]
SERVED_AT, REQUESTS = datetime(2013, 12, 5, 15, 30, tzinfo=UTC), 1_000
NOW = datetime(2014, 1, 1, 12, tzinfo=UTC)
STEPS = [datetime(2013, *day, tzinfo=UTC) for day in ((4, 1, 21), (7, 15, 20), (10, 9, 3))]
CUT = STEPS[1]  # what was reported later lies in a second file

TrainingSets = Mapping[str, pl.DataFrame]
Line = tuple[str, str, bool]  # what is shown, with which figures, and whether it holds


def main(arguments: list[str]) -> int:
    """Print a line as each part is done; 0 when all of them hold."""
    folder = Path(arguments[0] if arguments else "proof").absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / "year" / "featurectl.yaml").exists():
        print(f"{folder} holds something else; give another folder")
        return 64
    shutil.rmtree(folder, ignore_errors=True)
    failed, begin = 0, time.perf_counter()
    for what, figures, holds in prove(folder):
        seconds, begin = time.perf_counter() - begin, time.perf_counter()
        print(f"{'ok  ' if holds else 'FAIL'} {seconds:6.1f} s  {what:<58} {figures}", flush=True)
        failed += not holds
    return 1 if failed else 0


def prove(folder: Path) -> Iterator[Line]:
    """Yield the lines of the table."""
    year = build(write_flights(folder / "year"))
    made = {model: year.training_set(model) for model in MODELS}
    height = made["everything"].height
    yield (
        "repository made, training sets written",
        f"{height:,} rows, {made['everything'].width} and {made['late_arrival'].width} columns",
        True,
    )
    yield from spine_lines(year, made)
    yield from oracle_lines(year, made)
    yield from join_lines(year, made["everything"])
    for at in INSTANTS:
        yield leak_line(year, made, folder / "perturbed", at)
    yield from second_run_lines(year, folder / "again")
    yield from step_lines(year, made, folder / "steps")
    yield from served_lines(year, folder / "served")
    yield from model_lines(year)


def spine_lines(year: Repository, made: TrainingSets) -> Iterator[Line]:
    """One row per spine row, in order, the spine's columns unchanged."""
    for model, rows in made.items():
        found = against_spine(year, model, rows)
        yield f"{model}: the spine's rows, order and columns", counted(found), not different(found)


def oracle_lines(year: Repository, made: TrainingSets) -> Iterator[Line]:
    """Features of random rows against the naive oracle."""
    found = against_oracle(year, made, draw_rows(made["everything"].height, ROWS, SEED))
    yield f"all features of {ROWS:,} random rows: the naive oracle's", counted(found), not different(found)
    ties = ambiguous_rows(year)
    yield "rows that tie for the latest and say different things", str(sum(ties.values())), not any(ties.values())


def join_lines(year: Repository, everything: pl.DataFrame) -> Iterator[Line]:
    """Windows at all rows against range joins in DuckDB."""
    found = against_range_joins(year, everything)
    for name, joined in found.items():
        figures = f"{joined.compared.cells:,} cells, {joined.compared.different} differ, SQL {joined.seconds:.2f} s"
        yield f"  {name}", figures, joined.compared.different == 0
    slowest = max(item.seconds for item in found.values())
    whole = {name: item.compared for name, item in found.items()}
    yield (
        f"{len(found)} windows at all rows: range joins",
        f"{counted(whole)}, slowest SQL {slowest:.2f} s",
        not different(found),
    )


def leak_line(year: Repository, made: TrainingSets, root: Path, at: datetime) -> Line:
    """Perturb what was not known at an instant, and compare the rows up to it to the last bit."""
    copy = year.copy(root)
    done = perturb_sources(copy, at, seed=at.day)
    copy.run("materialize", "--full", "--no-online")
    wrong = later = cells = 0
    for model, before in made.items():
        after, early = copy.training_set(model), before[TIME] <= at
        cells += int(early.sum()) * before.width
        wrong += sum(differing_cells(before.filter(early), after.filter(early), before.columns).values())
        later += sum(differing_cells(before.filter(~early), after.filter(~early), before.columns).values())
    shutil.rmtree(root)
    touched = sum(p.deleted + p.changed + p.moved + p.added for p in done.values())
    figures = f"{touched:,} rows perturbed; {cells:,} cells up to T: {wrong} differ; after T {later:,} do"
    return f"no leak at T = {at:%Y-%m-%d %H:%M}", figures, wrong == 0 and later > 0


def second_run_lines(year: Repository, root: Path) -> Iterator[Line]:
    """Materialize again, over files whose rows can't be read any more."""
    copy = year.copy(root)
    for path in (copy.root / "data").glob("*.parquet"):
        blank_rows(path)
    before = tables_below(copy.root / ".featurectl" / "offline")
    begin = time.perf_counter()
    made = copy.run("materialize")["views"]
    seconds = time.perf_counter() - begin
    read, written = sum(v["rows_read"] for v in made), sum(v["rows_written"] for v in made)
    same = tables_below(copy.root / ".featurectl" / "offline") == before
    yield (
        "second materialize, sources blanked",
        f"{read} rows read, {written} written, no file touched: {same}, {seconds:.2f} s",
        same and not read,
    )
    later = (NOW + timedelta(hours=1)).isoformat()
    made = copy.run("materialize", "--as-of", later)["views"]
    sent = sum(v["online_rows_sent"] for v in made)
    same = tables_below(copy.root / ".featurectl" / "offline") == before
    yield (
        "the same an hour later: only pushes",
        f"{sent:,} online rows sent, no file touched: {same}",
        same and sent > 0,
    )
    shutil.rmtree(root)


def step_lines(year: Repository, made: TrainingSets, root: Path) -> Iterator[Line]:
    """Materialize in steps over two files a source."""
    steps = write_flights(root)
    rest = split_sources(steps, CUT)
    steps.run("apply", "--auto-approve")
    versions = 0
    for at in (*STEPS, NOW):
        if at > CUT:
            add_files(steps, rest)
            rest = {}
        views = steps.run("materialize", "--no-online", "--as-of", at.isoformat())["views"]
        versions = max(view["table_version"] for view in views)
    late = sum(late_rows(year, at, 3) for at in STEPS)
    for model, whole in made.items():
        again = steps.training_set(model)
        year.training_set(model)
        bytes_equal = (root / "made.parquet").read_bytes() == (year.root / "made.parquet").read_bytes()
        figures = f"{versions + 1} runs, {late} late rows; bytes equal: {bytes_equal}"
        yield f"{model}: steps give what one run gives", figures, again.equals(whole)
    shutil.rmtree(root)


def served_lines(year: Repository, root: Path) -> Iterator[Line]:
    """Score a spine in batch, and by hand from online values."""
    copy = year.copy(root)
    add_environment(copy)
    at = SERVED_AT.isoformat()
    copy.run("apply", "--auto-approve", *SERVED)
    copy.run("materialize", *SERVED, "--as-of", at)
    copy.run("train", "late_arrival", *SERVED)
    spine, out = write_requests(copy, SERVED_AT, REQUESTS, SEED), copy.root / "scores.parquet"
    copy.run("score", "late_arrival", *SERVED, "--as-of", at, "--spine", str(spine), "--out", str(out))
    online = online_rows(copy, "served", "late_arrival", pl.read_parquet(spine), SERVED_AT)
    scores = pl.read_parquet(out)["p_late"].to_numpy()
    worst = float(np.abs(scores - scores_by_hand(copy, "served", "late_arrival", online, SERVED_AT)).max())
    figures = f"{len(scores):,} rows, {scores.min():.3f} .. {scores.max():.3f}, greatest difference {worst:.1e}"
    yield f"batch scores are the scores of online values, {SERVED_AT:%d %B %H:%M}", figures, worst <= 1e-12
    shutil.rmtree(root)


def model_lines(year: Repository) -> Iterator[Line]:
    """Train both models of the template."""
    auc = {m: year.run("train", m)["metrics"]["auc"] for m in ("late_arrival_static", "late_arrival")}
    gain = auc["late_arrival"] - auc["late_arrival_static"]
    yield (
        "test AUC, October to December",
        f"static {auc['late_arrival_static']:.4f}, point-in-time {auc['late_arrival']:.4f}, gain {gain:.4f}",
        gain >= 0.10,
    )


def counted(found: Mapping[object, Compared | Joined]) -> str:
    """Return the figures of a comparison as text."""
    whole = sum((item for item in found.values()), start=Compared())
    return f"{whole.cells:,} cells, {whole.different} differ, greatest difference {whole.worst:.1e}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
