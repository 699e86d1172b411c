"""Distributions that are hard on bins: skewed, of few values, in clusters, of a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Column = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]

COLUMNS: Mapping[str, Column] = {
    "normal": lambda draw, rows: draw.normal(size=rows),
    "lognormal": lambda draw, rows: draw.lognormal(0, 3, rows),
    "pareto": lambda draw, rows: draw.pareto(1.5, rows),
    "exponential": lambda draw, rows: np.round(draw.exponential(20, rows)) - 15.0,
    "few values": lambda draw, rows: draw.choice([0.0, 1.0, 7.5], rows, p=[0.6, 0.3, 0.1]),
    "a constant": lambda _draw, rows: np.full(rows, 3.25),
    "mostly zero": lambda draw, rows: np.where(draw.random(rows) < 0.9, 0.0, draw.lognormal(2, 1, rows)),
    "clusters": lambda draw, rows: draw.choice([0.0, 1e6], rows) + draw.normal(0, 0.01, rows),
    "instants": lambda draw, rows: 1.7e15 + np.round(draw.random(rows) * 1e9),
    "integers": lambda draw, rows: draw.integers(0, 3_000, rows).astype(np.float64),
}
