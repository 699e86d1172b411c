"""Drift as people read it, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from featurectl.core.units import counted, plural
from featurectl.monitor.drift.compare import DriftRow
from featurectl.monitor.drift.limits import DriftLimits, DriftMetric
from featurectl.monitor.drift.measure_drift import DriftTable
from featurectl.render.table import NarrowForm, render_table

_HEAD: Final = ("feature", "state", "psi", "chance", "js", "ks", "wasserstein", "nulls", "outside", "then", "now")
_NARROW: Final = NarrowForm(left_out=("chance", "js", "outside", "wasserstein", "ks", "nulls"))
_SHADES: Final = " ▁▂▃▄▅▆▇█"
_CELLS: Final = 10
_MOST: Final = 5  # columns that the last line names
_WORDS: Final[dict[DriftMetric, str]] = {"null_rate": "nulls"}


def render_drift(table: DriftTable) -> str:
    """Return the table of drift, the worst first, and what to make of it.

    A narrow terminal has fewer of its columns, so that the plots stand in their rows.
    """
    lines = render_table(_HEAD, [_cells(row) for row in table.rows], narrow=_NARROW)
    return "\n".join([title(table), "", *lines, "", verdict(table)])


def title(table: DriftTable) -> str:
    """Return what is compared with what, in a line."""
    then = max((row.n_reference for row in table.rows), default=0)
    now = max((row.n for row in table.rows), default=0)
    what = f"{table.model} version {table.version}"
    return f"{what}: {counted(now, 'row')} {table.where}, next to the {counted(then, 'row')} that it was trained on"


def verdict(table: DriftTable) -> str:
    """Return how many columns drift, and which of their metrics."""
    few = sum(row.state == "too few rows" for row in table.rows)
    far = [row for row in table.rows if row.state == "drift"]
    judged = len(table.rows) - few
    if not judged:
        return f"Too few rows to judge: {table.limits.min_rows:,} are needed."
    rest = f"; {few} {plural(few, 'has', 'have')} too few rows" if few else ""
    if not far:
        return f"None of {judged} drifts{rest}."
    each = ", ".join(f"{_name(row)} ({reason(row, table.limits)})" for row in far[:_MOST])
    each += f" and {len(far) - _MOST} more" if len(far) > _MOST else ""
    return f"{len(far)} of {judged} {plural(len(far), 'drifts', 'drift')}{rest}: {each}."


def reason(row: DriftRow, limits: DriftLimits) -> str:
    """Return which metrics of a row are beyond their limits."""
    values: dict[DriftMetric, float | None] = {
        "psi": row.psi,
        "js": row.js,
        "ks": row.ks,
        "wasserstein": row.wasserstein,
        "null_rate": row.null_rate - row.null_rate_reference,
        "outside": row.outside,
    }
    found = []
    for metric in row.broken:
        sign = "+" if metric == "null_rate" and (values[metric] or 0) > 0 else ""
        limit = limits.of(row.kind, row.feature, metric)
        found.append(f"{_WORDS.get(metric, metric)} {sign}{_short(values[metric])}, limit {limit:g}")
    return ", ".join(found)


def drift_json(table: DriftTable) -> dict[str, object]:
    """Return what was found ready for JSON."""
    return {
        "model": table.model,
        "version": table.version,
        "where": table.where,
        "min_rows": table.limits.min_rows,
        "drifted": sum(row.state == "drift" for row in table.rows),
        "rows": [drift_document(row) for row in table.rows],
    }


def drift_document(row: DriftRow) -> dict[str, object]:
    """Return how far one input, or the score, has moved."""
    return {
        "feature": row.feature,
        "kind": row.kind,
        "state": row.state,
        "broken": list(row.broken),
        "n": row.n,
        "n_reference": row.n_reference,
        "psi": row.psi,
        "js": row.js,
        "ks": row.ks,
        "wasserstein": row.wasserstein,
        "chance": dict(row.chance),
        "null_rate": row.null_rate,
        "null_rate_reference": row.null_rate_reference,
        "outside": row.outside,
        "note": row.note or None,
    }


def _cells(row: DriftRow) -> list[str]:
    drawn = row.drawing
    cells = [
        _name(row),
        row.state,
        _short(row.psi),
        _short(row.chance.get("psi")),
        _short(row.js),
        _short(row.ks),
        _short(row.wasserstein),
        f"{row.null_rate_reference:.1%} -> {row.null_rate:.1%}",
        f"{row.outside:.1%}",
        sparks(drawn.before, drawn.after),
        sparks(drawn.after, drawn.before),
    ]
    return [*cells, row.note] if row.note else cells


def _name(row: DriftRow) -> str:
    return row.feature if row.kind == "feature" else f"({row.feature})"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def sparks(shares: Sequence[float], others: Sequence[float]) -> str:
    """Return shares as a line of bars, as high as both distributions together have them.

    >>> sparks([0.5, 0.25, 0.0], [0.0, 1.0, 0.0])
    '▄▂·'
    """
    own, other = (_gathered(side) for side in (shares, others))
    top = max([*own, *other], default=0.0)
    if not top:
        return ""
    marks = [_SHADES[math.ceil(share / top * 8 - 1e-9)] for share in own]
    return "".join("·" if mark == " " else mark for mark in marks)


def _gathered(shares: Sequence[float]) -> list[float]:
    """Return shares in no more than ten cells."""
    size = math.ceil(len(shares) / _CELLS) or 1
    return [sum(shares[start : start + size]) for start in range(0, len(shares), size)]
