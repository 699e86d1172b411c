"""The loops over rows and tests, compiled by numba.

A block of rows lies a column after the other, so that one instruction compares many rows.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numba
import numpy as np

BLOCK: Final = 128  # rows: their leaves, values and sums stay in the nearest cache
_FULL: Final = np.uint32(0xFFFFFFFF)
_SLOTS: Final = np.uint32(0x077CB531)
_SHIFT: Final = np.uint32(27)
_ONE: Final = np.uint32(1)
_WORD: Final = 32


class Summing(NamedTuple):
    """What sums begin with, what is added at their end (both of the type of the leaves), and the number of the link.

    `most_words` are those of the leaves of the greatest tree.
    """

    start: np.floating[Any]
    base: np.floating[Any]
    link: int
    most_words: int


@numba.njit(nogil=True, cache=True)
def score_rows(columns: Any, forest: Any, first: Any, last: Any, scores: Any) -> None:
    """Put the scores of the rows from `first` to before `last` into `scores`; `columns` is float32, a row a column."""
    tests, trees, summing = forest
    left = np.empty((summing.most_words, BLOCK), np.uint32)
    values = np.zeros((columns.shape[0], BLOCK), np.float32)
    sums = np.empty(BLOCK, trees.leaves.dtype)
    for begin in range(first, last, BLOCK):
        count = min(BLOCK, last - begin)
        for column in range(columns.shape[0]):
            for row in range(count):
                values[column, row] = columns[column, begin + row]
        sums[:] = summing.start
        for tree in range(trees.ends.shape[0]):
            at, size = trees.words[tree]
            left[:size] = _FULL
            rule_out(values, tests, trees.ends[tree], left)
            add_leaves(left, size, trees.leaves[at * _WORD : (at + size) * _WORD], sums)
        for row in range(count):
            scores[begin + row] = linked(sums[row] + summing.base, summing.link)


@numba.njit(nogil=True, cache=True, inline="always")
def rule_out(values: Any, tests: Any, ends: Any, left: Any) -> None:
    """Take the leaves that a tree's tests rule out away from `left`."""
    for at in range(ends[0], ends[1]):
        value, threshold = values[tests.columns[at]], tests.thresholds[at]
        mask, word = tests.masks[at], left[tests.places[at]]
        for row in range(BLOCK):
            word[row] &= mask if value[row] > threshold else _FULL
    for at in range(ends[1], ends[2]):
        value, threshold = values[tests.columns[at]], tests.thresholds[at]
        mask, word = tests.masks[at], left[tests.places[at]]
        for row in range(BLOCK):
            word[row] &= _FULL if value[row] <= threshold else mask
    for at in range(ends[2], ends[3]):
        value, threshold = values[tests.columns[at]], tests.thresholds[at]
        mask, word = tests.masks[at], left[tests.places[at]]
        for row in range(BLOCK):
            word[row] &= mask if value[row] >= threshold else _FULL
    for at in range(ends[3], ends[4]):
        value, threshold = values[tests.columns[at]], tests.thresholds[at]
        mask, word = tests.masks[at], left[tests.places[at]]
        for row in range(BLOCK):
            word[row] &= _FULL if value[row] < threshold else mask
    for at in range(ends[4], ends[6]):
        value, mask, word = values[tests.columns[at]], tests.masks[at], left[tests.places[at]]
        start, size = tests.sets[at]
        for row in range(BLOCK):
            if is_member(value[row], tests.bits, start, size, at >= ends[5]):
                word[row] &= mask


@numba.njit(nogil=True, cache=True, inline="always")
def is_member(value: Any, bits: Any, start: Any, size: Any, of_nan: Any) -> Any:
    """Return whether a whole number is one of a set."""
    if value != value:  # noqa: PLR0124  # NaN
        return of_nan
    if value < 0 or value >= size * _WORD:
        return False
    code = np.int64(value)
    return (bits[start + code // _WORD] >> np.uint32(code % _WORD)) & _ONE == _ONE


@numba.njit(nogil=True, cache=True, inline="always")
def add_leaves(left: Any, size: Any, leaves: Any, sums: Any) -> None:
    """Add the value of the first leaf that is left to each row's sum."""
    if size == 1:
        word = left[0]
        for row in range(BLOCK):
            sums[row] += leaves[slot(word[row])]
        return
    for row in range(BLOCK):
        place = 0
        while left[place, row] == 0:
            place += 1
        sums[row] += leaves[place * _WORD + slot(left[place, row])]


@numba.njit(nogil=True, cache=True, inline="always")
def slot(word: Any) -> Any:
    """Return where the value of the lowest leaf of a word stands."""
    lowest = np.uint32(word & np.uint32(~word + _ONE))
    return np.int64(np.uint32(lowest * _SLOTS) >> _SHIFT)


@numba.njit(nogil=True, cache=True)
def linked(total: Any, link: Any) -> Any:
    """Return the score of a sum, computed in the type of the sum."""
    one = type(total)(1)
    if link == 1:
        return one / (one + math.exp(-total))
    if link == 2:
        return math.exp(total)
    if link == 3:
        return total * abs(total)
    return total


def forget_compiled() -> None:
    """Empty numba's files of these loops, which may be damaged: they are compiled again when they are called.

    Raises:
        OSError: the files can't be written.
    """
    for compiled in (score_rows, rule_out, is_member, add_leaves, slot, linked):
        compiled.recompile()
