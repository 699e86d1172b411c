"""What any engine's `prepare` does: source rows become table rows by read, dedup, select, where, keys, in order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isnan, nan

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.core.units import HOUR_US
from featurectl.engines.base import EarlierRows, FrameScan, Piece
from featurectl.engines.spill import SpillRoom
from featurectl.expressions.check import type_expression
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.source import Check, NamedExpression
from featurectl.language.typing.views import type_check_view
from tests.definitions import ARRIVALS, COLUMNS, DELAYS, LATEST
from tests.engines.rows import T0, at, rows
from tests.seeds import examples
from tests.tombstones import erased, tombstone


@pytest.fixture(scope="session")
def prepare(engine):
    """Prepare the rows of one frame."""

    def prepare_frame(frame, view=LATEST, seen=(), until=99, **ends):
        times = {name: at(hour) if isinstance(hour, int) else hour for name, hour in ends.items()}
        piece = Piece(scan=FrameScan(rows=frame.lazy()), until=at(until), **times)
        return engine.prepare(
            [piece], view, EarlierRows(pieces=[Piece(scan=FrameScan(rows=s.lazy()), until=at(until)) for s in seen])
        )

    return prepare_frame


def whole(made):
    """All rows, in order."""
    return made.rows.of(0, 1)


def test_rows_are_sorted_by_key_and_time_with_the_views_columns(prepare):
    made = prepare(rows(("B", 1.0, 2, 3), ("A", 2.0, 5, 6), ("A", 3.0, 1, 2)))
    assert whole(made).columns == ["carrier", "event_time", "available_at", "tie_order", "arr_delay", "hours"]
    assert whole(made).select("carrier", "arr_delay").rows() == [("A", 3.0), ("A", 2.0), ("B", 1.0)]
    assert whole(made)["hours"].to_list() == [3.0 / 60, 2.0 / 60, 1.0 / 60]


def test_rows_without_key_or_time_are_dropped_and_counted(prepare):
    made = prepare(rows((None, 1.0, 1, 1), ("A", 1.0, None, 1), ("A", 1.0, 1, None), ("A", 4.0, 1, 1)))
    assert whole(made)["arr_delay"].to_list() == [4.0]
    assert made.dropped == {"null key": 1, "null event_time": 1, "null available_at": 1}
    assert made.rows_read == 4


def test_rows_with_too_long_a_key_are_dropped_and_the_first_is_named(prepare):
    long, longest = "é" * 510, "é" * 509  # with what stores write before it a key has 1,026 bytes, or 1,024
    made = prepare(rows((long, 1.0, 1, 1), (longest, 2.0, 1, 1), (None, 3.0, 1, 1), ("x" * 9_000, 4.0, 1, 1)))
    assert whole(made)["carrier"].to_list() == [longest]
    assert made.dropped == {"null key": 1, "key of more than 1,024 bytes": 2}
    assert made.long_key == {"carrier": f"{'é' * 40}... (510 characters)", "at": "2024-01-01T01:00:00Z"}


def test_only_rows_of_the_interval_are_taken_and_later_ones_are_counted(prepare):
    made = prepare(rows(("A", 1.0, 1, 1), ("A", 2.0, 1, 2), ("A", 3.0, 1, 3), ("A", 4.0, 1, 4)), after=1, until=3)
    assert whole(made)["arr_delay"].to_list() == [2.0, 3.0]
    assert made.held_back == (1,)
    assert made.watermark == at(3)


def test_where_sees_the_select_columns_and_filters_before_keys(prepare):
    view = replace(DELAYS, where=DELAYS.inputs[1].expression)  # where: late
    made = prepare(rows(("A", 20.0, 1, 1), ("A", 10.0, 1, 1), (None, 10.0, 1, 1)), view)
    assert whole(made)["arr_delay"].to_list() == [20.0]
    assert made.dropped == {}


def test_nan_is_null_unless_the_source_keeps_it(prepare):
    frame = rows(("A", float("nan"), 1, 1))
    assert whole(prepare(frame))["arr_delay"].to_list() == [None]
    kept = replace(LATEST, source=replace(ARRIVALS, nan="keep"))
    assert whole(prepare(frame, kept))["arr_delay"].is_nan().all()


def test_the_first_available_copy_of_an_event_stays_and_null_keys_differ(prepare):
    view = replace(LATEST, source=replace(ARRIVALS, dedup_key=("carrier", "at")))
    copies = rows(("A", 2.0, 1, 5), ("A", 1.0, 1, 2), ("B", 3.0, 1, 2), (None, 4.0, 1, 2), (None, 5.0, 1, 2))
    made = prepare(copies, view)
    assert whole(made)["arr_delay"].to_list() == [1.0, 3.0]
    assert made.dropped == {"repeated": 1, "null key": 2}


def test_a_repeat_of_a_row_that_was_read_before_is_left_out(prepare):
    view = replace(LATEST, source=replace(ARRIVALS, dedup_key=("carrier",)))
    made = prepare(rows(("A", 9.0, 3, 3), ("B", 1.0, 3, 3)), view, seen=[rows(("A", 1.0, 1, 1))])
    assert whole(made)["carrier"].to_list() == ["B"]


def test_a_delay_moves_the_availability(prepare):
    source = replace(ARRIVALS, available_at=None, delay_us=2 * HOUR_US)
    made = prepare(rows(("A", 1.0, 1, 1), ("A", 2.0, 3, 3)), replace(LATEST, source=source), until=4)
    assert whole(made)["available_at"].to_list() == [at(3)]
    assert made.held_back == (1,)


def test_a_static_source_is_known_always(prepare):
    source = replace(ARRIVALS, event_time=None, available_at=None)
    made = prepare(rows(("A", 1.0, 1, 1)), replace(LATEST, source=source))
    assert whole(made)["event_time"].to_list() == [datetime(1, 1, 1, tzinfo=UTC)]
    assert (made.watermark, made.newest_event) == (None, None)


def test_a_date_column_means_midnight(prepare):
    frame = rows(("A", 1.0, 5, 5)).with_columns(pl.col("at").cast(pl.Date))
    assert whole(prepare(frame))["event_time"].to_list() == [T0]
    local = replace(LATEST, source=replace(ARRIVALS, timezone="America/Los_Angeles"))
    assert whole(prepare(frame, local))["event_time"].to_list() == [T0 + timedelta(hours=8)]


def test_a_clock_may_be_a_select_column_even_one_that_hides_its_own_input(prepare):
    hidden = NamedExpression(
        name="at", expression=type_expression("at - interval '1 hour'", COLUMNS), dtype="timestamp"
    )
    source = replace(ARRIVALS, select=(*ARRIVALS.select, hidden))
    made = prepare(rows(("A", 1.0, 5, 6)), replace(LATEST, source=source))
    assert whole(made)["event_time"].to_list() == [at(4)]


@pytest.mark.parametrize(
    ("change", "message", "code"),
    [
        (lambda f: f.drop("known_at"), "source arrivals has no column 'known_at'", "FC503"),
        (lambda f: f.with_columns(at=pl.lit("x")), "column 'at' is String, a clock must be a timestamp", "FC504"),
    ],
)
def test_a_clock_that_is_missing_or_no_time_is_named(prepare, change, message, code):
    with pytest.raises(DataError, match=message) as caught:
        prepare(change(rows(("A", 1.0, 1, 1))))
    assert caught.value.code == code


ROW = st.tuples(
    st.sampled_from(["A", "B", None]),
    st.sampled_from([1.0, 2.0, None]),
    st.integers(0, 3),
    st.integers(0, 5),
)


@settings(max_examples=examples(15))
@given(st.lists(ROW, max_size=12), st.randoms())
def test_the_order_of_the_input_changes_nothing(prepare, given_rows, chance):
    shuffled = list(given_rows)
    chance.shuffle(shuffled)
    assert whole(prepare(rows(*given_rows), DELAYS)).equals(whole(prepare(rows(*shuffled), DELAYS)))


def test_an_aggregate_with_a_condition_keeps_decimals_and_nan_as_they_are(prepare):
    frame = rows(("A", nan, 1, 1), ("A", 16.0, 2, 2), ("A", 2.0, 3, 3))
    prices = [Decimal("0.10"), Decimal("9999999.99"), None]
    frame = frame.with_columns(pl.Series("price", prices, dtype=pl.Decimal(9, 2)))
    texts = {
        "price": "case when (arr_delay > 15) then price end",
        "never": "case when (false) then price end",
        "delay": "case when (known_at = at) then arr_delay end",
    }
    inputs = tuple(NamedExpression(name=name, expression=Expression(text)) for name, text in texts.items())
    view = replace(DELAYS, inputs=inputs, features=(), derived=(), where=None, source=replace(ARRIVALS, nan="keep"))
    made = whole(prepare(frame, type_check_view(view, COLUMNS | {"price": "decimal(9,2)"})[0]))
    assert made.schema["price"] == made.schema["never"] == pl.Decimal(9, 2)
    assert made["price"].to_list() == [None, Decimal("9999999.99"), None]
    assert made["never"].to_list() == [None, None, None]
    assert [isnan(made["delay"][0]), *made["delay"].to_list()[1:]] == [True, 16.0, 2.0]


HOURS = st.none() | st.integers(0, 6)
DRAWN = st.tuples(st.sampled_from(["A", "B", "C", None]), st.integers(0, 3), HOURS, HOURS)
TOLD = ("rows_read", "held_back", "watermark", "newest_event", "begins", "dropped", "checks")


@settings(max_examples=8)
@given(st.lists(DRAWN, max_size=30), st.booleans())
def test_rows_that_outgrow_the_memory_are_prepared_as_those_that_do_not(make_engine, drawn, dedup):
    frame = rows(*[(c, float(d), e, a) for c, d, e, a in drawn])
    checks = (Check(kind="unique", column="arr_delay"), Check(kind="sql", text="select * from rows where late"))
    source = replace(ARRIVALS, dedup_key=("arr_delay", "origin") if dedup else (), checks=checks)
    view = replace(DELAYS, source=source)
    pieces = [Piece(scan=FrameScan(rows=part.lazy()), until=at(4)) for part in (frame[::2], frame[1::2])]
    expected = make_engine(None, 1).prepare(pieces, view)
    with SpillRoom() as room:
        made = make_engine(0, 1).prepare(pieces, view, room=room)
        assert whole(made).equals(whole(expected))
        assert made.rows.mark == expected.rows.mark
        parts = pl.concat([made.rows.of(bucket, 4) for bucket in range(4)])
        assert parts.sort(parts.columns).equals(whole(expected).sort(parts.columns))
    assert [getattr(made, name) for name in TOLD] == [getattr(expected, name) for name in TOLD]


def test_files_of_rows_that_did_not_fit_lie_in_the_room_and_go_with_it(make_engine, tmp_path):
    frame = rows(*[("A", float(i), 1, 2) for i in range(1000)])
    with SpillRoom(tmp_path) as room:
        made = make_engine(0, 1).prepare([Piece(scan=FrameScan(rows=frame.lazy()), until=at(99))], DELAYS, room=room)
        assert [path for path in tmp_path.rglob("*") if path.is_file()]
        assert whole(made).height == made.rows.height == 1000
    assert not list(tmp_path.iterdir())


def test_a_source_is_checked_with_untimed_rows_and_a_view_after_where(prepare):
    frame = rows((None, 1.0, 1, 1), ("A", 20.0, None, 1), ("A", 3.0, 1, 1))
    source = replace(ARRIVALS, checks=(Check(kind="not_null", column="at"), Check(kind="row_count", low=3)))
    late = LATEST.source.select[0].expression
    view = replace(LATEST, source=source, where=late, checks=(Check(kind="row_count", low=1),))
    made = prepare(frame, view)
    assert [(r.of, r.label, r.passed, r.rows) for r in made.checks] == [
        ("source arrivals", "at not_null", False, 3),
        ("source arrivals", "row_count at least 3", True, 3),
        ("feature view latest", "row_count at least 1", False, 0),
    ]
    assert made.checks[0].found == "1 of 3 rows are null"


def test_columns_of_select_can_be_checked(prepare):
    source = replace(ARRIVALS, checks=(Check(kind="in", column="late", values=(False,)),))
    made = prepare(rows(("A", 20.0, 1, 1), ("A", 3.0, 1, 1)), replace(LATEST, source=source))
    assert (made.checks[0].failed, made.checks[0].rows) == (1, 2)


def test_rows_of_erased_keys_are_left_out_last_and_counted(engine):
    view = LATEST
    gone = erased(tombstone(view.entity.name, view.keys, ["A"], at(3)))
    frame = rows(("A", 1.0, 1, 5), ("B", 2.0, 1, 5), ("A", 3.0, 4, 4), ("A", 4.0, 4, 5), ("A", 5.0, 3, 9))
    made = engine.prepare([Piece(scan=FrameScan(rows=frame.lazy()), until=at(99))], view, erasures=gone)
    assert sorted(whole(made)["arr_delay"].to_list()) == [2.0, 3.0, 4.0]
    assert (made.dropped, made.rows_read) == ({"erased": 2}, 5)
    assert made.watermark == at(9)
