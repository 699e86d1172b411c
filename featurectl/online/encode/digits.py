"""Whole numbers as decimal text, in cells (`online/encode/cells.py`): lengths and counts, as Redis reads them."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from featurectl.online.encode.cells import FixedCells, WholeNumbers

_FEW_DIGITS: Final = 10_000


def digits(numbers: WholeNumbers) -> FixedCells:
    """Return numbers, none of them negative, as decimal text.

    >>> from featurectl.online.encode.cells import join_pieces, literal
    >>> join_pieces([digits(np.array([0, 10, 907])), literal(b";")], 3).data.tobytes()
    b'0;10;907;'
    """
    most = int(numbers.max(initial=0))
    if most >= _FEW_DIGITS:
        return _digits(numbers, len(str(most)))
    known = _small_numbers()
    assert known.lengths is not None
    return FixedCells(known.data[numbers, : len(str(most))], known.lengths[numbers])


@cache
def _small_numbers() -> FixedCells:
    return _digits(np.arange(_FEW_DIGITS), len(str(_FEW_DIGITS - 1)))


def _digits(numbers: WholeNumbers, width: int) -> FixedCells:
    powers = 10 ** np.arange(width, dtype=np.int64)
    lengths = np.maximum(np.searchsorted(powers, numbers, side="right"), 1)
    places = lengths[:, None] - 1 - np.arange(width)
    data = numbers[:, None] // powers[np.maximum(places, 0)] % 10 + ord("0")
    return FixedCells(data.astype(np.uint8), lengths)
