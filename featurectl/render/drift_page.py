"""Drift as one HTML page without anything from elsewhere: a table, and both distributions of each column as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from featurectl.monitor.drift.compare import DriftRow
from featurectl.monitor.drift.measure_drift import DriftTable
from featurectl.render.drift import reason, title, verdict

_WIDTH: Final = 460
_HEIGHT: Final = 110
_BASE: Final = 90  # where bars stand
_STYLE: Final = (
    ":root{color-scheme:light dark;--text:#333;--page:#fff;--line:#eee;--bad:#b00020;--then:#a8a8a8;--now:#1f6feb}"
    "@media(prefers-color-scheme:dark)"
    "{:root{--text:#ddd;--page:#161616;--line:#333;--bad:#ff7b86;--then:#7d7d7d;--now:#6cb2ff}}"
    "body{font-family:sans-serif;color:var(--text);background:var(--page);margin:2em;max-width:1000px}"
    "table{border-collapse:collapse}td,th{padding:3px 12px 3px 0;text-align:left;border-bottom:1px solid var(--line)}"
    "section{display:inline-block;width:480px;vertical-align:top}h2{font-size:1em;margin:1em 0 0}"
    "h2,td{overflow-wrap:anywhere}td+td,th{white-space:nowrap}"
    ".drift{color:var(--bad)}.then{color:var(--then)}.now{color:var(--now)}svg text{fill:var(--text)}"
)
_HEAD: Final = ("feature", "state", "PSI", "by chance", "JS", "KS", "Wasserstein", "nulls", "outside", "rows")


def render_page(table: DriftTable) -> str:
    """Return the page."""
    head = "".join(f"<th>{name}</th>" for name in _HEAD)
    body = "".join(f"<tr>{_cells(row)}</tr>\n" for row in table.rows)
    plots = "\n".join(_section(row, table) for row in table.rows)
    name = f"{table.model} version {table.version}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Drift of {escape(name)}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Drift of {escape(name)}</h1>\n<p>{escape(title(table))}</p>\n"
        f"<p>{escape(verdict(table))}</p>\n<table><tr>{head}</tr>\n{body}</table>\n"
        '<p><span class="then">■ when it was trained</span> <span class="now">■ now</span>, the share of values in '
        f"each bar; what lies beyond 98% of the values is in the outer bars</p>\n{plots}\n</body></html>\n"
    )


def _cells(row: DriftRow) -> str:
    state = f'<span class="drift">{row.state}</span>' if row.state == "drift" else row.state
    numbers = [row.psi, row.chance.get("psi"), row.js, row.ks, row.wasserstein]
    cells = [
        escape(_name(row)),
        state,
        *("-" if value is None else f"{value:.3g}" for value in numbers),
        f"{row.null_rate_reference:.1%} → {row.null_rate:.1%}",
        f"{row.outside:.1%}",
        f"{row.n_reference:,} → {row.n:,}",
    ]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _section(row: DriftRow, table: DriftTable) -> str:
    why = reason(row, table.limits) or row.note
    note = f' <span class="{row.state.split()[0]}">{escape(why)}</span>' if why else ""
    return f"<section><h2>{escape(_name(row))}{note}</h2>{draw_distributions(row)}</section>"


def _name(row: DriftRow) -> str:
    return row.feature if row.kind == "feature" else f"{row.feature} (the model's output)"


def draw_distributions(row: DriftRow) -> str:
    """Return both distributions of a row side by side: a pair of bars for each part of the values."""
    drawn = row.drawing
    count = len(drawn.before)
    if not count:
        return "<p>no values</p>"
    top, step = max(*drawn.before, *drawn.after) or 1.0, _WIDTH / count
    bar = max(step * 0.42, 1.0)
    parts = [
        _bars(drawn.before, (0.0, step, bar), top, "then"),
        _bars(drawn.after, (bar, step, bar), top, "now"),
        f'<path d="M0 {_BASE}H{_WIDTH}" stroke="currentColor"/>',
        *_labels(drawn.labels, count, step),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-size="10">'
    return "".join([head, *parts, "</svg>"])


def _bars(shares: Sequence[float], places: tuple[float, float, float], top: float, side: str) -> str:
    """Return all bars of a distribution as one path; `places` are the first one, the step and the width."""
    first, step, width = places
    path = "".join(
        f"M{first + place * step:.1f} {_BASE}v{-share / top * (_BASE - 6):.1f}h{width:.1f}V{_BASE}z"
        for place, share in enumerate(shares)
        if share
    )
    return f'<path class="{side}" d="{path}" fill="currentColor"/>'


def _labels(labels: Sequence[str], count: int, step: float) -> list[str]:
    if len(labels) != count:  # the ends of numbers
        return [
            f'<text x="0" y="{_HEIGHT - 6}">{escape(labels[0])}</text>',
            f'<text x="{_WIDTH}" y="{_HEIGHT - 6}" text-anchor="end">{escape(labels[-1])}</text>',
        ]
    most = max(int(step / 6) - 1, 3)
    return [
        f'<text x="{(place + 0.42) * step:.1f}" y="{_HEIGHT - 6}" text-anchor="middle"><title>{escape(text)}</title>'
        f"{escape(text if len(text) <= most else text[: most - 1] + '…')}</text>"
        for place, text in enumerate(labels)
    ]
