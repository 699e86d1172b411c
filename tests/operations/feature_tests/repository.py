"""A repository with a model of several sources, a test of it, and how tests run one."""

from pathlib import Path
from typing import Any

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.repo import Repo
from featurectl.operations.feature_tests.run import run_feature_tests
from tests.language.repository import BASE, load

MODEL = """sources:
  - name: asks
    path: data/asks.parquet
    event_time: at
    columns: {carrier: string, origin: string, dest: string, at: timestamp, miles: int64, delay: int64, day: date}
    select: {km: miles * 1.609344, hub: origin = 'JFK', place: upper(origin)}
    tiebreak: [delay]
  - name: reports
    path: data/reports.parquet
    event_time: at
    delay: 10m
    dedup_key: [dest]
    columns: {origin: string, dest: string, at: timestamp, seen: timestamp, delay: int64}
feature_views:
  - name: everywhere
    source: arrivals
    aggregates: [{op: count, windows: [1d]}, {column: delay, op: [sum, last], windows: [1d]}]
  - name: place
    entity: airport
    join: {airport: origin}
    source: reports
    ttl: 6h
    features: [{name: delay, default: 3}]
    derived: [{name: twice, expr: delay * 2}]
models:
  - name: late
    spine:
      source: asks
      time: at
      where: miles > 100
      label: {name: is_late, expr: delay > 15 and not hub}
    features:
      - request: {km: float64, miles: float64}
      - {view: delays, prefix: c_, features: "*"}
      - everywhere: "*"
      - {view: facts, join: {airport: origin}, prefix: from_, features: "*"}
      - {view: facts, join: {airport: dest}, prefix: to_, features: [alt]}
      - {feature: "delays:delay_mean_1d", as: mean, default: 7}
      - {view: place, join: {airport: dest}, prefix: d_, features: [delay]}
      - {view: place, join: {airport: place}, prefix: p_, features: [twice]}
      - derived:
          - {name: climb, expr: to_alt - from_alt}
          - {name: slope, expr: climb / km, default: 0.5}
"""
TEST = """tests:
  - name: t
    model: late
    rows:
      arrivals:
        - {carrier: AA, at: 2024-01-01T08:00:00Z, seen: 2024-01-01T11:00:00Z, delay: 20}
        - {carrier: BB, at: 2024-01-01T09:00:00Z, delay: 4}
      airports: [{airport: JFK, alt: 13, name: Kennedy}, {airport: DEN, alt: 5434}]
      reports: [{origin: JFK, dest: x, at: 2024-01-01T07:00:00Z, delay: 1}]
    spine:
      - {carrier: AA, origin: JFK, dest: DEN, miles: 1000, delay: 20, at: 2024-01-01T10:00:00Z}
      - {carrier: AA, origin: LGA, dest: JFK, miles: null, delay: 20, time: 2024-01-01T11:00:00Z}
    expect:
      - {c_count_1d: 0, mean: 7, c_trend: null, count_1d: 1, delay_sum_1d: 4, from_name: Kennedy, climb: 5421, slope: 3.368453233,
         p_twice: 2, is_late: false, km: 1609.344, miles: 1000, hub: true}
      - {c_count_1d: 1, mean: 20, c_trend: 0, count_1d: 2, delay_sum_1d: 24, from_name: null, climb: null, slope: 0.5,
         p_twice: 6, is_late: true, km: null, miles: null, d_delay: 1, at: 2024-01-01T11:00:00Z}
"""  # noqa: E501  # lines of a file or a screen


def loaded(folder: Path, *texts: str, base: str = BASE) -> Repo:
    """The repository of some texts, a file each, without errors."""
    repo = load(folder, {"base.yaml": base} | {f"x{n}.yaml": text for n, text in enumerate(texts)})
    assert repo.errors == ()
    return repo


def results_of(repo: Repo) -> Any:
    """What came of a repository's tests."""
    return run_feature_tests(PolarsEngine(1), repo.tests.values())
