"""Heads and answers of the online store are those of the simulation, in all that its histories make of lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state import compaction, head, layout, list_values, parsed_list, record
from tests.seeds import seeds_from
from tests.streaming.model import views
from tests.streaming.model.history import History
from tests.streaming.model.rules import Rules
from tests.streaming.model.store import Store

UNIT = 10**8  # of a second of the simulation: its least steps between two stamps are whole numbers
MANY, PLACES = 1_000_000, 10**9


def units(seconds: float) -> int:
    return round(seconds * UNIT)


def _feature(op: str, window: float | None) -> Feature:
    window_us = None if window is None else units(window)
    dtype = "int64" if op == "latest" else "list(int64)"
    n = None if op == "latest" else MANY
    return Feature(name="places", op=op, column="place", dtype=dtype, window_us=window_us, n=n)


FEATURES = {
    "exact": _feature("last_n", views.WINDOW),
    "tiled": _feature("last_n", views.TILED_WINDOW),
    "state": _feature("latest", None),
}
INPUTS = {"place": "int64"}
LAYOUTS = {
    "exact": layout.ListLayout(
        kind="event", inputs=INPUTS, has_dedup=True, span_us=units(views.WINDOW), reach_us=units(views.REACH)
    ),
    "tiled": layout.ListLayout(
        kind="event",
        inputs=INPUTS,
        hop_us=units(views.HOP),
        span_us=units(views.TILED_WINDOW),
        folded=(layout.FoldedState(name="last_n", column="place", n=MANY),),
    ),
    "state": layout.ListLayout(kind="state", inputs=INPUTS, ttl_us=units(views.TTL)),
}


class Shadow:
    """What the online store makes of each head of the simulation."""

    def __init__(self) -> None:
        self.heads: dict[tuple[str, views.Head], head.Head] = {}
        self.answers = 0

    def fold(
        self, view: views.View, before: views.Head, rows: Iterable[views.Record], asof: float, rules: Rules
    ) -> views.Head:
        rows = list(rows)
        found = views.fold(view, before, rows, asof, rules)
        records = [self.record(view, row) for row in rows]
        folded = compaction.fold(self.head(view, before), records, units(asof), LAYOUTS[view])
        packed = head.pack_head(folded, LAYOUTS[view])
        self.heads[view, plain(found)] = head.unpack_head(packed, LAYOUTS[view])
        return found

    def answer(self, view: views.View, of: views.Head, raw: Iterable[views.Record], at: float) -> views.Answer:
        raw = list(raw)
        found = views.answer(view, of, raw, at)
        parsed = parsed_list.ParsedList(self.head(view, of), [self.record(view, row) for row in raw])
        values = list_values.ListReader([FEATURES[view]], LAYOUTS[view]).answer(parsed, units(at)).values
        places = [] if values is None else values["places"]
        listed: list[int] = places if isinstance(places, list) else [int(str(places))]
        counted = Counter(divmod(place, PLACES) for place in listed)
        assert counted == +found, (view, of, raw, at)
        self.answers += 1
        return found

    def head(self, view: views.View, of: views.Head) -> head.Head:
        if of.is_empty and not of.asof:
            return head.no_head(LAYOUTS[view])
        return self.heads[view, plain(of)]

    @staticmethod
    def record(view: views.View, row: views.Record) -> record.EventRecord:
        place = row.partition * PLACES + row.offset
        name = row.key if LAYOUTS[view].has_dedup else 0
        return record.EventRecord(row.partition, row.offset, units(row.time), units(row.stamp), name, (), (place,))


def plain(of: views.Head) -> views.Head:
    """The head without what its place in a list adds to it."""
    return replace(of, empty_since=0.0, frontier=())


@pytest.fixture
def shadow(monkeypatch: pytest.MonkeyPatch) -> Shadow:
    made = Shadow()
    for module in ("compactor", "rebuild"):
        monkeypatch.setattr(f"tests.streaming.model.{module}.fold", made.fold)
    monkeypatch.setattr("tests.streaming.model.reader.answer", made.answer)
    monkeypatch.setattr(compaction, "MARGIN_US", units(views.MARGIN))
    return made


@pytest.mark.long
@pytest.mark.parametrize(("nodes", "loses"), [(1, False), (1, True), (3, True)])
@pytest.mark.sample(1)
def test_lists_are_those_of_the_simulation(shadow: Shadow, nodes: int, *, loses: bool):
    for seed in seeds_from(0, 2):
        assert History(seed, Store(nodes, Rules()), loses=loses).run().wrong == []
    assert shadow.answers > 100


@pytest.mark.stress
def test_lists_are_those_of_the_simulation_in_many_histories(shadow: Shadow):
    for seed in seeds_from(2, 40):
        assert History(seed, Store(1 + 2 * (seed % 2), Rules()), loses=True).run().wrong == []
    assert shadow.answers > 10_000
