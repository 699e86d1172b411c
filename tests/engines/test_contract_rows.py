"""Which rows any engine's `prepare` takes of pieces, how it names and orders them, and cuts them into buckets."""

from dataclasses import replace
from itertools import permutations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.engines.base import EarlierRows, FrameScan, Piece, RowStream
from featurectl.engines.spans import NOTHING_READ
from featurectl.language.definitions.entity import Entity
from featurectl.pit.hashing import bucket_of, hash_ties
from tests.definitions import ARRIVALS, DELAYS, LATEST, named
from tests.engines.rows import at, rows
from tests.seeds import examples

ALL = replace(DELAYS, where=None)
ROUTE = Entity(name="route", keys={"carrier": "string", "from": "string"})
BY_ROUTE = replace(ALL, entity=ROUTE, join={"carrier": "carrier", "from": "origin"})
NO_ENTITY = replace(ALL, entity=None, join={})


AS_THEY_ARE = ("read_before", "in_place")


def piece(frame, until=99, **ends):
    return Piece(
        scan=FrameScan(rows=frame.lazy()),
        until=at(until),
        **{n: v if n in AS_THEY_ARE else at(v) for n, v in ends.items()},
    )


def delays(made):
    return made.rows.of(0, 1)["arr_delay"].to_list()


def test_a_range_of_event_times_holds_its_beginning_and_not_its_end(engine):
    frame = rows(*[("A", float(hour), hour, 9) for hour in range(6)])
    made = engine.prepare([piece(frame, since=2, before=4)], ALL)
    assert delays(made) == [2.0, 3.0]
    assert (made.rows_read, made.dropped) == (2, {})


def test_rows_outside_of_the_range_still_say_how_far_the_source_was_read(engine):
    """So that a range which begins earlier, asked for later, neither doubles nor loses a row."""
    frame = rows(("A", 1.0, 2, 3), ("A", 2.0, 9, 10), ("A", 3.0, 1, 40), ("A", 4.0, None, 20))
    made = engine.prepare([piece(frame, since=2, before=4, until=30)], ALL)
    assert delays(made) == [1.0]
    assert (made.watermark, made.newest_event, made.held_back) == (at(10), at(9), (1,))


def test_rows_without_an_event_time_are_counted_whatever_the_range(engine):
    made = engine.prepare([piece(rows(("A", 1.0, None, 1), ("A", 2.0, 3, 3)), since=2, before=4)], ALL)
    assert (delays(made), made.dropped) == ([2.0], {"null event_time": 1})


def test_a_repeat_of_a_row_before_the_range_is_one_all_the_same(engine):
    view = replace(ALL, source=replace(ARRIVALS, dedup_key=("arr_delay",)))
    frame = rows(("A", 1.0, 1, 1), ("A", 1.0, 5, 6), ("A", 2.0, 5, 6))
    made = engine.prepare([piece(frame, since=3)], view)
    assert (delays(made), made.dropped) == ([2.0], {"repeated": 1})


def test_of_several_new_copies_the_one_that_was_known_first_stays(engine):
    view = replace(ALL, source=replace(ARRIVALS, dedup_key=("carrier",)))
    assert delays(engine.prepare([piece(rows(("A", 1.0, 1, 5), ("A", 2.0, 3, 4)))], view)) == [2.0]
    same_clock = rows(("A", 1.0, 3, 5), ("A", 2.0, 1, 5))
    assert delays(engine.prepare([piece(same_clock)], view)) == [2.0]


@pytest.mark.sample(1)
@pytest.mark.parametrize(("delays_of", "counts"), [((1.0, 9.0, 3.0), 9.0), ((2.0, None, 9.0), None)])
def test_of_copies_of_the_same_times_the_greatest_tiebreak_counts(engine, delays_of, counts):
    rank = named("rank", "arr_delay + 1")
    source = replace(ARRIVALS, dedup_key=("carrier",), tiebreak=("rank",), select=(*ARRIVALS.select, rank))
    view = replace(ALL, source=source)
    for copies in permutations(("A", delay, 1, 1) for delay in delays_of):
        made = engine.prepare([piece(rows(*copies))], view)
        assert (delays(made), made.dropped, made.differing_copies) == ([counts], {"repeated": 2}, 0)
        old, new = [piece(rows(copies[0]))], [piece(rows(*copies[1:]))]
        table = engine.prepare(old, view).rows.of(0, 1)
        for seen in (EarlierRows(pieces=old), EarlierRows(rows=lambda table=table: iter([table]))):
            made = engine.prepare(new, view, seen)
            assert delays(made) == ([] if copies[0][1] == counts else [counts])
            assert (made.dropped, len(made.replaced)) == ({"repeated": 2}, copies[0][1] != counts)


def test_copies_that_differ_though_nothing_tells_them_apart_are_counted(engine):
    view = replace(ALL, source=replace(ARRIVALS, dedup_key=("carrier",)))
    frame = rows(("C", 1.0, 1, 1), ("C", 2.0, 1, 1), ("B", 1.0, 1, 1), ("B", 2.0, 1, 1), ("B", 3.0, 1, 1))
    made = engine.prepare([piece(frame)], view)
    assert (made.differing_copies, made.differing_event) == (3, {"carrier": "B"})
    first = [row for row in zip(*frame.to_dict(as_series=False).values(), strict=True) if row[2] in delays(made)]
    assert len(first) >= 2
    table = made.rows.of(0, 1)
    for seen in (EarlierRows(pieces=[piece(frame)]), EarlierRows(rows=lambda: iter([table]))):
        more = rows(("B", 4.0, 1, 1), ("C", 5.0, 2, 2), ("A", 1.0, 1, 1))
        made = engine.prepare([piece(more)], view, seen)
        assert (made.differing_copies, made.differing_event) == (1, {"carrier": "B"})
    once = rows(("A", 1.0, 1, 1), ("A", 1.0, 1, 1), ("A", 2.0, 1, 2), ("A", 2.0, 2, 1))
    assert engine.prepare([piece(once)], view).differing_copies == 0


def test_a_null_in_any_column_of_the_dedup_key_equals_nothing(engine):
    view = replace(ALL, source=replace(ARRIVALS, dedup_key=("carrier", "arr_delay")))
    frame = rows(("A", None, 1, 1), ("A", None, 1, 1), ("A", 3.0, 1, 1), ("A", 3.0, 2, 2))
    made = engine.prepare([piece(frame)], view, seen=EarlierRows(pieces=[piece(rows(("A", None, 0, 0)))]))
    assert (sorted(delays(made), key=str), made.dropped) == ([3.0, None, None], {"repeated": 1})


@pytest.mark.parametrize("clocks", [(None, 1), (1, None)], ids=["event", "availability"])
def test_a_copy_without_a_clock_does_not_count_as_seen(engine, clocks):
    view = replace(ALL, source=replace(ARRIVALS, dedup_key=("carrier",)))
    made = engine.prepare(
        [piece(rows(("A", 1.0, 2, 3)))], view, seen=EarlierRows(pieces=[piece(rows(("A", 9.0, *clocks)))])
    )
    assert (delays(made), made.dropped) == ([1.0], {})


def test_a_copy_that_was_available_before_one_that_was_seen_replaces_it(engine):
    source = replace(ARRIVALS, dedup_key=("carrier",), available_at=None)
    view = replace(ALL, source=source)
    old, new = rows(("A", 1.0, 5, 5), ("B", 2.0, 5, 5)), rows(("A", 3.0, 4, 4), ("B", 4.0, 6, 6))
    table = engine.prepare([piece(old)], view).rows.of(0, 1)
    for seen in (EarlierRows(pieces=[piece(old)]), EarlierRows(rows=lambda: iter([table.head(1), table.tail(1)]))):
        made = engine.prepare([piece(new)], view, seen)
        assert (delays(made), made.dropped) == ([3.0], {"repeated": 2})
        assert list(made.replaced) == table.filter(pl.col("carrier") == "A")["_dedup"].to_list()
    again = engine.prepare([piece(old)], view, EarlierRows(pieces=[piece(old)]))
    assert (delays(again), again.replaced) == ([], ())


def test_a_row_twice_is_one_with_a_dedup_key_and_two_without(engine):
    frame = rows(("A", 1.0, 1, 1), ("A", 2.0, 2, 2))
    twice = pl.concat([frame, frame])
    once = engine.prepare([piece(frame)], ALL).rows.of(0, 1)
    keyed = replace(ALL, source=replace(ARRIVALS, dedup_key=("carrier", "at")))
    assert engine.prepare([piece(twice)], keyed).rows.of(0, 1).drop("_dedup").equals(once)
    assert delays(engine.prepare([piece(twice)], ALL)) == [1.0, 1.0, 2.0, 2.0]


def test_rows_of_a_new_file_from_before_the_watermark_are_only_counted(engine):
    frame = rows(("A", 1.0, 1, 1), ("A", 2.0, 1, 3))
    made = engine.prepare([piece(frame, after=2, read_before=NOTHING_READ)], ALL)
    assert (delays(made), made.dropped) == ([2.0], {"known before the watermark": 1})
    assert engine.prepare([piece(frame, after=2)], ALL).dropped == {}


def test_a_late_row_that_the_table_has_as_it_is_is_counted_apart(engine):
    there, late = ("A", 1.0, 1, 1), ("A", 2.0, 1, 2)
    table = engine.prepare([piece(rows(there))], ALL).rows.of(0, 1)
    again = piece(rows(there, late, there), after=2, read_before=NOTHING_READ)
    made = engine.prepare([again], ALL, EarlierRows(table=lambda: iter([table])))
    assert made.dropped == {"known before the watermark": 1, "the same as rows that the table has": 2}
    assert made.late_events == (at(1), at(1))


def test_rows_known_before_a_piece_came_late_or_stand_for_changed_ones(engine):
    first, old = ("A", 0.0, 0, 0), ("A", 1.0, 1, 1)
    late, new = ("A", 2.0, 1, 2), ("A", 3.0, 1, 5)
    read = engine.prepare([piece(rows(first, old, new), until=3)], ALL)
    (before,), seen = read.parts, EarlierRows(table=lambda: iter([read.rows.of(0, 1)]))
    assert before.count == 2

    def again(*there, read_before=before, **more):
        pieces = [piece(rows(*part), after=3, read_before=read_before, **more) for part in there]
        made = engine.prepare(pieces, ALL, seen)
        since = [None if changed is None else changed[0] for changed in made.changed]
        return delays(made), made.dropped.get("known before the watermark", 0), since

    assert again([first, old, late, new]) == ([3.0], 1, [None])
    assert again([late, first, old, new]) == ([3.0], 1, [None])
    assert again([first, new]) == ([3.0], 0, [at(1)])
    assert again([first, late, new]) == ([3.0], 1, [at(1)])
    assert again([late, new]) == ([3.0], 1, [None])  # what was before is cut off
    apart = [[late, new], [first, old]]
    assert again(*apart, read_before=before, in_place=True) == ([3.0], 1, [None, None])
    assert again(*apart, read_before=before.plus(before), in_place=True) == ([3.0], 1, [at(0), at(0)])


def test_pieces_are_read_up_to_their_own_ends_and_count_their_held_rows(engine):
    frame = rows(("A", 1.0, 1, 2), ("A", 2.0, 1, 4), ("A", 3.0, 1, 6))
    made = engine.prepare([piece(frame, until=3), piece(frame, until=5, after=3)], ALL)
    assert (delays(made), made.held_back) == ([1.0, 2.0], (2, 1))
    assert (made.watermark, made.rows_read) == (at(4), 2)


def test_pieces_may_lack_a_column_or_have_a_narrower_one(engine):
    lacking = rows(("A", 1.0, 1, 1)).drop("origin")
    narrow = rows(("A", 2.0, 2, 2)).with_columns(
        pl.col("arr_delay").cast(pl.Float32), pl.col("at").dt.cast_time_unit("ms")
    )
    made = engine.prepare([piece(part) for part in (rows(("A", 0.0, 0, 0)), lacking, narrow)], ALL)
    assert delays(made) == [0.0, 1.0, 2.0]
    assert made.rows.of(0, 1).schema == engine.prepare([piece(rows())], ALL).rows.schema


@pytest.mark.parametrize("view", [ALL, LATEST, BY_ROUTE, NO_ENTITY], ids=["event", "state", "two keys", "no entity"])
def test_without_rows_there_are_typed_columns_and_no_instants(engine, view):
    made = engine.prepare([piece(rows())], view)
    full = engine.prepare([piece(rows(("A", 1.0, 1, 1)))], view)
    assert (made.rows.height, made.rows_read, made.watermark, made.newest_event) == (0, 0, None, None)
    assert made.rows.schema == full.rows.schema == made.rows.of(0, 1).schema
    assert made.rows.of(3, 8).is_empty()


def test_the_columns_are_keys_clocks_ties_hash_and_inputs(engine):
    view = replace(BY_ROUTE, source=replace(ARRIVALS, tiebreak=("origin", "arr_delay")))
    made = engine.prepare([piece(rows(("A", 20.0, 1, 2)))], view).rows.of(0, 1)
    assert made.columns == [
        "carrier", "from", "event_time", "available_at", "tie_0", "tie_1", "tie_order", "arr_delay", "late"
    ]  # fmt: skip
    assert made.drop("tie_order").row(0) == ("A", "JFK", at(1), at(2), "JFK", 20.0, 20.0, True)


def test_a_source_with_a_dedup_key_has_a_hash_of_it_beside(engine):
    view = replace(LATEST, source=replace(ARRIVALS, dedup_key=("origin", "arr_delay")))
    frame = rows(("A", 1.0, 1, 2), ("B", None, 2, 3))
    made = engine.prepare([piece(frame)], view).rows.of(0, 1)
    assert made.columns == ["carrier", "event_time", "available_at", "tie_order", "_dedup", "arr_delay", "hours"]
    assert made["_dedup"].to_list() == [hash_ties(frame.select("origin", "arr_delay"))[0], None]


def test_the_hash_is_that_of_the_sources_own_columns_by_name(engine):
    frame = rows(("A", 1.0, 1, 2), ("B", None, 2, 3))
    expected = hash_ties(frame)
    made = engine.prepare([piece(frame)], LATEST).rows.of(0, 1)
    assert made["tie_order"].to_list() == expected.to_list()


def test_rows_keep_their_hash_when_others_bring_a_column_more(engine):
    frame = rows(("A", 1.0, 1, 2), ("B", None, 2, 3))
    wider = rows(("C", 1.0, 1, 2)).with_columns(extra=pl.lit("x"), arr_delay=pl.lit(1.5))
    alone = engine.prepare([piece(frame)], LATEST).rows.of(0, 1)
    together = engine.prepare([piece(frame), piece(wider)], LATEST).rows.of(0, 1)
    assert together.filter(pl.col("carrier") != "C").equals(alone)


TIED = st.tuples(st.sampled_from("AB"), st.sampled_from([None, 1.0, 2.0]), st.integers(0, 1), st.integers(1, 2))


def place(row):
    """Keys, clocks, tiebreak with null after every value, hash."""
    key, event, available, tie, number = row
    return key, event, available, tie is None, tie or 0.0, number


@settings(max_examples=examples(15))
@given(st.lists(TIED, max_size=12), st.randoms())
def test_rows_are_in_total_order_whatever_that_of_the_input(engine, drawn, chance):
    view = replace(ALL, source=replace(ARRIVALS, tiebreak=("arr_delay",)))
    columns = ["carrier", "event_time", "available_at", "tie_0", "tie_order"]
    made = engine.prepare([piece(rows(*drawn))], view)
    found = made.rows.of(0, 1).select(columns).rows()
    assert found == sorted(found, key=place)
    chance.shuffle(drawn)
    half = len(drawn) // 2
    again = engine.prepare([piece(rows(*drawn[:half])), piece(rows(*drawn[half:]))], view)
    assert again.rows.of(0, 1).equals(made.rows.of(0, 1))
    assert again.rows.mark == made.rows.mark


def test_other_rows_have_another_mark(engine):
    marks = [
        engine.prepare([piece(frame)], ALL).rows.mark
        for frame in (rows(("A", 1.0, 1, 2)), rows(("A", 1.5, 1, 2)), rows(("A", 1.0, 1, 2), ("A", 1.0, 1, 2)))
    ]
    assert len({mark for mark in marks if mark}) == sum(map(bool, marks))


@pytest.mark.parametrize("buckets", [1, 2, 16, 1024])
def test_each_row_is_in_the_bucket_of_its_keys_and_in_total_order_there(engine, buckets):
    carriers = [f"C{i % 7}" for i in range(200)]
    frame = rows(*[(c, float(i), i % 5, 5 + i % 3) for i, c in enumerate(carriers)])
    frame = frame.with_columns(origin=pl.Series([f"O{i % 5}" for i in range(200)]))
    made = engine.prepare([piece(frame)], BY_ROUTE)
    every = made.rows.of(0, 1)
    where = bucket_of(every.select("carrier", "from"), buckets)
    for bucket in {*where, 0, buckets - 1}:
        assert made.rows.of(bucket, buckets).equals(every.filter(where == bucket))


class CountedScan:
    """Rows that say how often they were asked for."""

    def __init__(self, frame):
        self.frame, self.reads = frame, 0

    def read(self):
        self.reads += 1
        return self.frame.lazy()

    def stream(self):
        return None


class ComingScan(CountedScan):
    """Rows that come one after the other, once."""

    def __init__(self, frame):
        super().__init__(frame)
        self.coming = RowStream(empty=frame.clear().lazy(), frames=self.come())

    def come(self):
        for row in self.frame.iter_slices(1):
            self.reads += 1
            yield row.lazy()

    def stream(self):
        return self.coming


@pytest.mark.parametrize("view", [ALL, LATEST], ids=["all", "with another clock"])
def test_rows_that_come_are_those_that_lie_there_and_are_asked_for_once(engine, view):
    frame = rows(("A", 1.0, 1, 1), ("B", None, 2, 2), ("A", 2.0, 2, 7), ("A", 3.0, 0, 3))
    scan = ComingScan(frame)
    made = engine.prepare([Piece(scan=scan, until=at(5), after=at(1))], view)
    lying = engine.prepare([Piece(scan=CountedScan(frame), until=at(5), after=at(1))], view)
    assert made.rows.of(0, 1).equals(lying.rows.of(0, 1))
    assert replace(made, rows=None) == replace(lying, rows=None)
    assert scan.reads == frame.height


def test_rows_that_come_are_read_whole_where_a_range_of_them_is_wanted(engine):
    scan = ComingScan(rows(("A", 1.0, 1, 1), ("A", 2.0, 9, 9)))
    assert delays(engine.prepare([Piece(scan=scan, until=at(99), since=at(5))], ALL)) == [2.0]
    assert next(scan.coming.frames).collect().height == 1  # none of them was taken


def test_a_scan_is_read_where_the_engine_prepares_its_piece(engine):
    scan = CountedScan(rows(("A", 1.0, 1, 1), ("A", 2.0, 2, 2)))
    pieces = [Piece(scan=scan, until=at(99))]
    assert scan.reads == 0
    assert delays(engine.prepare(pieces, ALL)) == [1.0, 2.0]
    assert scan.reads > 0
