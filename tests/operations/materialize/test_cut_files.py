"""Files that grow, are cut at their beginning and corrected: what came late or changed, beside a naive account."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.engines.base import SAME_AS_READ, TOO_LATE
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.operations.materialize.range import Range, backfill_view
from featurectl.operations.materialize.table_increment import Materialized, materialize_view
from tests.definitions import DELAYS, LATEST
from tests.operations.materialize.test_late_transform import of_each
from tests.operations.materialize.test_late_transform import run as run_transform
from tests.operations.materialize.test_late_transform import values as transformed
from tests.operations.materialize.test_range import job
from tests.operations.materialize.test_transform import write as write_rows
from tests.operations.materialize.test_view import FILES, SCHEMA, T0, at, values
from tests.seeds import seeds_from

ENGINE = PolarsEngine(1 << 30, 1)
SOURCES = {
    "parquet": FILES,
    "csv": replace(FILES, format="csv", path="data/*.csv"),
    "named": replace(FILES, dedup_key=("arr_delay",)),
}
Row = tuple[Any, ...]  # carrier, delay, seconds of its event and of when it was known
HOUR = 3600


@dataclass
class Town:
    """Files and what a table has read of them, by a naive account: each row has a delay and instants of its own."""

    chance: random.Random
    files: dict[str, list[Row]]
    table: set[Row] = field(default_factory=set)
    read: dict[str, set[Row]] = field(default_factory=dict)
    late: set[Row] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    watermark: int = -1
    knows_table: bool = True  # so that a row that was left out may go without a word
    used: set[int] = field(default_factory=set)
    begun: dict[str, list[int]] = field(default_factory=dict)  # the least of both clocks that was ever read of a file

    def instant(self, first: int, last: int) -> int:
        """An instant that no other row has."""
        while (found := self.chance.randrange(first, last)) in self.used:
            pass
        self.used.add(found)
        return found

    def row(self, first: int, last: int) -> Row:
        known = self.instant(first, last)
        return self.chance.choice("AB"), float(len(self.used)), self.instant(known - 4 * HOUR, known), known

    def new_rows(self, most: int) -> list[Row]:
        first = self.watermark + 1
        return [self.row(first, first + HOUR) for _ in range(self.chance.randrange(most))]

    def late_rows(self, most: int) -> list[Row]:
        return [self.row(0, self.watermark) for _ in range(self.chance.randrange(most))]

    def append(self, rows: list[Row], size: int) -> list[Row]:
        return [*rows, *self.late_rows(size), *self.new_rows(size)]

    def insert(self, rows: list[Row], size: int) -> list[Row]:
        return sorted([*rows, *self.late_rows(size)], key=lambda row: row[2])

    def cut(self, rows: list[Row], size: int) -> list[Row]:
        clock = self.chance.choice([2, 3])
        since = self.chance.choice(rows)[clock] if rows else 0
        left = [row for row in rows if row[clock] >= since] + self.new_rows(size)
        return [*left, *(row for row in self.late_rows(size) if row[clock] > since)]

    def correct(self, rows: list[Row], size: int) -> list[Row]:
        del size
        other = self.chance.choice([lambda row: (row[0], row[1] + 0.5, *row[2:]), lambda row: ("C", *row[1:])])
        return [other(row) if self.chance.random() < 0.1 else row for row in rows]

    def remove(self, rows: list[Row], size: int) -> list[Row]:
        del size
        return [row for row in rows if self.chance.random() > 0.1]

    def empty(self, rows: list[Row], size: int) -> list[Row]:
        del size
        return [] if all(self.files.values()) else rows  # without any row a CSV file has no types

    def run(self) -> None:
        """Take note of what a run finds."""
        until = self.watermark
        for name, rows in self.files.items():
            before, now = self.read.get(name, set()), set(rows)
            known = {row for row in now if row[3] <= until}
            gone = (before & self.table if self.knows_table else before) - known
            starts = [[min((row[i] for row in rows), default=1 << 40) for i in (2, 3)] for rows in (before, now)]
            cut = [
                starts[0][i] < starts[1][i] and all(row[clock] < starts[1][i] for row in gone)
                for i, clock in ((0, 2), (1, 3))
            ]
            if gone and not any(cut):
                self.changed.add(name)
            places = {row[2:] for row in before}
            self.late |= {row for row in known - before if row[2:] not in places}
            self.table |= now - known
            self.read[name] = now
            firsts = [min((row[clock] for row in rows), default=1 << 40) for clock in (2, 3)]
            self.begun[name] = [min(pair) for pair in zip(self.begun.get(name, firsts), firsts, strict=True)]
            self.watermark = max([self.watermark, *(row[3] for row in now)])

    def loses(self, since: float, clock: int = 2) -> bool:
        """Whether a range has rows of before the files begin."""
        there = [row for rows in self.files.values() for row in rows]
        first = [min((row[i] for row in there), default=1 << 40) for i in (2, 3)]
        return any(row[clock] >= since and (row[2] < first[0] or row[3] < first[1]) for row in self.table)

    def loses_of_one(self, since: float) -> bool:
        """Whether a range has rows of before one of the files begins that are in none now."""
        there = {(row[0], *row[2:]) for rows in self.files.values() for row in rows}
        gone = [row for row in self.table if row[2] >= since and (row[0], *row[2:]) not in there]
        for name, rows in self.files.items():
            firsts = [min((row[clock] for row in rows), default=1 << 40) for clock in (2, 3)]
            ranges = list(zip(self.begun[name], firsts, strict=True))
            if any(ranges[i][0] <= row[2 + i] < ranges[i][1] for row in gone for i in (0, 1)):
                return True
        return False

    def mend(self, since: float, clock: int = 2) -> None:
        """Take note of a range that is computed again."""
        self.changed.clear()
        there = {row for rows in self.files.values() for row in rows if row[clock] >= since}
        self.table = {row for row in self.table if row[clock] < since} | there


def write(root, town: Town, kind: str) -> None:
    for name, rows in town.files.items():
        data = [(c, "JFK", d, at(e / HOUR), at(a / HOUR)) for c, d, e, a in rows]
        frame = pl.DataFrame(data, schema=SCHEMA, orient="row")
        path = root / "data" / f"{name}.{SOURCES[kind].format}"
        path.parent.mkdir(exist_ok=True)
        frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)


@pytest.mark.long
@pytest.mark.parametrize("view", [LATEST, DELAYS], ids=["state", "event"])
@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("sequences", [1, pytest.param(40, marks=pytest.mark.stress)])
@pytest.mark.sample(2)
def test_what_came_late_or_changed_is_what_a_naive_account_says(sequences, kind, view, tmp_path):
    for seed in seeds_from(0, sequences):
        root = tmp_path / str(seed)
        root.mkdir()
        town = Town(chance=random.Random(seed), files={"a": [], "b": []})
        town.files = {name: [town.row(0, HOUR) for _ in range(6)] for name in town.files}

        def run(root=root) -> Materialized:
            return materialize_view(ENGINE, job(root, view, SOURCES[kind]), at(9_999))

        write(root, town, kind)
        run()
        town.run()
        for step in range(6):
            name = town.chance.choice("ab")
            change = town.chance.choice([town.append, town.insert, town.cut, town.correct, town.remove, town.empty])
            town.files[name] = change(town.files[name], 3)[-20:]
            write(root, town, kind)
            late = len(town.late)
            made = run()
            town.run()
            coverage = job(root, view, SOURCES[kind]).table.coverage()
            said = f"seed {seed}, step {step}, {change.__name__} {name}"
            found = (made.dropped.get(TOO_LATE, 0), {part[5] for part in made.changed_parts})
            assert found == (len(town.late) - late, town.changed), said
            assert made.dropped.get(SAME_AS_READ, 0) == 0, said
            ends = [ends[0] for ends in (coverage.late_events, coverage.changed_events) if ends]
            if ends and town.chance.random() < 0.3:  # what is told to take them takes them
                since, asked = (min(ends) - T0) / timedelta(seconds=1), Range(since=min(ends))
                if town.loses(since) or town.loses_of_one(since):
                    with pytest.raises(DataError, match="the range, computed again, would lose"):
                        backfill_view(ENGINE, job(root, view, SOURCES[kind]), asked)
                else:
                    backfill_view(ENGINE, job(root, view, SOURCES[kind]), asked)
                    town.mend(since)
                    coverage = job(root, view, SOURCES[kind]).table.coverage()
                    assert (coverage.dropped.get(TOO_LATE, 0), coverage.changed_parts) == (0, ()), said
            assert sorted(values(job(root, view, SOURCES[kind]).table)) == sorted(row[1] for row in town.table), said


@pytest.mark.parametrize("kind", ["parquet", "named"])
@pytest.mark.parametrize("sequences", [1, pytest.param(40, marks=pytest.mark.stress)])
@pytest.mark.long
def test_of_wide_spans_too_much_is_never_told(sequences, kind, tmp_path):
    """Only where a file is cut a late row, or one that changed, may be missed: in the span of the cut."""
    for seed in seeds_from(0, sequences):
        root = tmp_path / str(seed)
        root.mkdir()
        town = Town(chance=random.Random(seed), files={"a": [], "b": []})
        town.files = {name: [town.row(0, HOUR) for _ in range(100)] for name in town.files}
        for step in range(7):
            name = town.chance.choice("ab")
            change = town.chance.choice([town.append, town.insert, town.cut, town.correct, town.remove])
            town.files[name] = change(town.files[name], 80) if step else town.files[name]
            write(root, town, kind)
            late = len(town.late)
            made = materialize_view(ENGINE, job(root, LATEST, SOURCES[kind]), at(9_999))
            town.run()
            said = f"seed {seed}, step {step}, {change.__name__} {name}"
            found, told = made.dropped.get(TOO_LATE, 0), {part[5] for part in made.changed_parts}
            assert (found <= len(town.late) - late, told <= town.changed) == (True, True), said
            if change != town.cut:
                assert (found, told) == (len(town.late) - late, town.changed), said
            assert made.dropped.get(SAME_AS_READ, 0) == 0, said
            assert sorted(values(job(root, LATEST, SOURCES[kind]).table)) == sorted(row[1] for row in town.table), said


@pytest.mark.long
@pytest.mark.parametrize("sequences", [1, pytest.param(40, marks=pytest.mark.stress)])
def test_a_transform_tells_of_its_sources_what_a_naive_account_says(sequences, tmp_path):
    view = of_each()
    for seed in seeds_from(0, sequences):
        root = tmp_path / str(seed)
        root.mkdir()
        town = Town(chance=random.Random(seed), files={"a": [], "b": []}, knows_table=False)
        town.files = {name: [town.row(0, HOUR) for _ in range(6)] for name in town.files}
        for step in range(7):
            name = town.chance.choice("ab")
            change = town.chance.choice([town.append, town.insert, town.cut, town.correct, town.remove])
            town.files[name] = change(town.files[name], 3)[-20:] if step else town.files[name]
            for file, rows in town.files.items():
                write_rows(
                    root, "known", f"{file}.parquet", [(c, int(2 * d), e / HOUR, a / HOUR) for c, d, e, a in rows]
                )
            late = len(town.late)
            made, coverage = run_transform(root, view, 9_999)
            town.run()
            said = f"seed {seed}, step {step}, {change.__name__} {name}"
            found = (made.dropped.get(TOO_LATE, 0), {part.split("/")[2][0] for part in made.changed_parts})
            assert found == (len(town.late) - late, town.changed), said
            ends = [ends[0] for ends in (coverage.late_events, coverage.changed_events) if ends]
            if ends and town.chance.random() < 0.3:
                since = (min(ends) - T0) / timedelta(seconds=1)
                if town.loses(since, 3):
                    with pytest.raises(DataError, match="the range, computed again, would lose"):
                        run_transform(root, view, 9_999, since=min(ends))
                else:
                    _, coverage = run_transform(root, view, 9_999, since=min(ends))
                    town.mend(since, 3)
                    assert (coverage.dropped.get(TOO_LATE, 0), coverage.changed_parts) == (0, ()), said
            assert transformed(root, view) == sorted(int(2 * row[1]) for row in town.table), said
