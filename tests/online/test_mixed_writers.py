"""Writers with and without short rows at one Redis, against SQLite, which has rows of one format."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import timedelta

import polars as pl
import pytest

from featurectl.online.all_stores import open_online
from featurectl.online.base import Writing
from featurectl.online.sqlite.store import SqliteStore
from tests.online.rows import T0, UTC_US, view

ENTITIES = 12
INSTANTS = [T0 + timedelta(microseconds=us) for us in (-3 * 10**14, -255, -1, 0, 1, 255, 256, 65_536, 10**12)]


def drawn_frame(chance: random.Random) -> pl.DataFrame:
    """Return rows of which most fit the short formats."""
    ids = chance.sample(range(ENTITIES), chance.randrange(1, 9))
    rows = []
    for _ in ids:
        event = chance.choice(INSTANTS)
        available = event if chance.random() < 0.75 else chance.choice([*INSTANTS, None])
        rows.append((event if chance.random() < 0.95 else None, available, max(event, chance.choice(INSTANTS))))
    columns = dict(zip(("event_time", "available_at", "computed_at"), zip(*rows, strict=True), strict=True))
    instants = [pl.Series(name, column, dtype=UTC_US) for name, column in columns.items()]
    return pl.DataFrame({"id": ids, "x": [chance.random() for _ in ids]}).with_columns(instants)


def drawn_step(chance: random.Random):
    """Return what is done to a store: rows written, those of others removed, or all of them."""
    which, at = chance.random(), chance.choice([None, None, chance.choice(INSTANTS)])
    bound = None if at is None else lambda: at
    if which < 0.75:
        rows, how = drawn_frame(chance), Writing(rebuilt=chance.random() < 0.2, none_after=bound)
        return lambda store, of: store.write_all(of, [rows], how)
    if which < 0.95:
        kept = pl.DataFrame({"id": pl.Series(chance.sample(range(ENTITIES), 6), dtype=pl.Int64)})
        until = chance.choice(INSTANTS)
        return lambda store, of: store.keep_only(of, kept, until, bound)
    return lambda store, of: store.remove(of)


@pytest.mark.parametrize("server", ["redis_url", "redis_cluster_url"])
@pytest.mark.parametrize("order", ["event", "computed"])
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.sample(10)
def test_rows_of_writers_of_both_kinds_are_those_of_one_format(request, tmp_path, server, order, seed):
    chance, url = random.Random(f"{order} {seed}"), request.getfixturevalue(server)
    of, keys = view({"x": "float64"}, {"id": "int64"}, versioned_by=order), [[i] for i in range(ENTITIES)]
    with (
        closing(open_online(url)) as new,
        closing(open_online(url)) as old,
        closing(SqliteStore(tmp_path / "o")) as one,
    ):
        old.bytes.is_compact = False
        for _ in range(chance.randrange(3, 12)):
            step = drawn_step(chance)
            assert step(chance.choice([new, old]), of) == step(one, of)
            assert new.read(of, keys) == old.read(of, keys) == one.read(of, keys)
            assert new.count(of) == one.count(of)
