"""When two scores are equal."""

from __future__ import annotations

from typing import Final

import numpy as np

from featurectl.models.runtimes.base import Scores

TOLERANCE: Final = 1e-6  # of the score; of a unit where the score is smaller than that


def worst_difference(scores: Scores, expected: Scores, unit: float = 1.0) -> tuple[int, float, float] | None:
    """Return (row, score, expected score) where scores differ most, or None where all are equal within 1e-6.

    That is of the score; of `unit` where the score is nearer to 0.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.abs(scores - expected) / np.maximum(unit, np.abs(expected))
    same = (scores == expected) | (np.isnan(scores) & np.isnan(expected))
    distance = np.where(same, 0.0, np.where(np.isfinite(distance), distance, np.inf))
    if not len(distance) or distance.max() <= TOLERANCE:
        return None
    place = int(distance.argmax())
    return place, float(scores[place]), float(expected[place])


def unit_of(scores: Scores) -> float:
    """Return the size of the largest of some scores, at most 1: how exact those near 0 are to be.

    Scores that are all small are as different as large ones where a millionth of them differs.
    """
    sizes = np.abs(scores)
    return min(1.0, float(np.max(sizes, initial=0.0, where=np.isfinite(sizes))))
