"""Distances of two samples in the plainest way, on the values themselves."""

from __future__ import annotations

import numpy as np


def cumulative(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the share of values up to each place."""
    return np.searchsorted(np.sort(values), at, side="right") / len(values)


def kolmogorov(before: np.ndarray, after: np.ndarray) -> float:
    """Return the greatest difference of two cumulative distributions."""
    at = np.concatenate([before, after])
    return float(np.abs(cumulative(before, at) - cumulative(after, at)).max())


def wasserstein(before: np.ndarray, after: np.ndarray) -> float:
    """Return the area between two cumulative distributions."""
    at = np.sort(np.concatenate([before, after]))
    return float((np.abs(cumulative(before, at) - cumulative(after, at))[:-1] * np.diff(at)).sum())


def jensen_shannon(before: np.ndarray, after: np.ndarray) -> float:
    """Return the Jensen-Shannon distance of two lists of counts, of base 2."""
    p, q = np.array(before) / sum(before), np.array(after) / sum(after)
    m = (p + q) / 2
    bits = sum(x * np.log2(x / y) for side in (p, q) for x, y in zip(side, m, strict=True) if x > 0) / 2
    return float(np.sqrt(max(bits, 0.0)))
