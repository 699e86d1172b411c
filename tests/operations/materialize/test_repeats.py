"""`dedup_key` keeps the copy that was available first, in whatever files and runs the copies come."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.language.definitions.source import SqlQuery
from tests.definitions import DELAYS, LATEST, named
from tests.operations.materialize.test_reread import EVERY, HOUR, insert
from tests.operations.materialize.test_reread import SOURCE as TIMED
from tests.operations.materialize.test_view import FILES, at, queried, run, values, write

SOURCE = replace(FILES, available_at=None, dedup_key=("arr_delay",))


def test_a_repeat_of_a_row_whose_file_is_gone_is_left_out(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1))
    run(tmp_path, source=SOURCE)
    (tmp_path / "data" / "1.parquet").unlink()
    write(tmp_path, "2.parquet", ("A", 1.0, 2, 2), ("A", 2.0, 3, 3))
    made, table = run(tmp_path, source=SOURCE)
    assert (made.action, values(table), made.dropped) == ("append", [1.0, 2.0], {"repeated": 1})
    assert table.read()["event_time"].to_list() == [at(1), at(3)]


@pytest.mark.sample(1)
@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_an_earlier_copy_in_a_later_file_replaces_the_one_read_before(tmp_path, gone):
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 5), ("A", 2.0, 4, 4), ("B", None, 4, 4))
    _, table = run(tmp_path, source=SOURCE)
    first = table.coverage().rebuild_id
    if gone:
        (tmp_path / "data" / "1.parquet").unlink()
    write(tmp_path, "2.parquet", ("A", 1.0, 2, 2))
    made, table = run(tmp_path, source=SOURCE)
    assert (made.action, values(table), made.dropped) == ("append", [1.0, 2.0, None], {"repeated": 1})
    assert table.read()["event_time"].to_list() == [at(2), at(4), at(4)]
    assert table.coverage().rebuild_id != first
    assert run(tmp_path, source=SOURCE)[0].action == "nothing"


def test_a_copy_that_where_leaves_out_takes_the_place_of_one_that_counted(tmp_path):
    source, fast = replace(SOURCE, dedup_key=("origin",)), replace(LATEST, where=named("w", "arr_delay > 1").expression)
    write(tmp_path, "1.parquet", ("A", 2.0, 5, 5))
    assert values(run(tmp_path, view=fast, source=source)[1]) == [2.0]
    write(tmp_path, "2.parquet", ("A", 0.5, 2, 2))
    assert values(run(tmp_path, view=fast, source=source)[1]) == []


@pytest.mark.long
def test_a_query_that_runs_again_repeats_no_row_from_before_its_overlap(tmp_path):
    with queried(tmp_path) as (asked, insert):
        source = replace(asked, dedup_key=("arr_delay",))
        insert("A", 1.0, 1)
        insert("A", 2.0, 10)
        run(tmp_path, view=DELAYS, source=source, hour=50)
        insert("A", 1.0, 12)
        insert("A", 3.0, 13)
        insert("A", 2.0, 14)
        _, table = run(tmp_path, view=DELAYS, source=source, hour=51)
        assert table.read().equals(run(tmp_path, view=DELAYS, source=source, hour=51, offline="whole")[1].read())
        assert values(table) == [1.0, 2.0, 3.0]


BY_EVENT = "select * from arrivals where unixepoch(at) >= unixepoch(:since)"
UNTIMED = replace(TIMED, available_at=None, sql=SqlQuery(url="sqlite:///w.db", query=BY_EVENT))


@pytest.mark.long
@pytest.mark.parametrize("hours", [0, 3])
def test_a_row_of_the_instant_asked_from_that_comes_later_is_taken_once(tmp_path, hours):
    source = replace(UNTIMED, lateness_us=hours * HOUR)
    insert(tmp_path, ("A", "x", 1.0, 5 - hours, 0), ("A", "u", 2.0, 5, 0), ("A", None, 7.0, 5 - hours, 0))
    run(tmp_path, source=source)
    insert(tmp_path, ("A", "y", 3.0, 5 - hours, 0), ("A", None, 7.0, 5 - hours, 0), ("A", None, 8.0, 5 - hours, 0))
    made, table = run(tmp_path, source=source)
    assert (made.action, sorted(values(table))) == ("append", [1.0, 2.0, 3.0, 7.0, 7.0, 8.0])
    made, again = run(tmp_path, source=source)
    assert (made.action, again.read().equals(table.read())) == ("nothing", True)


EVENT = st.tuples(st.sampled_from("AB"), st.sampled_from(["x", "y", None]), st.sampled_from([1.0, 2.0]),
    st.integers(0, 4), st.just(0))  # fmt: skip


def check_events(root, steps, source):
    """Events happen at most as much before the newest one as the source says."""
    newest, hours = 0, (source.lateness_us or 0) // HOUR
    insert(root)
    for rows in steps:
        insert(root, *((*row, max(newest - hours, 0) + after, known) for *row, after, known in rows))
        coverage = run(root, view=EVERY, source=source, hour=200)[1].coverage()
        newest = (coverage.newest_event - at(0)) // timedelta(hours=1) if coverage.newest_event else 0
    _, stepwise = run(root, view=EVERY, source=source, hour=200)
    _, whole = run(root, view=EVERY, source=source, hour=200, offline="whole")
    assert stepwise.read().equals(whole.read())


UNTIMED_SOURCES = st.sampled_from([UNTIMED, replace(UNTIMED, lateness_us=3 * HOUR)])


@pytest.mark.long
@settings(max_examples=3, deadline=None)
@given(st.lists(st.lists(EVENT, max_size=5), min_size=1, max_size=5), UNTIMED_SOURCES)
def test_runs_of_a_query_by_event_time_give_what_one_run_gives(tmp_path_factory, steps, source):
    check_events(tmp_path_factory.mktemp("steps"), steps, source)


@pytest.mark.stress
@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(EVENT, max_size=5), min_size=1, max_size=5), UNTIMED_SOURCES)
def test_many_runs_of_a_query_by_event_time_give_what_one_run_gives(tmp_path_factory, steps, source):
    check_events(tmp_path_factory.mktemp("steps"), steps, source)


ROW = st.tuples(st.sampled_from("AB"), st.sampled_from([1.0, 2.0, 3.0, None]), st.integers(0, 9), st.just(0))
STEPS = st.lists(st.tuples(st.lists(ROW, max_size=4), st.integers(0, 12), st.booleans()), min_size=1, max_size=5)


def check_steps(root, every, steps):
    """A file goes once all of its rows were taken."""
    now = 0
    for number, (rows, wait, goes) in enumerate(steps):
        now += wait
        for folder in (root, every):
            write(folder, f"{number}.parquet", *rows)
        run(root, source=SOURCE, hour=now)
        if goes and number and all(event <= now for _, _, event, _ in rows):
            (root / "data" / f"{number}.parquet").unlink()
    _, stepwise = run(root, source=SOURCE, hour=200)
    _, whole = run(every, source=SOURCE, hour=200)
    assert stepwise.read().equals(whole.read())
    assert stepwise.coverage().dropped == whole.coverage().dropped


@settings(max_examples=2, deadline=None)
@given(STEPS)
def test_runs_over_files_that_come_and_go_give_what_one_run_over_all_gives(tmp_path_factory, steps):
    check_steps(tmp_path_factory.mktemp("steps"), tmp_path_factory.mktemp("every"), steps)


@pytest.mark.stress
@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_many_runs_over_files_that_come_and_go_equal_one_run_over_all(tmp_path_factory, steps):
    check_steps(tmp_path_factory.mktemp("steps"), tmp_path_factory.mktemp("every"), steps)
