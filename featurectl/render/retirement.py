"""Retired versions of models, and what nothing is bound to any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from featurectl.core.units import counted, format_instant
from featurectl.render.table import render_table

if TYPE_CHECKING:
    from featurectl.operations.models.retire import FreedView, Retirement

_HEAD: Final = ("model", "version", "was", "trained")


def render_retirement(done: Retirement, *, dry_run: bool) -> str:
    """Return the versions as a table, then each view version that was kept up to date for them alone."""
    lines = [f"{v.model} version {v.version} is retired already." for v in done.already]
    if not done.versions:
        return "\n".join(lines) or "Nothing to retire."
    rows = [[v.model, str(v.version), v.status, format_instant(v.created_at)] for v in done.versions]
    verb = "would be retired" if dry_run else "retired"
    lines += [*render_table(_HEAD, rows), f"{counted(len(rows), 'version')} {verb}."]
    for view in done.freed:
        lines += _freed(view)
    return "\n".join(lines)


def _freed(view: FreedView) -> list[str]:
    label = view.label
    said = f"{label}: no model version is bound to it; featurectl push --remove {label} takes its rows out of the"
    found = [f"{said} online store, featurectl clean its table as well."]
    if view.pinned_for:
        pinned = f"{label}: its table stays pinned for {', '.join(view.pinned_for)}, to make the training set again;"
        found.append(f"{pinned} featurectl clean --unpin {label} gives that up.")
    return found


def retirement_json(done: Retirement, *, dry_run: bool) -> dict[str, object]:
    """Return what was retired, and what that frees, ready for JSON."""
    return {
        "dry_run": dry_run,
        "retired": [{"model": v.model, "version": v.version, "was": v.status} for v in done.versions],
        "already": [{"model": v.model, "version": v.version} for v in done.already],
        "freed_views": [
            {"view": view.view, "version": view.version, "pinned_for": list(view.pinned_for)} for view in done.freed
        ],
    }
