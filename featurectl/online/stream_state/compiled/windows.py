"""What the windows of lists say is found by compiled loops, to the last bit as `joined_values.py` finds it.

The records of a list are put between the rows of its head, a column at a time. Floats are added as numpy adds them.
Where the bits of a value are numpy's to choose, as of NaN, or of 0.0 and -0.0 of which one is the least, the list is
left to numpy.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from featurectl.online.stream_state.compiled.inner import inner
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
_NUMBERS, _MOST_HALVES = 6, 16


@numba.njit(nogil=True, cache=True, error_model="numpy")
def read_windows(shape: Any, asof_us: Any, elements: Any, rows: Any) -> Any:
    """Return what lists say as of a register's `asof` or that of their heads; more may not be read then."""
    lists, features, columns, cells = len(rows.counts), len(shape.features), len(shape.floats), len(shape.cells)
    size, instants = (features, lists), np.zeros((3, lists), np.int64)
    found = ReadFeatures(np.zeros(size, np.int64), np.zeros(size, np.bool_), np.zeros(features, np.bool_), instants)
    room, first, edges = 1, 0, np.zeros((len(shape.windows), 2), np.int64)
    for i in range(lists):
        room, first = max(room, rows.counts[i] + elements.ends[i] - first), elements.ends[i]
    counts, numbers, first = np.zeros(cells, np.int64), np.zeros((cells, _NUMBERS), np.int64), 0
    merged = np.empty((columns, room), np.int64), np.empty((columns, room), np.bool_), np.empty(columns, np.bool_)
    number_floats, found_floats = numbers.view(np.float64), found.values.view(np.float64)
    buffers = numbers, number_floats, np.empty(room), np.empty((_MOST_HALVES, 3))
    for i in range(lists):
        end = elements.ends[i]
        if elements.is_read[i]:
            found.instants[1, i] = max(asof_us, elements.parts[i, ASOF])
            read_edges(shape, elements, rows, found.instants, (i, first, end), edges)
            for slot in range(columns):
                merge(elements, rows, (i, first, end), slot, merged)
            is_read = read_cells(shape, edges, merged, counts, buffers)
            elements.is_read[i] = is_read and read_features(
                shape, counts, numbers, number_floats, found, found_floats, i
            )
        found.lacks[:] |= not elements.is_read[i]
        first = end
    return found


@inner
def merge(elements: Any, rows: Any, part: Any, slot: Any, merged: Any) -> None:
    """Put a column of the records of a list between that of its rows, where `merged` has room for it.

    `part` are the list, its first record, and the one behind its last. `merged` says, too, whether no value is null.
    """
    (i, first, end), records, size, count = part, len(elements.places), len(rows.event_us), rows.counts[part[0]]
    order, behind, place, other = rows.records[0, first:end], rows.records[1, first:end], slot * size, slot * records
    values, valid, is_full = merged[0][slot], merged[1][slot], rows.is_full[slot, i]
    place += rows.begins[i]
    put_between(rows.values[place : place + count], elements.values[other : other + records], order, behind, values)
    for there in elements.valid[other + first : other + end]:
        is_full &= there
    if not is_full:
        if rows.is_full[slot, i]:
            rows.valid[place : place + count] = True
        put_between(rows.valid[place : place + count], elements.valid[other : other + records], order, behind, valid)
    merged[2][slot] = is_full


@inner
def put_between(values: Any, others: Any, order: Any, behind: Any, merged: Any) -> None:
    """Put the values of records between those of rows. Eight are copied in a step: too many are overwritten then."""
    row, count = 0, len(values)
    for i in range(len(order) + 1):
        stop = behind[i] if i < len(order) else count
        of, to, size = values[row:], merged[row + i :], stop - row
        whole = max(0, min(size, count - row - 7))
        for at in range(0, whole, 8):
            a, b, c, d, e, f, g, h = (
                of[at], of[at + 1], of[at + 2], of[at + 3], of[at + 4], of[at + 5], of[at + 6], of[at + 7],
            )  # fmt: skip
            to[at], to[at + 1], to[at + 2], to[at + 3] = a, b, c, d
            to[at + 4], to[at + 5], to[at + 6], to[at + 7] = e, f, g, h
        for at in range((whole + 7) // 8 * 8, size):
            to[at] = of[at]
        row = stop
        if i < len(order):
            merged[row + i] = others[order[i]]


@inner
def before(times: Any, at_us: Any, inclusive: Any) -> Any:
    """Return how many of times that ascend are before an instant, or at it, too: often all, or none."""
    low, size = 0, len(times)
    if size == 0 or times[0] > at_us or (times[0] == at_us and not inclusive):
        return 0
    if times[size - 1] < at_us or (times[size - 1] == at_us and inclusive):
        return size
    while size > 1:
        half = size >> 1
        middle = times[low + half]
        low += half if (middle < at_us) | ((middle == at_us) & inclusive) else 0
        size -= half
    return low + 1


@inner
def places_of(times: Any, late_us: Any, at_us: Any, inclusive: Any) -> Any:
    """Return how many rows and records are before an instant, or at it, too, and the first time of those behind."""
    row, record = before(times, at_us, inclusive), before(late_us, at_us, inclusive)
    next_us = NEVER_US
    if row < len(times):
        next_us = times[row] if record == len(late_us) else min(times[row], late_us[record])
    elif record < len(late_us):
        next_us = late_us[record]
    return row, record, next_us


@inner
def read_edges(shape: Any, elements: Any, rows: Any, instants: Any, part: Any, edges: Any) -> None:
    """Find the instants of a list, and where the rows of its windows begin and end, records among them.

    `part` are the list, its first record, and the one behind its last.
    """
    (i, first, end), begin, at_us, last_us = part, rows.begins[part[0]], instants[1, part[0]], NEVER_US
    times, late_us = rows.event_us[begin : begin + rows.counts[i]], rows.records[2, first:end]
    row, record, until_us = places_of(times, late_us, at_us, True)
    if row > 0:
        last_us = times[row - 1] if record == 0 else max(times[row - 1], late_us[record - 1])
    elif record > 0:
        last_us = late_us[record - 1]
    newest_us, known_us = elements.parts[i, NEWEST], elements.parts[i, KNOWN]
    if newest_us != NEVER_US:
        if newest_us > at_us or known_us > at_us:
            until_us = 0
        elif last_us == NEVER_US or newest_us > last_us:
            last_us = newest_us
    high, high_us = 0, NEVER_US
    for window in range(len(shape.windows)):
        window_us, offset_us = shape.windows[window, 0], shape.windows[window, 1]
        row, record, low_us = places_of(times, late_us, at_us - offset_us - window_us, shape.begins_behind)
        low = row + record
        if window == 0 or offset_us != shape.windows[window - 1, 1]:
            row, record, high_us = places_of(times, late_us, at_us - offset_us, shape.ends_with)
            high = row + record
        if low < len(times) + len(late_us):
            until_us = min(until_us, low_us + window_us + offset_us)
        if high < len(times) + len(late_us):
            until_us = min(until_us, high_us + offset_us)
        edges[window, 0], edges[window, 1] = min(low, high), high
    instants[0, i], instants[2, i] = last_us, 0 if elements.is_late[i] else until_us


@inner
def read_cells(shape: Any, edges: Any, merged: Any, counts: Any, buffers: Any) -> Any:
    """Find the counts and numbers of cells in the rows between edges; return whether numpy's bits are known."""
    kept = buffers[2].view(np.int64)
    for cell in range(len(shape.cells)):
        slot, window = shape.cells[cell, 0], shape.cells[cell, 2]
        low, high = edges[window, 0], edges[window, 1]
        count = high - low
        if slot >= 0 and count > 0:
            values = merged[0][slot][low:high]
            if not merged[2][slot]:
                count = gather(values, merged[1][slot][low:high], kept)
                values = kept[:count]
            if count > 0 and not read_cell(shape, values, cell, buffers):
                return False
        counts[cell] = count
    return True


@inner
def read_features(
    shape: Any, counts: Any, numbers: Any, number_floats: Any, found: Any, found_floats: Any, i: Any
) -> Any:
    """Put the values of features into `found`, by what cells have; return whether numpy's bits are known."""
    for feature in range(len(shape.features)):
        cell, what, less = shape.features[feature, 0], shape.features[feature, 1], shape.features[feature, 2]
        count = counts[cell]
        found.has_value[feature, i] = has_value = what == COUNT_OF or count > less
        found.lacks[feature] |= not has_value
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


@inner
def gather(values: Any, valid: Any, kept: Any) -> Any:
    """Put those of values that are there into `kept`; return how many they are."""
    found = 0
    for row in range(len(values)):
        kept[found] = values[row]
        found += valid[row]
    return found


@inner
def read_cell(shape: Any, values: Any, cell: Any, buffers: Any) -> Any:
    """Put what is wanted of values, floats by their bits, into the numbers of a cell; return whether numpy's are known.

    `buffers` are these numbers, the same as floats, and room for floats and for the halves of sums.
    """
    (numbers, number_floats, scratch, halves), count, floats = buffers, len(values), values.view(np.float64)
    wanted, is_float = shape.cells[cell, 1], shape.floats[shape.cells[cell, 0]]
    numbers[cell, FIRST], numbers[cell, LAST] = values[0], values[count - 1]
    if is_float:
        is_known = of_floats(floats, cell, wanted, number_floats, shape.zero, halves)
    else:
        is_known = of_integers(values, cell, numbers)
    if is_known and wanted & (1 << SQUARES):
        for row in range(count):
            scratch[row] = floats[row] if is_float else np.float64(values[row])
        is_known = squares(scratch[:count], number_floats, cell, shape.zero, halves)
    return is_known


@inner
def of_integers(values: Any, cell: Any, numbers: Any) -> Any:
    """Put the sum and the extremes of integers into a cell; return whether the sum has 64 bits for certain."""
    total = np.int64(0)
    least = greatest = values[0]
    for row in range(len(values)):
        total += values[row]
        least, greatest = min(least, values[row]), max(greatest, values[row])
    numbers[cell, SUM], numbers[cell, LEAST], numbers[cell, GREATEST] = total, least, greatest
    most = _HALF // len(values)
    return -most < least and greatest < most


@inner
def of_floats(floats: Any, cell: Any, wanted: Any, numbers: Any, zero: Any, halves: Any) -> Any:
    """Put the sum and the extremes of floats, as far as wanted, into a cell; return whether numpy's bits are known."""
    has_sum = wanted & (1 << SUM) != 0
    if has_sum:
        numbers[cell, SUM] = zero + pairwise(floats, halves)
        if np.isnan(numbers[cell, SUM]):
            return False
    if wanted & (1 << LEAST):
        if not has_sum and not are_numbers(floats):  # a sum that is a number is one of numbers
            return False
        least, greatest = extremes(floats)
        if (least == 0.0 or greatest == 0.0) and has_both_zeros(floats):
            return False
        numbers[cell, LEAST], numbers[cell, GREATEST] = least, greatest
    return True


@inner
def are_numbers(values: Any) -> Any:
    """Return whether no float is NaN."""
    found = True
    for row in range(len(values)):
        found &= values[row] == values[row]
    return found


@inner
def extremes(values: Any) -> Any:
    """Return the least and the greatest of floats that are numbers. Eight are looked at in a step."""
    a = b = c = d = e = f = g = h = i = j = k = m = n = o = p = q = values[0]
    whole = len(values) // 8 * 8
    for at in range(0, whole, 8):
        a, i = less(values[at], a), more(values[at], i)
        b, j = less(values[at + 1], b), more(values[at + 1], j)
        c, k = less(values[at + 2], c), more(values[at + 2], k)
        d, m = less(values[at + 3], d), more(values[at + 3], m)
        e, n = less(values[at + 4], e), more(values[at + 4], n)
        f, o = less(values[at + 5], f), more(values[at + 5], o)
        g, p = less(values[at + 6], g), more(values[at + 6], p)
        h, q = less(values[at + 7], h), more(values[at + 7], q)
    least = less(less(less(a, b), less(c, d)), less(less(e, f), less(g, h)))
    greatest = more(more(more(i, j), more(k, m)), more(more(n, o), more(p, q)))
    for row in range(whole, len(values)):
        least, greatest = less(values[row], least), more(values[row], greatest)
    return least, greatest


@inner
def less(value: Any, other: Any) -> Any:
    """Return the less of two numbers."""
    return min(other, value)


@inner
def more(value: Any, other: Any) -> Any:
    """Return the greater of two numbers."""
    return max(other, value)


@inner
def has_both_zeros(values: Any) -> Any:
    """Return whether 0.0 and -0.0 are among floats."""
    zeros = negatives = 0
    for row in range(len(values)):
        zeros += values[row] == 0.0
        negatives += values[row] == 0.0 and np.signbit(values[row])
    return 0 < negatives < zeros


@inner
def squares(values: Any, numbers: Any, cell: Any, zero: Any, halves: Any) -> Any:
    """Put the sum of the squared distances of floats from their mean into a cell; they are lost by that.

    Return whether numpy's bits are known.
    """
    mean = (zero + pairwise(values, halves)) / len(values)
    for row in range(len(values)):
        apart = values[row] - mean
        values[row] = apart * apart
    numbers[cell, SQUARES] = zero + pairwise(values, halves)
    return not np.isnan(numbers[cell, SQUARES])


@inner
def pairwise(values: Any, halves: Any) -> Any:
    """Return the sum of floats as numpy adds them: of blocks that are halves of halves.

    `halves` has room for the halves that are open, a row each: how many values, whether the first half is added,
    and its sum. What calls itself numba can't read from what it has kept.
    """
    depth, at, size = 0, 0, len(values)
    while True:
        while size > _BLOCK:
            halves[depth, 0], halves[depth, 1] = size, 0.0
            depth, size = depth + 1, first_half(size)
        total = block_sum(values[at : at + size])
        at += size
        while depth > 0 and halves[depth - 1, 1] == 1.0:
            depth -= 1
            total = halves[depth, 2] + total
        if depth == 0:
            return total
        halves[depth - 1, 1], halves[depth - 1, 2] = 1.0, total
        whole = np.int64(halves[depth - 1, 0])
        size = whole - first_half(whole)


@inner
def first_half(count: Any) -> Any:
    """Return how many of so many values numpy adds first."""
    half = count // 2
    return half - half % 8


@inner
def block_sum(values: Any) -> Any:
    """Return the sum of a block of floats, as numpy adds it: in eight sums."""
    count = len(values)
    if count < 8:
        total = -0.0
        for row in range(count):
            total += values[row]
        return total
    a, b, c, d = values[0], values[1], values[2], values[3]
    e, f, g, h = values[4], values[5], values[6], values[7]
    whole = count // 8 * 8
    for at in range(8, whole, 8):
        a += values[at]
        b += values[at + 1]
        c += values[at + 2]
        d += values[at + 3]
        e += values[at + 4]
        f += values[at + 5]
        g += values[at + 6]
        h += values[at + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for at in range(whole, count):
        total += values[at]
    return total
