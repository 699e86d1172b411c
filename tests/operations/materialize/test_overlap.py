"""A query by event time that is asked again: its rows take the places of the table's, and no others are touched."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.offline.delta import DeltaStore
from featurectl.operations.materialize import table_increment
from featurectl.operations.materialize.overlap import Overlap, find_overlap
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.table_increment import materialize_view
from featurectl.pit.questions import DEDUP, EVENT_TIME
from featurectl.sources.open import open_source
from tests.definitions import DELAYS, LATEST
from tests.operations.materialize.test_repeats import UNTIMED
from tests.operations.materialize.test_reread import EVERY, HOUR, insert
from tests.operations.materialize.test_view import DELAY_ALONE, at, run, values
from tests.seeds import examples

LATE = replace(UNTIMED, lateness_us=3 * HOUR)
ROW = ["carrier", "event_time", "available_at", "tie_order"]


def lacking(rows: pl.DataFrame, there: pl.DataFrame) -> list[int]:
    """Return the places of the rows that others lack, each as often as they lack it."""
    have = Counter(there.select(ROW).rows())
    places = []
    for place, row in enumerate(rows.select(ROW).rows()):
        have[row] -= 1
        if have[row] < 0:
            places.append(place)
    return places


def naive(before: pl.DataFrame, after: pl.DataFrame, since) -> tuple[pl.DataFrame, bool]:
    """Return a table's rows with those of a query in their places, by reading all; and whether one has no place."""
    at_since = pl.col(EVENT_TIME) == since
    again = before.filter(pl.col(EVENT_TIME) > since)
    asked = after.filter(at_since)
    added = asked[lacking(asked, before.filter(at_since))]
    after = pl.concat([added, after.filter(pl.col(EVENT_TIME) > since)])
    replaced = pl.col(DEDUP).is_in(after[DEDUP].drop_nulls().implode()).fill_null(value=False)
    kept = before.filter(pl.col(EVENT_TIME) <= since, ~replaced)
    lost = bool(lacking(again, after)) or kept.height + again.height < before.height
    return pl.concat([kept, after.select(kept.columns)]), lost


class Step:
    """One run over a small table, with what the naive way makes of the same rows."""

    def __init__(self, root: Path, view, source, memory_bytes: int, hour: int) -> None:
        view = replace(view, source=source)
        store = DeltaStore(str(root / "offline"), "p", rows_per_bucket=9, files_per_bucket=3)
        self.table = store.table(view.name, 1, view.entity.keys)
        reader = open_source(source, root)
        job = MaterializeRun(view=view, version=1, reader=reader, table=self.table, spill=root / "spill")
        coverage = self.table.coverage()
        self.rebuild_id = coverage.rebuild_id if coverage else ""
        self.wanted: pl.DataFrame | None = None
        self.lost = False
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(table_increment, "find_overlap", self._find)
            self.made = materialize_view(PolarsEngine(memory_bytes, 1), job, at(hour))

    def _find(self, job, rows, scan, space) -> Overlap:
        columns = rows.schema.names()
        self.wanted, self.lost = naive(self.table.read().select(columns), rows.of(0, 1), scan.since)
        return find_overlap(job, rows, scan, space)

    def check(self) -> None:
        """Compare what the table has with the naive rows."""
        if self.wanted is None:
            return
        order = [*ROW, DEDUP]
        have = self.table.read()
        assert set(have.columns) == set(self.wanted.columns)
        wanted = self.wanted.select(have.columns).sort(order)
        assert have.sort(order).equals(wanted)
        coverage = self.table.coverage()
        assert coverage is not None
        assert (coverage.rebuild_id != self.rebuild_id) == self.lost


EVENT = st.tuples(st.sampled_from("ABCDEF"), st.sampled_from(["x", "y", "z", "u", "v", None]),
    st.sampled_from([1.0, 2.0, None]), st.integers(0, 5), st.just(0))  # fmt: skip
CHANGE = st.sampled_from(["", "", "delete from arrivals where origin = 'x'", "update arrivals set arr_delay = 3.0",
    "delete from arrivals where carrier in ('A', 'B')", "update arrivals set carrier = 'F' where origin = 'y'",
    "delete from arrivals where rowid in (select max(rowid) from arrivals)"])  # fmt: skip
HISTORY = st.lists(st.tuples(st.lists(EVENT, max_size=6), CHANGE), min_size=2, max_size=6)
SOURCES = st.sampled_from([UNTIMED, LATE, *(replace(each, dedup_key=("origin",)) for each in (UNTIMED, LATE)),
    replace(LATE, dedup_key=("carrier", "at")), replace(LATE, dedup_key=())])  # fmt: skip
VIEWS = st.lists(st.sampled_from([LATEST, EVERY, DELAYS, DELAY_ALONE]), min_size=2, max_size=2)
MEMORY = st.sampled_from([1, 1 << 30])  # rows lie in files, or in memory


def check_history(root, history, views, source, memory_bytes):
    """Rows come late, more than once, are changed and go; in the middle the view may do without a column."""
    newest = 0
    insert(root)
    for number, (rows, change) in enumerate(history):
        view = views[number >= len(history) // 2] if views[0].name == views[1].name else views[0]
        insert(root, *((*row, max(newest - 4, 0) + after, known) for *row, after, known in rows))
        if change and source.dedup_key:  # without one all is read, and what is there no more is an error
            with closing(sqlite3.connect(root / "w.db")) as database, database:
                database.execute(change)
        step = Step(root, view, source, memory_bytes, 200)
        step.check()
        coverage = step.table.coverage()
        newest = (coverage.newest_event - at(0)) // timedelta(hours=1) if coverage.newest_event else 0


@pytest.mark.long
@settings(max_examples=examples(5, 30), deadline=None)
@given(HISTORY, VIEWS, SOURCES, MEMORY)
def test_a_query_asked_again_makes_the_table_of_the_naive_way(tmp_path_factory, history, views, source, memory):
    check_history(tmp_path_factory.mktemp("history"), history, views, source, memory)


@pytest.mark.stress
@settings(max_examples=400, deadline=None)
@given(HISTORY, VIEWS, SOURCES, MEMORY)
def test_many_queries_asked_again_make_the_tables_of_the_naive_way(tmp_path_factory, history, views, source, memory):
    check_history(tmp_path_factory.mktemp("history"), history, views, source, memory)


def test_rows_that_were_read_are_neither_dropped_nor_read_again(tmp_path):
    insert(tmp_path, ("A", "x", 1.0, 1, 0), ("A", "y", 2.0, 5, 0), ("B", "y", 9.0, 5, 0))
    made, _ = run(tmp_path, view=EVERY, source=replace(LATE, dedup_key=("origin",)))
    assert made.dropped == {"repeated": 1}
    insert(tmp_path, ("A", "z", 3.0, 6, 0), ("A", "x", 1.0, 7, 0), ("A", "u", 4.0, 4, 0))
    made, table = run(tmp_path, view=EVERY, source=replace(LATE, dedup_key=("origin",)))
    assert (made.dropped, table.coverage().dropped) == ({"repeated": 1}, {"repeated": 2})
    assert (made.rows_read, made.rows_written, made.action) == (3, 2, "append")
    made, table = run(tmp_path, view=EVERY, source=replace(LATE, dedup_key=("origin",)))
    assert (made.action, made.dropped, table.coverage().dropped) == ("nothing", {}, {"repeated": 2})


def test_a_row_of_the_watermark_is_no_repeat_of_itself(tmp_path):
    insert(tmp_path, ("A", "x", 1.0, 5, 0))
    run(tmp_path, view=EVERY, source=UNTIMED)
    insert(tmp_path, ("A", "y", 2.0, 6, 0))
    made, table = run(tmp_path, view=EVERY, source=UNTIMED)
    assert (made.dropped, table.coverage().dropped, made.rows_read, made.rows_written) == ({}, {}, 1, 1)


def test_a_run_of_new_rows_leaves_the_files_of_a_table_alone(tmp_path):
    insert(tmp_path, *((name, "x", 1.0, hour, 0) for name in "ABCDEF" for hour in range(6)))
    source = replace(LATE, dedup_key=("carrier", "at"))
    before = Step(tmp_path, LATEST, source, 1 << 30, 200).table
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "offline").rglob("*.parquet")}
    insert(tmp_path, ("A", "x", 2.0, 7, 0), ("G", "x", 2.0, 4, 0))
    step = Step(tmp_path, LATEST, source, 1 << 30, 200)
    assert (step.made.action, step.made.rows_written) == ("append", 2)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "offline").rglob("*.parquet")}
    assert {path: after[path] for path in files} == files
    assert {str(path) for path in after} == set(before._open().file_uris())  # noqa: SLF001  # of the newest version
    assert step.table.read().height == 38


@pytest.mark.long
def test_a_row_that_went_takes_the_files_that_have_it_and_no_others(tmp_path):
    source = replace(LATE, dedup_key=("carrier", "at"))
    insert(tmp_path, *((name, "x", 1.0, hour, 0) for name in "ABCDEF" for hour in range(6)))
    first = Step(tmp_path, LATEST, source, 1 << 30, 200).table
    old = set((tmp_path / "offline").rglob("*.parquet"))
    insert(tmp_path, ("A", "x", 2.0, 7, 0))
    Step(tmp_path, LATEST, source, 1 << 30, 200)
    (small,) = set((tmp_path / "offline").rglob("*.parquet")) - old
    with closing(sqlite3.connect(tmp_path / "w.db")) as database, database:
        database.execute("delete from arrivals where arr_delay = 2.0")
    step = Step(tmp_path, LATEST, source, 1 << 30, 200)
    step.check()
    assert step.made.action == "append"
    named = set(first._open().file_uris())  # noqa: SLF001  # which files the newest version has
    assert (str(small) in named, {str(path) for path in old} == named) == (False, True)
    assert values(step.table) == [1.0] * 36
