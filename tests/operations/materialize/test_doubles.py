"""Rows of which each counts though they are equal, or one by its hash alone: a run says how many there are."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.operations.materialize.doubles import NO_DOUBLES, DoubleFinder, Doubles
from featurectl.operations.materialize.materialize_views import ViewRun
from featurectl.operations.materialize.range import Range, backfill_view
from featurectl.pit.order import row_order
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER
from featurectl.render.materialize import render_runs, run_document
from tests.definitions import DELAYS, LATEST
from tests.operations.materialize.test_range import ENGINE, job
from tests.operations.materialize.test_view import FILES, at, run, values, write
from tests.seeds import examples

STATIC = replace(FILES, event_time=None, available_at=None)
DELAYED = replace(FILES, available_at=None, delay_us=1)
SMALL = st.integers(0, 2)
ROWS = st.lists(st.tuples(st.sampled_from("AB"), SMALL, SMALL, st.none() | SMALL, st.none() | SMALL, SMALL))
NAMES = ("carrier", EVENT_TIME, AVAILABLE_AT, "tie_0", "arr_delay", TIE_ORDER)


def frame_of(rows):
    """Rows (carrier, times, tie, delay, what no view reads) as a table has them."""
    numbers = {row: number for number, row in enumerate(sorted(set(rows), key=hash))}
    data = [(*row[:-1], numbers[row]) for row in rows]
    made = pl.DataFrame(data, schema=dict.fromkeys(NAMES, pl.Int64) | {"carrier": pl.String}, orient="row")
    return made.cast({EVENT_TIME: INSTANT, AVAILABLE_AT: INSTANT}).sort(row_order(["carrier"], NAMES), nulls_last=True)


@given(rows=ROWS, cuts=st.lists(st.integers(0, 8), max_size=3))
@settings(max_examples=examples(25), deadline=None)
def test_doubles_are_those_of_all_pairs_however_the_rows_are_cut(rows, cuts):
    whole, ends = frame_of(rows), sorted(cuts)
    frames = [whole[a:b] for a, b in zip([0, *ends], [*ends, whole.height], strict=True) if a < min(b, whole.height)]
    state, event = DoubleFinder(view=LATEST), DoubleFinder(view=DELAYS)
    assert pl.concat([whole.clear(), *state.look(iter(frames))]).equals(whole)
    assert pl.concat([whole.clear(), *event.look(iter(frames))]).equals(whole)
    tied = sorted({a[0] for a in rows for b in rows if a[:4] == b[:4] and a[4] != b[4]})
    assert (state.found.tied_keys, [*state.found.tied_key.values()]) == (len(tied), tied[:1])
    assert event.found.equal == len(rows) - len(set(rows))


def test_rows_of_one_key_of_a_static_source_are_told_of_where_they_differ(tmp_path):
    write(
        tmp_path, "1.parquet", ("A", 1.0, 1, 1), ("B", 2.0, 1, 1), ("B", 2.0, 2, 2), ("C", 3.0, 1, 1), ("C", 3.0, 1, 1)
    )
    assert run(tmp_path, source=STATIC)[0].doubles == NO_DOUBLES  # what they differ in the view does not read
    write(
        tmp_path, "1.parquet", ("A", 1.0, 1, 1), ("B", 2.0, 1, 1), ("B", None, 1, 1), ("C", 3.0, 1, 1), ("C", 4.0, 1, 1)
    )
    made, _ = run(tmp_path, source=STATIC)
    assert made.doubles == Doubles(tied_keys=2, tied_key={"carrier": "B"})
    said = render_runs([ViewRun(view="latest", version=1, made=made)])
    assert "latest@1: 2 keys have several rows that differ and that no time tells apart (first: carrier=B): " in said
    assert "several rows" not in render_runs([ViewRun(view="latest", version=1, made=made)], quiet=True)
    document = run_document(ViewRun(view="latest", version=1, made=made))
    assert (document["tied_keys"], document["tied_key"], document["equal_rows"]) == (2, {"carrier": "B"}, 0)
    assert run(tmp_path, source=STATIC)[0].doubles == NO_DOUBLES  # nothing was read


@pytest.mark.parametrize("source", [FILES, replace(FILES, tiebreak=("arr_delay",))])
def test_rows_of_one_instant_are_told_of_where_no_tiebreak_decides(tmp_path, source):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1), ("A", 2.0, 1, 1), ("A", 3.0, 1, 2), ("B", 1.0, 1, 1))
    assert run(tmp_path, source=source)[0].doubles.tied_keys == (0 if source.tiebreak else 1)


@pytest.mark.long
def test_a_file_that_overlaps_one_that_was_read_is_told_of(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1), ("A", 2.0, 2, 2), ("B", 3.0, 3, 3))
    assert run(tmp_path, view=DELAYS, source=DELAYED)[0].doubles == NO_DOUBLES
    write(tmp_path, "2.parquet", ("A", 2.0, 2, 2), ("B", 3.0, 3, 3), ("B", 4.0, 4, 4))
    made, table = run(tmp_path, view=DELAYS, source=DELAYED)
    assert (made.action, made.doubles, len(values(table))) == ("append", Doubles(equal=2), 6)
    said = render_runs([ViewRun(view="delays", version=1, made=made)])
    assert "delays@1: 2 rows equal others in every column of the source, and all count: if they are repeats" in said
    assert "give the source a `dedup_key`" in said
    write(tmp_path, "3.parquet", ("B", 5.0, 5, 5))
    assert run(tmp_path, view=DELAYS, source=DELAYED)[0].doubles == NO_DOUBLES
    assert run(tmp_path, view=DELAYS, source=DELAYED, full=True)[0].doubles == Doubles(equal=2)
    made = backfill_view(ENGINE, job(tmp_path, DELAYS, DELAYED), Range())
    assert made.doubles == Doubles(equal=2)
    keyed = replace(DELAYED, dedup_key=("at", "carrier"))
    assert run(tmp_path, view=DELAYS, source=keyed, full=True)[0].doubles == NO_DOUBLES
    write(tmp_path, "4.parquet", ("A", 2.5, 2, 2), ("B", 3.5, 3, 3), ("B", 9.0, 9, 9))
    made = run(tmp_path, view=DELAYS, source=keyed)[0]
    assert (made.doubles.copies, [*made.doubles.copied_event.values()]) == (2, [at(2), "A"])
    said = render_runs([ViewRun(view="delays", version=1, made=made)])
    assert "delays@1: 2 copies of events differ from the one that counts, and no time tells them apart (first: " in said
    document = run_document(ViewRun(view="delays", version=1, made=made))
    assert (document["differing_copies"], document["differing_event"]["carrier"]) == (2, "A")
    assert backfill_view(ENGINE, job(tmp_path, DELAYS, keyed), Range()).doubles.copies >= 2
    tied = replace(keyed, tiebreak=("arr_delay",))
    made, table = run(tmp_path, view=DELAYS, source=tied, full=True)
    assert (made.doubles, values(table)) == (NO_DOUBLES, [1.0, 2.5, 3.5, 4.0, 5.0, 9.0])


@pytest.mark.sample(1)
@pytest.mark.parametrize("source", [STATIC, DELAYED])
def test_an_export_without_rows_does_not_empty_a_table(tmp_path, source):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1), ("B", 2.0, 1, 1))
    run(tmp_path, source=source)
    for rows in ([], [(None, 1.0, 1, 1)]):  # a header alone, or rows of nobody
        write(tmp_path, "1.parquet", *rows)
        with pytest.raises(DataError, match=r"source arrivals: .*2 rows") as caught:
            run(tmp_path, source=source)
        assert (caught.value.code, "`materialize --full`" in caught.value.hint) == ("FC501", True)
        assert values(job(tmp_path, source=source).table) == [1.0, 2.0]
    assert values(run(tmp_path, source=source, full=True)[1]) == []
    assert run(tmp_path, source=source)[0].action == "nothing"
