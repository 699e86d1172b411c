"""Rows of erased keys leave a table: the oracle is the same table made of rows without them."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from featurectl.core.erasures import Erasures
from featurectl.core.errors import StoreError, TryAgainError
from featurectl.offline.base import Coverage, ErasedFiles
from featurectl.offline.delta import DeltaStore
from featurectl.offline.rows import FrameRows
from tests.offline.table_rows import KEYS, as_table, table_rows
from tests.offline.test_delta import located
from tests.seeds import examples
from tests.tombstones import erased, tombstone

LATE = datetime(2100, 1, 1, tzinfo=UTC)
CANARY = "canary-3141592653"
one_place = pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.long)])(located)


def us(number):
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)


def whole(carrier, number, at=LATE):
    return tombstone("leg", ["carrier", "number"], [carrier, number], at)


def open_table(place, known=None, **sizes):
    provider = None if known is None else lambda _: known
    return DeltaStore(str(place), "p", known_erasures=provider, **sizes).table("delays", 1, KEYS, "leg")


def is_erased(row, items):
    early = [lambda at, clock=clock: row[clock] <= at for clock in ("event_time", "available_at")]
    return any(
        all(row[key] == part for key, part in parts.items()) and any(is_early(at) for is_early in early)
        for parts, at in items
    )


def without(frame, *items):
    """The oracle: row by row, without a hash."""
    return frame.filter([not is_erased(row, items) for row in frame.iter_rows(named=True)])


def test_rows_of_an_erased_key_are_gone_and_the_others_stay(one_place):
    first, second = table_rows(60), table_rows(40, start=30)
    table = open_table(one_place, rows_per_bucket=16)
    table.append(FrameRows(first, KEYS), Coverage())
    table.append(FrameRows(second, KEYS), Coverage())
    every = as_table(first, second)
    kept = without(every, ({"carrier": "c3", "number": 1}, LATE))
    known = erased(whole("c3", 1))
    table = open_table(one_place, known)
    assert_frame_equal(table.read(), kept)  # before they are removed they are not read
    assert not table.is_clean()
    looked = table.look_erased(known, {})
    done = table.remove_erased(known, {})
    assert (looked.rows, done.rows) == (every.height - kept.height,) * 2
    assert looked.rewritten == done.rewritten > 0
    assert table.is_clean()
    assert table.coverage().erased == 1
    assert_frame_equal(open_table(one_place).read(), kept)
    assert table.remove_erased(known, {}) == ErasedFiles()


@pytest.mark.parametrize("values", [{}, {1: {"carrier": "c3", "number": 1}}], ids=["by hash", "by value"])
def test_only_files_with_such_rows_are_written_anew(tmp_path, values):
    table = open_table(tmp_path, rows_per_bucket=8)
    table.append(FrameRows(table_rows(100), KEYS), Coverage())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*.parquet")}
    known = erased(whole("c3", 1))
    open_table(tmp_path, known).remove_erased(known, values)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*.parquet")}
    assert len(before.items() - after.items()) == 1
    assert len(after) == len(before)


def test_a_key_whose_rows_are_all_of_a_bucket_leaves_no_file(tmp_path):
    rows = table_rows(20).with_columns(carrier=pl.lit("c1"), number=pl.lit(1, dtype=pl.Int64))
    known = erased(whole("c1", 1))
    open_table(tmp_path).append(FrameRows(rows, KEYS), Coverage())
    table = open_table(tmp_path, known)
    assert table.remove_erased(known, {}).rows == 20
    assert table.read().is_empty()
    assert [*tmp_path.rglob("part-*.parquet")] == []


PARTS = st.fixed_dictionaries({}, optional={"carrier": st.sampled_from(["c0", "c3"]), "number": st.integers(0, 2)})
ERASED = st.tuples(PARTS.filter(bool), st.integers(-5, 120).map(us))


@pytest.mark.long
@settings(max_examples=examples(8, 50))
@given(st.lists(ERASED, min_size=1, max_size=3), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.booleans())
def test_a_table_is_what_it_is_without_the_rows(tmp_path_factory, items, sizes, is_known):
    place = tmp_path_factory.mktemp("t")
    tombstones = [tombstone("leg", [*parts], [*parts.values()], at) for parts, at in items]
    known, frames = erased(*tombstones), []
    for number, size in enumerate(sizes):
        frames.append(table_rows(size, start=number * 25))
        open_table(place, rows_per_bucket=8, files_per_bucket=3).append(FrameRows(frames[-1], KEYS), Coverage())
    kept = without(as_table(*frames), *items)
    table = open_table(place, known)
    assert_frame_equal(table.read(), kept)
    blocks = [block.select("number") for block in table.blocks(len(sizes) - 1, 7, ["number"])]
    assert sum(block.height for block in blocks) == kept.height
    names = ["carrier", "number", "event_time"]
    assert_frame_equal(pl.concat(table.read(bucket=b, columns=names).select(names) for b in range(table.buckets()))
                       .sort(names), kept.select(names).sort(names))  # fmt: skip
    values = {number: parts for number, (parts, _) in enumerate(items, 1)} if is_known else {}
    done = table.remove_erased(known, values)
    assert done.rows == sum(frame.height for frame in frames) - kept.height
    assert_frame_equal(open_table(place).read(), kept)
    assert open_table(place, known).is_clean()
    for version in range(len(sizes)):
        held = as_table(*frames[: version + 1])
        assert (open_table(place, known).erased_since(version) is None) == (without(held, *items).height == held.height)


def as_of(place, version, known=None):
    return open_table(place, known).read(version=version)


def test_versions_that_held_such_rows_are_broken_and_others_stay(one_place):
    mine = table_rows(9).with_columns(carrier=pl.lit(CANARY))
    table = open_table(one_place)
    table.append(FrameRows(table_rows(9), KEYS), Coverage())
    table.append(FrameRows(mine, KEYS), Coverage())
    table.replace(FrameRows(table_rows(12), KEYS), Coverage())
    known = erased(tombstone("leg", ["carrier"], [CANARY], LATE))
    table = open_table(one_place, known)
    assert table.look_erased(known, {}, [0, 1, 2]) == ErasedFiles(removed=1, broken=(1,))
    assert table.remove_erased(known, {}, [0, 1, 2]) == ErasedFiles(removed=1, broken=(1,))
    assert_frame_equal(as_of(one_place, 0), as_table(table_rows(9)))
    assert table.erased_since(0) is None
    assert table.erased_since(1) is not None
    with pytest.raises(TryAgainError, match="were erased while it was read"):
        as_of(one_place, 1, known)


def test_later_commits_keep_the_mark_and_older_preparations_are_refused(tmp_path):
    known = erased(whole("c3", 1))
    open_table(tmp_path).append(FrameRows(table_rows(20), KEYS), Coverage())
    table = open_table(tmp_path, known)
    old = table.coverage()
    table.remove_erased(known, {})
    with pytest.raises(TryAgainError, match="were erased meanwhile"):
        table.append(FrameRows(table_rows(5, start=50), KEYS), old)
    with pytest.raises(TryAgainError, match="were erased meanwhile"):
        table.replace(FrameRows(table_rows(5, start=50), KEYS), old)
    table.append(FrameRows(without(table_rows(5, start=50), ({"carrier": "c3", "number": 1}, LATE)), KEYS),
                 replace(old, erased=1))  # fmt: skip
    assert open_table(tmp_path).coverage().erased == 1
    assert open_table(tmp_path, known).is_clean()
    table.replace(FrameRows(table_rows(2), KEYS), replace(old, erased=1))
    assert open_table(tmp_path, known).is_clean()


def test_a_run_that_writes_meanwhile_is_refused_and_leaves_no_rows(tmp_path, monkeypatch):
    known = erased(tombstone("leg", ["carrier"], [CANARY], LATE))
    mine = table_rows(9).with_columns(carrier=pl.lit(CANARY))
    open_table(tmp_path).append(FrameRows(table_rows(9), KEYS), Coverage())
    slow = open_table(tmp_path)
    coverage, log = slow.coverage(), slow._log  # noqa: SLF001  # between two steps of a commit

    def log_late(*args):
        open_table(tmp_path, known).remove_erased(known, {})
        return log(*args)

    monkeypatch.setattr(slow, "_log", log_late)
    with pytest.raises(TryAgainError):
        slow.append(FrameRows(mine, KEYS), coverage)
    assert holds(tmp_path) == []
    assert open_table(tmp_path, known).is_clean()


def test_a_table_that_another_run_wrote_meanwhile_is_to_be_cleaned_again(tmp_path, monkeypatch):
    known = erased(whole("c3", 1))
    open_table(tmp_path).append(FrameRows(table_rows(20), KEYS), Coverage())
    slow = open_table(tmp_path, known)
    log = slow._log  # noqa: SLF001  # between two steps of a commit

    def log_late(*args):
        open_table(tmp_path).append(FrameRows(table_rows(20, start=20), KEYS), Coverage())
        return log(*args)

    monkeypatch.setattr(slow, "_log", log_late)
    with pytest.raises(TryAgainError):
        slow.remove_erased(known, {})
    monkeypatch.setattr(slow, "_log", log)
    slow.remove_erased(known, {})
    every = as_table(table_rows(20), table_rows(20, start=20))
    assert_frame_equal(open_table(tmp_path).read(), without(every, ({"carrier": "c3", "number": 1}, LATE)))


def test_a_registry_that_is_older_than_the_table_is_named(tmp_path):
    known = erased(whole("c3", 1))
    open_table(tmp_path).append(FrameRows(table_rows(20), KEYS), Coverage())
    open_table(tmp_path, known).remove_erased(known, {})
    asked = []

    def provider(at_least):
        asked.append(at_least)
        return known if at_least else Erasures()

    store = DeltaStore(str(tmp_path), "p", known_erasures=provider)
    assert store.table("delays", 1, KEYS, "leg").coverage().erased == 1
    assert asked[-1] == 1
    with pytest.raises(StoreError, match="was cleaned of an erasure of 1970-01-01") as caught:
        open_table(tmp_path, Erasures()).coverage()
    assert caught.value.code == "FC619"


def holds(place: Path, canary: str = CANARY) -> list[str]:
    """Files in which the canary stands, byte by byte, or among the values of a Parquet file."""
    found = []
    for path in sorted(place.rglob("*")):
        if path.is_file():
            text = path.read_bytes()
            if path.suffix == ".parquet":
                text += str(pl.read_parquet(path, hive_partitioning=False).to_dicts()).encode()
            found += [path.name] if canary.encode() in text else []
    return found


def others(place):
    return DeltaTable(str(place / "p" / "delays" / "v1"))


@pytest.mark.parametrize("cut", [False, True], ids=["whole log", "log cut by others"])
def test_no_statistics_of_another_program_name_an_erased_key(tmp_path, cut):
    mine = pl.concat([table_rows(9), table_rows(9, start=9).with_columns(carrier=pl.lit(CANARY))])
    for start in range(3):
        open_table(tmp_path).append(FrameRows(mine.with_columns(
            event_time=pl.col("event_time") + pl.duration(microseconds=start)).with_columns(
            tie_order=pl.col("tie_order") + start), KEYS), Coverage())  # fmt: skip
    others(tmp_path).optimize.compact()
    others(tmp_path).create_checkpoint()
    log = tmp_path / "p" / "delays" / "v1" / "_delta_log"
    assert {name.partition(".")[2] for name in holds(tmp_path)} >= {"json", "checkpoint.parquet"}
    open_table(tmp_path).append(FrameRows(table_rows(1, start=90), KEYS), Coverage())
    if cut:
        for version in range(4):
            (log / f"{version:020}.json").unlink()
    every = open_table(tmp_path).read()
    known = erased(tombstone("leg", ["carrier"], [CANARY], LATE))
    open_table(tmp_path, known).remove_erased(known, {})
    assert holds(tmp_path) == []
    kept = without(every, ({"carrier": CANARY}, LATE))
    assert kept.height == 28
    assert_frame_equal(open_table(tmp_path).read(), as_table(kept))
    assert (log / "_last_checkpoint").exists()


def test_unfinished_files_and_logs_that_were_set_aside_go_too(tmp_path):
    open_table(tmp_path).append(FrameRows(table_rows(9), KEYS), Coverage())
    folder = tmp_path / "p" / "delays" / "v1"
    aside = folder / "_delta_log_unreadable_1234abcd"
    aside.mkdir()
    mine = table_rows(9).with_columns(carrier=pl.lit(CANARY))
    stray = folder / "bucket=0" / f"part-{'a' * 20}-0.parquet"
    mine.write_parquet(stray, compression="uncompressed")
    for path in (aside / "0.json", folder / "bucket=0" / "x.parquet.12345678.part", stray.with_name("cut.parquet")):
        path.write_bytes(stray.read_bytes()[:-9])
    open_table(tmp_path).append(FrameRows(table_rows(9, start=20), KEYS), Coverage())
    assert len(holds_bytes(folder)) == 4
    known = erased(tombstone("leg", ["carrier"], [CANARY], LATE))
    done = open_table(tmp_path, known).remove_erased(known, {})
    assert (done.rows, done.removed) == (0, 2)
    assert holds_bytes(folder) == []
    assert open_table(tmp_path).read().height == 18


def holds_bytes(folder):
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_a_folder_without_a_table_is_cleaned_too(tmp_path):
    folder = tmp_path / "p" / "delays" / "v1" / "bucket=0"
    folder.mkdir(parents=True)
    mine = table_rows(9).with_columns(carrier=pl.lit(CANARY))
    mine.write_parquet(folder / f"part-{'a' * 20}-0.parquet")
    table_rows(9).write_parquet(folder / f"part-{'b' * 20}-0.parquet")
    known = erased(tombstone("leg", ["carrier"], [CANARY], LATE))
    assert open_table(tmp_path, known).remove_erased(known, {}).removed == 0  # a first run may be under way
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    assert open_table(tmp_path, known).remove_erased(known, {}).removed == 1
    assert [path.name for path in folder.iterdir()] == [f"part-{'b' * 20}-0.parquet"]


def test_who_comes_back_after_an_erasure_is_pushed_anew(tmp_path):
    """Rows of an erased key that stay have other values than a store may have been sent."""
    early = tombstone("leg", ["carrier", "number"], ["c3", 1], us(30))
    for known, is_same in ((erased(whole("c3", 1)), True), (erased(early), False)):
        place = tmp_path / str(is_same)
        open_table(place).append(FrameRows(table_rows(90), KEYS), Coverage(rebuild_id="r"))
        assert open_table(place, known).remove_erased(known, {}).rows > 0
        assert (open_table(place).coverage().rebuild_id == "r") == is_same


def test_what_a_first_run_has_left_goes_once_there_is_a_table(tmp_path):
    folder = tmp_path / "p" / "delays" / "v1" / "bucket=0"
    folder.mkdir(parents=True)
    table_rows(9).with_columns(carrier=pl.lit(CANARY)).write_parquet(folder / f"part-{'a' * 20}-0.parquet")
    known = erased(tombstone("leg", ["carrier"], [CANARY], LATE))
    table = open_table(tmp_path, known)
    table.remove_erased(Erasures(), {})
    table.append(FrameRows(table_rows(9), KEYS), Coverage(erased=1))
    assert not table.is_clean()
    table.remove_erased(Erasures(), {})
    assert table.is_clean()
    assert holds(tmp_path) == []


def test_environments_that_share_a_table_have_numbers_of_their_own(tmp_path):
    ours = erased(whole("c3", 1), whole("c0", 0))
    secret = bytes(reversed(range(32)))
    their = tombstone("leg", ["carrier"], ["c5"], LATE, secret=secret)
    theirs = Erasures(secret=secret, tombstones=(their,))
    open_table(tmp_path).append(FrameRows(table_rows(90), KEYS), Coverage())
    kept = without(table_rows(90), ({"carrier": "c3", "number": 1}, LATE), ({"carrier": "c0", "number": 0}, LATE))
    open_table(tmp_path, ours).remove_erased(ours, {})
    assert_frame_equal(open_table(tmp_path).read(), as_table(kept))
    table = open_table(tmp_path, theirs)
    kept = without(kept, ({"carrier": "c5"}, LATE))
    assert_frame_equal(table.read(), as_table(kept))  # the number of ours says nothing of theirs
    assert not table.is_clean()
    assert table.remove_erased(Erasures(), {}).rows > 0
    assert table.coverage().erased == 1
    table.append(FrameRows(table_rows(0), KEYS), Coverage(erased=1))
    assert open_table(tmp_path, theirs).is_clean()
    table = open_table(tmp_path, ours)
    assert not table.is_clean()
    assert_frame_equal(table.read(), as_table(kept))
    assert table.coverage().erased == 1
    assert table.remove_erased(Erasures(), {}) == ErasedFiles()
    assert (table.is_clean(), table.coverage().erased) == (True, 2)
    with pytest.raises(StoreError, match="was cleaned of an erasure of 1970-01-01"):
        open_table(tmp_path, Erasures()).coverage()


def test_rows_that_an_environment_adds_are_looked_through_by_the_other(tmp_path):
    ours = erased(whole("c3", 1))
    secret = bytes(reversed(range(32)))
    theirs = Erasures(secret=secret, tombstones=(tombstone("shop", ["k"], ["a"], LATE, secret=secret),))
    open_table(tmp_path).append(FrameRows(table_rows(20), KEYS), Coverage())
    open_table(tmp_path, ours).remove_erased(ours, {})
    table = open_table(tmp_path, theirs)
    assert table.is_clean()
    table.append(FrameRows(table_rows(60, start=20), KEYS), table.coverage())
    assert not open_table(tmp_path, ours).is_clean()
    every = as_table(without(table_rows(20), ({"carrier": "c3", "number": 1}, LATE)), table_rows(60, start=20))
    kept = without(every, ({"carrier": "c3", "number": 1}, LATE))
    assert kept.height < every.height
    assert_frame_equal(open_table(tmp_path, ours).read(), kept)
