"""Records that come late are put between the rows of a head by compiled loops, wherever they belong."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.compiled.reader import CompiledReader, Loops
from featurectl.online.stream_state.known_answers import ReadValues
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.record import EventRecord, pack_record
from tests.online.stream_state.events import BEGIN, SECOND
from tests.online.stream_state.test_joined_lists import bits

REACH = 10_000
LAYOUT = ListLayout(
    kind="event", inputs={"x": "float64", "n": "int64"}, span_us=REACH * SECOND, reach_us=REACH * SECOND
)
OPS = ("sum", "min", "max", "first", "last", "var", "mean", "count")
PLACES = ("first", "last", "one", "together", "anywhere", "none")


def late_seconds(place: str, random: Random, size: int) -> list[int]:
    """The seconds of records that come behind a head of an event a second."""
    return {
        "first": [-5, -3, -4],
        "last": [size, size + 2, size + 1],
        "one": [size // 2],
        "together": [size // 3 + i % 2 for i in range(20)],
        "anywhere": [random.randrange(-3, size + 3) for _ in range(random.randrange(1, 60))],
        "none": [],
    }[place]


def features_of(*ops: str, columns: Sequence[str] = ("x", "n")) -> list[Feature]:
    return [
        Feature(
            name=f"{op}_{column}_{window}_{offset}",
            op=op,
            column=column,
            dtype="float64" if op in ("var", "mean") else "int64" if op == "count" else LAYOUT.inputs[column],
            window_us=window * SECOND,
            offset_us=offset * SECOND,
        )
        for op in ops
        for column in columns
        for window, offset in ((3, 0), (60, 0), (REACH, 0), (60, 2), (30, 40))
    ]


def record(offset: int, second: int, x: float | None, n: int | None = 1) -> EventRecord:
    at_us = BEGIN + second * SECOND
    return EventRecord(0, offset, at_us, BEGIN + offset, offset + 1_000, (), (x, n))


def list_of(head: Sequence[EventRecord], late: Sequence[EventRecord]) -> EntityList:
    """A list of the head of some events, and records behind it."""
    if not head:
        return EntityList([pack_record(one, LAYOUT) for one in late], None)
    asof_us = head[-1].available_us
    instants = AppliedInstants(applied_us={0: asof_us}, asof_us=asof_us, clock_us=asof_us)
    compacted = compact([pack_record(one, LAYOUT) for one in head], LAYOUT, instants)
    assert not compacted.left
    return EntityList([compacted.head, *[pack_record(one, LAYOUT) for one in late]], None)


def answers_of(loops: Loops, features: list[Feature], lists: list[EntityList], at_us: int) -> list[ReadValues | None]:
    """What the loops say of lists, where that is what each says alone."""
    answers = CompiledReader(features, LAYOUT, loops).answers(lists, at_us)
    for found, answer in zip(lists, answers, strict=True):
        if answer is not None:
            parsed = parse_list(found.elements, LAYOUT)
            wanted = ListReader(features, LAYOUT).answer(parsed, max(at_us, parsed.head.asof_us))
            assert bits(answer.values) == bits([*(wanted.values or {}).values()])
            assert answer.event_us == wanted.event_us
    return answers


@pytest.mark.parametrize("nulls", ["", "head", "records", "head and records", "all"])
@pytest.mark.parametrize("place", PLACES)
def test_late_records_are_put_between_rows(place: str, nulls: str, loops: Loops):
    lists = []
    for size in (0, 1, 2, 7, 8, 9, 16, 63, 300):
        random = Random(f"{place} {nulls} {size}")

        def value(part: str, random: Random = random) -> float | None:
            return None if nulls == "all" or (part in nulls and random.random() < 0.2) else random.uniform(-9, 9)

        head = [record(i, i, value("head"), i * 3 - 50) for i in range(size)]
        late = [
            record(size + i, second, value("records"), None if "records" in nulls else random.randrange(-99, 99))
            for i, second in enumerate(late_seconds(place, random, size))
        ]
        lists.append(list_of(head, late))
    for second in (301, 299, 150, 30, 8, 0, REACH):
        answers = answers_of(loops, features_of(*OPS), lists, BEGIN + second * SECOND)
        assert all(answer is not None for found, answer in zip(lists, answers, strict=True) if found.elements)


@pytest.mark.parametrize("second", [6, 7, 8, 15, 20])
def test_records_and_rows_of_one_time_are_in_the_order_of_their_stamps(second: int, loops: Loops):
    head = [record(10 * i, i, float(i)) for i in range(20)]
    for stamps in ([5, 500], [500, 5], [10 * second + 1, 10 * second - 1], [7, 5, 6], [500, 300, 400]):
        at_us = BEGIN + second * SECOND
        late = [
            EventRecord(0, 1_000 + i, at_us, BEGIN + stamp, 0, (), (100.0 + i, i)) for i, stamp in enumerate(stamps)
        ]
        for found in (list_of(head, late), list_of([], late)):
            for read_us in (at_us, at_us + 1, at_us + 3 * SECOND, BEGIN + 30 * SECOND):
                (answer,) = answers_of(loops, features_of("first", "last", "sum"), [found], read_us)
                assert answer is not None


@pytest.mark.parametrize("ops", [("min", "max"), ("sum", "min", "max")])
@pytest.mark.parametrize("in_head", [True, False])
def test_zeros_of_one_sign_are_the_least_and_the_greatest(ops: Sequence[str], loops: Loops, *, in_head: bool):
    """Of both signs it is numpy that chooses, and of what is no number."""
    features = [one for one in features_of(*ops, columns=["x"]) if one.window_us == REACH * SECOND]
    random = Random(1)
    for size in (1, 2, 7, 8, 9, 17, 40):
        for values, is_read in (
            ([0.0] * size, True), ([-0.0] * size, True), ([-0.0, *[5.0] * size], True), ([0.0, *[-5.0] * size], True),
            ([0.0, -0.0, *[1.0] * size], False), ([0.0, -0.0, *[-1.0] * size], False),
            ([0.0, -0.0, -1.0, *[1.0] * size], True), ([float("nan"), *[1.0] * size], False),
            ([float("inf"), *[1.0] * size], True), ([float("inf"), float("-inf"), *[1.0] * size], "sum" not in ops),
        ):  # fmt: skip
            random.shuffle(values)
            records = [record(i, i, value) for i, value in enumerate(values)]
            found = list_of(records, []) if in_head else list_of(records[:1], records[1:])
            (answer,) = answers_of(loops, features, [found], BEGIN + 60 * SECOND)
            assert (answer is not None) is is_read, values


def test_records_that_are_cut_are_left_to_others(loops: Loops):
    features, whole = features_of(*OPS), pack_record(record(7, 7, 1.5, 300), LAYOUT)
    assert answers_of(loops, features, [EntityList([whole], None)], BEGIN + 60 * SECOND)[0] is not None
    for data in [*[whole[:size] for size in range(len(whole))], whole + b"\xc0", whole + bytes(9)]:
        for elements in ([data], [data, whole], [whole, data]):
            reader = CompiledReader(features, LAYOUT, loops)
            assert reader.answers([EntityList(elements, None)], BEGIN + 60 * SECOND) == [None]
