"""What the source no longer holds is not lost by an ordinary run, nor by a range: it is refused with what would be."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from deltalake import DeltaTable

from featurectl.core.errors import DataError
from featurectl.core.units import HOUR_US
from featurectl.operations.materialize.dry_run import plan_view
from featurectl.operations.materialize.older_version import describe_history, history_document, older_history
from featurectl.operations.materialize.range import Range, backfill_view
from tests.definitions import LATEST, named
from tests.operations.materialize.test_late_transform import of_each
from tests.operations.materialize.test_late_transform import run as run_transform
from tests.operations.materialize.test_late_transform import values as transformed
from tests.operations.materialize.test_range import ENGINE, job
from tests.operations.materialize.test_transform import a_job
from tests.operations.materialize.test_transform import write as write_rows
from tests.operations.materialize.test_view import FILES, at, queried, run, values, write

WIDER = replace(LATEST, inputs=(*LATEST.inputs, named("late", "late")))
WEEKS = [("A", 1.0, 1, 2), ("A", 2.0, 3, 4), ("B", 3.0, 5, 6), ("B", 4.0, 7, 8)]


def roll(root, first, last):
    write(root, "roll.parquet", *WEEKS[first:last])


def refused(call, *found):
    with pytest.raises(DataError) as told:
        call()
    assert told.value.code == "FC501"
    for text in found:
        assert text in f"{told.value} {told.value.hint}"


@pytest.mark.long
def test_a_new_column_does_not_cost_the_rows_that_a_file_was_cut_of(tmp_path):
    roll(tmp_path, 0, 3)
    run(tmp_path)
    roll(tmp_path, 2, 4)
    assert values(run(tmp_path)[1]) == [1.0, 2.0, 3.0, 4.0]
    refused(
        lambda: run(tmp_path, view=WIDER),
        "source arrivals: 2 rows of 2024-01-01T01:00:00Z to 2024-01-01T03:00:00Z that the table of latest has",
        "of before what it holds now, from 2024-01-01T05:00:00Z on; a column of it is new",
        "`materialize --full`",
    )
    assert values(job(tmp_path).table) == [1.0, 2.0, 3.0, 4.0]
    assert values(run(tmp_path, view=WIDER, full=True)[1]) == [3.0, 4.0]
    assert run(tmp_path, view=WIDER)[0].action == "nothing"


def test_a_dry_run_is_refused_where_it_knows_when_the_file_begins(tmp_path):
    roll(tmp_path, 0, 3)
    run(tmp_path)
    roll(tmp_path, 2, 4)
    unread = replace(job(tmp_path), view=replace(WIDER, source=FILES))
    refused(lambda: plan_view(unread, at(99)), "2 rows of 2024-01-01T01:00:00Z to", "a column of it is new")
    run(tmp_path)
    wider = replace(job(tmp_path), view=replace(WIDER, source=FILES))
    refused(lambda: plan_view(wider, at(99)), "2 rows of 2024-01-01T01:00:00Z to", "a column of it is new")
    assert plan_view(wider, at(99), full=True).action == "rebuild"
    refused(lambda: plan_view(job(tmp_path), at(99), asked=Range(since=at(2))), "1 row of 2024-01-01T03:00:00Z")
    assert plan_view(job(tmp_path), at(99), asked=Range(since=at(5))).action == "backfill"


def test_a_file_that_was_cut_by_when_rows_were_known_is_told_from_a_whole(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("A", 2.0, 3, 4), ("A", 3.0, 2, 6))
    run(tmp_path)
    write(tmp_path, "1.parquet", ("A", 3.0, 2, 6))
    refused(lambda: run(tmp_path, view=WIDER), "2 rows of", "became known before what it holds now")


def test_a_rolling_file_without_available_at_is_refused_until_full(tmp_path):
    source = replace(FILES, available_at=None)
    roll(tmp_path, 0, 3)
    run(tmp_path, source=source)
    roll(tmp_path, 1, 4)
    lost = (
        "1 row of 2024-01-01T01:00:00Z",
        "with `available_at`",
        "as where rows are replaced by newer ones of their key",
    )
    refused(lambda: plan_view(job(tmp_path, source=source), at(99)), *lost)
    refused(lambda: run(tmp_path, source=source), *lost)
    assert values(run(tmp_path, source=source, full=True)[1]) == [2.0, 3.0, 4.0]


def test_a_file_that_is_corrected_in_place_is_read_anew_as_before(tmp_path):
    source = replace(FILES, available_at=None)
    roll(tmp_path, 0, 4)
    run(tmp_path, source=source)
    write(tmp_path, "roll.parquet", ("A", 9.0, 1, 2), WEEKS[2], ("B", 8.0, 7, 8))
    made, table = run(tmp_path, source=source)
    assert (made.action, values(table)) == ("rebuild", [9.0, 3.0, 8.0])


def test_rows_that_retention_lets_go_are_not_kept_by_a_refusal(tmp_path):
    view = replace(LATEST, retention_us=10 * HOUR_US)
    source = replace(FILES, available_at=None)
    roll(tmp_path, 0, 3)
    run(tmp_path, view=view, source=source, hour=9)
    roll(tmp_path, 1, 4)
    assert run(tmp_path, view=view, source=source, hour=12)[0].action == "rebuild"


@pytest.mark.sample(1)
@pytest.mark.parametrize("source", [FILES, replace(FILES, available_at=None)])
def test_files_with_no_row_that_a_table_would_hold_may_be_gone(tmp_path, source):
    view, wider = (replace(of, retention_us=10 * HOUR_US) for of in (LATEST, WIDER))
    for name, rows in (("0", []), ("1", WEEKS[:2]), ("2", WEEKS[2:])):
        write(tmp_path, f"{name}.parquet", *rows)
    run(tmp_path, view=view, source=source, hour=9)
    for name in ("0", "1"):
        (tmp_path / "data" / f"{name}.parquet").unlink()
    gone = "source arrivals: data/1.parquet that the table of latest has read is gone"
    refused(lambda: run(tmp_path, view=wider, source=source, hour=13), gone)
    planned = plan_view(job(tmp_path, wider, source), at(14))
    assert (planned.action, planned.begin) == ("rebuild", at(4))
    made, table = run(tmp_path, view=wider, source=source, hour=14)
    assert (made.action, values(table)) == ("rebuild", [3.0, 4.0])


@pytest.mark.sample(1)
@pytest.mark.parametrize("hour", [4, 0])
def test_rows_known_after_an_earlier_now_are_not_lost_by_a_rebuild(tmp_path, hour):
    write(tmp_path, "1.parquet", *WEEKS[:2])
    write(tmp_path, "2.parquet", *WEEKS[2:])
    run(tmp_path)
    assert plan_view(job(tmp_path, WIDER), at(hour)).action == "rebuild"
    made, table = run(tmp_path, view=WIDER, hour=hour)
    assert (values(table), made.held_rows) == ([1.0, 2.0][:hour], 2 + 2 * (hour == 0))
    assert values(run(tmp_path, view=WIDER)[1]) == [1.0, 2.0, 3.0, 4.0]


def test_a_source_that_has_no_rows_any_more_does_not_empty_the_table(tmp_path):
    source = replace(FILES, available_at=None)
    roll(tmp_path, 0, 3)
    run(tmp_path, source=source)
    roll(tmp_path, 0, 0)
    refused(lambda: run(tmp_path, source=source), "3 rows of", "there no more, nor any other")


@pytest.mark.long
def test_a_range_of_before_a_file_begins_is_refused_and_a_later_one_taken(tmp_path):
    roll(tmp_path, 0, 3)
    run(tmp_path)
    roll(tmp_path, 2, 4)
    run(tmp_path)
    refused(
        lambda: backfill_view(ENGINE, job(tmp_path), Range(since=at(2))),
        "1 row of 2024-01-01T03:00:00Z",
        "`--since 2024-01-01T05:00:00Z` keeps them",
    )
    refused(lambda: backfill_view(ENGINE, job(tmp_path), Range(until=at(2))), "1 row of 2024-01-01T01:00:00Z")
    assert values(job(tmp_path).table) == [1.0, 2.0, 3.0, 4.0]
    backfill_view(ENGINE, job(tmp_path), Range(since=at(5)))
    assert values(job(tmp_path).table) == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.sample(1)
@pytest.mark.parametrize("source", [FILES, replace(FILES, available_at=None, delay_us=HOUR_US)])
@pytest.mark.parametrize("left", [[("B", 3.0, 5, 6)], pytest.param([], marks=pytest.mark.long)])
def test_a_file_that_is_cut_behind_the_beginning_of_another_is_seen(tmp_path, source, left):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("A", 2.0, 9, 10))
    write(tmp_path, "2.parquet", ("B", 1.0, 3, 4), ("B", 3.0, 5, 6))
    run(tmp_path, source=source)
    write(tmp_path, "2.parquet", *left)
    lost = (
        "1 row of 2024-01-01T03:00:00Z that" if left else "2 rows of 2024-01-01T03:00:00Z to 2024-01-01T05:00:00Z that"
    )
    began = "source arrivals: data/2.parquet was cut: it began with 2024-01-01T03:00:00Z when it was read, and "
    refused(lambda: run(tmp_path, view=WIDER, source=source), began, f"would lose {lost} the table of latest has")
    if source is FILES:  # the next run takes the file as it is, and what it began with is not forgotten
        assert run(tmp_path)[0].action == "nothing"
        refused(lambda: run(tmp_path, view=WIDER), began, lost)
        later = "begin later: `--since 2024-01-01T0"
        refused(
            lambda: backfill_view(ENGINE, job(tmp_path), Range(since=at(2))), "the range, computed again", lost, later
        )
        backfill_view(ENGINE, job(tmp_path), Range(since=at(6)))
    write(tmp_path, "2.parquet", ("B", 1.0, 3, 4), ("B", 3.0, 5, 6))
    assert values(run(tmp_path, view=WIDER, source=source)[1]) == [1.0, 2.0, 1.0, 3.0]
    assert values(run(tmp_path, view=WIDER, source=source, full=True)[1]) == [1.0, 2.0, 1.0, 3.0]


@pytest.mark.long
@pytest.mark.parametrize("clock", ["known_at", pytest.param(None, marks=pytest.mark.long)])
def test_rows_that_were_deleted_at_the_beginning_of_a_delta_table_are_kept(tmp_path, clock):
    source = replace(FILES, format="delta", path="warehouse", available_at=clock)
    write(tmp_path, "1.parquet", *WEEKS[:2])
    write(tmp_path, "2.parquet", *WEEKS[2:])
    for name in ("1", "2"):
        pl.read_parquet(tmp_path / "data" / f"{name}.parquet").write_delta(tmp_path / "warehouse", mode="append")
    run(tmp_path, source=source)
    DeltaTable(tmp_path / "warehouse").delete("arr_delay = 1.0")
    lost = ("source arrivals: 1 row of 2024-01-01T01:00:00Z", "what it holds now, from 2024-01-01T03:00:00Z on")
    if clock is not None:
        assert run(tmp_path, source=source)[0].action == "nothing"
        again = [Range(), Range(since=at(2))]
        refused(lambda: backfill_view(ENGINE, job(tmp_path, source=source), again[0]), "`--since 2024-01-01T03:00:00Z`")
        assert backfill_view(ENGINE, job(tmp_path, source=source), again[1]).rows_written == 3
    else:
        refused(lambda: run(tmp_path, source=source), *lost, "a data file is gone")
    refused(lambda: run(tmp_path, view=WIDER, source=source), *lost, "a column of it is new")
    DeltaTable(tmp_path / "warehouse").delete()
    refused(lambda: run(tmp_path, view=WIDER, source=source), "4 rows of", "are there no more, nor any other")
    assert values(job(tmp_path, source=source).table) == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("since", [pytest.param("", marks=pytest.mark.long), " and at > :since"])
def test_what_a_query_of_the_last_days_no_longer_gives_is_kept(tmp_path, since):
    with queried(tmp_path) as (source, insert):
        for number, hour in enumerate((1, 2, 10)):
            insert("A", float(number), hour)
        last = f"select * from arrivals where at >= (select max(at) from arrivals where arr_delay < 1){since}"
        rolling = replace(source, sql=replace(source.sql, query=last))
        run(tmp_path, source=rolling)
        insert("A", -1.0, 5)  # from where on rows are given now
        lost = ("source arrivals: 2 rows of 2024-01-01T01:00:00Z to 2024-01-01T02:00:00Z", "what it holds now, from")
        if since:
            assert run(tmp_path, source=rolling, hour=100)[0].action == "nothing"
        else:
            refused(lambda: run(tmp_path, source=rolling, hour=100), *lost, "with `:since` in its query a run takes")
        refused(lambda: run(tmp_path, view=WIDER, source=rolling, hour=100), *lost, "a column of it is new")
        assert values(job(tmp_path, source=rolling).table) == [0.0, 1.0, 2.0]


def test_rows_that_lie_in_another_file_now_are_not_lost(tmp_path):
    source = replace(FILES, available_at=None)
    write(tmp_path, "log.1.parquet", ("A", 1.0, 1, 1), ("A", 2.0, 2, 2))
    write(tmp_path, "log.2.parquet", ("A", 3.0, 3, 3))
    run(tmp_path, source=source)
    write(tmp_path, "log.1.parquet", ("A", 3.0, 3, 3), ("A", 4.0, 4, 4))  # the files change names as logs do
    write(tmp_path, "log.2.parquet", ("A", 1.0, 1, 1), ("A", 2.0, 2, 2))
    made, table = run(tmp_path, source=source)
    assert (made.action, values(table)) == ("rebuild", [1.0, 2.0, 3.0, 4.0])


def test_a_new_version_says_what_the_table_of_the_old_one_has_alone(tmp_path):
    write(tmp_path, "0.parquet", ("A", 0.0, 4, 5))
    roll(tmp_path, 0, 3)
    run(tmp_path)
    newer = replace(job(tmp_path, offline="newer"), version=2)
    table = job(tmp_path).table
    assert older_history(newer, (at(1), at(2)), 1, table) is None
    (tmp_path / "data" / "0.parquet").unlink()
    found = older_history(newer, (at(5), at(6)), 1, table)
    assert describe_history(found) == (
        "v1 has 3 rows of 2024-01-01T01:00:00Z to 2024-01-01T04:00:00Z of before what the source holds now, and "
        "data/0.parquet that v1 has read (1 row) is gone: these rows are in the table of v1 alone"
    )
    document = history_document(found)
    assert (document["version"], document["rows"], document["gone_parts"]) == (1, 3, ["data/0.parquet"])
    assert (document["first"], document["last"]) == ("2024-01-01T01:00:00Z", "2024-01-01T04:00:00Z")


ROWS = [("a", 1, 0, 1), ("a", 2, 9, 10), ("b", 3, 19, 20), ("b", 4, 29, 30)]


def test_a_transform_without_lookback_keeps_what_its_file_was_cut_of(tmp_path):
    write_rows(tmp_path, "known", "1.parquet", ROWS[:3])
    run_transform(tmp_path, of_each(None))
    write_rows(tmp_path, "known", "1.parquet", ROWS[1:])
    planned = plan_view(a_job(tmp_path, of_each(None)), at(99))
    assert planned.reason.endswith("; known was cut: refused if the function makes less of it")
    lost = (
        "source known: 1 row of",
        "is of before what the function makes of it now",
        "no lookback",
        "with `lookback`",
    )
    refused(lambda: run_transform(tmp_path, of_each(None)), *lost)
    refused(lambda: run_transform(tmp_path, of_each(None), since=at(20)), "1 row of", "a range was asked for")
    assert transformed(tmp_path, of_each(None)) == [1, 2, 3]
    run_transform(tmp_path, of_each(None), full=True)
    assert transformed(tmp_path, of_each(None)) == [2, 3, 4]
    assert plan_view(a_job(tmp_path, of_each(None)), at(99)).reason == "no new rows"


def test_a_transform_without_lookback_keeps_rows_of_files_that_are_gone(tmp_path):
    write_rows(tmp_path, "known", "1.parquet", ROWS[:1])
    write_rows(tmp_path, "known", "2.parquet", ROWS[1:3])
    run_transform(tmp_path, of_each(None))
    (tmp_path / "known" / "1.parquet").unlink()
    write_rows(tmp_path, "known", "3.parquet", ROWS[3:])
    refused(lambda: run_transform(tmp_path, of_each(None)), "known/1.parquet that the table of made has read is gone")
    assert transformed(tmp_path, of_each(None)) == [1, 2, 3]


def test_a_range_of_a_transform_of_before_its_file_begins_is_refused(tmp_path):
    write_rows(tmp_path, "known", "1.parquet", ROWS[:3])
    run_transform(tmp_path, of_each())
    write_rows(tmp_path, "known", "1.parquet", ROWS[2:])
    run_transform(tmp_path, of_each())
    since = "`--since 2024-01-01T20:00:00Z` keeps them"
    refused(lambda: run_transform(tmp_path, of_each(), since=at(5)), "1 row of 2024-01-01T09:00:00Z", since)
    assert transformed(tmp_path, of_each()) == [1, 2, 3, 4]


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "files",
    [{"1": WEEKS}, {"1": WEEKS[1:], "3": WEEKS[:1]}, {"1": WEEKS[:1], "2": WEEKS[3:], "3": WEEKS[1:3]}],
    ids=["merged", "renamed", "split"],
)
def test_rows_of_a_file_that_is_gone_are_not_missed_where_another_has_them(tmp_path, files):
    source, data = replace(FILES, available_at=None), tmp_path / "data"
    for name, rows in (("1", WEEKS[:2]), ("2", WEEKS[2:])):
        write(tmp_path, f"{name}.parquet", *rows)
    run(tmp_path, source=source)
    for old in data.iterdir():
        old.unlink()
    for name, rows in files.items():
        write(tmp_path, f"{name}.parquet", *(row for row in rows if row != WEEKS[3]))
    planned = plan_view(job(tmp_path, source=source), at(99))
    is_gone = "; data/2.parquet is gone: refused unless others have all rows"
    assert (planned.action, is_gone in planned.reason) == ("rebuild", "2" not in files)
    if "2" not in files:
        refused(lambda: run(tmp_path, source=source), "data/2.parquet that the table of latest has read is gone; ")
    for name, rows in files.items():
        write(tmp_path, f"{name}.parquet", *rows)
    made, table = run(tmp_path, source=source)
    assert (made.action, made.rows_read, values(table)) == ("nothing", 4, [1.0, 2.0, 3.0, 4.0])


@pytest.mark.long
def test_no_since_is_told_that_would_be_refused(tmp_path):
    rows = [("A", float(hour), hour, hour) for hour in range(1, 9)]
    write(tmp_path, "roll.parquet", *rows)
    run(tmp_path)
    write(tmp_path, "roll.parquet", *rows[:2], *rows[3:])
    assert run(tmp_path)[0].changed_since <= at(3)
    write(tmp_path, "roll.parquet", *rows[4:], ("A", 9.0, 9, 9))
    made, _ = run(tmp_path)
    assert made.changed_since == at(5)
    refused(lambda: backfill_view(ENGINE, job(tmp_path), Range(since=at(2))), "begin later", "`--keep-changed` leaves")
    backfill_view(ENGINE, job(tmp_path), Range(since=made.changed_since))
    assert values(job(tmp_path).table) == [float(hour) for hour in range(1, 10)]
