"""A list answers what a training set says, however it was compacted between its events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest

from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.online.decode.values import decoder
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.layout import MARGIN_US, layout_document, layout_of, parse_layout
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.record import EventRecord, pack_record
from tests.online.stream_state.events import BEGIN, SECOND, Stream, compacted, random_stream, view_of
from tests.seeds import seeds_from

SAMPLE, WHOLE = 20, 3_000
ROUGH = {"mean", "stddev", "stddev_pop", "var", "var_pop", "sum", "percentile", "median"}


def play(stream: Stream, steps: int) -> int:
    """Play a stream, comparing answers; return how many values were compared."""
    random, layout, elements = stream.random, stream.layout, list[bytes]()
    reader, compared = ListReader(stream.view.features, layout), 0
    for _ in range(steps):
        dice = random.random()
        if dice < 0.4:
            elements += [pack_record(stream.record(event), layout) for event in stream.claim()]
        elif dice < 0.75:
            stream.apply()
        elif dice < 0.8 and stream.events:  # a zombie sends again what is there
            elements.append(pack_record(stream.record(random.choice(stream.events)), layout))
        elif dice < 0.9 and elements:
            applied = AppliedInstants(applied_us=stream.applied_us, asof_us=stream.asof_us, clock_us=stream.clock_us)
            elements = compacted(compact(elements, layout, applied))
        else:
            found = parse_list(elements, layout)
            at_us = max(stream.asof_us, found.head.asof_us) - random.choice([0, random.randrange(MARGIN_US)])
            compared += check(stream.view, reader.answer(found, at_us).values, stream.truth(at_us))
    return compared


def check(view: FeatureView, values: Mapping[str, object] | None, truth: Mapping[str, object] | None) -> int:
    """See that the values of an entity are true; return how many there are."""
    if truth is None or values is None:
        assert values == truth
        return 1
    for feature in view.features:
        value = values[feature.name]
        value = value if value is None else decoder(feature.dtype or "")(value)
        wanted = truth[feature.name]
        if feature.op in ROUGH and isinstance(wanted, float):
            assert isinstance(value, float), (feature, value, wanted)
            assert math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-6), (feature, value, wanted)
        else:
            assert (value, type(value)) == (wanted, type(wanted)), (feature, value, wanted)
    return len(view.features)


@pytest.mark.sample(8)
@pytest.mark.parametrize("seed", seeds_from(0, SAMPLE))
def test_a_list_says_what_a_training_set_says(seed: int):
    play(random_stream(seed), 300)


@pytest.mark.stress
def test_a_list_says_what_a_training_set_says_in_many_streams():
    assert sum(play(random_stream(seed), 600) for seed in seeds_from(SAMPLE, WHOLE)) > 100_000


@pytest.mark.parametrize("seed", range(20))
def test_a_layout_is_read_as_it_was_written(seed: int):
    layout = random_stream(seed).layout
    assert parse_layout(layout_document(layout)) == layout


def test_each_aggregate_is_in_some_stream():
    ops = {feature.op for seed in range(100) for feature in random_stream(seed).view.features}
    assert ops - {"latest"} == {*AGGREGATES}


@pytest.mark.parametrize("op", ["first_n", "last_n"])
def test_a_window_has_all_its_values_beside_a_shorter_lifetime(op: str):
    three = Feature(name="three", op=op, column="amount", dtype="list(float64)", window_us=10 * SECOND, n=3)
    view = view_of("event", [three, replace(three, name="ever", window_us=None, n=1)], Random(1), is_named=False)
    view = replace(view, closed="left", source=replace(view.source, tiebreak=()))
    layout = layout_of(view)
    records = [EventRecord(0, i, BEGIN + i, BEGIN + i, 0, (), (float(i),)) for i in range(3)]
    found = parse_list([pack_record(record, layout) for record in records], layout)
    values = ListReader(view.features, layout).answer(found, BEGIN + SECOND).values
    assert values == {"three": [0.0, 1.0, 2.0], "ever": [0.0] if op == "first_n" else [2.0]}
