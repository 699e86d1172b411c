"""Drift, skew and checks, as the parts that measure them give them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace

import pytest

from featurectl.errors import PlanError
from featurectl.monitor.alerts import sources

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


def drift_row(feature, kind="feature", *, enough=True, psi=0.3):
    return SimpleNamespace(
        model="late", version=2, feature=feature, kind=kind, n=5_000, n_reference=90_000, psi=psi, js=0.1, ks=0.2,
        wasserstein=1.5, null_rate=0.25, null_rate_reference=0.01, enough=enough, note="",
    )  # fmt: skip


def test_drift_is_a_figure_for_each_feature_and_the_score(provide):
    asked = []

    def served_drift(workspace, model, since, until):
        asked.append((workspace, model, since, until))
        return [drift_row("origin"), drift_row("score", "score"), drift_row("rare", enough=False)]

    provide("featurectl.monitor.drift.served", "served_drift", served_drift)
    found = sources.drift_of("here", "late", "psi", SINCE, AT)
    assert asked == [("here", "late", SINCE, AT)]
    assert [(m.feature, m.value) for m in found] == [("origin", 0.3), ("", 0.3), ("rare", None)]
    assert found[0].cause == "feature origin of late@2, 5,000 served against 90,000 of the training"
    assert found[1].cause.startswith("the score of late@2")
    assert found[2].cause.endswith(": too few")
    (nulls, *_) = sources.drift_of("here", "late", "null_rate", SINCE, AT)
    assert (nulls.value, nulls.cause.endswith(": 25% null against 1%")) == (0.25, True)


def test_skew_is_the_share_of_values_that_differ_with_its_causes(provide):
    rows = [
        SimpleNamespace(model="late", version=2, feature="origin", compared=200, mismatched=10,
                        causes={"expiry": 2, "late row": 8}),
        SimpleNamespace(model="late", version=2, feature="dest", compared=0, mismatched=0, causes={}),
    ]  # fmt: skip
    provide("featurectl.monitor.verify.log", "verify_log", lambda *_: SimpleNamespace(features=rows))
    found = sources.skew_of("here", "late", SINCE, AT)
    assert [(m.feature, m.value) for m in found] == [("origin", 0.05), ("dest", None)]
    assert found[0].cause == "feature origin of late@2: 10 of 200 values differ: late row 8, expiry 2"


def test_checks_count_by_their_last_run_by_now(provide):
    def check(name, *, passed, source="orders"):
        return SimpleNamespace(
            source_or_view=source, check=name, severity="error", failed=0 if passed else 3, rows=90, passed=passed
        )

    runs = [
        SimpleNamespace(at=AT - timedelta(hours=1), view="spend", version=1, checks=(check("b", passed=False),)),
        SimpleNamespace(
            at=AT - timedelta(hours=2), view="spend", version=1,
            checks=(check("a", passed=False), check("b", passed=True), check("c", passed=False)),
        ),
        SimpleNamespace(at=AT - timedelta(minutes=9), view="spend", version=1, checks=(check("c", passed=True),)),
        SimpleNamespace(at=AT + timedelta(hours=1), view="spend", version=1, checks=(check("a", passed=True),)),
        SimpleNamespace(at=AT, view="quiet", version=2, checks=(check("a", passed=True),)),
    ]  # fmt: skip
    provide("featurectl.offline.runs", "read_runs", lambda *_: runs)
    quiet, spend = sources.failed_checks("off", "shop", "prod", SINCE, AT)
    assert (quiet.view, quiet.version, quiet.count, quiet.cause) == ("quiet", 2, 0, "")
    assert (spend.count, spend.cause) == (2, "orders: a (error; 3 of 90 rows); orders: b (error; 3 of 90 rows)")


def test_a_part_that_is_not_there_is_said_and_one_that_is_broken_is_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "featurectl.monitor.drift.served", None)
    with pytest.raises(PlanError, match="drift is not measured in this version"):
        sources.drift_of("here", "late", "psi", SINCE, AT)
