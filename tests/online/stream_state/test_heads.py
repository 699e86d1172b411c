"""Columns come back from a head as they were, heads of many rows are small, and other bytes are refused."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from featurectl.core.errors import StoreError
from featurectl.online.stream_state.columns import Column, column_of, pack_column, unpack_column
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.head import COMPRESSED, PLAIN, no_head, pack_head, unpack_head
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.record import EventRecord, pack_record
from tests.seeds import seeds_from

BEGIN_US, DAY_US, SECOND_US = 1_790_000_000_000_000, 86_400_000_000, 1_000_000
MOST_BYTES = 6_500  # of a head of 300 events of a float of any digits
LAYOUT = ListLayout(kind="event", inputs={"amount": "float64"}, span_us=30 * DAY_US)
FLOATS = (0.0, -0.0, float("nan"), float("inf"), -1 / 3, 5e-324)


def random_value(random: Random, dtype: str) -> object:
    if random.random() < 0.2:
        return None
    if dtype == "float64":
        return random.choice([*FLOATS, random.gauss(0, 1)])
    if dtype == "string":
        return random.choice(["", "ß", "x" * 300])
    whole = random.choice([0, -1, 2**63 - 1, -(2**63), 2**64, 10**37])
    return str(whole) if dtype == "decimal(38,0)" else whole if dtype == "whole" else random.choice([0, 1, -(2**63)])


@pytest.mark.parametrize("dtype", ["float64", "int64", "string", "decimal(38,0)", "whole"])
@pytest.mark.parametrize("seed", seeds_from(0, 4))
def test_columns_come_back_to_the_last_bit(dtype: str, seed: int):
    random = Random(seed)
    for rows in (0, 1, 8, 9, 300):
        column = column_of(dtype, [random_value(random, dtype) for _ in range(rows)])
        found = unpack_column(pack_column(column), dtype, rows)
        assert [bits(found, row) for row in range(rows)] == [bits(column, row) for row in range(rows)]


def bits(column: Column, row: int) -> object:
    value = column.at(row)
    return np.float64(value).tobytes() if isinstance(value, float) else value


def head_of(events: int) -> bytes:
    """A head of events with times in milliseconds and stamps in microseconds, in 30 days."""
    random = Random(1)
    instants = sorted(BEGIN_US + random.randrange(30 * DAY_US) for _ in range(events))
    times = [((at - random.randrange(SECOND_US)) // 1_000 * 1_000, at) for at in instants]
    records = [EventRecord(0, i, *both, 0, (), (100 * random.random(),)) for i, both in enumerate(times)]
    applied = AppliedInstants(applied_us={0: instants[-1]}, asof_us=instants[-1], clock_us=instants[-1])
    return compact([pack_record(record, LAYOUT) for record in records], LAYOUT, applied).head


def test_heads_are_compressed_where_that_is_less():
    assert head_of(1)[0] == PLAIN
    many = head_of(300)
    assert many[0] == COMPRESSED
    assert len(many) <= MOST_BYTES
    assert pack_head(unpack_head(many, LAYOUT), LAYOUT) == many


@pytest.mark.parametrize("form", [0x80, 0x81, 0x82])
def test_a_head_of_a_development_version_is_refused(form: int):
    with pytest.raises(StoreError, match="a development version of featurectl wrote a head") as found:
        unpack_head(bytes([form]) + pack_head(no_head(LAYOUT), LAYOUT)[1:], LAYOUT)
    assert "featurectl stream rebuild VIEW" in (found.value.hint or "")


def test_a_head_of_a_later_version_is_refused():
    with pytest.raises(StoreError, match="format 133"):
        unpack_head(bytes([COMPRESSED + 1]), LAYOUT)


@pytest.mark.parametrize("cut", [1, 2, 9, 40])
@pytest.mark.parametrize("events", [1, 300])
def test_a_head_that_is_cut_is_refused(events: int, cut: int):
    with pytest.raises(StoreError, match="broken list"):
        unpack_head(head_of(events)[:-cut], LAYOUT)


@pytest.mark.parametrize("packed", [bytes(23), bytes(25), [b"\xff\xff", bytes(24)], [b"", bytes(24)], None, 5, ["a"]])
def test_a_column_of_other_rows_is_refused(packed: object):
    with pytest.raises((StoreError, ValueError, TypeError)):
        unpack_column(packed, "int64", 3)
