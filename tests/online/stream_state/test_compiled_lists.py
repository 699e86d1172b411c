"""Lists that are read by compiled loops say what each says alone, to the last bit, or are left to others."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compiled.reader import CompiledReader, Loops
from featurectl.online.stream_state.known_answers import ReadValues
from tests.online.stream_state.events import BEGIN, SECOND, Stream
from tests.online.stream_state.test_joined_lists import (
    EXTREME,
    alone,
    bits,
    check_until,
    list_of,
    long_lists,
    streams_of,
)
from tests.seeds import seeds_from

SAMPLE, WHOLE = 40, 4_000


def reader_of(stream: Stream, loops: Loops) -> CompiledReader:
    return CompiledReader(stream.view.features, stream.layout, loops)


def check_same(stream: Stream, found: EntityList, answer: ReadValues, asof_us: int, seed: object = None) -> None:
    wanted = alone(stream, found, asof_us)
    assert bits(answer.values) == bits(wanted.values), (seed, answer, wanted)
    assert answer[1:3] == wanted[1:3], seed
    check_until(stream, found, answer)


def compare(seed: int, loops: Loops) -> tuple[int, int, int]:
    """See that lists say the same; return how many lists were read, were not, and values that were compared."""
    streams, extreme = streams_of(seed), seed % 2 == 1
    lists = [list_of(stream, stream.random.choice([0, 3, 20, 120]), extreme=extreme) for stream in streams]
    asof_us = streams[0].asof_us + streams[0].random.choice([0, 5, 500]) * SECOND
    answers = reader_of(streams[0], loops).answers([None, *lists], asof_us)
    assert answers.pop(0) is None
    values = 0
    for stream, found, answer in zip(streams, lists, answers, strict=True):
        if answer is not None:
            check_same(stream, found, answer, asof_us, seed)
            values += len(answer.values)
    filled = sum(bool(found.elements) for found in lists)
    read = sum(answer is not None for answer in answers)
    return read, filled - read, values


@pytest.mark.sample(2)
@pytest.mark.parametrize("part", range(4))
def test_compiled_loops_say_what_each_list_says_alone(part: int, loops: Loops):
    found = [compare(seed, loops) for seed in seeds_from(part * SAMPLE, (part + 1) * SAMPLE)]
    assert sum(read for read, _, _ in found) > 40


@pytest.mark.stress
def test_compiled_loops_say_what_each_list_says_in_many_views(loops: Loops):
    found = [compare(seed, loops) for seed in seeds_from(4 * SAMPLE, WHOLE)]
    assert sum(values for _, _, values in found) > 10_000


@pytest.mark.parametrize("values", [[Random(i).uniform(-1e6, 1e6) for i in range(500)], [0.1, 2.5, -7.25], EXTREME])
def test_sums_of_long_lists_have_the_same_bits(values: Sequence[float], loops: Loops):
    stream, lists = long_lists(values, 150)
    answers = reader_of(stream, loops).answers(lists, BEGIN)
    read = [(found, answer) for found, answer in zip(lists, answers, strict=True) if answer is not None]
    for found, answer in read:
        check_same(stream, found, answer, BEGIN)
    if values is not EXTREME:  # whose NaN, and 0.0 beside -0.0, are left to numpy
        assert len(read) >= 4
