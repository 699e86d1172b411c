"""When two scores are equal."""

from __future__ import annotations

from typing import Final

import numpy as np

from featurectl.models.runtimes.base import Scores

TOLERANCE: Final = 1e-6  # of the score; of 1 where the score is smaller


def worst_difference(scores: Scores, expected: Scores) -> tuple[int, float, float] | None:
    """Return (row, score, expected score) where scores differ most, or None where all are equal within 1e-6."""
    with np.errstate(invalid="ignore"):
        distance = np.abs(scores - expected) / np.maximum(1.0, np.abs(expected))
    same = (scores == expected) | (np.isnan(scores) & np.isnan(expected))
    distance = np.where(same, 0.0, np.where(np.isfinite(distance), distance, np.inf))
    if not len(distance) or distance.max() <= TOLERANCE:
        return None
    place = int(distance.argmax())
    return place, float(scores[place]), float(expected[place])
