"""What a list knows of the past, by hand; and each rule of it left out is found by one of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state import compaction
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.event_rows import EventRows
from featurectl.online.stream_state.head import Head
from featurectl.online.stream_state.known_instants import HeadMemory, RowInstant, UnknownInstantError
from featurectl.online.stream_state.layout import MARGIN_US, layout_of
from featurectl.online.stream_state.list_values import ListAnswer, ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.record import EventRecord, pack_record
from tests.online.stream_state.events import BEGIN, SECOND, compacted, view_of

UNKNOWN, ASOF = object(), 100.0  # of the head, in seconds from the beginning
TEN = Feature(name="f", op="sum", column="amount", dtype="float64", window_us=10 * SECOND)
HUNDRED = replace(TEN, name="long", window_us=100 * SECOND)
LIFETIME = replace(TEN, window_us=None)
STATE = Feature(name="f", op="latest", column="amount", dtype="float64")

ANSWER = ListReader._answer  # noqa: SLF001  # what mutants call


def us(seconds: float) -> int:
    return BEGIN + round(seconds * SECOND)


@dataclass(frozen=True)
class Case:
    """Events as (happened, known, amount) in a list that is folded at `ASOF`, and what it says at two clocks."""

    events: Sequence[tuple[float, float, float | None]]
    answers: dict[tuple[float, float], object]  # by time and `known_at`
    feature: Feature = TEN
    others: Sequence[Feature] = ()
    options: Sequence[tuple[str, Any]] = ()
    max_age_s: int = 0

    def check(self) -> None:
        kind = "state" if self.feature.op == "latest" else "event"
        view = view_of(kind, [self.feature, *self.others], Random(1), is_named=False)
        view = replace(view, source=replace(view.source, tiebreak=()), **{"closed": "left", **dict(self.options)})
        layout = layout_of(view, self.max_age_s * SECOND)
        elements = [
            pack_record(EventRecord(0, i, us(event), us(known), 0, (), (amount,)), layout)
            for i, (event, known, amount) in enumerate(self.events)
        ]
        applied = AppliedInstants(applied_us={0: us(ASOF)}, asof_us=us(ASOF), clock_us=us(ASOF))
        found = parse_list(compacted(compact(elements, layout, applied)), layout)
        for (time, known), expected in self.answers.items():
            assert value(ListReader([self.feature], layout), found, us(time), us(known)) == expected, (time, known)


def value(reader: ListReader, found: Any, time_us: int, known_us: int) -> object:
    try:
        values = reader.answer(found, known_us, time_us).values
    except UnknownInstantError:
        return UNKNOWN
    return None if values is None else values["f"]


HOP = ("hop_us", SECOND)
CASES = {
    "rows": Case([(80, 80, 1.0), (95, 95, 2.0)], {(98, 100): 2.0, (97.9, 100): UNKNOWN, (90, 100): UNKNOWN}),
    "late rows": Case([(95, 99, 1.0)], {(98, 98): None, (98, 99): 1.0, (98.5, 100): 1.0, (105, 100): 1.0}),
    "early windows": Case([(99, 99, 1.0)], {(98.5, 100): None, (99, 100): None, (99.1, 100): 1.0, (101, 99): None}),
    "old tiles": Case([(70, 70, 1.0)], {(98, 98): None, (90, 100): UNKNOWN}, options=[HOP]),
    "late tiles": Case(
        [(90.5, 97, 1.0)],
        {(96, 96): UNKNOWN, (96, 97.9): UNKNOWN, (96, 98): 1.0, (97, 100): 1.0},
        others=[HUNDRED],
        options=[HOP],
    ),
    "cut tiles": Case(
        [(90.6, 90.6, 1.0)], {(90.5, 100): UNKNOWN, (91, 100): 1.0}, others=[HUNDRED], options=[HOP]
    ),
    "ends of tiles": Case(
        [(91, 91, 1.0)], {(91, 100): UNKNOWN, (91.1, 100): 1.0}, others=[HUNDRED], options=[HOP, ("closed", "none")]
    ),
    "ends of tiles that count": Case(
        [(91, 91, 1.0)], {(91, 100): 1.0, (90.9, 100): UNKNOWN}, others=[HUNDRED], options=[HOP, ("closed", "right")]
    ),
    "lifetime": Case(
        [(50, 50, 1.0), (99, 99, 2.0)], {(98, 98): 1.0, (40, 100): UNKNOWN, (97, 97): UNKNOWN}, feature=LIFETIME
    ),
    "lifetime of none": Case([(99, 99, 2.0)], {(40, 100): None, (40, 40): None, (100, 100): 2.0}, feature=LIFETIME),
    "lifetime in tiles": Case(
        [(50, 50, 1.0)], {(98, 98): 1.0, (97, 100): UNKNOWN, (98, 97): UNKNOWN}, feature=LIFETIME, options=[HOP]
    ),
    "states": Case([(50, 50, 1.0), (60, 60, 2.0)], {(55, 100): UNKNOWN, (70, 70): 2.0, (60, 99): 2.0}, feature=STATE),
    "late states": Case([(50, 50, 1.0), (60, 80, 2.0)], {(70, 79): UNKNOWN, (70, 80): 2.0}, feature=STATE),
    "filled states": Case(
        [(50, 90, 1.0), (60, 60, None)],
        {(70, 80): UNKNOWN, (70, 90): 1.0},
        feature=replace(STATE, fill_last=True),
    ),
    "states past their ttl": Case(
        [(90, 90, 1.0)], {(94, 100): UNKNOWN, (98, 100): None}, feature=STATE, options=[("ttl_us", 5 * SECOND)]
    ),
    "states of none": Case([(99, 99, 1.0)], {(50, 50): None, (50, 99): None, (99, 99): 1.0}, feature=STATE),
    "older questions": Case([(80, 80, 1.0)], {(90, 100): 1.0, (88, 88): 1.0, (87, 100): UNKNOWN}, max_age_s=10),
    "older tiles": Case([(81.5, 82, 1.0)], {(88, 88): 1.0, (81.2, 82): UNKNOWN}, options=[HOP], max_age_s=10),
    "older states": Case(
        [(80, 80, 1.0), (95, 95, 2.0)], {(94, 100): 1.0, (96, 96): 2.0, (79, 100): UNKNOWN}, feature=STATE, max_age_s=10
    ),
    "an older lifetime": Case(
        [(80, 80, 1.0), (95, 95, 2.0)], {(90, 90): 1.0, (96, 96): 3.0}, feature=LIFETIME, max_age_s=10
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_list_knows_of_the_past(name: str):
    CASES[name].check()


def _ends_when_known(
    of: ListReader, head: Head, rows: EventRows, at: RowInstant, answer: Callable[..., ListAnswer] = ANSWER
) -> ListAnswer:
    return answer(of, head, rows, RowInstant(at.known_us, at.known_us))


def _known_when_it_ends(
    of: ListReader, head: Head, rows: EventRows, at: RowInstant, answer: Callable[..., ListAnswer] = ANSWER
) -> ListAnswer:
    return answer(of, head, rows.seen_at(at.time_us), at)


MUTANTS: dict[str, tuple[object, str, Callable[..., object]]] = {
    "trimmed rows are not missed": (HeadMemory, "_has_rows_from", lambda *_: True),
    "tiles that are gone are not missed": (HeadMemory, "_has_tiles_from", lambda *_: True),
    "folded rows are of any stamp": (HeadMemory, "_is_settled", lambda *_: True),
    "tiles are cut by windows": (HeadMemory, "_is_whole", lambda *_: True),
    "tiles count with their very end": (HeadMemory, "_is_whole", lambda _, until_us, end_us: until_us <= end_us),
    "lifetime is of any instant": (HeadMemory, "_knows_lifetime", lambda *_: True),
    "the newest row was always the newest": (HeadMemory, "_counts", lambda *_: True),
    "rows past their ttl are not missed": (HeadMemory, "_removes_states", lambda *_: False),
    "heads keep no more for older events": (compaction, "_base_us", lambda head, _: head.asof_us - MARGIN_US),
    "windows end when rows are known": (ListReader, "_answer", _ends_when_known),
    "rows are known when windows end": (ListReader, "_answer", _known_when_it_ends),
}


FOUND_BY = {
    "trimmed rows are not missed": "rows",
    "tiles that are gone are not missed": "old tiles",
    "folded rows are of any stamp": "late tiles",
    "tiles are cut by windows": "cut tiles",
    "tiles count with their very end": "ends of tiles",
    "lifetime is of any instant": "lifetime",
    "the newest row was always the newest": "states",
    "rows past their ttl are not missed": "states past their ttl",
    "heads keep no more for older events": "older states",
    "windows end when rows are known": "early windows",
    "rows are known when windows end": "late rows",
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_rule_that_is_left_out_is_found(mutant: str, monkeypatch: pytest.MonkeyPatch):
    case = CASES[FOUND_BY[mutant]]
    case.check()
    monkeypatch.setattr(*MUTANTS[mutant])
    with pytest.raises(AssertionError):
        case.check()
