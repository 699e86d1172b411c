"""A spine in files is the spine in memory: its rows, types, digest, cuts and errors."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.engines.spill import SpillRoom
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.model import Model, Spine
from featurectl.operations.training.choose_spine import NamedSpine, choose_spine
from featurectl.operations.training.long_spine import LongSpine, SpillPlace, cut_long_spine
from featurectl.operations.training.spine import Cut, cut_spine, file_source, read_source_spine
from featurectl.sources.casts import cast_exact, check_exact
from featurectl.sources.open import open_source

ROWS = 120_000


@cache
def frame():
    random = np.random.default_rng(3)
    hours = pl.Series(random.integers(0, 5_000, ROWS)) * 3_600_000_000
    return pl.DataFrame(
        {
            "user": random.integers(0, 99, ROWS).astype(np.uint32),
            "event_time": hours.cast(pl.Datetime("us", "UTC")),
            "kind": pl.Series([["a", None, "é"][i % 3] for i in range(ROWS)]).cast(pl.Categorical),
            "weight": random.normal(size=ROWS).astype(np.float32),
            "big": pl.Series([2**63 if i == ROWS - 1 else i for i in range(ROWS)], dtype=pl.UInt64),
            "tags": pl.Series([["x"] * (i % 3) for i in range(ROWS)]),
        }
    )


class NoState:
    objects = ()

    def current(self, kind, name):  # noqa: ARG002  # of the protocol
        return None


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same file as a spine in memory and as one in files."""
    root = tmp_path_factory.mktemp("spines")
    frame().write_parquet(root / "spine.parquet")
    with SpillRoom(root / "spill") as room:
        place = SpillPlace(room=room, memory_bytes=1_000_000)
        given = [lambda source: open_source(source, root), NoState(), None, NamedSpine(str(root / "spine.parquet"))]
        yield choose_spine(*given, None), choose_spine(*given, place), place


@pytest.fixture(scope="module")
def both_known(tmp_path_factory):
    """The same, answered at instants of a column of which some are before the times, and some null."""
    root = tmp_path_factory.mktemp("known")
    hours = pl.Series([None if i % 100 == 0 else (i % 7 - 1) * 3_600_000_000 for i in range(ROWS)], dtype=pl.Int64)
    known = (frame()["event_time"].to_physical() + hours).cast(pl.Datetime("us", "UTC")).alias("known")
    frame().with_columns(known).write_parquet(root / "spine.parquet")
    with SpillRoom(root / "spill") as room:
        place = SpillPlace(room=room, memory_bytes=1_000_000)
        named = NamedSpine(str(root / "spine.parquet"), known="known")
        given = [lambda source: open_source(source, root), NoState(), None, named]
        yield choose_spine(*given, None), choose_spine(*given, place), place


@pytest.mark.long
def test_a_long_spine_has_the_instants_of_its_answers(both_known):
    short, long, place = both_known
    assert isinstance(long, LongSpine)
    same(long, short)
    part = long.part(90_000, 30_000)
    assert (part.early.sum(), part.early.sum() > 0) == (short.part(90_000, 30_000).early.sum(), True)
    assert part.known.equals(short.known[90_000:])
    assert short.time.equals(pl.select(pl.min_horizontal(frame()["event_time"], short.known)).to_series())
    cut = Cut(since=datetime(1970, 2, 1, tzinfo=UTC), sample=0.01)
    found, wanted = cut_long_spine(long, cut, place), cut_spine(short, cut)
    same(found, wanted)
    assert found.part(0, found.height).known.equals(wanted.known)


def same(long, short):
    assert (long.height, long.schema) == (short.height, short.schema)
    assert (long.origin, long.time_column) == (short.origin, short.time_column)
    part = long.part(0, long.height)
    assert part.own.equals(short.own)
    assert part.rows.equals(short.rows)
    assert part.rows.schema == short.rows.schema
    assert part.time.equals(short.time)
    assert long.sha256() == short.sha256()


@pytest.mark.long
def test_a_long_spine_has_the_rows_the_types_and_the_digest_of_a_short_one(both):
    short, long, _ = both
    assert isinstance(long, LongSpine)
    assert "big" not in short.rows.columns  # its last value is beyond the language: so it is in every part
    same(long, short)


@pytest.mark.parametrize(("start", "rows"), [(0, 0), (99_999, 2), (90_000, 30_000), (ROWS, 5)])
def test_a_range_is_the_same_range(both, start, rows):
    short, long, _ = both
    found, wanted = long.part(start, rows), short.part(start, rows)
    assert found.own.equals(wanted.own)
    assert found.time.equals(wanted.time)


@pytest.mark.parametrize("share", [1.0, 0.6, 0.0001])
def test_a_cut_draws_the_same_rows(both, share):
    short, long, place = both
    cut = Cut(since=datetime(1970, 2, 1, tzinfo=UTC), until=datetime(1970, 6, 1, tzinfo=UTC), sample=share, seed=5)
    same(cut_long_spine(long, cut, place), cut_spine(short, cut))


def test_a_value_that_does_not_fit_is_counted_over_all_parts():
    column = pl.Series("n", ["1", "x", "3", "y", "5"])
    told = []
    with pytest.raises(DataError) as caught:
        cast_exact(column, "int64", "it")
    told.append(caught.value.message)
    with pytest.raises(DataError) as caught:
        check_exact([column[:1], column[1:3], column[3:]], "int64", "it")
    told.append(caught.value.message)
    assert told[0] == told[1]
    assert "2 of 5 values do not fit; first at row 2: 'x'" in told[0]


@pytest.mark.parametrize("where", [None, "user < 40"])
@pytest.mark.sample(1)
def test_a_long_source_spine_is_filtered_as_a_short_one(tmp_path, where):
    path = tmp_path / ("spine.csv" if where else "spine.parquet")
    rows = frame().select("user", "event_time")
    _ = rows.write_csv(path) if where else rows.write_parquet(path)
    source = file_source(path)
    spine = Spine(source=source, time="event_time", where=None if where is None else Expression(text=where))
    reader = open_source(source, tmp_path)
    model = Model(name="m", spine=spine, inputs=())
    with SpillRoom(tmp_path / "spill") as room:
        long = choose_spine(
            lambda _: reader, NoState(), model, NamedSpine(None), SpillPlace(room=room, memory_bytes=1_000_000)
        )
        same(long, read_source_spine(reader, spine))
        assert long.height == (ROWS if where is None else long.part(0, ROWS).rows["user"].len())
