"""A small repository whose columns are declared, and how tests write one more file beside it."""

from __future__ import annotations

from pathlib import Path

from featurectl.language.load import load_repo
from featurectl.language.repo import Repo

PROJECT = """
project: flights
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db"}
"""

BASE = """
entities:
  - {name: carrier, keys: {carrier: string}}
  - {name: airport, keys: {airport: string}}
sources:
  - name: arrivals
    path: data/arrivals.parquet
    event_time: at
    available_at: seen
    columns:
      {carrier: string, origin: string, dest: string, at: timestamp, seen: timestamp, delay: int64, price: "decimal(9,2)"}
    select: {late: delay > 15}
  - name: flights
    path: data/flights.parquet
    event_time: at
    delay: 1m
    columns: {carrier: string, origin: string, dest: string, at: timestamp, distance: int64, arr_delay: float64}
  - {name: airports, path: data/airports.parquet, columns: {airport: string, alt: int64, name: string}}
feature_views:
  - name: delays
    entity: carrier
    source: arrivals
    aggregates:
      - {op: count, windows: [1d]}
      - {column: delay, op: mean, windows: [1d, 7d]}
    derived:
      - {name: trend, expr: delay_mean_1d - delay_mean_7d}
  - {name: facts, entity: airport, source: airports, features: [alt, name]}
"""  # noqa: E501  # lines of a file or a screen


DATA = {"data/arrivals.parquet": "", "data/flights.parquet": "", "data/airports.parquet": ""}


def write_repo(root: Path, files: dict[str, str]) -> Path:
    """Write a repository of some files.

    Its own file, and what stands in for the data of BASE's sources, are there when none are given.
    """
    for name, text in ({"featurectl.yaml": PROJECT} | DATA | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def load(root: Path, files: dict[str, str]) -> Repo:
    """Load a repository of some files, without data."""
    return load_repo(write_repo(root, files), None)
