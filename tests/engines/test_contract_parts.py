"""What any engine's `count_parts` says of the parts of a transform's source: how many rows, which late or changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurectl.engines.base import SourceParts
from featurectl.engines.spans import NOTHING_READ
from tests.definitions import ARRIVALS
from tests.engines.rows import at, rows
from tests.engines.test_contract_rows import piece

FIRST, OLD, LATE, NEW = ("A", 0.0, 0, 0), ("A", 1.0, 2, 2), ("A", 2.0, 1, 1), ("A", 3.0, 5, 5)


def counted(engine, *parts, source=ARRIVALS, **asked):
    seen = engine.count_parts(SourceParts(source=source, pieces=list(parts), **asked))
    return seen.late, seen.late_events and seen.late_events[0], [changed and changed[0] for changed in seen.changed]


def before(engine, *there):
    (seen,) = engine.count_parts(SourceParts(source=ARRIVALS, pieces=[piece(rows(*there), until=3)])).parts
    return seen


def test_rows_of_parts_are_counted_with_their_hashes(engine):
    assert before(engine, FIRST, OLD).count == 2
    assert before(engine, FIRST, OLD) == before(engine, OLD, FIRST, NEW) != before(engine, FIRST, LATE)


@pytest.mark.parametrize("taken_after", [None, 0, 1])
def test_rows_known_before_come_late_unless_the_run_takes_them(engine, taken_after):
    read, after = before(engine, FIRST, OLD), None if taken_after is None else at(taken_after)
    late = (0, None, [None]) if taken_after == 0 else (1, at(1), [None])
    for there in ([FIRST, OLD, LATE, NEW], [FIRST, LATE, OLD, NEW]):
        again = piece(rows(*there), after=3, read_before=read)
        assert counted(engine, again, taken_after=after) == late, there


def test_a_part_that_changed_says_from_when_on(engine):
    read = before(engine, FIRST, OLD)
    for there, changed in [
        ([FIRST, NEW], at(2)),
        ([OLD, NEW], None),
        ([FIRST, ("A", 1.5, 2, 2)], at(2)),
        ([NEW], None),
    ]:
        assert counted(engine, piece(rows(*there), after=3, read_before=read)) == (0, None, [changed]), there


def test_repeats_of_what_was_read_elsewhere_are_not_late(engine):
    once = replace(ARRIVALS, dedup_key=("arr_delay",))
    new, others = piece(rows(FIRST, OLD), after=3, read_before=NOTHING_READ), [piece(rows(OLD), after=3)]
    assert counted(engine, new, others=others) == counted(engine, new, others=others, source=once) == (1, at(0), [None])
    earlier = [piece(rows(("A", 1.0, 2, 3)), after=3)]  # a copy that was known later counts for nothing
    assert counted(engine, new, others=earlier, source=once) == (2, at(0), [None])
