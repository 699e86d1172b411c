"""A repository whose source's files are in sight or not, and what a plan makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from featurectl.language.load import load_repo
from featurectl.language.repo import Repo
from featurectl.plan.plan import Plan

COLUMNS = {"carrier": "string", "at": "timestamp", "delay": "float64", "cost": "int64"}
PROJECT = (
    "project: flights\nenvironments:\n  dev: {registry: 'sqlite:///r.db', offline: off, online: 'sqlite:///o.db'}\n"
)
FILE = """
entities:
  - {{name: carrier, keys: {{carrier: string}}}}
sources:
  - name: arrivals
    path: {path}
    event_time: at
    select: {{late: delay > 15, dear: cost * 2}}
{more}
feature_views:
  - name: delays
    entity: carrier
    source: arrivals
    where: delay is not null
    aggregates:
      - {{column: delay, op: mean, windows: [1d]}}
      - {{column: late, op: sum, windows: [1d]}}
{aggregates}
    derived:
      - {{name: trend, expr: delay_mean_1d / 2}}
  - {{name: costs, entity: carrier, source: arrivals, features: [cost, dear]}}
models:
  - name: lateness
    spine: {{source: arrivals, time: at, label: {{name: is_late, expr: delay > 15}}}}
    features:
      - delays: [delay_mean_1d, trend]
      - request: {{cost: int64}}
    trainer: {{estimator: lightgbm.LGBMClassifier}}
"""


def repo_at_path(
    folder: Path, path: str, columns: Mapping[str, str] | None, more: str = "", aggregates: str = ""
) -> Repo:
    """The repository with its source at a path, whose files have these columns; None: they are out of sight."""
    (folder / "featurectl.yaml").write_text(PROJECT)
    (folder / "all.yaml").write_text(FILE.format(path=path, more=more, aggregates=aggregates))
    repo = load_repo(folder, lambda source: None if source.columns_declared else columns)
    assert not repo.errors
    return repo


def kinds(plan: Plan) -> dict[str, str]:
    """The kind of change of each object."""
    return {change.name: change.kind for change in plan.changes}
