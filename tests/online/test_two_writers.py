"""Two writers at once on Redis: a row never gives way to an older one, whoever compares and whoever need not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.online.base import Origin, Writing
from featurectl.online.base_backend import PackedWriting
from featurectl.online.packed_store import newer_by
from featurectl.online.redis.claim import claim_rows
from featurectl.online.redis.store import RedisStore
from tests.online.rows import HOUR, T0, frame, view
from tests.seeds import examples

ENTITIES = 6
TOKEN = 5  # its place among the arguments: of a writer whose claim is free
FIRST = Origin(at=T0, table_version=3, rebuild_id="r1")


@pytest.fixture
def store(redis_url):
    made = RedisStore(redis_url)
    yield made
    made.close()


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url) as made:
        yield made


def need_not_compare(client, of, origin, *, rebuilt=False):
    how = Writing(origin=origin, rebuilt=rebuilt)
    return claim_rows(client, of, PackedWriting(order=newer_by(of, how), how=how)).arguments[TOKEN] != b""


LATER = replace(FIRST, at=T0 + HOUR, table_version=4)


@pytest.mark.parametrize(
    ("versioned_by", "rebuilt", "then", "free"),
    [
        ("event", False, FIRST, True),
        ("event", False, LATER, True),
        ("event", False, replace(LATER, table_version=2), False),
        ("event", False, replace(LATER, at=T0 - HOUR), False),
        ("event", False, replace(LATER, rebuild_id="r2"), False),
        ("event", True, replace(LATER, rebuild_id="r2"), True),
        ("event", True, replace(LATER, rebuild_id="r2", at=T0 - HOUR), False),
        ("computed", False, replace(LATER, rebuild_id="r2", table_version=1), True),
        ("computed", False, replace(LATER, at=T0 - HOUR), False),
        ("event", False, None, False),
    ],
)
def test_a_writer_need_not_compare_when_nothing_that_is_there_can_be_newer(client, versioned_by, rebuilt, then, free):
    of = view({"n": "int64"}, versioned_by=versioned_by)
    assert need_not_compare(client, of, FIRST)
    assert need_not_compare(client, of, then, rebuilt=rebuilt) is free


def test_after_writers_of_several_tables_everyone_compares_until_a_rebuild(client):
    of = view({"n": "int64"})
    other = replace(LATER, rebuild_id="r2")
    assert need_not_compare(client, of, FIRST)
    assert [need_not_compare(client, of, origin) for origin in (other, other, LATER)] == [False] * 3
    assert need_not_compare(client, of, other, rebuilt=True)
    assert need_not_compare(client, of, other)


def test_after_a_writer_without_a_table_everyone_compares(store, client):
    of = view({"n": "int64"}, versioned_by="computed")
    store.write(of, frame(of, [["a"]], [[1]]))
    assert not need_not_compare(client, of, LATER)


def test_rows_of_a_writer_that_claimed_nothing_are_compared(store, client):
    of = view({"n": "int64"})
    store.write(of, frame(of, [["a"]], [[1]]))
    client.hdel(f"{of.project}/{of.env}", "writer/spend@1")
    assert not need_not_compare(client, of, FIRST)


def test_a_removed_version_is_written_as_if_it_had_never_been_there(store, client):
    of = view({"n": "int64"})
    store.write(of, frame(of, [["a"]], [[1]]))
    store.remove(of)
    assert client.exists(f"{of.project}/{of.env}") == 0
    assert need_not_compare(client, of, FIRST)


ROWS = st.lists(st.tuples(st.integers(0, ENTITIES - 1), st.integers(-5, 5)), min_size=1, max_size=12)


@st.composite
def pushes(draw):
    """Return rows of two tables that only grow, and pushes of either, each as of some hour and of some version."""
    tables = [draw(ROWS), draw(ROWS)]
    number = draw(st.integers(2, 5))
    made = []
    for _ in range(number):
        which = draw(st.integers(0, 3)) == 0
        made.append((int(which), draw(st.integers(0, len(tables[which]))), draw(st.integers(-5, 6))))
    return tables, made, draw(st.lists(st.integers(0, 3), min_size=number, max_size=number))


def newest(rows, hours):
    """Return the newest row of each entity as of an hour, in the order of entities."""
    found = {}
    for number, (entity, event_h) in enumerate(rows):
        if event_h <= hours and (entity not in found or (event_h, number) >= found[entity]):
            found[entity] = (event_h, number)
    return sorted(found.items())


def frames_of(of, drawn, push):
    """Yield a frame for each row that a push sends."""
    tables, made, _ = drawn
    which, version, hours = made[push]
    for entity, (event_h, number) in newest(tables[which][:version], hours):
        times = {"event_time": T0 + event_h * HOUR, "computed_at": T0 + hours * HOUR}
        # `available_at` orders rows of one time as the table does.
        yield frame(of, [[entity]], [[push]], **times, available_at=T0 + number * timedelta(seconds=1))


@pytest.mark.long
@settings(max_examples=examples(12, 60), deadline=None)
@given(pushes(), st.booleans())
def test_whatever_pushes_cut_into_each_other_the_newest_row_of_all_stays(redis_url, drawn, by_event):
    """Each push begins in the middle of the one before, which goes on afterwards."""
    of = view({"n": "int64"}, {"id": "int64"}, versioned_by="event" if by_event else "computed")
    store = RedisStore(redis_url)
    written: list[pl.DataFrame] = []

    def send(push):
        _, made, cuts = drawn
        which, version, hours = made[push]
        origin = Origin(at=T0 + hours * HOUR, table_version=version, rebuild_id=f"r{which}")

        def cut():
            sent = 0
            for rows in frames_of(of, drawn, push):
                if sent == cuts[push] and push + 1 < len(made):
                    send(push + 1)
                sent += 1
                written.append(rows)
                yield rows
            if sent <= cuts[push] and push + 1 < len(made):
                send(push + 1)

        return store.write_all(of, cut(), Writing(origin=origin))

    send(0)
    every = pl.concat([frame(of, [[0]], [[0]]).clear(), *written])
    order = ["event_time", "available_at", "computed_at"] if by_event else ["computed_at"]
    for entity in range(ENTITIES):
        (row,) = store.read(of, [[entity]])
        mine = every.filter(pl.col("id") == entity)
        if mine.is_empty():
            assert row is None
        else:
            kept = tuple(getattr(row, name) for name in order)
            assert kept == max(mine.select(order).iter_rows())
    assert store.count(of) == every["id"].n_unique()
    store.close()
