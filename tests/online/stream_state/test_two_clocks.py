"""A list says what a training set with `known_at` says, however it was compacted, or that it does not know any more."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest

from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.known_instants import RowInstant
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import ParsedList, parse_list
from featurectl.online.stream_state.record import pack_record
from tests.online.stream_state.events import SECOND, Stream, compacted, random_stream
from tests.online.stream_state.test_list_values import check
from tests.seeds import seeds_from

SAMPLE, WHOLE = 20, 3_000
AGES = (0, 0, SECOND // 2, 5 * SECOND, 40 * SECOND)


class Counts(NamedTuple):
    """How many values were compared, how many questions were refused, and how many of them within the layout's past."""

    compared: int
    refused: int
    too_early: int


def stream_of(seed: int) -> Stream:
    return random_stream(seed, Random(seed).choice(AGES))


def play(stream: Stream, steps: int) -> Counts:
    """Play a stream, comparing answers at two clocks."""
    random, layout, elements = stream.random, stream.layout, list[bytes]()
    reader, compared, refused, too_early = ListReader(stream.view.features, layout), 0, 0, 0
    for _ in range(steps):
        dice = random.random()
        if dice < 0.35:
            elements += [pack_record(stream.record(event), layout) for event in stream.claim()]
        elif dice < 0.65:
            stream.apply()
        elif dice < 0.8 and elements:
            applied = AppliedInstants(applied_us=stream.applied_us, asof_us=stream.asof_us, clock_us=stream.clock_us)
            elements = compacted(compact(elements, layout, applied))
        else:
            found = with_head(parse_list(elements, layout), stream.asof_us)
            instants = random_instants(stream, max(stream.asof_us, found.head.asof_us))
            for at, answer in zip(instants, reader.answers(found, instants), strict=True):
                if answer is None:
                    refused += 1
                    too_early += min(at) >= found.head.asof_us - layout.past_us
                else:
                    compared += check(stream.view, answer.values, stream.truth(at.known_us, at.time_us))
    return Counts(compared, refused, too_early)


def with_head(found: ParsedList, asof_us: int) -> ParsedList:
    """A list without a head may be one whose head was removed, as nothing was in it."""
    return found if found.head.asof_us else found._replace(head=found.head._replace(asof_us=asof_us))


def random_instants(stream: Stream, latest_us: int) -> list[RowInstant]:
    random, ages = stream.random, (0, SECOND // 10, 3 * SECOND, 30 * SECOND, 90 * SECOND)
    instants = []
    for _ in range(3):
        known_us = latest_us - random.choice([0, random.randrange(random.choice(ages) + 1)])
        time_us = known_us - random.randrange(random.choice(ages) + 1) + random.choice([0, 0, SECOND])
        if random.random() < 0.5:  # as events are
            events = stream.events[-random.choice([5, 50]) :]
            if events:
                event = random.choice(events)
                time_us, known_us = event.event_us, min(random.choice([event.available_us, latest_us]), latest_us)
        instants.append(RowInstant(time_us, known_us))
    return instants


def campaign(seeds: range, steps: int) -> Counts:
    return Counts(*map(sum, zip(*(play(stream_of(seed), steps) for seed in seeds), strict=True)))


@pytest.mark.sample(5)
@pytest.mark.parametrize("seed", seeds_from(0, SAMPLE))
def test_a_list_says_at_two_clocks_what_a_training_set_says(seed: int):
    assert play(stream_of(seed), 150).too_early == 0


@pytest.mark.stress
def test_lists_say_at_two_clocks_what_training_sets_say_in_many_streams():
    found = campaign(seeds_from(SAMPLE, WHOLE), 400)
    assert found.compared > 100_000
    assert found.refused > 10_000
    assert found.too_early == 0
