"""The array types of the kernel, and ranges laid end to end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64 | np.float64]

CHUNK_ROWS = 4_000_000  # rows gathered at once: about 32 MB a column


def running_total(sizes: Ints | Bools) -> Ints:
    """Return n + 1 offsets: the sum of all sizes before each place, and the whole sum at the end.

    >>> running_total(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    total = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=total[1:])
    return total


def unroll(lo: Ints, hi: Ints) -> tuple[Ints, Ints]:
    """Return every position of every range [lo, hi), range after range, and the number of its range.

    >>> [a.tolist() for a in unroll(np.array([7, 0, 4]), np.array([9, 0, 5]))]
    [[7, 8, 4], [0, 0, 2]]
    """
    sizes = hi - lo
    owner = np.repeat(np.arange(len(lo)), sizes)
    offsets = running_total(sizes)
    return np.arange(offsets[-1]) + (lo - offsets[:-1])[owner], owner


def batches(sizes: Ints, limit: int) -> list[tuple[int, int]]:
    """Return consecutive [start, stop) that cover all places, each of at most `limit` in sum or one place long.

    >>> batches(np.array([3, 3, 9, 1]), limit=6)
    [(0, 2), (2, 3), (3, 4)]
    """
    offsets = running_total(sizes)
    found, start = [], 0
    while start < len(sizes):
        stop = int(np.searchsorted(offsets, offsets[start] + limit, side="right")) - 1
        stop = max(stop, start + 1)
        found.append((start, stop))
        start = stop
    return found
