"""`featurectl monitor`: what happens to features and models in production."""

from __future__ import annotations

import typer

from featurectl.cli import monitor_alerts, monitor_drift, monitor_prometheus


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Watch what is applied, and tell.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name="monitor")
    monitor_alerts.add_to(group)
    monitor_drift.add_to(group)
    monitor_prometheus.add_to(group)
