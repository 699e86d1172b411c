"""Drift, skew and checks, as the parts that measure them give them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace

import pytest

from featurectl.monitor.alerts import sources
from featurectl.offline.runs import CheckRecord, RunRecord, write_run

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
SINCE = AT - timedelta(days=1)
CLOCK = datetime(2030, 1, 1, tzinfo=UTC)  # of runs whose now is another


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

    provide("featurectl.monitor.drift.served", "served_drift", served_drift)
    found = sources.drift_of("here", "late", "psi", SINCE, AT)
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


def test_checks_count_by_their_last_run_by_now(tmp_path):
    def keep(hour, view, *checks, version=1):
        made = [
            CheckRecord(
                source_or_view="orders", check=name, severity="error", failed=0 if ok else 3, rows=90, passed=ok
            )
            for name, ok in checks
        ]
        now = AT + timedelta(hours=hour)
        record = RunRecord(
            at=CLOCK - timedelta(hours=hour), now=now, environment="prod", command="materialize", view=view,
            version=version, action="append", rows=90, seconds=1.0, checks=tuple(made),
        )  # fmt: skip
        write_run(str(tmp_path), "shop", record)

    keep(-2, "spend", ("a", False), ("b", True), ("c", False))
    keep(-1, "spend", ("b", False))
    keep(-0.1, "spend", ("c", True))
    keep(1, "spend", ("a", True))
    keep(0, "quiet", ("a", True), version=2)
    quiet, spend = sources.failed_checks(str(tmp_path), "shop", "prod", SINCE, AT)
    assert (quiet.view, quiet.version, quiet.count, quiet.cause) == ("quiet", 2, 0, "")
    assert (spend.count, spend.cause) == (2, "orders: a (error; 3 of 90 rows); orders: b (error; 3 of 90 rows)")
