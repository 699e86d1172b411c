"""Small charts of how a model does, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from featurectl.models.metrics import Task, counts_from_the_top
from featurectl.models.runtimes.base import Scores

Points = Sequence[tuple[float, float]]
_SIDE: Final = 300  # of the square that is drawn in
_EDGE: Final = 50  # around it
_BAR: Final = 22
_MOST_POINTS: Final = 200
_MOST_INPUTS: Final = 30
_BINS: Final = 10
_INK, _LINE, _PALE = "#333333", "#1f6feb", "#b8b8b8"


def draw_charts(label: npt.NDArray[Any], scores: Scores, task: Task, importance: Mapping[str, float]) -> dict[str, str]:
    """Return the charts that fit a model, as SVG by their titles: ROC and calibration of the judged rows.

    The last is the importance of its inputs, where any counts.
    """
    charts = {}
    measured = len(label) > 0 and bool(np.isfinite(scores).all())
    if measured and task == "binary" and 0 < label.sum() < len(label):
        charts["ROC"] = draw_roc(label.astype(np.int64), scores)
    if measured and task != "classes":
        charts["Calibration"] = draw_calibration(label.astype(np.float64), scores)
    if importance:
        charts["Importance"] = draw_importance(importance)
    return charts


def draw_roc(label: npt.NDArray[np.int64], scores: Scores) -> str:
    """Return the share of positive rows found by the share of negative rows that are found with them."""
    rows, hits = counts_from_the_top(label, scores)
    positive = int(label.sum())
    across, up = (rows - hits) / (len(label) - positive), hits / positive
    kept = np.unique(np.linspace(0, len(rows) - 1, _MOST_POINTS).round().astype(int))
    points = [(0.0, 0.0), *zip(across[kept].tolist(), up[kept].tolist(), strict=True)]
    return _square("ROC", ("false positive rate", "true positive rate"), points, (0.0, 1.0))


def draw_calibration(label: npt.NDArray[np.float64], scores: Scores) -> str:
    """Return the mean label by the mean score of ten parts of the rows, from the lowest scores to the highest."""
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    points = [(float(scores[part].mean()), float(label[part].mean())) for part in parts]
    values = [value for point in points for value in point]
    ends = (0.0, 1.0) if min(values) >= 0 and max(values) <= 1 else (min(values), max(values))
    return _square("Calibration", ("mean score", "mean label"), points, ends, dots=True)


def draw_importance(importance: Mapping[str, float]) -> str:
    """Return a bar for each input, the greatest first; of many inputs the first thirty."""
    greatest = sorted(importance.items(), key=lambda item: (-item[1], item[0]))[:_MOST_INPUTS]
    width, height = 2 * _SIDE + 2 * _EDGE, len(greatest) * _BAR + 2 * _BAR
    top = greatest[0][1] or 1.0
    parts = [_text(_SIDE, _BAR - 6, "Importance", "middle")]
    for place, (name, share) in enumerate(greatest):
        y = (place + 1) * _BAR
        parts += [
            _text(_SIDE - 8, y + 14, name, "end"),
            f'<rect x="{_SIDE}" y="{y + 3}" width="{share / top * _SIDE:.1f}" height="{_BAR - 6}" fill="{_LINE}"/>',
            _text(_SIDE + share / top * _SIDE + 6, y + 14, f"{share:.1%}", "start"),
        ]
    return _svg(width, height, parts)


def _square(title: str, axes: tuple[str, str], points: Points, ends: tuple[float, float], *, dots: bool = False) -> str:
    low, high = ends
    span = (high - low) or 1.0
    places = [(_EDGE + (x - low) / span * _SIDE, _EDGE + _SIDE - (y - low) / span * _SIDE) for x, y in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    near, far = _EDGE, _EDGE + _SIDE
    parts = [
        _text(near + _SIDE / 2, 24, title, "middle"),
        f'<rect x="{near}" y="{near}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="{_INK}"/>',
        f'<line x1="{near}" y1="{far}" x2="{far}" y2="{near}" stroke="{_PALE}" stroke-dasharray="4 4"/>',
        f'<polyline points="{line}" fill="none" stroke="{_LINE}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_LINE}"/>' for x, y in (places if dots else ())),
        _text(near, far + 16, f"{low:.4g}", "middle"),
        _text(far, far + 16, f"{high:.4g}", "middle"),
        _text(near - 6, far, f"{low:.4g}", "end"),
        _text(near - 6, near + 10, f"{high:.4g}", "end"),
        _text(near + _SIDE / 2, far + 34, axes[0], "middle"),
        f'<g transform="rotate(-90 14 {near + _SIDE / 2})">{_text(14, near + _SIDE / 2, axes[1], "middle")}</g>',
    ]
    return _svg(_SIDE + 2 * _EDGE, _SIDE + 2 * _EDGE, parts)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}">{escape(text)}</text>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"
