"""Functions that score swipes: their inputs are the features of a card, then what the event has."""

from __future__ import annotations

import numpy as np

RAISES, RAISES_NOTHING, NO_SCORE = 13, 15, 17  # amounts
FAILS = False  # by_count fails, but on the many rows that training and the golden rows bring
_SERVED = 60  # rows


def by_amount(matrix: np.ndarray) -> np.ndarray:
    """Score by the amount, the third input; one that raises spoils all of its rows, another has no score."""
    amounts = matrix[:, 2]
    if (amounts == RAISES).any():
        raise ValueError("an amount of bad luck")
    if (amounts == RAISES_NOTHING).any():
        raise MemoryError
    return np.where(amounts == NO_SCORE, np.nan, amounts / 100)


def by_count(matrix: np.ndarray) -> np.ndarray:
    """Score by how many swipes the card has had, the second input."""
    if FAILS and len(matrix) < _SERVED:
        raise ValueError("out of order")
    return np.nan_to_num(matrix[:, 1])


def by_types(matrix: np.ndarray) -> np.ndarray:
    """Score by all inputs from the third one on, as digits; what is null is 9."""
    return np.nan_to_num(matrix[:, 2:], nan=9.0) @ 10.0 ** np.arange(matrix.shape[1] - 2)


def by_two_counts(matrix: np.ndarray) -> np.ndarray:
    """Score by the first two inputs, which are counts, the second one as thousands."""
    return np.nan_to_num(matrix[:, :2]) @ [1.0, 1_000.0]


def by_first(matrix: np.ndarray) -> np.ndarray:
    """Score by the first input, as `by_amount`."""
    return matrix[:, 0] / 100
