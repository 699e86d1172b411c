"""What becomes of a table of a stream when the stream begins, the history grows or goes, and the log changes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from featurectl.core.errors import DataError
from featurectl.core.units import from_us
from featurectl.engines.base import TOO_LATE
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.delta import DeltaStore
from featurectl.operations.materialize.dry_run import plan_view
from featurectl.operations.materialize.range import Range
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.streams import AFTER_CUT, materialize_stream
from tests.operations.materialize.event_streams import BEGIN, SECOND, SPEND, CardStream
from tests.operations.materialize.test_streams import expected, rows_of


@pytest.fixture
def stream(tmp_path: Path) -> CardStream:
    return CardStream(folder=tmp_path, random=Random(1), partitions=2)


def second(number: float) -> datetime:
    return from_us(BEGIN + int(number * SECOND))


def swipe(number: int, at: float, amount: float = 1.0) -> dict[str, object]:
    return {"swipe": number, "card": "c1", "amount": amount, "at": second(at)}


def known(number: int, at: float) -> dict[str, object]:
    """A row of the history that became known when it happened."""
    return {**swipe(number, at), "known_at": second(at)}


def begin_at(stream: CardStream, at: float) -> None:
    stream.clock_us = BEGIN + int((at - 1) * SECOND)
    stream.begin()


def put(stream: CardStream, name: str, number: int, at: float, *, rejected: bool = False) -> None:
    """An event that comes, and is logged, when it happens; all other partitions have come as far."""
    stream.clock_us = BEGIN + int(at * SECOND)
    stream.put(name, swipe(number, at), rejected=rejected)
    stream.commit([*stream.ends])


def swipes(stream: CardStream, view: FeatureView = SPEND) -> list[int]:
    table = stream.materialize(view)[1]
    return sorted(table.read()["swipe"].to_list())


def test_a_stream_that_begins_takes_over_from_its_history(stream: CardStream):
    stream.write_history([known(1, 0), known(2, 5), known(3, 15)])
    made, _ = stream.materialize(SPEND, now=second(20))
    assert (made.action, made.rows_written, made.watermark) == ("first", 3, second(15))
    assert stream.materialize(SPEND, now=second(21))[0].action == "nothing"
    begin_at(stream, 10)
    put(stream, "swipes/0", 3, 15)
    put(stream, "swipes/1", 4, 25)
    made, table = stream.materialize(SPEND)
    assert (made.action, made.dropped, made.watermark) == ("rebuild", {AFTER_CUT: 1}, from_us(stream.asof_us))
    assert rows_of(table) == expected(stream, SPEND)
    assert swipes(stream) == [1, 2, 3, 4]


def test_a_history_that_changes_before_the_stream_begins_is_taken_anew(stream: CardStream):
    stream.write_history([known(1, 0), known(2, 50)])
    assert stream.materialize(SPEND, now=second(20))[0].rows_written == 1
    assert stream.materialize(SPEND, now=second(60))[0].rows_written == 2
    stream.write_history([known(3, 5)])
    made, table = stream.materialize(SPEND, now=second(70))
    assert (made.action, table.read()["swipe"].to_list()) == ("rebuild", [1, 3, 2])


def test_history_that_comes_after_the_cut_was_taken_is_counted(stream: CardStream):
    stream.write_history([known(1, 0)])
    begin_at(stream, 10)
    put(stream, "swipes/0", 2, 15)
    assert swipes(stream) == [1, 2]
    stream.write_history([known(3, 5), known(4, 6), known(2, 15)])
    made, _ = stream.materialize(SPEND)
    assert (made.action, made.dropped, made.late_since) == ("nothing", {TOO_LATE: 2}, second(5))
    assert stream.materialize(SPEND)[0].dropped == {}
    made, table = stream.materialize(SPEND, full=True)
    assert sorted(table.read()["swipe"].to_list()) == [1, 2, 3, 4]
    assert made.dropped == {AFTER_CUT: 1}


def test_a_history_that_is_gone_keeps_a_table_from_being_made_anew(stream: CardStream):
    stream.write_history([known(1, 0)])
    stream.write_history([known(2, 1)])
    begin_at(stream, 10)
    put(stream, "swipes/0", 3, 15)
    assert swipes(stream) == [1, 2, 3]
    (stream.folder / "history" / "001.parquet").unlink()
    put(stream, "swipes/0", 1, 16)
    with pytest.raises(DataError, match=r"history/001.parquet is gone, and events of .* may have copies"):
        stream.materialize(SPEND)
    put(stream, "swipes/0", 4, 5000)
    put(stream, "swipes/0", 5, 10000)
    view = replace(SPEND, inputs=(*SPEND.inputs, replace(SPEND.inputs[0], name="again")))
    with pytest.raises(DataError, match=r"001.parquet is gone, and .*, made anew \(a column of it is new\)"):
        stream.materialize(view)
    made, table = stream.materialize(view, full=True)
    assert sorted(table.read()["swipe"].to_list()) == [1, 2, 3, 4, 5]
    (stream.folder / "history" / "002.parquet").unlink()
    put(stream, "swipes/0", 6, 20000)
    made, table = stream.materialize(view)
    assert (made.action, made.rows_written, table.statistics().rows) == ("append", 1, 6)


@pytest.mark.long
def test_events_of_the_log_are_copies_of_those_of_the_history(stream: CardStream):
    stream.write_history([known(1, 0), known(2, 1)])
    begin_at(stream, 10)
    put(stream, "swipes/0", 1, 15)
    assert swipes(stream) == [1, 2]
    put(stream, "swipes/1", 2, 20)  # another run
    made, _ = stream.materialize(SPEND)
    assert (made.action, made.dropped, swipes(stream)) == ("nothing", {"repeated": 1}, [1, 2])
    put(stream, "swipes/1", 2, 20 + 4000)  # later than events stay
    assert swipes(stream) == [1, 2, 2]


def test_a_copy_of_a_repeat_is_one_in_a_run_of_its_own(stream: CardStream):
    begin_at(stream, 0)
    for number in range(3):
        put(stream, "swipes/0", 1, 1 + 3000 * number)
        assert swipes(stream) == [1]


def test_a_longer_window_knows_repeats_of_longer_ago(stream: CardStream):
    begin_at(stream, 0)
    put(stream, "swipes/0", 1, 1)
    put(stream, "swipes/0", 1, 1 + 4000)
    assert swipes(stream) == [1, 1]
    longer = replace(
        SPEND, features=(*SPEND.features, replace(SPEND.features[0], name="long", window_us=2000 * SECOND))
    )
    made, table = stream.materialize(longer)
    assert (made.action, table.read()["swipe"].to_list()) == ("rebuild", [1])
    made, _ = stream.materialize(longer)
    assert made.action == "nothing"
    put(stream, "swipes/0", 2, 1 + 4001)
    made, _ = stream.materialize(SPEND)  # a shorter one leaves the table as it is
    assert made.action == "append"


def test_what_was_rejected_is_in_no_table(stream: CardStream):
    begin_at(stream, 0)
    put(stream, "swipes/0", 1, 1, rejected=True)
    put(stream, "swipes/0", 2, 2)
    made, _ = stream.materialize(SPEND)
    assert (made.rows_read, made.dropped, swipes(stream)) == (1, {}, [2])


def test_events_without_a_key_are_counted(stream: CardStream):
    begin_at(stream, 0)
    put(stream, "swipes/0", 1, 1)
    stream.put("swipes/0", {**swipe(2, 2), "card": None})
    stream.put("swipes/1", {**swipe(3, 2), "card": None, "amount": -60.0})  # the view does not take it
    put(stream, "swipes/1", 4, 3)
    made, _ = stream.materialize(SPEND)
    assert (made.dropped, swipes(stream)) == ({"null key": 1}, [1, 4])


def test_events_whose_key_is_too_long_are_counted_of_history_and_log(stream: CardStream):
    stream.write_history([{**known(1, 0), "card": "x" * 1_019}, known(2, 0)])
    begin_at(stream, 10)
    stream.put("swipes/0", {**swipe(4, 15), "card": "y" * 9_000})  # as an older version logged it
    put(stream, "swipes/1", 3, 16)
    made, _ = stream.materialize(SPEND)
    assert (made.dropped, swipes(stream)) == ({"key of more than 1,024 bytes": 2}, [2, 3])
    assert str(made.long_key["card"]).startswith("x" * 40 + "... (1,019 characters)")


def test_a_new_column_is_computed_of_history_and_log_while_events_come(stream: CardStream):
    stream.write_history([known(1, 0)])
    begin_at(stream, 10)
    put(stream, "swipes/0", 2, 15)
    stream.materialize(SPEND)
    put(stream, "swipes/1", 3, 16)
    amount = replace(SPEND.inputs[0], name="amount_again")
    made, table = stream.materialize(replace(SPEND, inputs=(*SPEND.inputs, amount)))
    assert made.action == "rebuild"
    assert table.read()["amount_again"].to_list() == [100.0, 100.0, 100.0]


def test_a_log_that_is_another_is_refused(stream: CardStream):
    begin_at(stream, 0)
    put(stream, "swipes/0", 1, 1)
    stream.materialize(SPEND)
    shutil.rmtree(stream.folder / "log")
    with pytest.raises(DataError, match="the log log ends before offset") as caught:
        stream.materialize(SPEND)
    assert caught.value.code == "FC501"
    begin_at(stream, 5)
    put(stream, "swipes/0", 1, 6)
    with pytest.raises(DataError, match="begins at another instant"):
        stream.materialize(SPEND)
    assert stream.materialize(SPEND, full=True)[0].rows_written == 1


def test_gaps_of_the_log_are_told(stream: CardStream):
    begin_at(stream, 0)
    put(stream, "swipes/0", 1, 1)
    stream.gaps = ((BEGIN, BEGIN + SECOND),)
    put(stream, "swipes/0", 2, 2)
    assert stream.materialize(SPEND)[0].gaps == ((second(0), second(1)),)
    assert stream.materialize(SPEND)[0].gaps == ((second(0), second(1)),)


def test_how_far_a_log_is_read_is_kept_without_new_rows(stream: CardStream):
    begin_at(stream, 0)
    put(stream, "swipes/0", 1, 1)
    stream.materialize(SPEND)
    stream.clock_us += 100 * SECOND
    stream.commit([*stream.ends])
    made, table = stream.materialize(SPEND)
    assert (made.action, made.watermark) == ("nothing", from_us(stream.asof_us))
    coverage = table.coverage()
    assert coverage is not None
    assert coverage.watermark == from_us(stream.asof_us)
    before = table.version()
    assert stream.materialize(SPEND, now=stream.now + timedelta(hours=1))[1].version() == before


def test_a_dry_run_says_what_would_be_taken(stream: CardStream):
    def planned() -> tuple[str, str]:
        view = replace(SPEND, source=stream.source)
        table = DeltaStore(str(stream.folder / "offline"), "p").table(view.name, 1, view.key_types)
        run = MaterializeRun(view=view, version=1, reader=stream.reader(), table=table)
        made = plan_view(run, stream.now)
        return made.action, made.reason

    stream.write_history([known(1, 0)])
    assert planned() == ("first", "it has no table yet")
    stream.materialize(SPEND, now=second(1))
    begin_at(stream, 10)
    assert planned() == ("rebuild", "the stream has begun")
    stream.materialize(SPEND)
    put(stream, "swipes/0", 2, 15)
    assert planned() == ("append", "new rows")
    stream.materialize(SPEND)
    assert planned() == ("nothing", "no new rows")


def test_a_table_that_begins_later_knows_copies_of_before(stream: CardStream):
    begin_at(stream, 0)
    put(stream, "swipes/0", 1, 1)
    put(stream, "swipes/0", 1, 100)  # it happened later than its first copy
    put(stream, "swipes/0", 2, 101)
    view = replace(SPEND, source=stream.source)
    table = DeltaStore(str(stream.folder / "offline"), "p").table(view.name, 1, view.key_types)
    run = MaterializeRun(view=view, version=1, reader=stream.reader(), table=table)
    materialize_stream(PolarsEngine(1), run, stream.now, asked=Range(since=second(50)))
    assert table.read()["swipe"].to_list() == [2]
    stream.clock_us = BEGIN + 110 * SECOND
    stream.put("swipes/1", swipe(3, 20))  # late, and of before the table
    put(stream, "swipes/1", 4, 120)
    assert swipes(stream) == [2, 4]


def test_a_range_that_is_asked_for_makes_the_table_of_a_stream_anew(stream: CardStream):
    stream.write_history([known(1, 0)])
    begin_at(stream, 10)
    put(stream, "swipes/0", 2, 15)
    stream.materialize(SPEND)
    stream.write_history([known(3, 5)])
    view = replace(SPEND, source=stream.source)
    table = DeltaStore(str(stream.folder / "offline"), "p").table(view.name, 1, view.key_types)
    run = MaterializeRun(view=view, version=1, reader=stream.reader(), table=table)
    made = materialize_stream(PolarsEngine(1), run, stream.now, asked=Range(since=second(5)))
    assert (made.action, sorted(table.read()["swipe"].to_list())) == ("rebuild", [1, 2, 3])


def test_a_log_that_has_not_come_to_its_cut_is_none_yet(stream: CardStream):
    stream.write_history([known(1, 0), known(2, 5)])
    begin_at(stream, 10)
    stream.applied["swipes/1"] = 0  # as a partition begins that no worker has
    stream.clock_us += 1
    stream.put("swipes/0", swipe(3, 10))
    stream.commit(["swipes/0"])
    made, table = stream.materialize(SPEND)
    assert (made.action, made.watermark, table.read()["swipe"].to_list()) == ("first", second(5), [1, 2])
    stream.commit([*stream.ends])
    assert stream.materialize(SPEND)[0].action == "rebuild"
    assert swipes(stream) == [1, 2, 3]


def test_a_partition_that_comes_later_is_taken_whole(stream: CardStream):
    begin_at(stream, 0)
    put(stream, "swipes/0", 1, 10_000)
    assert swipes(stream) == [1]
    asof = stream.asof_us
    stream.ends["swipes/7"], stream.waiting["swipes/7"], stream.applied["swipes/7"] = 700, [], asof - SECOND
    stream.commit([])
    made, _ = stream.materialize(SPEND)
    assert (made.action, made.watermark) == ("nothing", from_us(asof))  # that stays true
    put(stream, "swipes/7", 2, 10_001)
    assert swipes(stream) == [1, 2]
