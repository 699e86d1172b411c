from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.units import from_us
from featurectl.language.definitions.source import Source, SqlQuery
from featurectl.offline.base import Coverage
from featurectl.sources.base import PartScan, SourcePart
from featurectl.sources.increment import plan_increment
from featurectl.sources.open import open_source

FILES = Source(name="s", format="parquet", path="*.parquet", event_time="at")
TIMED = replace(FILES, available_at="seen")
STATIC = replace(FILES, event_time=None)
DELTA = replace(FILES, format="delta")
PLAIN_QUERY = Source(name="s", format="sql", sql=SqlQuery(url="sqlite:///x", query="select * from t"), event_time="at")
QUERY = replace(PLAIN_QUERY, sql=SqlQuery(url="sqlite:///x", query="select * from t where at > :since"))


def reader(source):
    return open_source(source, Path("/nowhere"))


@dataclass
class Model:
    """A source, its table, and runs that follow the plan as an engine does; a row is (id, event, availability)."""

    source: Source
    parts: dict = field(default_factory=dict)  # name -> rows
    table: list = field(default_factory=list)
    coverage: Coverage | None = None
    rebuilt: int = 0

    def stamps(self):
        if self.source.format == "sql":
            return [SourcePart(name="query", stamp="")]
        return [SourcePart(name=name, stamp=str(len(rows))) for name, rows in self.parts.items()]

    def rows(self, part, since):
        if self.source.format != "sql":
            return self.parts[part.name]
        rows = [row for rows in self.parts.values() for row in rows]
        clock = 2 if self.source.available_at else 1
        return [row for row in rows if since is None or row[clock] > since]

    def run(self, now):
        plan = plan_increment(reader(self.source), self.stamps(), self.coverage, from_us(now))
        if not plan.scans and not plan.rebuild:
            return plan
        taken, held = [], []
        for scan in plan.scans:
            for part in scan.parts:
                after, since = (
                    None if t is None else (t - from_us(0)) // timedelta(microseconds=1)
                    for t in (scan.after, scan.since)
                )
                rows = self.rows(part, since)
                taken += [row for row in rows if row[2] <= now and (after is None or row[2] > after)]
                held += [part.name] * any(row[2] > now for row in rows)
        kept = [] if plan.rebuild else self.table
        if plan.repeats:
            kept = [row for row in kept if row[1] <= since]
        self.table = kept + taken
        self.rebuilt += plan.rebuild
        self.coverage = Coverage(
            parts=plan.covered,
            held=tuple(held),
            now=from_us(now),
            watermark=self.greatest(2),
            newest_event=self.greatest(1),
        )
        return plan

    def greatest(self, clock):
        return from_us(max(row[clock] for row in self.table)) if self.table else None

    def whole(self, now):
        return sorted(row for rows in self.parts.values() for row in rows if row[2] <= now)


def play(model, steps, clocks):
    """Run after each step of new rows, then once more at the latest now; the table must be that of one full run."""
    latest, number = 0, 0
    for step, (name, offsets, now) in enumerate(steps):
        rows = []
        for offset in offsets:
            rows.append((number, *clocks(model, offset)))
            number += 1
        grows = model.source.available_at or model.source.format == "sql"
        part = name if grows else f"{name}{step}"
        if rows:
            model.parts[part] = model.parts.get(part, []) + rows
        model.run(now)
        latest = max(latest, now)
        assert sorted(model.table) == sorted(set(model.table))
    model.run(latest)
    assert sorted(model.table) == model.whole(latest)


OFFSETS = st.lists(st.integers(0, 12), max_size=4)
STEPS = st.lists(st.tuples(st.sampled_from("abc"), OFFSETS, st.integers(0, 40)), max_size=10)


def above_what_was_taken(model, offset):
    taken = max((row[2] for row in model.table), default=-1)
    return (offset, taken + 1 + offset)


def any_time(_model, offset):
    return (offset * 3, offset * 3 + 5)


def at_most_so_late(model, offset):
    newest = max((row[1] for row in model.table), default=0)
    return (max(newest - 6, 0) + 1 + offset, max(newest - 6, 0) + 1 + offset + 3)


@settings(deadline=None)
@given(STEPS)
def test_runs_over_growing_files_with_availability_give_what_one_run_gives(steps):
    play(Model(TIMED), steps, above_what_was_taken)


@settings(deadline=None)
@given(STEPS)
def test_runs_over_new_files_without_availability_give_what_one_run_gives(steps):
    model = Model(replace(FILES, delay_us=5))
    play(model, steps, any_time)
    assert model.rebuilt <= 1


@settings(deadline=None)
@given(STEPS)
def test_runs_of_a_query_with_availability_give_what_one_run_gives(steps):
    play(Model(replace(QUERY, available_at="seen")), steps, above_what_was_taken)


@settings(deadline=None)
@given(STEPS)
def test_runs_of_a_query_with_lateness_give_what_one_run_gives(steps):
    play(Model(replace(QUERY, dedup_key=("id",), lateness_us=6, delay_us=3)), steps, at_most_so_late)


@pytest.mark.stress
@settings(deadline=None, max_examples=20_000)
@given(STEPS, st.sampled_from(["files", "timed", "query", "late"]))
def test_many_runs_give_what_one_run_gives(steps, kind):
    sources = {
        "files": (replace(FILES, delay_us=5), any_time),
        "timed": (TIMED, above_what_was_taken),
        "query": (replace(QUERY, available_at="seen"), above_what_was_taken),
        "late": (replace(QUERY, dedup_key=("id",), lateness_us=6, delay_us=3), at_most_so_late),
    }
    source, clocks = sources[kind]
    play(Model(source), steps, clocks)


def parts(**stamps):
    return tuple(SourcePart(name=name, stamp=stamp) for name, stamp in stamps.items())


def covered(now=10, **keys):
    names = {"parts": {"a": "1", "b": "1"}, "watermark": from_us(8), "newest_event": from_us(7), **keys}
    return Coverage(now=from_us(now), **names)


EVERY = [FILES, TIMED, STATIC, DELTA]


@pytest.mark.parametrize("source", [*EVERY, QUERY])
def test_the_first_run_reads_everything(source):
    plan = plan_increment(reader(source), parts(a="1"), None, from_us(10))
    assert plan.rebuild
    assert plan.scans == (PartScan(parts=parts(a="1")),)
    assert plan.covered == {"a": "1"}


@pytest.mark.parametrize("source", EVERY)
def test_a_source_that_did_not_change_is_not_read(source):
    for now in (10, 99):
        plan = plan_increment(reader(source), parts(a="1", b="1"), covered(), from_us(now))
        assert not plan.scans
        assert not plan.rebuild


@pytest.mark.parametrize("source", [*EVERY, QUERY, PLAIN_QUERY])
def test_an_earlier_now_reads_nothing_and_forgets_nothing(source):
    plan = plan_increment(reader(source), parts(a="2", c="1"), covered(), from_us(9))
    assert not plan.scans
    assert not plan.rebuild
    assert plan.covered == covered().parts


def test_with_availability_all_files_are_read_above_the_watermark():
    now = parts(a="2", b="1", c="1", d="1")
    coverage = covered(parts={"a": "1", "b": "1", "d": "1"}, held=("d",))
    plan = plan_increment(reader(TIMED), now, coverage, from_us(11))
    assert plan.scans == (PartScan(parts=parts(a="2", c="1", d="1"), after=from_us(8)),)
    assert plan.covered == {"a": "2", "b": "1", "c": "1", "d": "1"}


def test_without_availability_new_files_and_later_rows_of_held_are_read():
    plan = plan_increment(reader(FILES), parts(a="1", b="1", c="1"), covered(held=("b",)), from_us(11))
    assert plan.scans == (PartScan(parts=parts(c="1")), PartScan(parts=parts(b="1"), after=from_us(10)))
    assert not plan.rebuild


@pytest.mark.parametrize("source", [FILES, TIMED])
def test_held_rows_are_not_looked_for_again_at_the_same_now(source):
    assert not plan_increment(reader(source), parts(a="1", b="1"), covered(held=("a",)), from_us(10)).scans
    assert plan_increment(reader(source), parts(a="1", b="1"), covered(held=("a",)), from_us(11)).scans


def test_a_file_that_changed_in_place_is_a_rebuild_without_availability():
    plan = plan_increment(reader(FILES), parts(a="1", b="2"), covered(), from_us(11))
    assert plan.rebuild
    assert plan.scans == (PartScan(parts=parts(a="1", b="2")),)
    assert plan.reason == "a file changed in place (no available_at: all is read)"


def test_a_part_of_unknown_stamp_is_read_at_every_run():
    unknown = covered(parts={"a": ""})
    assert plan_increment(reader(FILES), parts(a=""), unknown, from_us(10)).rebuild
    assert plan_increment(reader(TIMED), parts(a=""), unknown, from_us(10)).scans[0].after == from_us(8)


def test_a_file_that_is_gone_keeps_its_rows_and_is_not_new_when_it_returns():
    plan = plan_increment(reader(FILES), parts(b="1", c="1"), covered(), from_us(11))
    assert plan.scans == (PartScan(parts=parts(c="1")),)
    assert plan.covered == {"a": "1", "b": "1", "c": "1"}
    assert not plan_increment(reader(FILES), parts(b="1"), covered(), from_us(11)).scans


def test_a_data_file_that_left_a_delta_table_is_a_rebuild():
    plan = plan_increment(reader(DELTA), parts(b="1", c="1"), covered(), from_us(11))
    assert plan.rebuild
    assert plan.covered == {"b": "1", "c": "1"}
    timed = plan_increment(reader(replace(DELTA, available_at="seen")), parts(b="1", c="1"), covered(), from_us(11))
    assert timed.scans == (PartScan(parts=parts(c="1"), after=from_us(8)),)


@pytest.mark.parametrize("now", [parts(a="1"), parts(a="1", b="2"), parts(a="1", b="1", c="1")])
def test_a_static_source_is_rebuilt_when_any_file_changes(now):
    assert plan_increment(reader(STATIC), now, covered(), from_us(11)).rebuild


def test_why_a_static_source_is_read_says_what_is_known():
    query_of_all = replace(PLAIN_QUERY, event_time=None)
    assert query(query_of_all).reason == "what a query gives is not known before it is run"
    touched = (SourcePart(name="a", stamp="2"),)
    assert (
        plan_increment(reader(STATIC), touched, covered(parts={"a": "1"}), from_us(11)).reason
        == "a static source changed"
    )


def query(source, **keys):
    return plan_increment(
        reader(source), (SourcePart(name="query", stamp=""),), covered(parts={"query": ""}, **keys), from_us(11)
    )


def test_a_query_without_since_is_a_rebuild_at_every_run():
    assert query(PLAIN_QUERY).rebuild
    assert query(replace(PLAIN_QUERY, available_at="seen")).rebuild


def test_since_is_the_watermark_of_availability():
    plan = query(replace(QUERY, available_at="seen"))
    assert (plan.scans[0].since, plan.scans[0].after) == (from_us(8), from_us(8))
    assert not plan.repeats


def test_since_is_event_time_minus_lateness_where_repeats_can_be_told():
    late = replace(QUERY, lateness_us=5, dedup_key=("id",))
    plan = query(late)
    assert (plan.scans[0].since, plan.scans[0].after, plan.repeats) == (from_us(2), None, True)
    assert query(replace(late, lateness_us=10**17)).scans[0].since.year == 1
    assert query(replace(late, dedup_key=())).rebuild
    assert query(late, newest_event=None).rebuild
