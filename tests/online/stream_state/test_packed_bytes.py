"""Integers, times and floats are packed in few bytes, and one list's come back as they were, alone and among others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest

from featurectl.core.errors import StoreError
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.head import HEAD, open_head, pack_head, unpack_head
from featurectl.online.stream_state.joined_columns import join_ints, join_packed, join_sorted
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.packed_columns import Column, pack_column, unpack_column
from featurectl.online.stream_state.packed_ints import most_of, pack_ints, unpack_ints
from featurectl.online.stream_state.packed_times import (
    last_available,
    pack_available,
    pack_sorted,
    unpack_available,
    unpack_sorted,
)
from featurectl.online.stream_state.record import EventRecord, pack_record
from featurectl.pit.arrays import Ints
from tests.seeds import seeds_from

BEGIN_US, DAY_US, SECOND_US = 1_790_000_000_000_000, 86_400_000_000, 1_000_000
SMALL_BLOCK = 4_087  # bytes of a head, at most, to which Redis gives 4,096
OLD_HEAD = bytes.fromhex(  # as of format 129: two partitions, repeats, floats, texts and integers with nulls
    "819ecf00065c16229cc8000092cf00065c00f296fa00cf00065c00f296fa02940003010404c41700065bfeda25e0000000000000000000"
    "2246000000e222c40d00000000000000000105000902c400c4200100000000000000020000000000000003000000000000000300000000"
    "00000093c4236601e0343333333333d33f00000000000000809c7500883ce4377e0000000000000000c40a6f0094a161c0a162a163c418"
    "6901b0fffffffffffffffb0308000005000000000075110100c40090c0"
)


def random_ints(random: Random) -> Ints:
    """Integers of some spread, of whole thousands or not."""
    step, spread = random.choice([1, 1, 1_000, 1_000_000]), 1 << random.randrange(44)
    least = random.choice([0, -(1 << 62), BEGIN_US, -5])
    count = random.choice([1, 2, 7, random.randrange(1, 700)])
    return np.array([least + step * random.randrange(spread) for _ in range(count)], np.int64)


def random_floats(random: Random) -> Column:
    """Floats of few or many sizes, with nulls or without."""
    draw: Callable[[], float] = random.choice(
        [
            lambda: random.gauss(0, 1),
            lambda: 100 * random.random(),
            lambda: round(random.random(), 2),
            lambda: random.choice([0.0, -0.0, float("nan"), float("inf"), 1 / 3]),
            lambda: random.choice([-1, 1]) * 2.0 ** random.randrange(-1_070, 1_000),
        ]
    )
    values = np.array([draw() for _ in range(random.choice([1, 2, 50, 400]))])
    return Column(values, None if random.random() < 0.7 else np.array([random.random() < 0.8 for _ in values]))


def same(found: Column, wanted: Column) -> bool:
    """Whether two columns have the same bits where they have values."""
    assert isinstance(found.values, np.ndarray)
    assert isinstance(wanted.values, np.ndarray)
    filled = wanted.filled()
    bits = found.values[filled].view(np.int64), wanted.values[filled].view(np.int64)
    return np.array_equal(found.filled(), filled) and np.array_equal(*bits)


@pytest.mark.parametrize("seed", seeds_from(0, 20))
@pytest.mark.sample(4)
def test_integers_come_back_alone_and_among_others(seed: int):
    random = Random(seed)
    for _ in range(40):
        lists = [random_ints(random) for _ in range(random.randrange(1, 6))]
        packed = [pack_ints(values, in_bits=random.random() < 0.6) for values in lists]
        for values, data in zip(lists, packed, strict=True):
            assert np.array_equal(unpack_ints(data, len(values)), values)
            assert most_of(data, len(values)) >= values.max()
        assert np.array_equal(join_ints(packed, np.array([*map(len, lists)])), np.concatenate(lists))


@pytest.mark.parametrize("seed", seeds_from(0, 20))
@pytest.mark.sample(4)
def test_times_come_back_alone_and_among_others(seed: int):
    random = Random(seed)
    for _ in range(40):
        lists = [np.sort(random_ints(random) // 4) for _ in range(random.randrange(1, 6))]
        packed, counts = [*map(pack_sorted, lists)], np.array([*map(len, lists)])
        for values, data in zip(lists, packed, strict=True):
            assert np.array_equal(unpack_sorted(data, len(values)), values)
        found, firsts, lasts = join_sorted(packed, counts)
        assert np.array_equal(found + np.repeat(firsts, counts), np.concatenate(lists))
        assert (firsts.tolist(), lasts.tolist()) == ([int(v[0]) for v in lists], [int(v[-1]) for v in lists])


@pytest.mark.parametrize("seed", seeds_from(0, 20))
@pytest.mark.sample(4)
def test_floats_come_back_to_the_last_bit_alone_and_among_others(seed: int):
    random = Random(seed)
    for _ in range(40):
        lists = [random_floats(random) for _ in range(random.randrange(1, 6))]
        packed, counts = (
            [pack_column(each, "float64") for each in lists],
            np.array([len(each.values) for each in lists]),
        )
        for column, data in zip(lists, packed, strict=True):
            assert same(unpack_column(data, "float64", len(column.values)), column)
        wanted = Column(
            np.concatenate([each.values for each in lists]), np.concatenate([each.filled() for each in lists])
        )
        assert same(join_packed(packed, "float64", counts), wanted)


@pytest.mark.parametrize("spread_us", [0, 3, 900_000, 80 * DAY_US])
@pytest.mark.parametrize("at_once", [True, False])
def test_instants_of_availability_come_back(spread_us: int, *, at_once: bool):
    random = Random(spread_us)
    event_us = np.sort(BEGIN_US + np.array([random.randrange(40 * DAY_US) for _ in range(90)]))
    later_us = np.array([random.randint(0, spread_us) for _ in event_us])
    available_us = (BEGIN_US + 50 * DAY_US if at_once else event_us) + later_us
    last_us = int(available_us.max())
    for asof_us in (last_us - 1, last_us, last_us + 9):
        data = pack_available(available_us, event_us, asof_us)
        assert np.array_equal(unpack_available(data, event_us), available_us)
        assert last_available(data, asof_us, int(event_us[-1]), 90) >= last_us
    assert last_available(data, asof_us, int(event_us[-1]), 90) == asof_us
    assert len(data) <= 10 + 90 * ((spread_us.bit_length() + 7) // 8)


@pytest.mark.parametrize("size", range(24))
def test_bytes_of_another_number_of_times_are_refused(size: int):
    data = pack_sorted(np.array([5, 900, 70_000, 70_000]))
    if size != len(data):
        with pytest.raises(StoreError):
            unpack_sorted((data + bytes([255] * 24))[:size], 4)


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: 100 * random.random(),
        lambda random: random.gauss(0, 50),
        lambda random: random.lognormvariate(3, 2),
        lambda random: random.choice([0.0, random.random()]),
    ],
)
def test_300_events_of_a_float_of_any_digits_lie_in_4096_bytes(draw: Callable[[Random], float]):
    random, layout = Random(1), ListLayout(kind="event", inputs={"amount": "float64"}, span_us=30 * DAY_US)
    instants = sorted(BEGIN_US + random.randrange(30 * DAY_US) for _ in range(300))
    times = [((at - random.randrange(SECOND_US)) // 1_000 * 1_000, at) for at in instants]
    records = [EventRecord(0, i, *both, 0, (), (draw(random),)) for i, both in enumerate(times)]
    found = head_of([pack_record(record, layout) for record in records], layout, instants[-1])
    assert len(found) <= SMALL_BLOCK
    assert {*unpack_head(found, layout).rows.columns[0].values} == {each.values[0] for each in records}


def head_of(elements: Sequence[bytes], layout: ListLayout, at_us: int) -> bytes:
    head = compact(elements, layout, AppliedInstants(applied_us={0: at_us}, asof_us=at_us, clock_us=at_us)).head
    assert head is not None
    return head


def test_a_head_of_before_is_read_and_made_anew():
    inputs = {"amount": "float64", "shop": "string", "n": "int64"}
    layout = ListLayout(kind="event", inputs=inputs, has_dedup=True, span_us=10**12)
    found = unpack_head(OLD_HEAD, layout)
    later_us = np.array([0, 70_000_000, 70_000_000, 9_000_000_000])
    assert found.rows.event_us.tolist() == (BEGIN_US + later_us).tolist()
    assert found.rows.available_us.tolist() == (BEGIN_US + later_us + [5, 0, 9, 2]).tolist()
    assert found.rows.names.tolist() == [1, 2, 3, 3]
    assert [found.rows.columns[0].at(row) for row in range(4)] == [0.1 + 0.2, -0.0, 1e300, None]
    assert open_head(OLD_HEAD, layout) is None
    anew = pack_head(found, layout)
    assert anew[0] == HEAD
    assert pack_head(unpack_head(anew, layout), layout) == anew
    with pytest.raises(StoreError, match="later"):
        unpack_head(bytes([HEAD + 1]) + anew[1:], layout)
