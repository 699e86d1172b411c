"""Bytes that no worker has written are left by the compiled loops, or read as each list says alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import msgpack
import numpy as np
import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.compiled.reader import CompiledReader, Loops
from featurectl.online.stream_state.head import HEAD
from featurectl.online.stream_state.joined_lists import open_list
from featurectl.online.stream_state.joined_names import without_copies
from featurectl.online.stream_state.known_answers import ReadValues
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.packed_times import BY_HEAD
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.record import EventRecord, pack_record
from tests.online.stream_state.events import BEGIN, SECOND, Stream
from tests.online.stream_state.packed_parts import packed_column, packed_stamps, packed_times
from tests.online.stream_state.test_joined_lists import alone, bits, check_until, list_of, streams_of
from tests.seeds import seeds_from

PER_VIEW, SAMPLE, WHOLE = 60, 60, 3_000
FEATURES: Final = [
    Feature(name="n", op="count", column="x", dtype="int64", window_us=100 * SECOND),
    Feature(name="s", op="sum", column="x", dtype="float64", window_us=100 * SECOND),
]
LONG_AGO: Final = BEGIN - 50 * SECOND
NUMBERS: Final = (0, 1, -1, 255, 9_999, 10_000, 10_001, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), BEGIN)
VALUES: Final = (None, True, False, 0, -1, 1.5, 2**63 - 1, 2**64 - 1, "a", "Zoë" * 20, b"abc", [1, [2]], {"a": 1})
WORDS: Final = (
    b"\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\x7f" + b"\xff" * 7,
)


def layout_with(*ties: str, has_dedup: bool = False) -> ListLayout:
    return ListLayout(
        kind="event", inputs={"x": "float64"}, span_us=100 * SECOND, reach_us=100, ties=ties, has_dedup=has_dedup
    )


def record(
    layout: ListLayout, offset: int, event_us: int = LONG_AGO, stamp: int = LONG_AGO, tie: object = None
) -> bytes:
    ties = tuple(tie for _ in layout.ties)
    return pack_record(EventRecord(0, offset, event_us, stamp, offset + 1_000, ties, (1.5,)), layout)


def answer_of(loops: Loops, layout: ListLayout, elements: Sequence[bytes]) -> ReadValues | None:
    """What the loops say of a list, beside one that is as it should be."""
    good = EntityList([record(layout, 7)], None)
    before, answer, behind = CompiledReader(FEATURES, layout, loops).answers(
        [good, EntityList(elements, None), good], BEGIN
    )
    assert before is not None
    assert behind == before
    assert before.values == [1, 1.5]
    return answer


def alone_of(layout: ListLayout, elements: Sequence[bytes]) -> list[object]:
    """What a list says by itself."""
    values = ListReader(FEATURES, layout).answer(parse_list(elements, layout), BEGIN).values
    assert values is not None
    return [*values.values()]


@pytest.mark.parametrize(
    ("event_us", "stamp"), [(LONG_AGO, LONG_AGO + 1), (LONG_AGO, BEGIN + 1), (LONG_AGO + 5, LONG_AGO + 5)]
)
def test_an_event_that_is_there_with_two_stamps_is_left_to_others(event_us: int, stamp: int, loops: Loops):
    layout = layout_with()
    twice = [record(layout, 1), record(layout, 2, LONG_AGO + 1), record(layout, 1, event_us, stamp)]
    assert answer_of(loops, layout, twice) is None
    assert answer_of(loops, layout, twice[:2]) is not None


def test_an_event_that_is_there_twice_and_does_not_count_yet_is_no_loss(loops: Loops):
    layout = layout_with()
    found = [record(layout, 1), *[record(layout, 2, LONG_AGO, BEGIN + late_us) for late_us in (1, 2, 1)]]
    answer = answer_of(loops, layout, found)
    assert answer is not None
    assert (answer.values, answer.until_us) == (alone_of(layout, found), 0)


def test_an_offset_of_more_than_63_bits_is_left_to_others(loops: Loops):
    layout = layout_with()
    assert answer_of(loops, layout, [record(layout, 2**63 + 5 - 1_000)]) is not None
    assert answer_of(loops, layout, [record(layout, 2**63 + 5)]) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"\xff\xfe", b"\xc3\xc3", b"a\xc3", b"\x80\x80", b"\xc0\xaf", b"\xe0\x9f\x80", b"\xed\xa0\x80", b"\xe2\x82",
        b"\xf0\x8f\x80\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf0\x9f\x98A", b"\xe2\x82A",
    ],
)  # fmt: skip
def test_a_text_that_is_none_is_left_to_others(octets: bytes, loops: Loops):
    layout = layout_with("string")
    for text in ("é", "€", "\U0001f600", "\ud7ff\U0010ffff", "a" * 40 + "ß" * 200):
        assert answer_of(loops, layout, [record(layout, 1, tie=text)]) is not None
    for size in (len(octets), 40, 300):
        packed = record(layout, 1, tie="~" * size)
        assert answer_of(loops, layout, [packed.replace(b"~" * len(octets), octets, 1)]) is None


def test_arrays_in_arrays_without_end_are_left_to_others(loops: Loops):
    layout = layout_with("list(string)")
    packed = record(layout, 1, tie="~")
    assert answer_of(loops, layout, [packed.replace(b"\xa1~", b"\x91" * 5 + b"\xc0")]) is not None
    assert answer_of(loops, layout, [packed.replace(b"\xa1~", b"\x91" * 2_000 + b"\xc0")]) is None


@pytest.mark.parametrize(
    ("dtype", "right", "wrong"),
    [
        ("string", "a", b"a"), ("float64", 1.5, 1), ("int64", 7, True), ("bool", True, None), ("timestamp", 7, 7.0),
        ("decimal(10,2)", "1.25", 125), ("date", 7, "7"), ("list(string)", ["a"], {"a": 1}),
    ],
)  # fmt: skip
def test_a_tie_of_another_type_is_left_to_others(dtype: str, right: object, wrong: object, loops: Loops):
    """Values of two types have no order, whichever columns are wanted."""
    layout = layout_with(dtype)
    for tie in (right, None):
        assert answer_of(loops, layout, [record(layout, 1, tie=tie)]) is not None
    if wrong is not None:
        assert answer_of(loops, layout, [record(layout, 1, tie=wrong)]) is None


def head_of(layout: ListLayout, *changes: tuple[int, object]) -> bytes:
    """The head of three events, with some parts that are others."""
    records = [record(layout, i, LONG_AGO + i, LONG_AGO + i) for i in range(3)]
    instants = AppliedInstants(applied_us={0: BEGIN}, asof_us=BEGIN, clock_us=BEGIN)
    head = compact(records, layout, instants).alone
    assert head is not None
    parts = msgpack.unpackb(head[1:])
    for place, part in changes:
        parts[place] = part(parts[place]) if callable(part) else part
    return head[:1] + bytes(msgpack.packb(parts))


def test_a_head_whose_instants_are_none_is_left_to_others(loops: Loops):
    """Though that they are before its own is all that has to be known of them."""
    layout = layout_with()
    assert msgpack.unpackb(head_of(layout)[1:])[6][0] & BY_HEAD
    assert answer_of(loops, layout, [head_of(layout)]) is not None
    for change in (lambda part: part[:-1], lambda part: part[:1], lambda part: part[:9] + b"\xff" + part[10:]):
        assert answer_of(loops, layout, [head_of(layout, (6, change))]) is None


@pytest.mark.parametrize(("form", "least"), [(1, 2**63 - 1), (0, -(2**63)), (1, 2**61)])
def test_instants_of_nearly_64_bits_are_not_taken_for_early_ones(form: int, least: int, loops: Loops):
    """The end of what may be such an instant has more bits than there are."""
    layout = layout_with()
    stamps = bytes([form]) + least.to_bytes(8, "big", signed=True) + bytes([1, 0, 0, 0])
    found = [head_of(layout, (2, None), (6, stamps))]
    answer = answer_of(loops, layout, found)
    assert answer is None or answer.values == alone_of(layout, found)


@pytest.mark.parametrize("newest", [[BEGIN + 5, BEGIN], [LONG_AGO, BEGIN + 5]])
def test_an_event_ahead_of_its_head_is_not_known_to_come_later(newest: list[int], loops: Loops):
    layout = layout_with()
    before = answer_of(loops, layout, [head_of(layout)])
    answer = answer_of(loops, layout, [head_of(layout, (2, newest))])
    assert before is not None
    assert answer is not None
    assert answer[:3] == before[:3]
    assert before.until_us > BEGIN
    assert answer.until_us == 0


def test_a_head_as_of_a_very_late_instant_has_the_event_of_its_rows(loops: Loops):
    layout = layout_with()
    answer = answer_of(loops, layout, [head_of(layout, (0, 1 << 62), (2, None))])
    assert answer is not None
    assert answer.event_us == LONG_AGO + 2


def test_names_of_a_head_without_rows_are_left_to_others(loops: Loops):
    layout = layout_with(has_dedup=True)
    head = [BEGIN, 0, None, [], 0, b"", b"", b"", b"", [b""], 0, b"", [], None]
    for names, is_read in ((b"", True), (b"abc", False), (bytes(8), False)):
        head[8] = names
        found = [bytes([HEAD]) + msgpack.packb(head), record(layout, 1)]
        assert (answer_of(loops, layout, found) is not None) is is_read
        opened = open_list(EntityList(found, None), layout)
        assert (opened is not None) is is_read
        assert without_copies([opened, None], layout) == [opened, None]


def test_names_of_a_long_list_are_not_compared_with_each_other(loops: Loops):
    """Of so many records each pair would be looked at, which takes minutes."""
    layout = layout_with(has_dedup=True)
    one = record(layout, 1)
    same = bytes(5)  # of all names the bytes by which most are told apart
    long = [one[:27] + i.to_bytes(3, "big") + same + one[35:] for i in range(1 << 17)]
    assert answer_of(loops, layout, long) is None


def test_elements_without_a_byte_are_read_by_what_is_compiled(loops: Loops):
    layout = layout_with()
    assert answer_of(loops, layout, [head_of(layout), record(layout, 7)]) is not None
    dispatchers: list[Any] = [*loops]
    compiled = [len(loop.signatures) for loop in dispatchers]
    assert {*compiled} == {1}
    reader = CompiledReader(FEATURES, layout, loops)
    assert reader.answers([EntityList([b""], None)] * 2, BEGIN) == [None, None]
    assert [len(loop.signatures) for loop in dispatchers] == compiled


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes with some changed, cut, or others behind them."""
    if not data or random.random() < 0.3:
        return data[: random.randrange(len(data) + 1)]
    if random.random() < 0.2:
        return data + random.randbytes(random.randrange(1, 10))
    changed = bytearray(data)
    for _ in range(random.randrange(1, 4)):
        at, word = random.randrange(len(data)), random.choice([*WORDS, random.randbytes(1)])
        changed[at : at + len(word)] = word
    return bytes(changed)


def other_part(random: Random, place: int, part: object, count: int, width: int) -> object:
    """A part of a head that fits less, or is broken."""
    if place in (0, 1, 4, 10):
        return random.choice([*NUMBERS, count + 1, count - 1])
    if place == 2:
        return random.choice([None, [random.choice(NUMBERS), BEGIN], [1], [1.5, 2]])
    if place == 3:
        pairs = random.choice([0, 1, 5, 256, 257])
        return [number for i in range(pairs) for number in (i, random.choice(NUMBERS))]
    if place == 9:
        return [packed_column(random, count) for _ in range(width + random.choice([0, 0, 0, 0, 1, -1]))]
    if place in (5, 6) and random.random() < 0.8:
        return packed_times(random, count) if place == 5 else packed_stamps(random, count)
    if place in (7, 8):
        return random.randbytes((count + 7) // 8 if place == 7 else random.choice([8 * count, 3, 8 * count + 8]))
    return random.choice([b"", None, [], [[b"a"]], "é", {"a": 1}, damaged(random, part) if type(part) is bytes else 1])


def damaged_head(random: Random, data: bytes) -> bytes:
    """A head whose parts are still parts, some of them others."""
    parts = msgpack.unpackb(data[1:])
    for _ in range(random.randrange(1, 3)):
        place = random.randrange(14)
        count = parts[4] if type(parts[4]) is int and 0 <= parts[4] < 2_000 else 3
        width = len(parts[9]) if type(parts[9]) is list else 1
        parts[place] = other_part(random, place, parts[place], count, max(width, 1))
    return data[:1] + bytes(msgpack.packb(parts))


def damaged_record(random: Random, data: bytes, layout: ListLayout) -> bytes:
    """A record with other numbers, or other values."""
    at, size = random.choice([(1, 2), (3, 8), (11, 8), (19, 8), (27, 8)])
    if random.random() < 0.5:
        return data[:at] + random.choice([bytes(size), b"\xff" * size, random.randbytes(size)]) + data[at + size :]
    begin = 35 if layout.has_dedup else 27
    values = msgpack.unpackb(data[begin:])
    values[random.randrange(len(values) or 1) : 1] = [random.choice(VALUES)]
    packed = bytes(msgpack.packb(values))
    return data[:begin] + (packed.replace(b"\xcb", b"\xca", 1) if random.random() < 0.1 else packed)


def broken_list(random: Random, elements: Sequence[bytes], others: Sequence[bytes], layout: ListLayout) -> list[bytes]:
    """A list in which some elements are others, or elsewhere, or there again."""
    found, dice = [*elements], random.random()
    if not found or dice < 0.1:
        place = random.randrange(len(found) + 1)
        return [*found[:place], random.choice([b"", b"\x82", b"\x01", bytes(26), *others[:1]]), *found[place:]]
    place = 0 if random.random() < 0.4 else random.randrange(len(found))
    element = found[place]
    if dice < 0.2:
        found.insert(random.randrange(len(found) + 1), element)
    elif dice < 0.3:  # the same record, of another stamp
        found.append(element[:19] + (BEGIN + random.randrange(99 * SECOND)).to_bytes(8, "big") + element[27:])
    elif dice < 0.5 or len(element) < 30:
        found[place] = damaged(random, element)
    elif element[0] == HEAD:
        found[place] = damaged_head(random, element)
    else:
        found[place] = damaged_record(random, element, layout)
    return found


def lies(stream: Stream, found: EntityList) -> bool:
    """Whether a head has rows that are not as it says, or as heads are, which is not looked at where many are read."""
    head = parse_list(found.elements[:1], stream.layout).head
    if not head.rows.height:
        return False
    event_us, available_us, names = head.rows.event_us, head.rows.available_us, head.rows.names
    is_by_head = msgpack.unpackb(found.elements[0][1:])[6][0] & BY_HEAD
    is_late = available_us.max() > head.asof_us
    in_order = (np.lexsort((available_us, event_us)) == np.arange(len(event_us))).all()
    return bool((is_by_head and is_late) or not in_order or len({*names.tolist()}) < len(names))


def is_right(stream: Stream, found: EntityList, answer: ReadValues, asof_us: int) -> bool:
    """Whether an answer is what the list says alone."""
    try:
        wanted = alone(stream, found, asof_us)
    except (StoreError, DataError):
        return False
    if (bits(answer.values), answer[1:3]) != (bits(wanted.values), wanted[1:3]):
        return False
    check_until(stream, found, answer)
    return True


def compare(seed: int, loops: Loops, per_view: int) -> Counter[str]:
    """See that broken lists are left or read as they are, and those beside them as ever."""
    streams, random = streams_of(seed), Random(seed)
    lists = [list_of(stream, stream.random.choice([3, 20, 60]), extreme=seed % 2 == 1) for stream in streams]
    layout, asof_us = streams[0].layout, streams[0].asof_us + random.choice([0, 5, 500]) * SECOND
    reader = CompiledReader(streams[0].view.features, layout, loops)
    places = [random.randrange(len(lists)) for _ in range(per_view)]
    broken = [
        EntityList(broken_list(random, lists[i].elements, random.choice(lists).elements, layout), None) for i in places
    ]
    answers = reader.answers([*lists, *broken, *lists], asof_us)
    whole = reader.answers(lists, asof_us)
    for beside in (answers[: len(lists)], answers[-len(lists) :]):
        assert [each and bits([*each]) for each in beside] == [each and bits([*each]) for each in whole]
    by = Counter[str](broken=len(broken))
    for i, found, answer in zip(places, broken, answers[len(lists) :], strict=False):
        if answer is not None and is_right(streams[i], found, answer, asof_us):
            by["right"] += 1
        elif answer is not None:
            assert lies(streams[i], found), (seed, found, answer)
            by["lies"] += 1
    return by


def test_broken_lists_are_left_or_read_as_each_says_alone(loops: Loops):
    found = sum((compare(seed, loops, PER_VIEW) for seed in seeds_from(0, SAMPLE)), Counter[str]())
    assert found["right"] > 100
    assert found["lies"] < found["right"]


@pytest.mark.stress
def test_broken_lists_of_many_views_are_left_or_read_as_they_are(loops: Loops):
    found = sum((compare(seed, loops, 200) for seed in seeds_from(SAMPLE, WHOLE)), Counter[str]())
    assert found["right"] > 10_000
