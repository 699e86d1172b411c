"""A small applied and materialized repository, for tests of the commands that read and fill the online store."""

from __future__ import annotations

from pathlib import Path

from featurectl.core.units import parse_instant
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.json_form import load_view
from featurectl.operations.apply import ApplyTarget, apply_plan
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.table_increment import materialize_view
from featurectl.operations.views import view_table
from featurectl.plan.build import PlanRequest, plan_repo
from featurectl.registry.applied import served_views
from featurectl.workspace.actor import Actor
from featurectl.workspace.open import open_workspace
from tests.prepared import make_once

NOW = "2026-01-08T00:00:00Z"
ORDERS = """customer,day,ordered_at,amount
ana,2026-01-06,2026-01-06T10:00:00Z,10.5
ana,2026-01-07,2026-01-07T10:00:00Z,1.5
ben,2026-01-01,2025-12-31T23:00:00Z,4
"""
PROJECT = f"""
project: shop
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: {NOW}}}
"""  # of tests that have objects of their own
FILES = {
    "featurectl.yaml": f"""
project: shop
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "sqlite:///deep/on.db", now: "{NOW}"}}
  gone: {{registry: "sqlite:///r.db", offline: off, online: "redis://127.0.0.1:1/0", now: "{NOW}"}}
""",
    "views.yaml": """
entities:
  - {name: customer, keys: {customer: string}}
  - {name: customer_day, keys: {customer: string, day: date}}
sources:
  - name: orders
    path: orders.csv
    event_time: ordered_at
    columns: {customer: string, day: date, ordered_at: timestamp, amount: float64}
feature_views:
  - name: spend
    entity: customer
    source: orders
    aggregates: [{op: count, windows: [7d]}, {column: amount, op: sum, windows: [7d]}]
    derived: [{name: mean, expr: amount_sum_7d / count_7d}]
  - name: last_order
    entity: customer_day
    source: orders
    ttl: 2d
    features: [{name: amount, default: 0}]
  - {name: history, entity: customer, source: orders, online: false, features: [amount]}
""",
    "orders.csv": ORDERS,
}


def write_shop(root: Path) -> Path:
    """Write the repository and return its folder."""
    for name, text in FILES.items():
        (root / name).write_text(text)
    return root


def fill_shop(root: Path) -> Path:
    """Write the repository into an empty folder, apply it, fill its tables and return its folder."""

    def fill() -> None:
        write_shop(root)
        apply_shop(root)
        materialize_shop(root)

    make_once("the shop, filled", root, fill)
    return root


def apply_shop(root: Path) -> None:
    """Make the registry match the files."""
    with open_workspace(root, None, None) as workspace:
        request = PlanRequest(environment="dev", repo=".", commit="", allow_remove=())
        plan = plan_repo(workspace.repo, workspace.state(), request)
        at = parse_instant(NOW)
        assert at is not None
        target = ApplyTarget(registry=workspace.registry(), online=workspace.online(), environment="dev")
        apply_plan(target, plan, Actor(who="ana", commit="", at=at))


def materialize_shop(root: Path) -> None:
    """Write the offline tables."""
    with open_workspace(root, None, None) as workspace:
        for item in served_views(workspace.state()):
            view = load_view(item.definition)
            table = view_table(workspace.offline(), view, item.version)
            run = MaterializeRun(view=view, version=item.version, reader=workspace.source(view.source), table=table)
            materialize_view(PolarsEngine(1), run, workspace.now)
