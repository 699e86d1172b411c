"""Many lists that are read at once say what each says alone, to the last bit."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.joined_lists import open_lists
from featurectl.online.stream_state.joined_names import without_copies
from featurectl.online.stream_state.joined_values import AT_ONCE, JoinedReader, ReadValues
from featurectl.online.stream_state.layout import ListLayout, layout_of
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.record import EventRecord, pack_record
from tests.online.stream_state.events import BEGIN, COLUMNS, SECOND, Stream, compacted, view_of
from tests.online.stream_state.test_list_values import check
from tests.online.stream_state.test_two_clocks import random_instants, with_head
from tests.seeds import seeds_from

SAMPLE, WHOLE = 12, 2_000
DTYPES = {"sum": "", "min": "", "max": "", "first": "", "last": "", "count": "int64", "any": "bool", "all": "bool"}
OF_NUMBERS = ("sum", "mean", "var", "var_pop", "stddev", "stddev_pop")
ARRAYS = ("amount", "units", "is_late", "day", "seen_at", "tax")
EXTREME = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 0.1]


def random_feature(random: Random, name: str) -> Feature:
    op = random.choice([*AT_ONCE])
    column = random.choice(
        ("is_late",) if op in ("any", "all") else ("amount", "units", "tax") if op in OF_NUMBERS else ARRAYS
    )
    dtype = DTYPES.get(op, "float64") or COLUMNS[column]
    offset_us = random.choice([0, 0, random.randrange(1, 8) * SECOND])
    window_us = random.choice([2, 7, 30, 600]) * SECOND
    column_or_rows = None if op == "count" and random.random() < 0.5 else column
    return Feature(name=name, op=op, column=column_or_rows, dtype=dtype, window_us=window_us, offset_us=offset_us)


def streams_of(seed: int) -> list[Stream]:
    """Streams of some entities of one view."""
    random = Random(seed)
    features = [random_feature(random, f"f{i}") for i in range(random.randrange(1, 9))]
    view = view_of("event", features, random, is_named=random.random() < 0.3)
    layout = layout_of(view)
    shares = [(1.0, 0.15), (0.5, 0.15), (1.0, 0.0), (1.0, 0.01)]
    return [
        Stream(Random(seed * 100 + i), layout, view, share_of_names=names, share_of_copies=copies)
        for i, (names, copies) in enumerate(random.choice(shares) for _ in range(random.randrange(1, 12)))
    ]


def list_of(stream: Stream, steps: int, *, extreme: bool) -> EntityList:
    """What workers make of a stream in some steps: perhaps nothing, or a head, or records behind it."""
    random, layout, elements, sent = stream.random, stream.layout, list[bytes](), list[bytes]()
    for _ in range(steps):
        dice = random.random()
        if dice < 0.45:
            records = [stream.record(event) for event in stream.claim()]
            records = [changed(record, random, layout) if extreme else record for record in records]
            sent += (packed := [pack_record(record, layout) for record in records])
            elements += packed
        elif dice < 0.85:
            stream.apply()
        elif dice < 0.9 and sent:  # a zombie sends again what is there
            elements.append(random.choice(sent))
        elif elements:
            applied = AppliedInstants(applied_us=stream.applied_us, asof_us=stream.asof_us, clock_us=stream.clock_us)
            elements = compacted(compact(elements, layout, applied))
    marks = {part: offset - random.randrange(3) for part, offset in stream.offsets.items()}
    return EntityList(elements=elements, marks=marks if extreme and random.random() < 0.3 else None)


def changed(record: EventRecord, random: Random, layout: ListLayout) -> EventRecord:
    """A record some of whose floats are extreme ones."""
    values = [
        random.choice(EXTREME) if dtype == "float64" and value is not None and random.random() < 0.4 else value
        for value, dtype in zip(record.values, layout.inputs.values(), strict=True)
    ]
    return record._replace(values=tuple(values))


def bits(values: object) -> object:
    if isinstance(values, list):
        return [bits(value) for value in values]
    return (struct.pack(">d", values) if isinstance(values, float) else values), type(values)


def alone(stream: Stream, found: EntityList, asof_us: int) -> ReadValues:
    parsed = parse_list(found.elements, stream.layout, found.marks)
    at_us = max(asof_us, parsed.head.asof_us)
    values, event_us, *_ = ListReader(stream.view.features, stream.layout).answer(parsed, at_us)
    return ReadValues([*(values or {}).values()], event_us, at_us)


def compare(seed: int) -> tuple[int, int]:
    """See that lists say the same; return how many values were compared, and of how many lists."""
    streams, extreme = streams_of(seed), seed % 2 == 1
    lists = [list_of(stream, stream.random.choice([0, 3, 20, 120]), extreme=extreme) for stream in streams]
    reader = JoinedReader(streams[0].view.features, streams[0].layout)
    asof_us = streams[0].asof_us + streams[0].random.choice([0, 5, 500]) * SECOND
    layout = streams[0].layout
    opened = without_copies(open_lists(lists, layout), layout)
    answers = reader.answers([one for one in opened if one is not None], asof_us)
    assert answers is not None, seed
    compared, known = 0, iter(answers)
    for stream, found, one in zip(streams, lists, opened, strict=True):
        if one is None:
            continue
        answer, wanted = next(known), alone(stream, found, asof_us)
        assert bits(answer.values) == bits(wanted.values), (seed, answer.values, wanted.values)
        assert answer[1:] == wanted[1:], seed
        compared += len(answer.values)
        if not extreme and answer.asof_us == stream.asof_us:
            names = [feature.name for feature in stream.view.features]
            check(stream.view, dict(zip(names, answer.values, strict=True)), stream.truth(answer.asof_us))
    return compared, len(answers)


def compare_at(seed: int) -> tuple[int, int]:
    """See that lists say the same at an instant each; return how many values were compared, and of how many lists."""
    streams, extreme = streams_of(seed), seed % 2 == 1
    lists = [list_of(stream, stream.random.choice([0, 3, 20, 120]), extreme=extreme) for stream in streams]
    view, layout, asof_us = streams[0].view, streams[0].layout, max(stream.clock_us for stream in streams)
    reader, alone = JoinedReader(view.features, layout), ListReader(view.features, layout)
    known, instants, answers = [], [], []
    opened = without_copies(open_lists(lists, layout), layout)
    for stream, found, one in zip(streams, lists, opened, strict=True):
        at = random_instants(stream, asof_us)[0].before(asof_us)
        parsed = with_head(parse_list(found.elements, layout, found.marks), asof_us)
        [answer] = alone.answers(parsed, [at])
        if one is not None and reader.knows_at(one, asof_us, at):
            assert answer is not None
            known.append(one)
            instants.append(at)
            answers.append(answer)
        elif one is not None:
            assert answer is None
    together = reader.answers_at(known, instants)
    assert together is not None
    for at, each, answer in zip(instants, together, answers, strict=True):
        assert bits(each.values) == bits([*(answer.values or {}).values()]), seed
        assert each[1:] == (answer.event_us, at.time_us), seed
    return sum(len(each.values) for each in together), len(together)


def test_lists_with_names_are_read_together_unless_there_are_copies():
    together = copied = 0
    for seed in range(120):
        streams = streams_of(seed)
        layout = streams[0].layout
        if layout.has_dedup:
            lists = [list_of(stream, 20, extreme=False) for stream in streams]
            opened = open_lists(lists, layout)
            for before, one in zip(opened, without_copies(opened, layout), strict=True):
                together += one is not None and bool(one.raw.elements)
                copied += before is not None and one is None
    assert together > 20
    assert copied > 20


@pytest.mark.sample(6)
@pytest.mark.parametrize("seed", seeds_from(0, SAMPLE))
def test_many_lists_say_at_an_instant_each_what_each_says_alone(seed: int):
    compare_at(seed)


@pytest.mark.stress
def test_many_lists_say_at_an_instant_each_the_same_in_many_views():
    assert sum(compare_at(seed)[0] for seed in seeds_from(SAMPLE, WHOLE)) > 10_000


@pytest.mark.parametrize("seed", seeds_from(0, SAMPLE))
def test_many_lists_say_what_each_says_alone(seed: int):
    compare(seed)


@pytest.mark.stress
def test_many_lists_say_what_each_says_alone_in_many_views():
    assert sum(compare(seed)[0] for seed in seeds_from(SAMPLE, WHOLE)) > 10_000


def long_lists(values: Sequence[float], count: int) -> tuple[Stream, list[EntityList]]:
    """Lists of many events of one float: heads, records, and both."""
    stream, lists = one_float(1), []
    random = stream.random
    for number in range(7):
        records = [
            EventRecord(0, i, BEGIN - random.randrange(3_000 * SECOND), BEGIN, 0, (), (random.choice(values),))
            for i in range(count * number)
        ]
        elements = [pack_record(record, stream.layout) for record in records]
        applied = AppliedInstants(applied_us={0: BEGIN}, asof_us=BEGIN, clock_us=BEGIN)
        folded = compacted(compact(elements[number * 30 :], stream.layout, applied)) if number % 3 else []
        lists.append(EntityList(elements=[*folded, *(elements[: number * 30] if folded else elements)], marks=None))
    return stream, lists


def one_float(seed: int) -> Stream:
    random = Random(seed)
    windows = [60 * SECOND, 4_000 * SECOND]
    features = [
        Feature(name=f"{op}_{window_us}", op=op, column="amount", dtype="float64", window_us=window_us)
        for op in ("sum", "mean", "min", "max", "var", "stddev_pop", "first", "last")
        for window_us in windows
    ]
    view = replace(view_of("event", features, random, is_named=False), closed="left")
    view = replace(view, source=replace(view.source, tiebreak=()))
    return Stream(random, layout_of(view), view)


@pytest.mark.parametrize("values", [[Random(i).uniform(-1e6, 1e6) for i in range(500)], [0.1, 2.5, -7.25], EXTREME])
def test_sums_of_long_lists_are_the_same_to_the_last_bit(values: Sequence[float]):
    stream, lists = long_lists(values, 150)
    opened = open_lists([*lists, None], stream.layout)[:-1]
    filled = [(found, one) for found, one in zip(lists, opened, strict=True) if one is not None]
    answers = JoinedReader(stream.view.features, stream.layout).answers([one for _, one in filled], BEGIN)
    assert answers is not None
    for answer, (found, _) in zip(answers, filled, strict=True):
        wanted = alone(stream, found, BEGIN)
        assert bits(answer.values) == bits(wanted.values)
    assert len(answers) == 6


def test_a_list_that_is_broken_is_read_alone():
    stream, lists = long_lists([0.5], 20)
    head, *behind = lists[1].elements
    for broken in (
        [head[:-1], *behind],
        [head, b"\x01" + bytes(30)],
        [head, head],
        [b"\x82"],
        [b"\x83\x90"],
        [b"\x84\x90"],
        [head, behind[0][:-1]],
    ):
        found = [EntityList(elements=each, marks=None) for each in (broken, lists[2].elements)]
        known = [one for one in open_lists(found, stream.layout) if one is not None]
        assert JoinedReader(stream.view.features, stream.layout).answers(known, BEGIN) is None or len(known) == 1


def test_integers_whose_sum_may_be_too_large_are_summed_alone():
    feature = Feature(name="units", op="sum", column="units", dtype="int64", window_us=60 * SECOND)
    view = view_of("event", [feature], Random(1), is_named=False)
    layout = layout_of(replace(view, source=replace(view.source, tiebreak=())))
    records = [EventRecord(0, i, BEGIN - SECOND * (i + 1), BEGIN, 0, (), (2**62,)) for i in range(2)]
    [opened] = open_lists([EntityList(elements=[pack_record(each, layout) for each in records], marks=None)], layout)
    assert opened is not None
    assert JoinedReader([feature], layout).answers([opened], BEGIN) is None


def test_a_table_says_which_aggregates_are_known_of_many_lists():
    assert {*AGGREGATES} - {*AT_ONCE} == {
        "last_n", "first_n", "count_distinct", "approx_count_distinct", "median", "percentile", "top_k"
    }  # fmt: skip
