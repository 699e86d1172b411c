"""Tests of views of a stream: rows with the stamp that a worker would have given them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.units import DAY_US, HOUR_US, format_iso
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.stream import MOST_AHEAD_US, SETTLED_US
from featurectl.language.definitions.tests import FeatureTest
from featurectl.language.definitions.view import FeatureView
from featurectl.language.stream_reach import repeat_reach_us
from featurectl.language.syntax.place import Place
from featurectl.online.stream_state.layout import AHEAD_US, MARGIN_US, STATE_OF_OP, layout_of
from featurectl.operations.feature_tests.run import run_feature_tests
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.questions import StateQuestion, WindowQuestion
from tests.language.repository import load
from tests.seeds import examples

SWIPES = """
entities: [{name: card, keys: {card: string}}]
sources:
  - name: swipes
    stream: {topic: swipes}
    columns: {id: int64, card: string, amount: int64, kind: string, at: timestamp}
    event_time: at
    dedup_key: [id]
    checks:
      - {column: amount, between: [-2, 5]}
      - {column: amount, not_null: true}
      - {column: kind, in: [in, out]}
      - {column: kind, matches: "[inout]+"}
      - {column: amount, between: [0, 0], severity: warn}
feature_views:
  - name: spend
    entity: card
    source: swipes
    where: amount > 0
    aggregates:
      - {op: count, windows: [1h, 1d]}
      - {column: amount, op: [sum, last], windows: [1h]}
      - {column: amount, op: last_n, n: 3, windows: [1h], offset: 1h}
      - {column: amount, op: max, windows: [lifetime]}
  - {name: latest, entity: card, source: swipes, ttl: 2h, features: [amount, id]}
  - name: everyone
    source: swipes
    aggregates: [{op: count, windows: [1h]}]
models:
  - name: m
    spine: {source: swipes, time: at, label: {name: more, entity: card, source: swipes, op: count, horizon: 1h}}
    features: [{spend: [count_1h]}, {request: {amount: int64}}]
"""
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(minutes: float) -> str:
    return format_iso(START + timedelta(minutes=minutes))


def swipe(minutes: float, *, stamp: float | None = None, **fields: object) -> dict[str, object]:
    """A row of a test, with its stamp where one is given."""
    row: dict[str, object] = {"card": "a", "amount": 1, "at": at(minutes), **fields}
    return row if stamp is None else {**row, "available_at": at(stamp)}


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FeatureView]:
    repo = load(tmp_path_factory.mktemp("swipes"), {"x.yaml": SWIPES})
    assert repo.errors == ()
    return dict(repo.views)


def differences(view: FeatureView, rows: Sequence[dict[str, object]], *asked: tuple[float, dict[str, object]]):
    """What of the expected values at some minutes is not found, for card a."""
    keys = {"card": "a"} if view.keys else {}
    spine = tuple({**keys, "time": at(minute)} for minute, _ in asked)
    expect = tuple(wanted for _, wanted in asked)
    test = FeatureTest(name="t", view=view, rows=tuple(rows), spine=spine, expect=expect, place=Place("x.yaml"))
    (result,) = run_feature_tests(PolarsEngine(1), [test])
    assert result.error is None
    return [(cell.row, cell.column, cell.expected, cell.found) for cell in result.differences]


def test_an_event_counts_from_its_stamp_on_and_without_one_from_its_time(views):
    rows = [swipe(0, stamp=30), swipe(10)]
    assert differences(views["spend"], rows, (20, {"count_1h": 1}), (40, {"count_1h": 2}), (65, {"count_1h": 1})) == []


def test_rows_that_tie_come_in_the_order_in_which_they_are_written(views):
    for amounts in ([3, 1, 2], [1, 2, 3], [2, 3, 1]):
        rows = [swipe(0, stamp=5, amount=amount) for amount in amounts]
        assert differences(views["spend"], rows, (10, {"amount_last_1h": amounts[-1]})) == []
        assert differences(views["latest"], rows, (10, {"amount": amounts[-1]})) == []


def test_the_copy_that_a_worker_took_first_counts_whatever_it_says(views):
    rows = [swipe(0, stamp=9, id=7, amount=2), swipe(1, stamp=8, id=7, amount=3), swipe(0, stamp=8, id=7, amount=4)]
    assert differences(views["spend"], rows, (10, {"count_1h": 1, "amount_sum_1h": 3})) == []


def test_a_repeat_is_of_one_entity_among_the_rows_that_the_view_takes(views):
    rows = [swipe(0, id=7, amount=-1), swipe(1, id=7, card="b"), swipe(2, id=7), swipe(3, id=7), swipe(4), swipe(5)]
    assert differences(views["spend"], rows, (10, {"count_1h": 3})) == []
    assert differences(views["everyone"], rows, (10, {"count_1h": 3})) == []


def test_a_copy_that_comes_when_the_first_is_forgotten_counts_again(views):
    reach = repeat_reach_us(views["everyone"]) / 60_000_000
    assert reach == 120 + 2 / 60
    near, far = [swipe(0, id=7), swipe(reach, id=7)], [swipe(0, id=7), swipe(reach + 1e-6, id=7)]
    assert differences(views["everyone"], near, (reach + 1, {"count_1h": 0})) == []
    assert differences(views["everyone"], far, (reach + 1, {"count_1h": 1})) == []


def test_an_event_that_a_worker_would_reject_is_not_there(views):
    ahead = [swipe(60, stamp=0, amount=2), swipe(60.001, stamp=0, amount=3)]
    assert differences(views["spend"], ahead, (90, {"amount_sum_1h": 2})) == []
    failed = [swipe(0, amount=6), swipe(0, amount=None), swipe(0, kind="no"), swipe(0, kind="in", amount=2)]
    assert differences(views["spend"], failed, (10, {"count_1h": 1, "amount_sum_1h": 2})) == []


def test_repeats_in_tests_are_those_of_the_lists_of_the_online_store(views):
    assert {view.name: repeat_reach_us(view) for view in views.values()} == {
        view.name: layout_of(view).reach_us for view in views.values()
    }
    assert (MOST_AHEAD_US, SETTLED_US) == (AHEAD_US, MARGIN_US)
    assert {op for op, aggregate in AGGREGATES.items() if aggregate.folds} == set(STATE_OF_OP)


TESTS = """
tests:
  - name: late events count when they are taken
    view: spend
    rows: [{card: a, amount: 1, at: 2026-01-01T12:00:00Z, available_at: 2026-01-01T12:30:00Z}]
    spine: [{card: a, time: 2026-01-01T12:10:00Z}, {card: a, time: 2026-01-01T12:40:00Z}]
    expect: [{count_1h: 0}, {count_1h: 1}]
  - name: the last of two
    view: spend
    rows:
      - {card: a, amount: 2, at: 2026-01-01T12:00:00Z}
      - {card: a, amount: 1, at: 2026-01-01T12:00:00Z}
    spine: [{card: a, time: 2026-01-01T12:10:00Z}]
    expect: [{amount_last_1h: 1, count_1h: 2}]
  - name: a model of a stream
    model: m
    rows:
      - {card: a, amount: 2, id: 3, at: 2026-01-01T12:05:00Z, available_at: 2026-01-01T12:06:00Z}
      - {card: a, amount: 2, id: 3, at: 2026-01-01T12:05:00Z, available_at: 2026-01-01T12:30:00Z}
      - {card: a, amount: 2, id: 4, at: 2026-01-01T12:07:00Z, available_at: 2026-01-01T12:30:00Z}
      - {card: b, amount: 2, id: 5, at: 2026-01-01T14:00:00Z}
      - {card: b, amount: 2, id: 6, at: 2026-01-01T11:00:00Z}
    spine: [{card: a, at: 2026-01-01T12:10:00Z, amount: 1}, {card: a, at: 2026-01-01T12:00:00Z, amount: 1}]
    expect: [{count_1h: 1, more: 0}, {count_1h: 0, more: 2}]
"""


def test_tests_of_a_repository_with_a_stream_pass(tmp_path):
    repo = load(tmp_path, {"x.yaml": SWIPES, "t.yaml": TESTS})
    assert repo.errors == ()
    results = run_feature_tests(PolarsEngine(1), repo.tests.values())
    assert [(result.name, result.error, result.differences) for result in results] == [
        (name, None, ()) for name in ("late events count when they are taken", "the last of two", "a model of a stream")
    ]


def problems(tmp_path: Path, row: str) -> list[tuple[str, str]]:
    text = f"""
tests:
  - {{name: t, view: spend, rows: [{row}], spine: [{{card: a, time: 2026-01-01}}], expect: [{{count_1h: 0}}]}}
"""
    return [(p.code, p.message) for p in load(tmp_path, {"x.yaml": SWIPES, "t.yaml": text}).errors]


def test_a_stamp_is_a_time_and_other_columns_are_declared(tmp_path):
    stamped = "{card: a, at: 2026-01-01, available_at: soon}"
    assert problems(tmp_path, stamped) == [("FC311", '"available_at" must be a time like 2013-01-01T08:00:00Z')]
    assert problems(tmp_path, "{card: a, at: 2026-01-01, offset: 3}") == [("FC311", 'no column "offset"')]


def test_a_column_of_an_event_is_not_named_as_its_stamp(tmp_path):
    text = SWIPES.replace("at: timestamp}", "at: timestamp, available_at: timestamp}")
    (problem,) = load(tmp_path, {"x.yaml": text}).errors
    assert (problem.code, problem.place.line) == ("FC105", 6)


EVENTS = st.lists(
    st.builds(
        lambda minutes, late, **fields: swipe(minutes, stamp=minutes + late, **fields),
        minutes=st.integers(0, 180),
        late=st.sampled_from([-61, -60, -5, 0, 0, 1, 30, 200]),
        card=st.sampled_from(["a", "a", "b", None]),
        id=st.sampled_from([1, 2, 3, None]),
        amount=st.sampled_from([-3, -1, 1, 2, 3, 5, 6, None]),
    ),
    max_size=14,
)


def instant(text: object) -> datetime:
    return datetime.fromisoformat(str(text))


def counted(rows: Sequence[dict[str, object]], reach: timedelta) -> list[dict[str, object]]:
    """The events that count, by the rules as they are written, in the form of the naive answers."""
    taken = [
        {**row, "event_time": instant(row["at"]), "available_at": instant(row["available_at"]), "tie_order": number}
        for number, row in enumerate(rows)
        if isinstance(row["amount"], int) and 0 < row["amount"] <= 5
    ]
    taken = [row for row in taken if row["event_time"] - row["available_at"] <= timedelta(hours=1)]  # type: ignore[operator]
    last: dict[object, datetime] = {}
    kept = []
    for row in sorted(taken, key=lambda row: (row["available_at"], row["tie_order"])):
        event, stamp = (row["card"], row["id"]), row["available_at"]
        assert isinstance(stamp, datetime)
        before = last.get(event) if None not in event else None
        if before is None or stamp - before > reach:
            kept.append(row)
        last[event] = stamp
    return kept


@pytest.mark.long
@given(rows=EVENTS, minutes=st.lists(st.integers(-5, 420), min_size=1, max_size=6))
@settings(max_examples=examples(10), deadline=None)
def test_windows_are_those_of_the_events_that_count(views, rows, minutes):
    view, keys = views["spend"], ["card"]
    questions = [
        WindowQuestion(name="count_1h", op="count", column=None, window_us=HOUR_US),
        WindowQuestion(name="count_1d", op="count", column=None, window_us=DAY_US),
        WindowQuestion(name="amount_last_1h", op="last", column="amount", window_us=HOUR_US),
        WindowQuestion(
            name="amount_last_3_1h_offset_1h", op="last_n", column="amount", window_us=HOUR_US, offset_us=HOUR_US, n=3
        ),
        WindowQuestion(name="amount_max_lifetime", op="max", column="amount", window_us=None),
    ]
    reach = timedelta(microseconds=repeat_reach_us(view))
    assert reach == timedelta(days=1, hours=1, seconds=2)
    spine = [{"card": "a", "time": START + timedelta(minutes=minute)} for minute in minutes]
    found = windows_naively(counted(rows, reach), spine, keys=keys, time="time", questions=questions)
    assert differences(view, rows, *zip(minutes, found, strict=True)) == []


@given(rows=EVENTS, minutes=st.lists(st.integers(-5, 420), min_size=1, max_size=6))
@settings(max_examples=examples(15), deadline=None)
def test_states_are_those_of_the_events_that_count(views, rows, minutes):
    view = replace(views["latest"], where=views["spend"].where)
    questions = [StateQuestion(name=name, column=name) for name in ("amount", "id")]
    spine = [{"card": "a", "time": START + timedelta(minutes=minute)} for minute in minutes]
    found = states_naively(
        counted(rows, timedelta(hours=1, seconds=2)),
        spine,
        keys=["card"],
        time="time",
        questions=questions,
        ttl_us=2 * HOUR_US,
    )
    wanted = [{name: row[name] for name in ("amount", "id")} for row in found]
    assert differences(view, rows, *zip(minutes, wanted, strict=True)) == []
