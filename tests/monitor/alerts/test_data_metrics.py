"""Drift, skew, checks and runs, as the parts that measure them give them."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace

import pytest

from featurectl.language.definitions.source import Check, Source
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.alerts import data_metrics
from featurectl.monitor.checks import check_histories
from featurectl.monitor.status import ServedView
from featurectl.offline.runs import CheckRecord, RunRecord

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
SINCE = AT - timedelta(days=1)


@pytest.fixture
def provide(monkeypatch):
    """A function that puts a function in the place of one that another part has."""

    def put(module, name, function):
        there = ModuleType(module)
        setattr(there, name, function)
        monkeypatch.setitem(sys.modules, module, there)

    return put


def drift_row(feature, kind="feature", *, enough=True, psi=0.35):
    return SimpleNamespace(
        model="late", version=2, feature=feature, kind=kind, n=5_000, n_reference=90_000, psi=psi, js=0.1, ks=0.2,
        wasserstein=1.5, null_rate=0.25, null_rate_reference=0.01, enough=enough, note="",
        beyond={"psi": psi - 0.05} if enough else {},
    )  # fmt: skip


def test_drift_is_a_figure_for_each_feature_and_the_score(provide):
    asked = []

    def served_drift(workspace, model, since, until):
        asked.append((workspace, model, since, until))
        return [drift_row("origin"), drift_row("score", "score"), drift_row("rare", enough=False)]

    provide("featurectl.monitor.drift.logged_window", "served_drift", served_drift)
    rows = data_metrics.drift_of("here", "late", SINCE, AT)
    found = [data_metrics.drifted(row, "psi") for row in rows]
    assert asked == [("here", "late", SINCE, AT)]
    assert [(m.feature, m.value) for m in found] == [
        ("origin", pytest.approx(0.3)),
        ("", pytest.approx(0.3)),
        ("rare", None),
    ]
    told = "feature origin of late@2, 5,000 served against 90,000 of the training"
    assert found[0].cause == f"{told}: psi 0.35, of which 0.05 may be chance"
    assert found[1].cause.startswith("the score of late@2")
    assert found[2].cause.endswith(": too few")
    nulls = data_metrics.drifted(rows[0], "null_rate")
    assert (nulls.value, nulls.cause.endswith(": 25% null against 1%")) == (0.25, True)


def test_skew_is_the_share_of_values_that_differ_with_its_causes(provide):
    rows = [
        SimpleNamespace(model="late", version=2, feature="origin", compared=200, mismatched=10,
                        causes={"expiry": 2, "late row": 8}),
        SimpleNamespace(model="late", version=2, feature="dest", compared=0, mismatched=0, causes={}),
    ]  # fmt: skip
    provide("featurectl.monitor.verify.replay_log", "verify_log", lambda *_: SimpleNamespace(features=rows))
    found = data_metrics.skew_of("here", "late", SINCE, AT)
    assert [(m.feature, m.value) for m in found] == [("origin", 0.05), ("dest", None)]
    assert found[0].cause == "feature origin of late@2: 10 of 200 values differ: late row 8, expiry 2"


def check(name, *, ok, of="source orders", rows=90):
    failed = 0 if ok else 3
    return CheckRecord(source_or_view=of, check=name, severity="error", failed=failed, rows=rows, passed=ok)


def run(hour, view, *checks, version=1, **more):
    return RunRecord(
        at=AT, now=AT + timedelta(hours=hour), environment="prod", command="materialize", view=view, version=version,
        action="append", rows=90, seconds=1.0, checks=checks, **more,
    )  # fmt: skip


def served(name, *columns, source="orders", version=1, own=()):
    """Return a view version whose source has a check that each column is not null, and which has some of its own."""
    of_source, of_view = (tuple(Check(kind="not_null", column=c) for c in names) for names in (columns, own))
    read = Source(name=source, format="csv", columns={}, checks=of_source)
    view = FeatureView(
        name=name, kind="state", entity=None, source=read, join={}, where=None, inputs=(), features=(), checks=of_view
    )
    return ServedView(view=view, version=version, table=None, online=None)


def test_checks_count_by_their_last_result_and_one_over_no_rows_by_none():
    a, b, c = "a not_null", "b not_null", "c not_null"
    runs = [
        run(-2, "spend", check(a, ok=False), check(b, ok=True), check(c, ok=False)),
        run(-1, "spend", check(b, ok=False), check(a, ok=True, rows=0)),
        run(-0.1, "other", check(c, ok=True)),  # another view that reads the source looked at it, too
        run(1, "spend", check(a, ok=True)),
    ]
    never, plain = served("never", "x", source="else"), served("plain", source="else")
    spend, _ = found = data_metrics.failed_checks([served("spend", "a", "b", "c"), never, plain], runs, AT)
    assert [(item.view, item.count) for item in found] == [("spend", 2), ("plain", 0)]
    told = "source orders: a not_null (error; 3 of 90 rows)"
    assert spend.cause == f"{told}; {told.replace('a not_null', 'b not_null')}"
    assert [(cause.name, cause.text) for cause in spend.root_causes] == [("source:orders", spend.cause)]


def test_checks_of_a_view_are_those_of_the_runs_of_its_version():
    own = check("k not_null", of="feature view spend", ok=False, rows=0)
    runs = [run(-1, "spend", own), run(0, "spend", replace(own, passed=True, rows=9), version=2)]
    views = [served("spend", own=["k"], version=version) for version in (1, 2)]
    assert [(c.version, c.count) for c in data_metrics.failed_checks(views, runs, AT)] == [(1, 1), (2, 0)]


@pytest.mark.parametrize(("kept", "wanted"), [((1, 2), [1, 0]), ((2,), [0]), ((1,), [1]), ((3,), [])])
def test_status_shows_a_check_as_failed_if_it_failed_for_a_live_version(kept, wanted):
    own = check("k not_null", of="feature view spend", ok=False)
    silent = replace(own, passed=True, failed=0, rows=0)
    runs = [
        run(-2, "spend", replace(own, passed=True, failed=0)), run(-1, "spend", own),
        run(-1, "spend", replace(own, passed=True, failed=0), version=2), run(0, "spend", silent),
    ]  # fmt: skip
    views = [served("spend", own=["k"], version=version) for version in kept]
    (shown,) = check_histories([(item.view, item.version) for item in views], runs, AT)
    assert [item.count for item in data_metrics.failed_checks(views, runs, AT)] == wanted
    assert shown.failing == (1 in kept)
    assert {at.version for at in shown.results} == set(kept) & {1, 2}


def test_failed_runs_are_counted_by_view_version_with_the_newest_error():
    lost = {"error_code": "FC603", "error": "the disk is gone"}
    runs = [
        run(-3, "spend", error_code="FC501", error="row 3 is no number"), run(-2, "spend"), run(-1, "spend", **lost),
        run(-1, "spend", version=2), run(0, "unknown", **lost),
    ]  # fmt: skip
    views = [served("spend"), served("spend", version=2), served("quiet")]
    one, two = data_metrics.failed_runs(views, runs)
    assert (one.version, one.count, two.version, two.count) == (1, 2, 2, 0)
    assert one.cause == (
        "2 of 3 runs failed; the last: materialize of spend@1 as of 2026-11-24 11:00: FC603 the disk is gone"
    )
    assert two.cause == "0 of 1 run failed"


def test_a_run_that_a_check_of_a_source_ended_failed_by_that_source():
    ended = {"error_code": "FC505", "error": "a check failed"}
    runs = [
        run(-1, "spend", check("a not_null", ok=False), **ended),
        run(-1, "visits", check("a not_null", ok=True), **ended),
        run(-1, "own", check("b unique", ok=False, of="feature view own"), **ended),
    ]  # fmt: skip
    found = data_metrics.failed_runs([served("spend"), served("visits"), served("own")], runs)
    assert [[cause.name for cause in item.root_causes] for item in found] == [["source:orders"], [], []]


def test_checks_of_a_source_and_of_a_view_are_two_causes():
    own = check("k not_null", of="feature view spend", ok=False)
    runs = [run(-1, "spend", check("a not_null", ok=False), own)]
    (found,) = data_metrics.failed_checks([served("spend", "a", own=["k"])], runs, AT)
    assert [cause.name for cause in found.root_causes] == ["view:spend@1", "source:orders"]
    assert found.count == 2
