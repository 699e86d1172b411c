"""What the windows of lists say is found by compiled loops, to the last bit as `joined_values.py` finds it.

Floats are added as numpy adds them. Where the bits of a value are numpy's to choose, as of NaN, or of 0.0 and -0.0 of
which one is the least, the list is left to numpy.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from featurectl.online.stream_state.compiled.shapes import (
    ASOF,
    COUNT_OF,
    DEVIATION,
    FIRST,
    GREATEST,
    KNOWN,
    LAST,
    LEAST,
    MEAN,
    NEVER_US,
    NEWEST,
    SQUARES,
    SUM,
    ReadFeatures,
)

_HALF: Final = 1 << 62
_EXACT: Final = 1 << 53  # integers below are floats without a change
_BLOCK: Final = 128  # values that numpy adds in eight sums
_NUMBERS: Final = 6
_MOST_HALVES: Final = 16


@numba.njit(nogil=True, cache=True, error_model="numpy")
def read_windows(shape: Any, asof_us: Any, elements: Any, rows: Any) -> Any:
    """Return what lists say as of a register's `asof` or that of their heads; more may not be read then."""
    lists, features, cells = len(rows.counts), len(shape.features), len(shape.cells)
    found = ReadFeatures(
        np.zeros((features, lists), np.int64), np.zeros((features, lists), np.bool_), np.zeros((3, lists), np.int64)
    )
    edges, counts = np.zeros((len(shape.windows), 2), np.int64), np.zeros(cells, np.int64)
    numbers, scratch = np.zeros((cells, _NUMBERS), np.int64), np.empty(max(1, rows.counts.max()), np.float64)
    kept, number_floats, halves = scratch.view(np.int64), numbers.view(np.float64), np.empty((_MOST_HALVES, 3))
    floats, found_floats = rows.values.view(np.float64), found.values.view(np.float64)
    for i in range(lists):
        if elements.is_read[i]:
            found.instants[1, i] = max(asof_us, elements.parts[i, ASOF])
            read_edges(shape, elements, rows, found.instants, i, edges)
            is_read = read_cells(shape, rows, floats, edges, counts, numbers, number_floats, scratch, kept, halves)
            elements.is_read[i] = is_read and read_features(
                shape, counts, numbers, number_floats, found, found_floats, i
            )
    return found


@numba.njit(nogil=True, error_model="numpy")
def rows_before(times: Any, begin: Any, count: Any, at_us: Any, inclusive: Any) -> Any:
    """Return how many rows, of so many from a place on, are before an instant, or at it, too."""
    low, high = begin, begin + count
    while low < high:
        middle = (low + high) >> 1
        if times[middle] < at_us or (inclusive and times[middle] == at_us):
            low = middle + 1
        else:
            high = middle
    return low - begin


@numba.njit(nogil=True, error_model="numpy")
def read_edges(shape: Any, elements: Any, rows: Any, instants: Any, i: Any, edges: Any) -> None:
    """Find the instants of a list, and where the rows of its windows begin and end."""
    begin, count, times, at_us = rows.begins[i], rows.counts[i], rows.event_us, instants[1, i]
    place = rows_before(times, begin, count, at_us, True)
    until_us = times[begin + place] if place < count else NEVER_US
    last_us = times[begin + place - 1] if place > 0 else NEVER_US
    newest_us, known_us = elements.parts[i, NEWEST], elements.parts[i, KNOWN]
    if newest_us != NEVER_US:
        if newest_us > at_us or known_us > at_us:
            until_us = 0
        elif last_us == NEVER_US or newest_us > last_us:
            last_us = newest_us
    for window in range(len(shape.windows)):
        window_us, offset_us = shape.windows[window, 0], shape.windows[window, 1]
        low = rows_before(times, begin, count, at_us - offset_us - window_us, shape.begins_behind)
        high = rows_before(times, begin, count, at_us - offset_us, shape.ends_with)
        if low < count:
            until_us = min(until_us, times[begin + low] + window_us + offset_us)
        if high < count:
            until_us = min(until_us, times[begin + high] + offset_us)
        edges[window, 0], edges[window, 1] = begin + min(low, high), begin + high
    instants[0, i], instants[2, i] = last_us, 0 if elements.is_late[i] else until_us


@numba.njit(nogil=True, error_model="numpy")
def read_cells(
    shape: Any, rows: Any, floats: Any, edges: Any, counts: Any, numbers: Any, number_floats: Any, scratch: Any,
    kept: Any, halves: Any,
) -> Any:  # fmt: skip
    """Find the counts and numbers of cells in the rows between edges; return whether numpy's bits are known.

    `kept` is `scratch` as integers: room for the values that are there, where some are null.
    """
    values, valid, size = rows.values, rows.valid, len(rows.event_us)
    for cell in range(len(shape.cells)):
        slot, window = shape.cells[cell, 0], shape.cells[cell, 2]
        count, is_known = edges[window, 1] - edges[window, 0], True
        if slot >= 0 and count > 0:
            low = slot * size + edges[window, 0]
            if are_there(valid, low, count):
                part = low, count, cell
                is_known = read_cell(shape, values, floats, part, numbers, number_floats, scratch, halves)
            else:
                count = gather(values, valid, low, count, kept)
                part = 0, count, cell
                if count > 0:
                    is_known = read_cell(shape, kept, scratch, part, numbers, number_floats, scratch, halves)
        counts[cell] = count
        if not is_known:
            return False
    return True


@numba.njit(nogil=True, error_model="numpy")
def read_features(
    shape: Any, counts: Any, numbers: Any, number_floats: Any, found: Any, found_floats: Any, i: Any
) -> Any:
    """Put the values of features into `found`, by what cells have; return whether numpy's bits are known."""
    for feature in range(len(shape.features)):
        cell, what, less = shape.features[feature, 0], shape.features[feature, 1], shape.features[feature, 2]
        count = counts[cell]
        found.has_value[feature, i] = what == COUNT_OF or count > less
        if what == COUNT_OF:
            found.values[feature, i] = count
        elif what < _NUMBERS:
            found.values[feature, i] = numbers[cell, what]
        elif count > less:
            if what != MEAN:
                number = number_floats[cell, SQUARES] / (count - less)
            elif shape.floats[shape.cells[cell, 0]]:
                number = number_floats[cell, SUM] / count
            else:
                number = np.float64(numbers[cell, SUM]) / count
                if abs(numbers[cell, SUM]) >= _EXACT:
                    return False
            found_floats[feature, i] = np.sqrt(number) if what == DEVIATION else number
    return True


@numba.njit(nogil=True, error_model="numpy")
def are_there(valid: Any, low: Any, count: Any) -> Any:
    """Return whether all of so many values from a place on are there."""
    found = True
    for row in range(low, low + count):
        found &= valid[row]
    return found


@numba.njit(nogil=True, error_model="numpy")
def gather(values: Any, valid: Any, low: Any, count: Any, kept: Any) -> Any:
    """Put those of so many values from a place on that are there into `kept`; return how many they are."""
    found = 0
    for row in range(low, low + count):
        kept[found] = values[row]
        found += valid[row]
    return found


@numba.njit(nogil=True, error_model="numpy")
def read_cell(
    shape: Any, values: Any, floats: Any, part: Any, numbers: Any, number_floats: Any, scratch: Any, halves: Any
) -> Any:
    """Put what is wanted of values into the numbers of a cell: `part` says where they begin, how many, and which cell.

    `floats` are the values as floats, where their column has floats. Return whether numpy's bits are known.
    """
    low, count, cell = part
    wanted, is_float = shape.cells[cell, 1], shape.floats[shape.cells[cell, 0]]
    numbers[cell, FIRST], numbers[cell, LAST] = values[low], values[low + count - 1]
    if is_float:
        is_known = of_floats(floats, part, wanted, number_floats, shape.zero, halves)
    else:
        is_known = of_integers(values, part, numbers)
    if is_known and wanted & (1 << SQUARES):
        for row in range(count):
            scratch[row] = floats[low + row] if is_float else np.float64(values[low + row])
        is_known = squares(scratch, count, number_floats, cell, shape.zero, halves)
    return is_known


@numba.njit(nogil=True, error_model="numpy")
def of_integers(values: Any, part: Any, numbers: Any) -> Any:
    """Put the sum and the extremes of integers into a cell; return whether the sum has 64 bits for certain."""
    low, count, cell = part
    total = np.int64(0)
    least = greatest = values[low]
    for row in range(low, low + count):
        total += values[row]
        least, greatest = min(least, values[row]), max(greatest, values[row])
    numbers[cell, SUM], numbers[cell, LEAST], numbers[cell, GREATEST] = total, least, greatest
    most = _HALF // count
    return -most < least and greatest < most


@numba.njit(nogil=True, error_model="numpy")
def of_floats(floats: Any, part: Any, wanted: Any, numbers: Any, zero: Any, halves: Any) -> Any:
    """Put the sum and the extremes of floats, as far as wanted, into a cell; return whether numpy's bits are known."""
    low, count, cell = part
    if wanted & (1 << SUM):
        numbers[cell, SUM] = zero + pairwise(floats, low, count, halves)
        if np.isnan(numbers[cell, SUM]):
            return False
    if wanted & (1 << LEAST):
        least, greatest, is_number = extremes(floats, low, count)
        if not is_number or ((least == 0.0 or greatest == 0.0) and has_both_zeros(floats, low, count)):
            return False
        numbers[cell, LEAST], numbers[cell, GREATEST] = least, greatest
    return True


@numba.njit(nogil=True, error_model="numpy")
def extremes(values: Any, low: Any, count: Any) -> Any:
    """Return the least and the greatest of floats, and whether all are numbers. Four are looked at in a step."""
    a = b = c = d = e = f = g = h = values[low]
    is_number, end = True, low + count
    for row in range(low, end):
        is_number &= values[row] == values[row]
    for at in range(low, end - 3, 4):
        a, b = less(values[at], a), less(values[at + 1], b)
        c, d = less(values[at + 2], c), less(values[at + 3], d)
        e, f = more(values[at], e), more(values[at + 1], f)
        g, h = more(values[at + 2], g), more(values[at + 3], h)
    least, greatest = less(less(a, b), less(c, d)), more(more(e, f), more(g, h))
    for row in range(end - count % 4, end):
        least, greatest = less(values[row], least), more(values[row], greatest)
    return least, greatest, is_number


@numba.njit(nogil=True, error_model="numpy")
def less(value: Any, other: Any) -> Any:
    """Return the less of two numbers."""
    return min(other, value)


@numba.njit(nogil=True, error_model="numpy")
def more(value: Any, other: Any) -> Any:
    """Return the greater of two numbers."""
    return max(other, value)


@numba.njit(nogil=True, error_model="numpy")
def has_both_zeros(values: Any, low: Any, count: Any) -> Any:
    """Return whether 0.0 and -0.0 are among floats."""
    zeros = negatives = 0
    for row in range(low, low + count):
        zeros += values[row] == 0.0
        negatives += values[row] == 0.0 and np.signbit(values[row])
    return 0 < negatives < zeros


@numba.njit(nogil=True, error_model="numpy")
def squares(values: Any, count: Any, numbers: Any, cell: Any, zero: Any, halves: Any) -> Any:
    """Put the sum of the squared distances of so many floats from their mean into a cell; they are lost by that.

    Return whether numpy's bits are known.
    """
    mean = (zero + pairwise(values, 0, count, halves)) / count
    for row in range(count):
        apart = values[row] - mean
        values[row] = apart * apart
    numbers[cell, SQUARES] = zero + pairwise(values, 0, count, halves)
    return not np.isnan(numbers[cell, SQUARES])


@numba.njit(nogil=True, error_model="numpy")
def pairwise(values: Any, low: Any, count: Any, halves: Any) -> Any:
    """Return the sum of floats from a place on as numpy adds them: of blocks that are halves of halves.

    `halves` has room for the halves that are open, a row each: how many values, whether the first half is added,
    and its sum. What calls itself numba can't read from what it has kept.
    """
    depth, at, size = 0, low, count
    while True:
        while size > _BLOCK:
            halves[depth, 0], halves[depth, 1] = size, 0.0
            depth, size = depth + 1, first_half(size)
        total = block_sum(values, at, size)
        at += size
        while depth > 0 and halves[depth - 1, 1] == 1.0:
            depth -= 1
            total = halves[depth, 2] + total
        if depth == 0:
            return total
        halves[depth - 1, 1], halves[depth - 1, 2] = 1.0, total
        whole = np.int64(halves[depth - 1, 0])
        size = whole - first_half(whole)


@numba.njit(nogil=True, error_model="numpy")
def first_half(count: Any) -> Any:
    """Return how many of so many values numpy adds first."""
    half = count // 2
    return half - half % 8


@numba.njit(nogil=True, error_model="numpy")
def block_sum(values: Any, low: Any, count: Any) -> Any:
    """Return the sum of a block of floats from a place on, as numpy adds it: in eight sums."""
    if count < 8:
        total = -0.0
        for row in range(low, low + count):
            total += values[row]
        return total
    a, b, c, d = values[low], values[low + 1], values[low + 2], values[low + 3]
    e, f, g, h = values[low + 4], values[low + 5], values[low + 6], values[low + 7]
    end = low + count - count % 8
    for at in range(low + 8, end, 8):
        a += values[at]
        b += values[at + 1]
        c += values[at + 2]
        d += values[at + 3]
        e += values[at + 4]
        f += values[at + 5]
        g += values[at + 6]
        h += values[at + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for at in range(end, low + count):
        total += values[at]
    return total
