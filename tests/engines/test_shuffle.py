"""Rows laid apart by a hash come back whole, in memory or in files."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.engines.shuffle import PARTS, Shuffle
from featurectl.engines.spill import SpillRoom
from featurectl.pit.hashing import bucket_of
from tests.seeds import examples

FRAMES = st.lists(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["a", "b", None])), max_size=40), min_size=1)
SCHEMA = {"k": pl.Int64, "s": pl.String}


def frames_of(drawn):
    number = iter(range(10_000))
    return [
        pl.DataFrame([(*row, next(number)) for row in rows], schema={**SCHEMA, "n": pl.Int64}, orient="row")
        for rows in drawn
    ]


@given(FRAMES, st.sampled_from([None, 0, 200, 1000]), st.sampled_from([1, 2, 8, PARTS, 4 * PARTS]))
@pytest.mark.long
def test_every_row_is_in_the_part_of_its_hash(drawn, memory, parts):
    frames = frames_of(drawn)
    every = pl.concat(frames)
    with SpillRoom() as room:
        shuffle = Shuffle(columns=("k", "s"), memory_bytes=memory, folder=room.folder)
        for frame in frames:
            shuffle.add(frame)
        assert shuffle.height == every.height
        where = bucket_of(every.select("k", "s"), parts)
        for part in {0, parts - 1, *where.head(5)}:
            assert shuffle.of(part, parts).sort("n").equals(every.filter(where == part))


@settings(max_examples=examples(40))
@given(FRAMES, st.lists(st.sampled_from([1, 2, 8, 4 * PARTS]), max_size=6))
def test_rows_in_memory_may_be_read_in_other_parts_and_added_to_meanwhile(drawn, asked):
    shuffle, rows = Shuffle(columns=("k",), memory_bytes=None), []
    for frame, parts in zip(frames_of(drawn), asked, strict=False):
        shuffle.add(frame)
        rows.append(frame)
        every = pl.concat(rows)
        found = shuffle.of(1 % parts, parts)
        assert found.equals(every.filter(bucket_of(every.select("k"), parts) == 1 % parts))


def test_rows_without_columns_to_hash_are_one_part(tmp_path):
    with SpillRoom(tmp_path / "spill") as room:
        shuffle = Shuffle(columns=(), memory_bytes=0, folder=room.folder)
        shuffle.add(pl.DataFrame({"a": [1, 2]}))
        shuffle.add(pl.DataFrame({"a": [3]}))
        assert shuffle.parts > 1
        assert shuffle.of(0, 1)["a"].to_list() == [1, 2, 3]
        assert list((tmp_path / "spill").iterdir())
    assert not list((tmp_path / "spill").iterdir())


def test_leftovers_of_a_killed_process_are_removed_and_a_living_ones_stay(tmp_path):
    gone, alive = tmp_path / "spill-4194304999-x", tmp_path / "spill-1-x"
    for folder in (gone, alive):
        (folder / "run").mkdir(parents=True)
    with SpillRoom(tmp_path) as room:
        room.folder()
        assert not gone.exists()
    assert alive.exists()


def test_rows_that_outgrow_the_memory_need_a_folder():
    with pytest.raises(AssertionError, match="need a folder"):
        Shuffle(columns=("a",), memory_bytes=0).add(pl.DataFrame({"a": [1]}))
