"""Small files of the prediction log are made into few: whoever reads, at whatever step, has every row once."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO

import polars as pl
import pytest

from featurectl.core.errors import StoreError, TryAgainError
from featurectl.offline.open_plain_files import open_loose
from featurectl.operations.prediction_log import compaction
from featurectl.operations.prediction_log.compaction import REPLACED, compact_some, read_day
from featurectl.operations.prediction_log.log_files import PredictionLogFiles, read_batches, read_rows

DAY = datetime(2026, 1, 8, tzinfo=UTC)
FOLDER = "m/v1/2026-01-08"
SCHEMA = {"n": pl.Int64(), "more": pl.String()}
LATER = timedelta(hours=3)


class Killed(BaseException):
    """The end of a process."""


class Dying:
    """Files of a process that is killed before, within or behind its nth step that changes something."""

    def __init__(self, files, steps: int, where: str) -> None:
        self._files, self._steps, self._where = files, steps, where

    def __getattr__(self, name):
        return getattr(self._files, name)

    def write(self, path, content) -> None:
        self._step()
        self._files.write(path, content)
        self._step()

    def remove_files(self, paths) -> None:
        for path in paths:
            self._step()
            self._files.remove_files([path])

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise Killed(self._where)


@pytest.fixture(params=["folder", "s3", pytest.param("azure", marks=pytest.mark.guests)])
def place(request, tmp_path) -> str:
    if request.param == "folder":
        return str(tmp_path / "log")
    return request.getfixturevalue(request.param).location()


def content(rows, more="x") -> bytes:
    out = BytesIO()
    frame = pl.DataFrame({"n": rows, "more": [more] * len(rows)}, schema=SCHEMA)
    (frame if more else frame.drop("more")).write_parquet(out)
    return out.getvalue()


def write(files, seconds: int, rows, name="h-1-1", more="x") -> None:
    files.write(f"{FOLDER}/{DAY + timedelta(seconds=seconds):%H%M%S}-{name}.parquet", content(rows, more))


def rows_of(place: str, *window) -> Counter:
    """Count the rows that a reader of the log finds."""
    found = PredictionLogFiles(f"{place}/m").files(None, *window)
    return Counter(row for frame in read_batches(found, SCHEMA, lambda rows: rows) for row in frame.rows())


def clean(files, clock: datetime) -> None:
    """Do what `clean` does of a day: remove what is replaced, then make small files into few."""
    due = read_day(files, FOLDER, clock).replaced
    files.remove_files([file.path for file in due])
    while compact_some(files, read_day(files, FOLDER, clock), nullcontext):
        pass


def trial(place: str, draw: random.Random, runs: int) -> None:
    """Kill cleaners at random, let servers write late files, and compare with the rows that were written."""
    files, number = open_loose(place), 0
    expected: Counter[tuple[int, str]] = Counter()
    for run in range(runs):
        for _ in range(draw.choice([0, 1, 5, 12]) if run else 12):
            rows = [draw.randrange(10**9) for _ in range(draw.choice([0, 1, 3]))]
            number += 1
            write(files, draw.randrange(86_400), rows, f"h-{draw.randrange(3)}-{number}")
            expected += Counter((row, "x") for row in rows)
        clock = datetime.now(UTC) + draw.choice([timedelta(), LATER])
        with suppress(Killed):
            clean(Dying(files, draw.randrange(30), f"run {run}"), clock)
        assert rows_of(place) == expected, f"run {run}"
        since, until = (DAY + timedelta(seconds=draw.randrange(86_400)) for _ in range(2))
        inside = rows_of(place, since, until)
        assert all(inside[row] <= 1 for row in inside)
    clean(files, datetime.now(UTC) + LATER)
    clean(files, datetime.now(UTC) + LATER)
    assert rows_of(place) == expected
    there = [path for path, _ in files.listed("m")]
    assert sum("-since." not in path for path in there) <= 1
    before = dict(files.listed("m"))
    clean(files, datetime.now(UTC) + LATER)
    assert dict(files.listed("m")) == before


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_rows_are_read_once_each_wherever_a_cleaner_is_killed(place, seed, monkeypatch):
    monkeypatch.setattr(compaction, "_FILES", 4)
    trial(place, random.Random(seed), 6)


@pytest.mark.stress
@pytest.mark.parametrize("seed", range(100, 200))
def test_rows_are_read_once_each_in_many_trials(place, seed, monkeypatch):
    draw = random.Random(seed)
    monkeypatch.setattr(compaction, "_FILES", draw.choice([2, 4, 9, 2_000]))
    monkeypatch.setattr(compaction, "_BYTES", draw.choice([3_000, 16 << 20]))
    trial(place, draw, 12)


@pytest.mark.long
def test_a_window_finds_the_rows_that_it_found_before(place):
    files = open_loose(place)
    for hour in range(24):
        write(files, hour * 3_600, [hour])
    windows = [(DAY + timedelta(hours=a), DAY + timedelta(hours=b)) for a, b in ((0, 1), (3, 9), (22, 30))]
    before = [rows_of(place, *window) for window in windows]
    clean(files, datetime.now(UTC))
    for window, found in zip(windows, before, strict=True):
        assert rows_of(place, *window) >= found
    assert rows_of(place, DAY + timedelta(hours=26), None) == rows_of(place, None, DAY - timedelta(hours=2)) == {}


def test_replaced_files_stay_as_long_as_somebody_may_read_them(place):
    files = open_loose(place)
    for second in range(3):
        write(files, second, [second])
    listed = PredictionLogFiles(f"{place}/m").files()
    clean(files, datetime.now(UTC))
    clean(files, datetime.now(UTC) + REPLACED - timedelta(minutes=5))
    assert len(files.listed("m")) == 4
    assert read_rows(listed, SCHEMA, lambda rows: rows).height == 3
    clean(files, datetime.now(UTC) + LATER)
    assert len(files.listed("m")) == 1
    with pytest.raises(TryAgainError, match="made into larger ones while they were read"):
        read_rows(listed, SCHEMA, lambda rows: rows)


def test_files_are_made_into_one_up_to_a_size(place, monkeypatch):
    files = open_loose(place)
    for second in range(10):
        write(files, second, range(second * 200, second * 200 + 200))
    monkeypatch.setattr(compaction, "_BYTES", 5 * files.listed("m")[0][1] // 2)
    clean(files, datetime.now(UTC))
    clean(files, datetime.now(UTC) + LATER)
    assert len(files.listed("m")) == 4  # of 3 files each, and the last one as it was
    assert sum(rows_of(place).values()) == 2_000


def test_large_files_and_those_of_others_stay_as_they_are(place, monkeypatch):
    files = open_loose(place)
    write(files, 1, range(3_000))
    write(files, 2, [1])
    files.write(f"{FOLDER}/mine.parquet", content([2]))
    files.write(f"{FOLDER}/000003-h-1-1.parquet.0a1b.part", b"half")
    monkeypatch.setattr(compaction, "_SMALL", 3_000)
    before = files.listed("m")
    clean(files, datetime.now(UTC))
    assert files.listed("m") == before


def test_a_file_that_is_removed_while_it_is_made_into_one_is_left_out(place):
    files = open_loose(place)
    for second in range(3):
        write(files, second, [second])
    day = read_day(files, FOLDER, datetime.now(UTC))
    files.remove_files([day.small[1].path])
    assert compact_some(files, day, nullcontext) == 2
    assert rows_of(place) == Counter([(0, "x"), (2, "x")])


def test_a_cleaner_that_another_one_has_overtaken_writes_nothing(place, monkeypatch):
    """While the one reads, a server removes the oldest file and the other one writes a large one of three others."""
    monkeypatch.setattr(compaction, "_FILES", 3)
    files, clock = open_loose(place), datetime.now(UTC)
    for second in range(6):
        write(files, second, [second])
    day = read_day(files, FOLDER, clock)

    @contextmanager
    def overtaken():
        files.remove_files([day.small[0].path])
        assert compact_some(files, read_day(files, FOLDER, clock), nullcontext) == 3
        yield

    assert compact_some(files, day, overtaken) == 3
    assert rows_of(place) == Counter((n, "x") for n in range(1, 6))
    clean(files, clock)
    assert rows_of(place) == Counter((n, "x") for n in range(1, 6))


def test_small_files_are_read_and_joined_before_the_lock_is_taken(tmp_path):
    class Counting:
        held = False

        def __getattr__(self, name):
            return getattr(files, name)

        def read(self, path):
            assert not self.held
            return files.read(path)

    files, counting = open_loose(str(tmp_path)), Counting()

    @contextmanager
    def alone():
        counting.held = True
        yield
        counting.held = False

    for second in range(3):
        write(files, second, [second])
    assert compact_some(counting, read_day(files, FOLDER, datetime.now(UTC)), alone) == 3
    assert len(files.listed("m")) == 4


def test_a_column_that_a_file_of_the_day_lacks_is_null(tmp_path):
    files = open_loose(str(tmp_path))
    write(files, 1, [1], more="")
    write(files, 2, [2])
    clean(files, datetime.now(UTC))
    assert rows_of(str(tmp_path)) == Counter([(1, None), (2, "x")])


def test_a_torn_file_is_named_and_all_stay(tmp_path):
    files = open_loose(str(tmp_path))
    write(files, 1, [1])
    files.write(f"{FOLDER}/000002-h-1-1.parquet", b"PAR1 no more")
    with pytest.raises(StoreError, match=r"can't be read: 000002-h-1-1\.parquet") as caught:
        clean(files, datetime.now(UTC))
    assert caught.value.code == "FC603"
    assert len(files.listed("m")) == 2


def test_a_large_file_that_servers_have_removed_stands_for_none(tmp_path):
    files = open_loose(str(tmp_path))
    for second in range(2):
        write(files, second, [second])
    clean(files, datetime.now(UTC))
    files.remove_files([path for path, _ in files.listed("m") if "-since." in path])
    assert rows_of(str(tmp_path)) == Counter([(0, "x"), (1, "x")])


def test_a_column_that_was_called_like_one_of_events_keeps_its_rows(tmp_path):
    files, at = open_loose(str(tmp_path)), pl.Series([DAY], dtype=pl.Datetime("us", "UTC"))
    older = pl.DataFrame({"n": [1], "known_at": ["a text"]})
    newer = pl.DataFrame({"n": [2], "known_at": at, "prediction_id": ["id"], "request.known_at": ["another"]})
    for number, frame in enumerate((older, newer)):
        frame.write_parquet(out := BytesIO())
        files.write(f"{FOLDER}/00000{number}-h-1-1.parquet", out.getvalue())
    assert compact_some(files, read_day(files, FOLDER, DAY + LATER), nullcontext) == 2
    [file] = PredictionLogFiles(f"{tmp_path}/m").files()
    rows = pl.read_parquet(file.path).sort("n")
    assert rows["request.known_at"].to_list() == ["a text", "another"]
    assert rows["known_at"].to_list() == [None, DAY]
