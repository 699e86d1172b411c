"""How many feature tests a second `featurectl test` runs, of views and of models, on a generated repository of many.

python -m benchmarks.feature_tests_speed [TESTS] [VIEWS] [--profile]
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from featurectl.engines.all_engines import open_local_engine
from featurectl.operations.feature_tests.run import run_feature_tests
from featurectl.workspace.open import load_checked
from featurectl.language.definitions.tests import FeatureTest, ModelTest

PROJECT = """
project: tested
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db"}
entities:
  - {name: shop, keys: {shop: string}}
sources:
  - name: sales
    path: sales.parquet
    event_time: sold_at
    available_at: seen_at
    columns: {shop: string, kind: string, sold_at: timestamp, seen_at: timestamp, amount: float64, items: int64}
    select: {large: amount > 100}
  - {name: shops, path: shops.parquet, event_time: at, columns: {shop: string, at: timestamp, size: int64, city: string}}
  - {name: asks, path: asks.parquet, event_time: asked_at,
     columns: {shop: string, asked_at: timestamp, basket: float64, paid: float64}}
"""
EVENTS = """feature_views:
  - name: sales_{n}
    entity: shop
    source: sales
    where: amount > {n}
    aggregates:
      - {{op: count, windows: [1h, 1d, 7d]}}
      - {{column: amount, op: [sum, mean, max], windows: [1d, 7d]}}
      - {{name: large_rate, column: large, op: mean, windows: [7d]}}
    derived:
      - {{name: trend, expr: amount_mean_1d - amount_mean_7d}}
  - {{name: shop_{n}, entity: shop, source: shops, ttl: {days}d, features: [size, city]}}
tests:
"""
EVENT_TEST = """  - name: events {n}
    view: sales_{view}
    rows:
      - {{shop: a, sold_at: 2026-01-01T10:00:00Z, amount: {amount}, items: 1}}
      - {{shop: a, sold_at: 2026-01-05T10:00:00Z, seen_at: 2026-01-06T00:00:00Z, amount: 150.5, items: 2}}
      - {{shop: b, sold_at: 2026-01-05T10:00:00Z, amount: 120.0, items: 3}}
    spine:
      - {{shop: a, time: 2026-01-05T12:00:00Z}}
      - {{shop: a, time: 2026-01-06T00:00:00Z}}
      - {{shop: c, time: 2026-01-06T00:00:00Z}}
    expect:
      - {{count_7d: 1, count_1d: 0, amount_sum_7d: {amount}, large_rate_7d: 1.0}}
      - {{count_7d: 2, amount_max_7d: {greatest}}}
      - {{count_7d: 0, amount_sum_7d: null, trend: null}}
"""
MODEL = """models:
  - name: bought_{n}
    spine:
      source: asks
      time: asked_at
      label: {{name: bought, expr: paid > 0}}
    features:
      - request: {{basket: float64}}
      - {{view: sales_{n}, prefix: s_, features: [count_7d, amount_sum_7d, trend]}}
      - {{view: shop_{n}, features: "*"}}
      - derived: [{{name: per_item, expr: s_amount_sum_7d / size}}]
"""
MODEL_TEST = """  - name: models {n}
    model: bought_{view}
    rows:
      sales: [{{shop: a, sold_at: 2026-01-01T10:00:00Z, amount: {amount}, items: 1}}]
      shops: [{{shop: a, at: 2026-01-05T00:00:00Z, size: 2, city: Rome}}]
    spine:
      - {{shop: a, basket: 7, paid: 3, time: 2026-01-05T12:00:00Z}}
      - {{shop: c, basket: 0, paid: null, time: 2026-01-06T00:00:00Z}}
    expect:
      - {{s_count_7d: 1, city: Rome, per_item: {half}, basket: 7, bought: true}}
      - {{s_count_7d: 0, city: null, per_item: null, basket: 0, bought: null}}
"""
STATE_TEST = """  - name: states {n}
    view: shop_{view}
    rows:
      - {{shop: a, at: 2026-01-01T00:00:00Z, size: {n}, city: Rome}}
      - {{shop: a, at: 2026-01-02T00:00:00Z, size: 7, city: Oslo}}
    spine:
      - {{shop: a, time: 2026-01-01T12:00:00Z}}
      - {{shop: a, time: 2026-01-02T00:00:00Z}}
    expect:
      - {{size: {n}, city: Rome}}
      - {{size: 7, city: Oslo}}
"""


def main() -> int:
    """Print the figures; the exit code is 1 when a test failed."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    tests, views = [*numbers, *(500, 20)[len(numbers) :]][:2]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_repository(root, tests, views)
        begin = time.perf_counter()
        repo = load_checked(root, "unread")
        print(
            f"{len(repo.tests)} tests of {views} views and {len(repo.models)} models, read in {time.perf_counter() - begin:.2f} s"
        )
        profile = cProfile.Profile()
        if "--profile" in sys.argv:
            profile.enable()
        failed = run("views", [test for test in repo.tests.values() if isinstance(test, FeatureTest)])
        failed += run("models", [test for test in repo.tests.values() if isinstance(test, ModelTest)])
        profile.disable()
    if "--profile" in sys.argv:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    return 1 if failed else 0


def run(what: str, tests: Sequence[FeatureTest | ModelTest]) -> int:
    """Print how long tests took, and return how many failed."""
    begin, cpu = time.perf_counter(), time.process_time()
    results = run_feature_tests(open_local_engine(), tests)
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    failed = sum(not result.passed for result in results)
    rate = f"{len(results) / wall:,.0f} tests a second"
    print(f"{len(results)} of {what}: {wall:.2f} s ({cpu:.2f} s of CPU), {rate}, {failed} failed")
    return failed


def write_repository(root: Path, tests: int, views: int) -> None:
    """Write a repository of pairs of views and a model of both, a file each, and tests that pass.

    Half of the tests of views are of each kind; those of models are half as many.
    """
    (root / "featurectl.yaml").write_text(PROJECT.split("entities:")[0])
    (root / "base.yaml").write_text("entities:" + PROJECT.split("entities:")[1])
    pairs = max(views // 2, 1)
    texts = [EVENTS.format(n=n, days=n + 2) for n in range(pairs)]
    for n in range(tests):
        amount = 101.0 + n
        form = STATE_TEST if n % 2 else EVENT_TEST
        values = {"n": n, "view": n // 2 % pairs, "amount": amount, "greatest": max(amount, 150.5), "half": amount / 2}
        texts[n // 2 % pairs] += form.format(**values) + (MODEL_TEST.format(**values) if n % 2 else "")
    for n, text in enumerate(texts):
        (root / f"views_{n}.yaml").write_text(text)
        (root / f"models_{n}.yaml").write_text(MODEL.format(n=n))


if __name__ == "__main__":
    sys.exit(main())
