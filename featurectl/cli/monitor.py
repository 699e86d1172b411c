"""`featurectl monitor`: what watches data, features and models."""

from __future__ import annotations

import typer

from featurectl.cli import monitor_prometheus


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Watch data, features and models.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name="monitor")
    monitor_prometheus.add_to(group)
