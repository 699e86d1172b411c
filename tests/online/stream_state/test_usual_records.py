"""Records of floats that are read in fewer steps are those that arrays have of them, or are left to these."""

from __future__ import annotations

from random import Random
from struct import pack

import numpy as np
import pytest

from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.joined_records import RawRecords, join_records
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.record import EventRecord, pack_record
from featurectl.online.stream_state.single_list import SingleReader
from featurectl.online.stream_state.usual_records import UsualRecordReader, UsualRecords
from tests.online.stream_state.test_joined_lists import EXTREME
from tests.seeds import seeds_from

AT_US = 1_000


def layout_of(random: Random) -> ListLayout:
    inputs = {f"i{i}": "float64" for i in range(random.randrange(1, 4))}
    ties = ("float64",) * random.choice([0, 0, 1])
    return ListLayout(kind="event", inputs=inputs, ties=ties, has_dedup=random.random() < 0.3)


def record_of(random: Random, layout: ListLayout, number: int, share: float) -> EventRecord:
    """A record, by a share one that is no usual one: a null, another partition, a copy, or one that comes later."""

    def odd() -> bool:
        return random.random() < share

    values = [random.choice([random.uniform(-9, 9), *EXTREME]) for _ in (*layout.ties, *layout.inputs)]
    packed: list[object] = [random.choice([None, 3]) if odd() else value for value in values]
    ties = len(layout.ties)
    event_us = random.randrange(1 << 40) if not odd() else 5
    available_us = AT_US + 1 if odd() else random.randrange(AT_US + 1)
    partition, offset = (2 if odd() else 1), (number if not odd() else random.randrange(50))
    return EventRecord(partition, offset, event_us, available_us, number, tuple(packed[:ties]), tuple(packed[ties:]))


def changed(random: Random, element: bytes) -> bytes:
    """An element of which a byte is another, or of other length."""
    place = random.randrange(len(element))
    return random.choice(
        [element[:place] + bytes([random.randrange(256)]) + element[place + 1 :], element[:-1], element + b"\0"]
    )


def plain(rows: list[tuple[int, ...]]) -> list[tuple[object, ...]]:
    return [(event_us, *(pack(">d", value) for value in values)) for event_us, *values in rows]


@pytest.mark.parametrize("seed", seeds_from(0, 600))
def test_records_of_floats_are_those_of_arrays(seed: int):
    random = Random(seed)
    layout, share = layout_of(random), random.choice([0.0, 0.0, 0.02])
    count = random.choice([1, 2, 7, 30, 60])
    elements = [pack_record(record_of(random, layout, i, share), layout) for i in range(count)]
    is_changed = random.random() < 0.2
    if is_changed:
        elements[random.randrange(count)] = changed(random, random.choice(elements))
    raw = RawRecords(elements, {1: random.choice([0, 0, 0, 2])}, random.choice([None, None, None, {1: 20}]))
    found = UsualRecordReader(layout).read(raw, AT_US)
    if found is None:
        width = len(layout.ties) + len(layout.inputs)
        assert share or is_changed or raw.marks or raw.frontier[1] or count * width > 128
        return
    wanted = join_records([raw], layout)
    assert isinstance(wanted.bodies, np.ndarray)
    assert (wanted.available_us <= AT_US).all()
    rows = [*zip(wanted.event_us.tolist(), *wanted.bodies.T.tolist(), strict=True)]
    assert plain([*zip(found.event_us, *found.columns, strict=True)]) == plain(rows)
    assert len({*found.event_us}) == len(elements)


def test_usual_records_are_read_and_others_left():
    layout = ListLayout(kind="event", inputs={"of": "float64"})
    records = [EventRecord(1, i, 10 * i, 20, 0, (), (float(i),)) for i in range(3)]
    elements = [pack_record(record, layout) for record in records]
    reader, raw = UsualRecordReader(layout), RawRecords(elements, {2: 9}, None)
    assert reader.read(raw, 20) == UsualRecords((0, 10, 20), [(0.0, 1.0, 2.0)])
    others = [
        raw._replace(marks={1: 9}),
        raw._replace(frontier={1: 1}),
        raw._replace(elements=[*elements, elements[0]]),
        raw._replace(elements=[*elements, pack_record(records[0]._replace(partition=2, event_us=7), layout)]),
        raw._replace(elements=[*elements, pack_record(records[0]._replace(offset=7), layout)]),
        raw._replace(elements=[*elements, pack_record(records[0]._replace(event_us=7, values=(None,)), layout)]),
        raw._replace(elements=[elements[0][:-1], elements[1] + elements[0][-1:], elements[2]]),
        raw._replace(elements=[b"\2" + elements[0][1:], *elements[1:]]),
        raw._replace(elements=elements * 50),
    ]
    assert [reader.read(other, 20) for other in others] == [None] * len(others)
    assert reader.read(raw, 19) is None


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("ties", [(), ("float64",)])
def test_a_list_with_usual_records_says_what_it_does_with_others(ties: tuple[str, ...], *, is_late: bool):
    layout = ListLayout(kind="event", inputs={"x": "float64", "y": "float64"}, ties=ties, span_us=500, reach_us=500)
    features = [
        Feature(name=f"{op}_{of}", op=op, column=of, dtype="float64", window_us=500)
        for op in ("sum", "last")
        for of in ("x", "y")
    ]

    def packed(number: int, available_us: int) -> bytes:
        of = tuple(-9.0 for _ in ties)
        record = EventRecord(0, number, 600 + number, available_us, 0, of, (float(number), number / 3))
        return pack_record(record, layout)

    head = [packed(number, 950 if is_late and number == 5 else 700 + number) for number in range(6)]
    compacted = compact(head, layout, AppliedInstants(applied_us={0: 950}, asof_us=800, clock_us=950))
    assert not compacted.left
    elements = [compacted.head, *[packed(number, 750 + number) for number in range(6, 9)]]
    answer = SingleReader(features, layout).answer(EntityList(elements, None), 900)
    wanted = ListReader(features, layout).answer(parse_list(elements, layout), 900)
    assert answer is not None
    assert answer.values == [*(wanted.values or {}).values()]
    assert (answer.until_us == 0) == is_late


@pytest.mark.parametrize(
    ("ties", "inputs", "known"),
    [
        ((), {"of": "float64"}, 1),
        (("float64",), {"of": "float64"}, 1),
        (("int64",), {"of": "float64"}, 0),
        ((), {"of": "float64", "other": "int64"}, 0),
        ((), {}, 0),
        ((), {f"f{i}": "float64" for i in range(16)}, 0),
    ],
)
def test_layouts_of_floats_alone_are_known(ties: tuple[str, ...], inputs: dict[str, str], known: int):
    assert UsualRecordReader.knows(ListLayout(kind="event", inputs=inputs, ties=ties)) == known
