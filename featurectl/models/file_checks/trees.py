"""What every tree has: nodes that are reached once, each, from the root."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def check_children(children: Integers, nodes: int, what: str) -> None:
    """See that children are nodes other than the first, the root, and none of them is the child of two.

    Then a walk from the root ends.

    Raises:
        ValueError: one is none of the tree, or is reached twice.
    """
    check_range(children, 1, nodes, f"a child of {what}")
    found, times = np.unique(children, return_counts=True)
    if len(found) and times.max() > 1:
        raise ValueError(f"node {found[times.argmax()]} of {what} is a child twice")


def check_range(values: Integers, least: int, end: int, what: str) -> None:
    """See that numbers are at least `least` and below `end`.

    Raises:
        ValueError: one is not.
    """
    if len(values) and (values.min() < least or values.max() >= end):
        wrong = values[(values < least) | (values >= end)][0]
        raise ValueError(f"{what} is {wrong}, of {least} to {end - 1}")


def integers(values: Any, what: str) -> Integers:
    """Return a list of whole numbers.

    Raises:
        ValueError: it is no list, or one of them is no whole number of 64 bits.
    """
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "iu" or values.ndim != 1:
            raise ValueError(f"{what} are no whole numbers")
        return values.astype(np.int64)
    if not isinstance(values, list) or not all(type(value) in (int, bool) for value in values):
        raise ValueError(f"{what} are no whole numbers")
    try:
        return np.array(values, dtype=np.int64).reshape(len(values))
    except OverflowError as error:
        raise ValueError(f"{what} are no whole numbers of 64 bits") from error
