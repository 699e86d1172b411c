"""Two writers at once, on every store: what is newest stays, whoever writes it and whenever."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import polars as pl
import pytest

from tests.online.rows import HOUR, T0, UTC_US, frame, view

ENTITIES, ROUNDS = 60, 12


def written(open_again, of, seed: int, name: str) -> dict[int, int]:
    """Write frames of one writer, each of rows of different ages, and return the greatest number of each entity."""
    chance = random.Random(seed)
    best: dict[int, int] = {}
    with closing(open_again()) as store:
        for _ in range(ROUNDS):
            numbers = {n: chance.randrange(10**9) for n in chance.sample(range(ENTITIES), ENTITIES // 2)}
            at = pl.Series([T0 + timedelta(microseconds=number) for number in numbers.values()], dtype=UTC_US)
            rows = frame(of, [[n] for n in numbers], [[number] for number in numbers.values()])
            store.write(of, rows.with_columns(at.alias(name)))
            best = {n: max(best.get(n, 0), numbers.get(n, 0)) for n in best.keys() | numbers.keys()}
    return best


@pytest.mark.parametrize("versioned_by", ["event", "computed"])
@pytest.mark.sample(5)
def test_the_newest_row_of_two_writers_stays_and_each_entity_counts_once(store, open_again, versioned_by):
    of = view({"n": "int64"}, {"id": "int64"}, versioned_by=versioned_by)
    name = {"event": "event_time", "computed": "computed_at"}[versioned_by]
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(written, open_again, of, seed, name) for seed in (1, 2)]
        one, other = (task.result() for task in tasks)
    wanted = {n: max(one.get(n, 0), other.get(n, 0)) for n in range(ENTITIES)}
    found = store.read(of, [[n] for n in range(ENTITIES)])
    assert [row.values["n"] if row else 0 for row in found] == [wanted[n] for n in range(ENTITIES)]
    assert store.count(of) == sum(number > 0 for number in wanted.values())


@pytest.mark.sample(2)
def test_two_writers_of_two_versions_do_not_disturb_each_other(store, open_again):
    one = view({"n": "int64"}, {"id": "int64"})
    other = view({"n": "int64"}, {"id": "int64"}, project=one.project, version=2)
    with ThreadPoolExecutor(2) as pool:
        found = [
            task.result() for task in [pool.submit(written, open_again, of, 1, "event_time") for of in (one, other)]
        ]
    for of, wanted in zip((one, other), found, strict=True):
        rows = store.read(of, [[n] for n in sorted(wanted)])
        assert [row.values["n"] for row in rows if row] == [wanted[n] for n in sorted(wanted)]


@pytest.mark.sample(2)
def test_who_adds_while_a_version_is_counted_is_counted_by_the_next_look(store, open_again):
    of = view({"n": "int64"}, {"id": "int64"})
    with closing(open_again()) as other:
        for count in range(1, 6):
            store.write(of, frame(of, [[count]], [[1]], event_time=T0 + count * HOUR))
            assert (other.count(of), store.count(of)) == (count, count)
