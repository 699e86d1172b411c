"""Types, keys and names of every kind: nothing differs where nothing is wrong, and what does is named.

Keys are called like columns of the log, a view is read under two joins and with two defaults, NaN is kept, another view
keeps tiles (`hop`), a third has no entity.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from starlette.testclient import TestClient

from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.monitor.verify.injections import change_log
from tests.monitor.verify.shop import run, verified

NOW = datetime(2026, 1, 8, tzinfo=UTC)
PROJECT = """
project: types
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2026-01-08T00:00:00Z,
        prediction_log: {sample: 1.0}}
"""
VIEWS = """
entities:
  - {name: pair, keys: {score: string, time: int64}}
  - {name: thing, keys: {request: bool}}
  - {name: day, keys: {d: date}}
sources:
  - {name: s, path: s.parquet, event_time: at, available_at: seen, nan: keep, tiebreak: [n]}
  - {name: asks, path: asks.parquet, event_time: at}
feature_views:
  - name: hopped
    entity: pair
    source: s
    hop: 1h
    refresh: 1h
    aggregates:
      - {op: count, windows: [6h, lifetime]}
      - {column: f, op: [sum, max, last, stddev], windows: [1d]}
      - {column: dec, op: [sum, last], windows: [1d]}
      - {column: b, op: [any, sum], windows: [1d]}
      - {column: ts, op: last, windows: [lifetime]}
      - {column: f, op: percentile, q: 0.9, windows: [2d], offset: 6h}
    derived: [{name: silence_s, expr: "seconds_between(ts_last_lifetime, asof)"}]
  - name: state
    entity: pair
    source: s
    ttl: 2d
    features: [f, {name: dec, default: 1.25}, {name: b, default: true}, ts, n, {name: cat, fill: last_non_null}]
  - {name: flag, entity: thing, source: s, join: {request: b}, closed: both,
     aggregates: [{column: f, op: sum, windows: [3d]}, {op: count, windows: [3d]}]}
  - {name: daily, entity: day, source: s, join: {d: dd}, features: [n]}
  - {name: everyone, source: s, aggregates: [{column: n, op: sum, windows: [1d]}]}
models:
  - name: m
    spine: {source: asks, time: at, label: {name: y}}
    features:
      - {view: hopped, prefix: h_, features: [count_6h, count_lifetime, f_sum_1d, f_max_1d, f_last_1d, f_stddev_1d,
         dec_sum_1d, dec_last_1d, b_any_1d, b_sum_1d, f_p90_2d_offset_6h, silence_s]}
      - state: [f, dec, b, n]
      - {feature: "state:cat", as: cat, type: category}
      - {feature: "state:n", as: n_or_9, default: 9}
      - {view: flag, features: "*"}
      - {view: flag, join: {request: other}, prefix: other_, features: "*"}
      - {view: daily, prefix: day_, features: "*"}
      - {view: everyone, features: "*"}
      - request: {hour: int64, error: int64}
      - derived: [{name: share, expr: h_f_sum_1d / hour}]
    trainer:
      estimator: lightgbm.LGBMClassifier
      params: {n_estimators: 3, num_leaves: 4, min_child_samples: 5, n_jobs: 1, verbose: -1}
      validation: {split: time, fraction: 0.25}
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The repository, with the log of 120 predictions: at now, within the hour, and a day later."""
    root = tmp_path_factory.mktemp("types")
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "views.yaml").write_text(VIEWS)
    chance = random.Random(1)
    pick = chance.choice
    facts = [_fact(chance, NOW - timedelta(minutes=chance.randrange(6 * 1440))) for _ in range(1500)]
    types = {"dec": pl.Decimal(12, 2), "ts": pl.Datetime("us", "UTC"), "dd": pl.Date()}
    pl.DataFrame(facts, schema_overrides=types, infer_schema_length=None).sort("at").write_parquet(root / "s.parquet")
    asks = [
        _asked(chance) | {"d": date(2026, 1, chance.randrange(1, 4)), "y": pick([True, False])}
        | {"at": NOW - timedelta(minutes=chance.randrange(2880))}
        for _ in range(80)
    ]  # fmt: skip
    pl.DataFrame(asks).sort("at").write_parquet(root / "asks.parquet")
    for words in (("apply", "--auto-approve"), ("materialize",), ("train", "m")):
        run(root, *words)
    rows = [_asked(chance) | {"d": f"2026-01-0{chance.randrange(1, 4)}"} for _ in range(40)]
    with TestClient(open_app(ServeSettings(root=str(root), timeout_s=20.0))) as client:
        for later in (timedelta(0), timedelta(minutes=25), timedelta(days=1)):
            body = {"rows": rows, "time": (NOW + later).isoformat()}
            answer = client.post("/v1/predict/m", json=body)
            assert answer.status_code == 200, answer.text
    return root


def _fact(chance: random.Random, at: datetime) -> dict[str, object]:
    pick = chance.choice
    return {
        "score": pick("abé"), "time": chance.randrange(4), "at": at,
        "seen": at + timedelta(minutes=pick([0, 0, 5, 600])),
        "f": pick([None, float("nan"), -0.0, 1e16, 0.1, chance.random()]), "n": pick([None, chance.randrange(99)]),
        "dec": pick([None, Decimal("1.10"), Decimal("-2.25")]), "b": pick([True, False, None]),
        "ts": pick([None, at - timedelta(days=3, microseconds=7)]), "cat": pick(["x", "y", None]),
        "dd": pick([date(2026, 1, 1), date(2026, 1, 2), None]),
    }  # fmt: skip


def _asked(chance: random.Random) -> dict[str, object]:
    pick = chance.choice
    return {
        "score": pick("abéz"), "time": chance.randrange(5), "request": pick([True, False]),
        "other": pick([True, False]), "hour": chance.randrange(3), "error": chance.randrange(3),
    }  # fmt: skip


@pytest.mark.long
def test_nothing_differs_whatever_the_types_and_names_are(asked, capsys):
    code, result = verified(asked, capsys)
    (report,) = result["models"]
    assert (code, report["rows"], report["replayed"], report["left_out"]) == (0, 120, 120, {})
    assert {skew["compared"] for skew in report["features"]} == {120}
    assert len(report["features"]) == 24
    code, result = verified(asked, capsys, "--store", "--all")
    assert (code, {view["view"]: view["entities"] for view in result["views"]}) == (
        0,
        {"daily": 2, "everyone": 1, "flag": 2, "hopped": 12, "state": 12},
    )


@pytest.mark.long
def test_a_bool_that_is_turned_round_is_told_as_the_language_writes_it(asked, capsys):
    before = {file: file.read_bytes() for file in (asked / "off").rglob("predictions/**/*.parquet")}

    def turn(row):
        row["feature.b"] = not row["feature.b"]

    assert change_log(asked / "off" / "types" / "predictions", turn) == 120
    try:
        code, result = verified(asked, capsys)
    finally:
        for file, content in before.items():
            file.write_bytes(content)
    found = {skew["feature"]: skew for skew in result["models"][0]["features"] if skew["mismatched"]}
    assert (code, list(found)) == (1, ["b"])
    assert found["b"]["mismatched"] == 120
    assert set(found["b"]["causes"]) == {"corrupted value", "default"}  # true is the default where there is none
    assert found["b"]["example"].endswith(("served true, offline false", "served false, offline true"))
