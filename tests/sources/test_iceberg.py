"""Iceberg tables: what their snapshots did is told apart, and rows are those of the current one."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.core.units import from_us
from featurectl.language.definitions.source import IcebergName, Source
from featurectl.offline.base import Coverage
from featurectl.sources.increment import plan_increment
from featurectl.sources.open import open_source
from tests.seeds import seeds_from
from tests.sources.lake import NAME, Lake
from tests.sources.lake_changes import change_by_chance

HOUR_US = 3_600_000_000
SOURCE = Source(
    name="orders",
    format="iceberg",
    iceberg=IcebergName(table=NAME, catalog="sqlite:///catalog.db"),
    event_time="at",
    delay_us=HOUR_US,
)
SCHEMA: dict[str, Any] = {"id": pl.Int64, "at": pl.Datetime("us", "UTC")}


def rows(*hours: int, first: int = 0) -> pl.DataFrame:
    """Return a row for each of some hours, with numbers from `first` on."""
    return pl.DataFrame([(first + n, from_us(hour * HOUR_US)) for n, hour in enumerate(hours)], SCHEMA, orient="row")


@dataclass
class Reading:
    """Runs that read a table as an engine does: what a table of features would hold."""

    root: Path
    source: Source = SOURCE
    coverage: Coverage | None = None
    taken: list[tuple] = field(default_factory=list)
    reads: int = 0

    def known(self, frame: pl.DataFrame) -> pl.DataFrame:
        known = pl.col("seen") if self.source.available_at else pl.col("at") + timedelta(hours=1)
        return frame.with_columns(known.alias("known"))

    def run(self, hour: int) -> str:
        """Read what is new as of an hour; return why all was read, or nothing."""
        now = from_us(hour * HOUR_US)
        reader = open_source(self.source, self.root)
        plan = plan_increment(reader, reader.parts(), self.coverage, now)
        if not plan.scans and not plan.rebuild:
            return plan.reason
        found, held = [], []
        for scan in plan.scans:
            for part in scan.parts:
                frame = self.known(reader.scan((part,)).collect())
                held += [part.name] * bool(frame.filter(pl.col("known") > now).height)
                frame = frame.filter(pl.col("known") <= now)
                found.append(frame if scan.after is None else frame.filter(pl.col("known") > scan.after))
        taken = pl.concat(found).rows() if found else []
        self.reads += len(taken)
        self.taken = taken if plan.rebuild else self.taken + taken
        watermark = max((row[-1] for row in self.taken), default=None)
        self.coverage = Coverage(parts=plan.covered, held=tuple(held), now=now, watermark=watermark)
        return plan.reason

    def ids(self) -> list[int]:
        return sorted(row[0] for row in self.taken)

    def whole(self, hour: int) -> list[int]:
        """Return what one run that reads all takes as of an hour."""
        whole = Reading(self.root, self.source)
        whole.run(hour)
        return whole.ids()


@pytest.fixture
def lake(tmp_path):
    made = Lake(tmp_path)
    made.create(rows())
    return made


@pytest.fixture
def reading(tmp_path):
    return Reading(tmp_path)


def test_appended_rows_are_read_once(lake, reading):
    assert reading.run(9) == "first read"
    assert reading.ids() == []
    for number in range(3):
        lake.append(rows(number, number, first=10 * number))
        assert reading.run(9) == ("" if number else "the table had no rows before")
    assert reading.run(9) == "no new rows"
    assert (reading.ids(), reading.reads) == ([0, 1, 10, 11, 20, 21], 6)


def test_rewritten_files_are_not_read_again(lake, reading):
    for number in range(3):
        lake.append(rows(number, first=number))
    reading.run(9)
    lake.rewrite(lake.files()[:2])
    assert reading.run(9) == "files were rewritten, and no rows are new"
    lake.append(rows(5, first=7))
    lake.append(rows(5, first=8))
    lake.rewrite(lake.files())  # what was appended since, with what was read
    assert reading.run(9) == ""
    assert (reading.ids(), reading.reads) == ([0, 1, 2, 7, 8], 5)
    assert reading.run(9) == "no new rows"


@pytest.mark.long
def test_rows_that_are_known_later_are_found_after_a_compaction(lake, reading):
    lake.append(rows(1, 8, 20))
    reading.run(5)
    assert reading.ids() == [0]
    lake.append(rows(2, first=7))
    lake.rewrite(lake.files())
    assert reading.run(10) == ""
    assert reading.ids() == [0, 1, 7]
    assert reading.run(30) == ""  # of a file that only the history has
    assert (reading.ids(), reading.reads) == ([0, 1, 2, 7], 4)


@pytest.mark.long
def test_rows_that_are_known_later_are_read_anew_when_their_file_is_gone(lake, reading):
    lake.append(rows(1, 8))
    reading.run(5)
    lake.rewrite(lake.files())
    reading.run(6)
    lake.expire()
    assert reading.run(10).endswith(".parquet, of which rows were not available yet, is expired")
    assert reading.ids() == [0, 1]


def _overwrite(lake):
    lake.overwrite(rows(4, first=40))  # which pyiceberg does in two snapshots
    return f"snapshot {lake.table.current_snapshot().parent_snapshot_id} deleted rows"


def _delete_part(lake):
    lake.delete("id = 1")
    return f"snapshot {lake.table.current_snapshot().snapshot_id} overwrote rows"


def _delete_file(lake):
    lake.delete("id < 3")
    return f"snapshot {lake.table.current_snapshot().snapshot_id} deleted rows"


def _delete_places(lake):
    lake.delete_positions(lake.files()[0], [0])
    return f"snapshot {lake.table.current_snapshot().snapshot_id} deleted rows"


def _roll_back(lake):
    last = lake.table.current_snapshot().snapshot_id
    lake.roll_back()
    return f"the table was rolled back: it does not follow snapshot {last}"


def _make_again(lake):
    lake.create(rows())
    lake.append(rows(6, first=60))
    return "the table was made again"


def _expire(lake):
    last = lake.table.current_snapshot().snapshot_id
    for number in range(3):
        lake.append(rows(4, first=50 + number))
    lake.expire()
    return f"snapshot {last} is expired, or what followed it"


def _rewrite_other_rows(lake):
    lake.rewrite(lake.files(), rows=rows(1, first=9))
    return f"snapshot {lake.table.current_snapshot().snapshot_id} rewrote files with other rows"


def _append_that_removes(lake):
    lake.delete("id < 3")
    lake.edit_last(operation="append")
    return f"snapshot {lake.table.current_snapshot().snapshot_id} removed rows"


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "change",
    [
        _overwrite, _expire, _make_again, _roll_back, _delete_part, _delete_file, _delete_places, _rewrite_other_rows,
        _append_that_removes,
    ],
)  # fmt: skip
def test_what_changed_rows_that_were_read_is_a_rebuild(lake, reading, change):
    lake.append(rows(1, 2, 3))
    lake.append(rows(3, first=30))
    reading.run(9)
    reason = change(lake)
    assert reading.run(9) == reason
    assert reading.ids() == reading.whole(9)
    assert reading.run(9) == "no new rows"


def test_an_expired_snapshot_is_not_missed_where_its_follower_is_there(lake, reading):
    lake.append(rows(1))
    reading.run(9)
    lake.append(rows(2, first=5))
    lake.expire(parents=True)
    assert reading.run(9) == ""
    assert (reading.ids(), reading.reads) == ([0, 5], 2)


def test_rows_that_expired_before_the_first_were_read_are_not_missed(lake, reading):
    reading.run(9)
    lake.append(rows(1))
    lake.append(rows(2, first=5))
    lake.expire()  # the snapshot that is left looks like the first one
    assert reading.run(9) == "the table had no rows before"
    assert reading.ids() == [0, 5]


def test_deleted_places_are_not_read(lake, reading):
    lake.append(rows(1, 2, 3))
    lake.append(rows(3, first=30))
    lake.delete_positions(lake.files()[0], [0])
    reading.run(9)
    assert reading.ids() == reading.whole(9)
    assert len(reading.ids()) == 3


def test_equality_deletes_are_refused_by_name(lake, reading):
    lake.append(rows(1, 2, 3))
    lake.delete_positions(lake.files()[0], [1], equality="id")
    with pytest.raises(DataError, match="has equality deletes, which this version does not read") as caught:
        reading.run(9)
    assert caught.value.code == "FC502"


@pytest.mark.long
def test_with_available_at_what_lies_above_the_watermark_is_read(tmp_path):
    lake, seen = Lake(tmp_path), pl.col("at").alias("seen")
    lake.create(rows().with_columns(seen))
    reading = Reading(tmp_path, replace(SOURCE, available_at="seen", delay_us=None))
    lake.append(rows(1, 2).with_columns(seen))
    reading.run(9)
    lake.rewrite(lake.files())
    lake.append(rows(2, 4, first=7).with_columns(seen))
    reading.run(9)
    assert reading.ids() == [0, 1, 8]  # 7 came too late


def _play(lake: Lake, reading: Reading, chance: random.Random, steps: int) -> None:
    """Do things by chance to a table, with runs between: each run has what a whole one has."""
    now, number = 5, 0
    for _ in range(steps):
        made = rows(*(now + chance.randint(-5, 6) for _ in range(chance.randint(1, 3))), first=number)
        if change_by_chance(lake, chance, made, "id") == "append":
            number += made.height
        if chance.random() < 0.6:
            now += chance.randint(0, 3)
            reason = reading.run(now)
            assert reading.ids() == reading.whole(now), reason


@pytest.mark.parametrize(
    ("first", "count"),
    [(0, 1), pytest.param(1, 4, marks=pytest.mark.long), pytest.param(100, 40, marks=pytest.mark.stress)],
)
def test_any_history_gives_the_rows_of_one_whole_run(tmp_path, first, count):
    for seed in seeds_from(first, first + count):
        (root := tmp_path / str(seed)).mkdir()
        lake = Lake(root)
        lake.create(rows())
        _play(lake, Reading(root, replace(SOURCE, columns={"id": "int64", "at": "timestamp"}, columns_declared=True)),
              random.Random(seed), 8 if count == 1 else 20)  # fmt: skip


def test_the_first_time_of_a_row_is_an_instant(lake, reading):
    lake.append(rows(1))
    reading.run(9)
    assert isinstance(reading.taken[0][1], datetime)
