"""Files of a source without `columns:` that lack a column which others have."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.operations.materialize.range import Range, backfill_view
from tests.definitions import LATEST, named
from tests.operations.materialize.test_range import ENGINE, job
from tests.operations.materialize.test_view import FILES, run, values, write


def drop(root: Path, name: str, column: str) -> None:
    file = root / "data" / name
    pl.read_parquet(file).drop(column).write_parquet(file)


@pytest.mark.sample(2)
@pytest.mark.parametrize("column", ["arr_delay", "carrier", "at", "known_at"])
def test_a_new_file_that_lacks_what_a_view_reads_is_refused(tmp_path, column):
    source = replace(FILES, columns=None, columns_declared=False)
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))
    run(tmp_path, source=source)
    write(tmp_path, "2.parquet", ("A", 2.0, 7, 7))
    drop(tmp_path, "2.parquet", column)
    with pytest.raises(DataError, match=rf"2\.parquet has no column '{column}'") as caught:
        run(tmp_path, source=source)
    assert caught.value.code == "FC503"
    write(tmp_path, "2.parquet", ("A", 2.0, 7, 7))
    drop(tmp_path, "2.parquet", "origin")  # which the view does not read
    made, table = run(tmp_path, source=source)
    assert (made.action, values(table)) == ("append", [1.0, 2.0])


@pytest.mark.parametrize("name", ["0.parquet", "2.parquet"])
def test_a_column_that_came_later_is_null_in_a_table_that_is_made_anew(tmp_path, name):
    source = replace(FILES, columns=None, columns_declared=False)
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))
    write(tmp_path, name, ("A", 2.0, 7, 7))
    drop(tmp_path, name, "arr_delay")
    assert values(run(tmp_path, source=source)[1]) == [1.0, None]


LEARNED = replace(FILES, columns=None, columns_declared=False)
MADE = replace(FILES, columns_declared=True, select=(*FILES.select, named("carrier", "upper(carrier)")))
WIDER = replace(LATEST, inputs=(*LATEST.inputs, named("late", "late")))


@pytest.mark.sample(5)
@pytest.mark.parametrize("source", [replace(FILES, columns_declared=True), LEARNED, MADE])
@pytest.mark.parametrize(("column", "of"), [
    ("carrier", "an entity key"), ("at", "which `event_time` names"), ("known_at", "which `available_at` names"),
    ("origin", "which `dedup_key` names"),
])  # fmt: skip
def test_a_file_that_lacks_a_key_or_a_clock_is_never_taken(tmp_path, source, column, of):
    source = replace(source, dedup_key=("origin",))
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))
    drop(tmp_path, "1.parquet", column)
    write(tmp_path, "2.parquet", ("A", 2.0, 7, 7))
    for full in (False, True):
        with pytest.raises(DataError, match=rf"1\.parquet has no column '{column}', {of}") as caught:
            run(tmp_path, source=source, full=full)
        assert caught.value.hint.endswith("its rows are none without it: write the file anew with it, or take it away")
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))
    run(tmp_path, source=source)
    drop(tmp_path, "1.parquet", column)
    refused = pytest.raises(DataError, match=f"has no column '{column}', {of}")
    with refused:
        run(tmp_path, view=WIDER, source=source)
    with refused:
        backfill_view(ENGINE, job(tmp_path, source=source), Range())


@pytest.mark.parametrize("text", ["carrier || '-' || origin", "coalesce(carrier, origin)"])
def test_what_a_key_is_made_of_is_not_lacking_unless_it_is_a_choice(tmp_path, text):
    made = named("carrier", text)
    source = replace(FILES, columns_declared=True, select=(*FILES.select, made))
    write(tmp_path, "1.parquet", ("A", 1.0, 5, 6))
    write(tmp_path, "2.parquet", ("A", 2.0, 7, 7))
    drop(tmp_path, "2.parquet", "origin")
    if text.startswith("coalesce"):
        assert values(run(tmp_path, source=source)[1]) == [1.0, 2.0]
        return
    with pytest.raises(DataError, match=r"2\.parquet has no column 'origin'") as caught:
        run(tmp_path, source=source)
    assert "its rows are none without it" in caught.value.hint
    clock = named("when", "at + (known_at - at)")
    timed = replace(FILES, event_time="when", columns_declared=True, select=(*FILES.select, clock))
    drop(tmp_path, "1.parquet", "at")
    with pytest.raises(DataError, match=r"1\.parquet has no column 'at', of which `event_time` is made"):
        run(tmp_path, source=timed)


def test_a_file_that_was_read_before_a_column_came_is_read_again(tmp_path):
    source = replace(FILES, columns=None, columns_declared=False)
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("A", 2.0, 1, 20))  # the second is held back at first
    drop(tmp_path, "1.parquet", "arr_delay")
    write(tmp_path, "2.parquet", ("B", 3.0, 3, 4))
    assert values(run(tmp_path, source=source, hour=9)[1]) == [None, 3.0]
    made, table = run(tmp_path, source=source, hour=25)
    assert (made.action, values(table)) == ("append", [None, None, 3.0])


def test_a_column_that_orders_ties_may_come_later(tmp_path):
    source = replace(FILES, columns=None, columns_declared=False, tiebreak=("origin",))
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    drop(tmp_path, "1.parquet", "origin")
    write(tmp_path, "2.parquet", ("B", 3.0, 3, 4))
    assert values(run(tmp_path, source=source)[1]) == [1.0, 3.0]
