"""What `push` did or would do, as people read it and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.core.units import format_count, format_instant
from featurectl.operations.push import PushPlan, PushResult
from featurectl.operations.push.push_views import ViewPush, ViewPushes
from featurectl.operations.push.remove import RemovedRows
from featurectl.render.documents import json_of
from featurectl.render.table import render_table
from featurectl.render.visible import in_one_line

_HEAD: Final = ("view", "version", "rows sent", "new", "online keys", "computed")
_PLAN_HEAD: Final = ("view", "version", "rows at most", "online keys", "at most then", "computed")
_REMOVED_HEAD: Final = ("view", "version", "online keys")


def render_pushes(found: ViewPushes, *, dry_run: bool) -> str:
    """Return a table of what was done, and notes; nothing when all failed."""
    if not found.chosen:
        return "No applied view is online."
    rows = [[push.view, str(push.version), *_cells(push.made)] for push in found.pushes]
    text = "\n".join(render_table(_PLAN_HEAD if dry_run else _HEAD, rows)) if rows else ""
    notes = [f"{push.view}@{push.version}: {in_one_line(note)}" for push in found.pushes for note in push.notes]
    return text + "".join(f"\n{note}" for note in notes)


def push_json(push: ViewPush) -> dict[str, object]:
    """Return what was done for one view version ready for JSON."""
    return json_of(push_document(push))


def push_document(push: ViewPush) -> dict[str, object]:
    """Return what was done for one view version, or would be."""
    return {"view": push.view, "version": push.version, **_document(push.made), "notes": list(push.notes)}


def render_removed(removed: Sequence[RemovedRows]) -> str:
    """Return a table of the view versions whose rows are gone."""
    return "\n".join(render_table(_REMOVED_HEAD, [[rows.view, str(rows.version), rows.shown] for rows in removed]))


def removed_json(rows: RemovedRows) -> dict[str, object]:
    """Return a view version whose rows are gone ready for JSON."""
    return {"view": rows.view, "version": rows.version, "entities": rows.entities}


def _cells(made: PushResult | PushPlan) -> list[str]:
    if isinstance(made, PushPlan):
        counts = (made.rows, made.entities, made.entities_after)
        computed = format_instant(made.computed_at) if made.computed_at else "never"
        return [*(format_count(n) for n in counts), computed]
    counts = (made.rows_sent, made.new_entities, made.entities)
    return [*(format_count(n) for n in counts), format_instant(made.computed_at)]


def _document(made: PushResult | PushPlan) -> dict[str, object]:
    if isinstance(made, PushPlan):
        return {
            "rows_at_most": made.rows,
            "entities": made.entities,
            "entities_at_most": made.entities_after,
            "computed_at": made.computed_at,
        }
    return {
        "rows_sent": made.rows_sent,
        "new_entities": made.new_entities,
        "entities": made.entities,
        "rows_lost": made.lost,
        "computed_at": made.computed_at,
    }
