"""Every engine makes rows of a stream's events alike: copies told by entity, ties by what orders them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import from_us
from featurectl.engines.base import Engine, EventPiece, FrameScan
from featurectl.language.definitions.source import Check
from featurectl.language.stream_reach import repeat_reach_us
from featurectl.workspace.event_reader import stamped_source
from tests.operations.materialize.event_streams import BEGIN, HISTORY, SOURCE, SPEND
from tests.tombstones import erased, tombstone

NAMED = replace(SOURCE, dedup_key=("swipe",))
VIEW = replace(SPEND, source=NAMED)
SCHEMA = {
    "swipe": pl.Int64(), "card": pl.String(), "amount": pl.Float64(), "at": INSTANT, "available_at": INSTANT,
    "\x00offset": pl.Int64(),
}  # fmt: skip
Row = tuple[int | None, str | None, float, float, float, int]


def second(number: float) -> datetime:
    return from_us(BEGIN) + timedelta(seconds=number)


def events(*rows: Row, until: float = 1e6, earlier: bool = False) -> EventPiece:
    """Swipe, card, amount, seconds of the event and of its stamp, and offset of each."""
    made = [(swipe, card, amount, second(at), second(stamp), offset) for swipe, card, amount, at, stamp, offset in rows]
    frame = pl.DataFrame(made, schema=pl.Schema(SCHEMA), orient="row")
    return EventPiece(
        scan=FrameScan(rows=frame.lazy()), source=stamped_source(NAMED), until=second(until), order="\x00offset",
        earlier=earlier, checked=True,
    )  # fmt: skip


def made_of(engine: Engine, pieces: Sequence[EventPiece], since: float | None = None) -> pl.DataFrame:
    prepared = engine.prepare_events(pieces, VIEW, None if since is None else second(since))
    return prepared.rows.of(0, 1)


def test_ties_are_in_the_order_of_offsets(engine: Engine):
    rows = made_of(engine, [events((None, "a", 1.0, 1, 2, 9), (None, "a", 2.0, 1, 2, 8), (None, "a", 3.0, 1, 1, 10))])
    assert rows["tie_order"].to_list() == [10, 8, 9]


def test_a_copy_of_another_card_or_that_where_leaves_out_is_none(engine: Engine):
    rows = made_of(engine, [events((1, "a", -80.0, 1, 1, 1), (1, "b", 1.0, 1, 2, 2), (1, "a", 2.0, 1, 3, 3))])
    assert rows.select("card", "cents").rows() == [("a", 200.0), ("b", 100.0)]


def test_a_copy_within_reach_of_a_repeat_is_a_repeat(engine: Engine):
    reach = repeat_reach_us(VIEW) / 1e6
    stamps = [1, 1 + reach, 1 + 2 * reach, 2 + 3 * reach]
    rows = made_of(engine, [events(*((1, "a", 1.0, 1, stamp, number) for number, stamp in enumerate(stamps)))])
    assert rows["tie_order"].to_list() == [0, 3]


def test_of_copies_of_one_stamp_the_first_to_happen_counts(engine: Engine):
    rows = made_of(engine, [events((1, "a", 1.0, 3, 5, 1), (1, "a", 2.0, 2, 5, 2), (1, "a", 3.0, 2, 5, 3))])
    assert rows["tie_order"].to_list() == [2]


def test_events_of_before_only_have_copies(engine: Engine):
    before = events((1, "a", 1.0, 1, 1, 1), (2, "a", 1.0, 1, 1, 2), earlier=True)
    prepared = engine.prepare_events([before, events((1, "a", 1.0, 5, 5, 3), (3, "a", 1.0, 5, 5, 4))], VIEW)
    assert prepared.rows.of(0, 1)["swipe"].to_list() == [3]
    assert (prepared.rows_read, prepared.dropped) == (2, {"repeated": 1})


def test_events_of_before_the_table_are_left_out_and_have_copies(engine: Engine):
    rows = made_of(engine, [events((1, "a", 1.0, 1, 1, 1), (1, "a", 1.0, 9, 9, 2), (2, "a", 1.0, 9, 9, 3))], since=5)
    assert rows["swipe"].to_list() == [2]


def test_what_is_stamped_later_is_held_back(engine: Engine):
    prepared = engine.prepare_events([events((1, "a", 1.0, 1, 1, 1), (2, None, 1.0, 2, 2, 2), until=1)], VIEW)
    assert (prepared.rows.height, prepared.held_back, prepared.dropped) == (1, (1,), {})


def test_events_of_a_history_are_ordered_by_their_hash_and_checked(engine: Engine):
    rows = [(1, "a", 7.0, second(1), second(2))]
    frame = pl.DataFrame(rows, schema=["swipe", "card", "amount", "at", "known_at"], orient="row").lazy()
    check = Check(kind="between", column="amount", low=0.0, high=5.0, severity="warn")
    source = replace(HISTORY, dedup_key=("swipe",), checks=(check,))
    piece = EventPiece(scan=FrameScan(rows=frame), source=source, until=second(10))
    prepared = engine.prepare_events([piece, events((1, "a", 7.0, 3, 3, 1))], VIEW)
    (result,) = prepared.checks
    assert (result.of, result.passed, result.rows) == ("source swipes_files", False, 1)
    assert prepared.rows.of(0, 1)["available_at"].to_list() == [second(2)]
    with pytest.raises(DataError, match=r"source swipes_files has no column 'swipe'"):
        engine.prepare_events(
            [
                replace(
                    piece, scan=FrameScan(rows=frame.drop("swipe")), source=replace(source, dedup_key=(), tiebreak=())
                )
            ],
            replace(SPEND, source=SOURCE),
        )


def test_no_events_make_no_rows_of_the_same_columns(engine: Engine):
    some = made_of(engine, [events((1, "a", 1.0, 1, 1, 1))])
    assert made_of(engine, []).schema == some.schema


def test_events_of_erased_keys_are_left_out_and_counted(engine: Engine):
    assert VIEW.entity is not None
    gone = erased(tombstone(VIEW.entity.name, VIEW.keys, ["a"], second(2)))
    piece = events((1, "a", 1.0, 1, 5, 1), (2, "b", 2.0, 1, 2, 2), (3, "a", 3.0, 3, 4, 3))
    made = engine.prepare_events([piece], VIEW, erasures=gone)
    assert made.rows.of(0, 1).select("card", "cents").rows() == [("a", 300.0), ("b", 200.0)]
    assert made.dropped == {"erased": 1}
