"""Any sequence of runs gives the table of one run; a run without new rows reads and writes nothing."""

import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError, TryAgainError
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.data_roots import DataRoots
from featurectl.language.definitions.source import Check, SqlQuery
from featurectl.offline.delta import DeltaStore
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.table_increment import materialize_view
from featurectl.sources.open import open_source
from tests.definitions import ARRIVALS, DELAYS, LATEST, named
from tests.seeds import examples

T0 = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
SCHEMA: dict[str, Any] = {
    "carrier": pl.String,
    "origin": pl.String,
    "arr_delay": pl.Float64,
    "at": INSTANT,
    "known_at": INSTANT,
}
FILES = replace(ARRIVALS, path="data/*.parquet")


def at(hour):
    return T0 + timedelta(hours=hour)


def write(root: Path, name: str, *rows):
    """(carrier, delay, event hour, available hour) each, as one file."""
    (root / "data").mkdir(exist_ok=True)
    data = [(c, "JFK", d, at(e), at(a)) for c, d, e, a in rows]
    pl.DataFrame(data, schema=SCHEMA, orient="row").write_parquet(root / "data" / name)


def run(root: Path, view=LATEST, source=FILES, offline="offline", hour=99, *, full=False, data_roots=()):  # noqa: PLR0913  # most have a default
    view = replace(view, source=source)
    table = DeltaStore(str(root / offline), "p").table(view.name, 1, view.entity.keys)
    reader = open_source(source, root, data_roots=DataRoots(folders=data_roots))
    job = MaterializeRun(view=view, version=1, reader=reader, table=table)
    return materialize_view(PolarsEngine(1), job, at(hour), full=full), table


def values(table):
    return table.read()["arr_delay"].to_list()


def test_a_second_run_reads_no_rows_and_writes_no_version(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    first, table = run(tmp_path)
    assert (first.action, first.rows_read, first.table_version, first.watermark) == ("first", 1, 0, at(2))
    second, table = run(tmp_path, hour=100)
    assert (second.action, second.rows_read, second.rows_written, second.table_version) == ("nothing", 0, 0, 0)
    assert table.version() == 0


def test_a_new_file_is_appended_and_late_rows_are_picked_up(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))
    run(tmp_path)
    write(tmp_path, "2.parquet", ("A", 2.0, 1, 7), ("B", 3.0, 8, 8))  # the first happened before, and is known later
    made, table = run(tmp_path)
    assert (made.action, made.rows_read, made.table_version) == ("append", 2, 1)
    assert values(table) == [2.0, 1.0, 3.0]


def test_rows_of_the_future_are_held_back_and_taken_once(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("A", 2.0, 1, 10), ("A", 3.0, 1, 20))
    assert values(run(tmp_path, hour=5)[1]) == [1.0]
    assert run(tmp_path, hour=5)[0].action == "nothing"
    assert values(run(tmp_path, hour=15)[1]) == [1.0, 2.0]
    made, table = run(tmp_path, hour=25)
    assert values(table) == [1.0, 2.0, 3.0]
    assert made.rows_read == 1
    assert run(tmp_path, hour=26)[0].action == "nothing"


def test_an_earlier_now_changes_nothing(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    run(tmp_path, hour=10)
    assert run(tmp_path, hour=1)[0].action == "nothing"


def test_full_rebuilds_and_gives_the_same_rows(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("B", 2.0, 1, 2))
    _, table = run(tmp_path)
    before = table.read()
    made, table = run(tmp_path, full=True)
    assert (made.action, made.table_version) == ("rebuild", 1)
    assert table.read().equals(before)
    assert table.read(version=0).equals(before)


def test_a_new_input_column_rebuilds_the_table_and_keeps_the_old_values(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    run(tmp_path)
    wider = replace(LATEST, inputs=(*LATEST.inputs, named("late", "late")))
    made, table = run(tmp_path, view=wider)
    assert made.action == "rebuild"
    assert table.read().select("arr_delay", "late").rows() == [(1.0, False)]


DELAY_ALONE = replace(LATEST, inputs=LATEST.inputs[:1], features=LATEST.features[:1])
HOURS_ALONE = replace(LATEST, inputs=LATEST.inputs[1:], features=LATEST.features[1:])


@pytest.mark.long
def test_a_column_that_no_feature_reads_leaves_with_the_next_rows(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    _, table = run(tmp_path)
    first = table.coverage().rebuild_id
    assert run(tmp_path, view=DELAY_ALONE)[0].action == "nothing"
    write(tmp_path, "2.parquet", ("A", 2.0, 0, 3))
    made, table = run(tmp_path, view=DELAY_ALONE)
    assert (made.action, made.rows_read, table.coverage().rebuild_id) == ("append", 1, first)
    assert table.read().equals(run(tmp_path, view=DELAY_ALONE, offline="whole")[1].read())
    assert table.read(version=0)["hours"].to_list() == [1.0 / 60]  # a manifest may name it
    made, table = run(tmp_path)
    assert (made.action, table.read()["hours"].to_list()) == ("rebuild", [2.0 / 60, 1.0 / 60])


def test_an_input_column_that_means_something_else_now_rebuilds_the_table(tmp_path):
    write(tmp_path, "1.parquet", ("A", 60.0, 1, 2))
    run(tmp_path)
    other = replace(LATEST, inputs=(LATEST.inputs[0], named("hours", "arr_delay / 30")))
    made, table = run(tmp_path, view=other)
    assert made.action == "rebuild"
    assert table.read()["hours"].to_list() == [2.0]


def test_dropped_rows_are_counted_over_all_runs(tmp_path):
    write(tmp_path, "1.parquet", (None, 1.0, 1, 2), ("A", 1.0, 1, 2))
    made, _ = run(tmp_path)
    assert made.dropped == {"null key": 1}
    write(tmp_path, "2.parquet", (None, 1.0, 3, 4))
    _, table = run(tmp_path)
    assert table.coverage().dropped == {"null key": 2}


def test_a_repeat_in_a_later_file_is_told_from_the_rows_read_before(tmp_path):
    source = replace(FILES, dedup_key=("carrier", "at"))
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    run(tmp_path, source=source)
    write(tmp_path, "2.parquet", ("A", 9.0, 1, 5), ("A", 2.0, 2, 5))
    made, table = run(tmp_path, source=source)
    assert values(table) == [1.0, 2.0]
    assert made.dropped == {"repeated": 1}


def test_a_source_that_can_not_be_read_leaves_the_table_as_it_was(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    run(tmp_path)
    (tmp_path / "data" / "2.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"2\.parquet"):
        run(tmp_path)
    table = DeltaStore(str(tmp_path / "offline"), "p").table("latest", 1, {"carrier": "string"})
    assert (table.version(), values(table)) == (0, [1.0])


def test_an_empty_source_makes_an_empty_table(tmp_path):
    write(tmp_path, "1.parquet")
    made, table = run(tmp_path, view=DELAYS)
    assert (made.rows_written, table.read().height) == (0, 0)
    assert run(tmp_path, view=DELAYS)[0].action == "nothing"


def test_a_table_that_another_run_wrote_meanwhile_is_refused(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    _, ours = run(tmp_path)
    covered = ours.coverage()
    write(tmp_path, "2.parquet", ("A", 2.0, 1, 3))
    run(tmp_path)
    with pytest.raises(TryAgainError):
        ours.append(ours.read(), covered)


@contextmanager
def queried(root):
    """A source over a query with `:since` and lateness, and what inserts a row into its table."""
    database = sqlite3.connect(root / "w.db")
    database.execute("create table arrivals (carrier text, origin text, arr_delay real, at text, known_at text)")

    def insert(carrier, delay, hour):
        row = (carrier, "JFK", delay, at(hour).isoformat(), at(hour).isoformat())
        database.execute("insert into arrivals values (?, ?, ?, ?, ?)", row)
        database.commit()

    query = SqlQuery(url="sqlite:///w.db", query="select * from arrivals where at > :since")
    source = replace(
        ARRIVALS, format="sql", path="", sql=query, available_at=None, lateness_us=3 * 3_600_000_000,
        dedup_key=("carrier", "at"), columns_declared=True,
    )  # fmt: skip
    yield source, insert
    database.close()


@pytest.mark.long
def test_a_query_with_lateness_rereads_its_overlap_and_keeps_each_row_once(tmp_path):
    with queried(tmp_path) as (source, insert):
        insert("A", 1.0, 1)
        insert("B", 2.0, 2)
        insert("A", 5.0, 10)
        run(tmp_path, source=source, hour=50)
        insert("A", 4.0, 8)  # late, within the lateness
        insert("A", 6.0, 12)
        made, table = run(tmp_path, source=source, hour=51)
        assert values(table) == [1.0, 4.0, 5.0, 6.0, 2.0]
        assert made.action == "append"
        again, table = run(tmp_path, source=source, hour=52)
        assert (again.action, table.version()) == ("nothing", made.table_version)
        insert("B", 7.0, 13)
        _, table = run(tmp_path, view=DELAY_ALONE, source=source, hour=53)
        assert "hours" not in table.read().columns
        assert values(table) == [1.0, 4.0, 5.0, 6.0, 2.0, 7.0]


def test_a_rebuild_has_an_id_that_appended_rows_keep(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    first = run(tmp_path)[1].coverage().rebuild_id
    write(tmp_path, "2.parquet", ("A", 2.0, 3, 4))
    assert run(tmp_path)[1].coverage().rebuild_id == first != ""
    assert run(tmp_path, full=True)[1].coverage().rebuild_id not in {first, ""}


@pytest.mark.long
def test_a_query_that_lost_a_row_of_its_overlap_makes_a_new_rebuild_id(tmp_path):
    with queried(tmp_path) as (source, insert):
        insert("A", 1.0, 1)
        insert("B", 5.0, 10)
        first = run(tmp_path, source=source, hour=50)[1].coverage().rebuild_id
        insert("A", 6.0, 12)
        assert run(tmp_path, source=source, hour=51)[1].coverage().rebuild_id == first
        database = sqlite3.connect(tmp_path / "w.db")
        database.execute("delete from arrivals where carrier = 'B'")
        database.commit()
        database.close()
        _, table = run(tmp_path, source=source, hour=52)
        assert values(table) == [1.0, 6.0]
        assert table.coverage().rebuild_id != first


@pytest.mark.long
def test_a_query_with_future_rows_writes_a_version_once_they_are_there(tmp_path):
    with queried(tmp_path) as (source, insert):
        insert("A", 1.0, 1)
        insert("A", 2.0, 60)
        assert run(tmp_path, source=source, hour=50)[0].action == "first"
        assert run(tmp_path, source=source, hour=51)[0].action == "nothing"
        made, table = run(tmp_path, source=source, hour=60)
        assert (made.action, values(table)) == ("append", [1.0, 2.0])


def test_rows_of_a_query_that_where_leaves_out_still_move_the_watermark(tmp_path):
    with queried(tmp_path) as (source, insert):
        insert("A", 1.0, 1)
        run(tmp_path, view=DELAYS, source=source, hour=50)
        insert("A", None, 9)
        made, table = run(tmp_path, view=DELAYS, source=source, hour=51)
        assert (made.watermark, table.coverage().watermark, values(table)) == (at(9), at(9), [1.0])


def test_rows_of_a_new_file_known_before_the_watermark_are_counted(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 5))
    run(tmp_path)
    write(tmp_path, "2.parquet", ("A", 2.0, 1, 4), ("A", 3.0, 1, 6))
    made, table = run(tmp_path)
    assert values(table) == [1.0, 3.0]
    assert made.dropped == {"known before the watermark": 1}


def test_a_file_whose_pages_are_broken_is_an_error_of_the_data(tmp_path):
    write(tmp_path, "1.parquet", *(("A", float(i), 1, 5) for i in range(1000)))
    path = tmp_path / "data" / "1.parquet"
    content = bytearray(path.read_bytes())
    content[4:600] = bytes(596)
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        run(tmp_path)
    assert caught.value.code == "FC502"
    assert not (tmp_path / "offline").exists()


ROW = st.tuples(
    st.sampled_from(["A", "B", None]), st.sampled_from([1.0, 2.0, None]), st.integers(0, 6), st.integers(0, 9)
)
STEP = st.tuples(st.lists(ROW, max_size=4), st.integers(0, 4))


VIEWS = st.sampled_from([LATEST, DELAY_ALONE, HOURS_ALONE])


def check_features(root, steps, last):
    for number, ((rows, wait), view) in enumerate(steps):
        write(root, f"{number}.parquet", *((c, d, e, a + number * 10) for c, d, e, a in rows))
        run(root, view=view, hour=number * 10 + wait * 4)
    _, stepwise = run(root, view=last, hour=200)
    _, whole = run(root, view=last, hour=200, offline="whole")
    assert stepwise.read().select(whole.read().columns).equals(whole.read())


CHANGING = st.lists(st.tuples(STEP, VIEWS), min_size=1, max_size=5)


@settings(max_examples=4, deadline=None)
@given(CHANGING, VIEWS)
@pytest.mark.long
def test_steps_in_which_features_come_and_go_give_what_one_run_gives(tmp_path_factory, steps, last):
    check_features(tmp_path_factory.mktemp("steps"), steps, last)


@pytest.mark.stress
@settings(max_examples=100, deadline=None)
@given(CHANGING, VIEWS)
def test_many_steps_in_which_features_come_and_go_give_what_one_run_gives(tmp_path_factory, steps, last):
    check_features(tmp_path_factory.mktemp("steps"), steps, last)


@pytest.mark.long
@settings(max_examples=examples(3, 40), deadline=None)
@given(st.lists(STEP, min_size=1, max_size=4))
def test_steps_give_what_one_run_gives(tmp_path_factory, steps):
    """Files appear in the order of their availability, as sources with `available_at` promise."""
    root = tmp_path_factory.mktemp("steps")
    base, hour = 0, 0
    for number, (rows, wait) in enumerate(steps):
        write(root, f"{number}.parquet", *((c, d, e, base + a + number * 10 + 1) for c, d, e, a in rows))
        hour += wait * 4
        run(root, hour=hour)
    _, stepwise = run(root, hour=200)
    _, whole = run(root, hour=200, offline="whole")
    assert stepwise.read().equals(whole.read())


def test_a_failed_check_keeps_the_table_and_mended_rows_are_read_again(tmp_path):
    source = replace(FILES, checks=(Check(kind="between", column="arr_delay", low=0.0, high=100.0),))
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    run(tmp_path, source=source)
    write(tmp_path, "2.parquet", ("A", 500.0, 2, 3), ("A", 5.0, 2, 3))
    with pytest.raises(DataError) as caught:
        run(tmp_path, source=source)
    assert caught.value.code == "FC518"
    assert "arr_delay between 0 and 100" in caught.value.message
    assert "1 of 2 rows, the first is 500.0" in caught.value.message
    _, table = run(tmp_path, source=FILES, offline="elsewhere")
    warned = replace(source, checks=(replace(source.checks[0], severity="warn"),))
    made, table = run(tmp_path, source=warned)
    assert values(table) == [1.0, 5.0, 500.0]
    assert [check.passed for check in made.checks] == [False]


class Heard:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.far = []

    def start(self, label):
        raise AssertionError(label)

    def advance(self, done, total, what):
        self.far.append((done, total, what))

    def done(self, text):
        raise AssertionError(text)


def test_a_run_tells_how_many_rows_are_read_and_which_bucket_is_written(tmp_path):
    write(tmp_path, "1.parquet", *[(c, 1.0, 1, 2) for c in "ABCDEFGH"])
    write(tmp_path, "2.parquet", ("A", 1.0, 2, 3))
    heard = Heard()
    table = DeltaStore(str(tmp_path / "offline"), "p", rows_per_bucket=3).table("latest", 1, LATEST.entity.keys)
    source = replace(LATEST, source=FILES)
    job = MaterializeRun(view=source, version=1, reader=open_source(FILES, tmp_path), table=table, progress=heard)
    materialize_view(PolarsEngine(1), job, at(99))
    assert heard.far == [(8, 9, "rows"), (9, 9, "rows"), *((n, 4, "buckets") for n in range(4))]
