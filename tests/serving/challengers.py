"""Functions that score trials: a good one, and ones that are slow, fail or score otherwise, but only in service."""

from __future__ import annotations

import time

import numpy as np

SERVED = 20  # rows: training and the golden rows bring more at a time, requests of the tests fewer
SLOW_S = 0.8


def good(matrix: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.nan_to_num(matrix[:, 1]) / 40 + matrix[:, 2] - 2)))


def better(matrix: np.ndarray) -> np.ndarray:
    return np.sqrt(good(matrix) ** 2 + 1e-6)


def slow(matrix: np.ndarray) -> np.ndarray:
    if len(matrix) < SERVED:
        time.sleep(SLOW_S)
    return good(matrix)


def failing(matrix: np.ndarray) -> np.ndarray:
    if len(matrix) < SERVED:
        raise ValueError("out of order")
    return good(matrix)


def shifted(matrix: np.ndarray) -> np.ndarray:
    return good(matrix) ** 3


def blocking(matrix: np.ndarray) -> np.ndarray:
    if len(matrix) < SERVED:
        time.sleep(3_600.0)
    return good(matrix)


def gaps(matrix: np.ndarray) -> np.ndarray:
    return np.where((matrix[:, 2] > 2.5) & (len(matrix) < SERVED), np.nan, good(matrix))
