"""The rows of heads are unpacked by compiled loops, and records put between them, as `joined_lists.py` does it.

Where something is not usual, or two rows are of one time, the list is left to others: `is_read` is false then.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from featurectl.online.stream_state.compiled.shapes import (
    ASOF,
    COLUMNS,
    COUNT,
    FLOAT,
    REPEATS,
    STAMPS,
    TIMES,
    ReadRows,
)

_PREFIX: Final = 9  # bytes before packed integers: the least of them, and their form
_INSTANTS, _BY_HEAD = 1, 2
_FORMS: Final = 4
_FEW_BITS, _MOST_US = 40, 1 << 61  # of a delay, and of instants, so that these together have no more than 64 bits
_DECIMALS, _EXPONENTS, _FLOATS, _INTEGERS = 0x64, 0x65, 0x66, 0x69  # "d", "e", "f", "i"
_POWERS: Final = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
_STEPS: Final = np.array([1, 1_000, 1_000_000], np.uint64)
_LOWER: Final = np.uint64(52)
_LOWER_BITS, _UPPER_BITS = np.uint64((1 << 52) - 1), np.uint64(0xFFFF)
_ONE: Final = np.uint64(1)
_TWO, _THREE, _FOUR, _SEVEN = np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(7)
_OCTET, _UPPER = np.uint64(8), np.uint64(58)
_ODD, _PAIRS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
_HALVES: Final = np.uint64(0x0F0F0F0F0F0F0F0F)
_BRUIJN: Final = np.uint64(0x03F79D71B4CB0A89)  # each six bits of it are others, so that they say which bit is set
_PLACES: Final = np.zeros(64, np.int64)
for _bit in range(64):
    _PLACES[((1 << _bit) * int(_BRUIJN) % (1 << 64)) >> 58] = _bit


@numba.njit(nogil=True, cache=True, error_model="numpy")
def read_rows(data: Any, words: Any, shape: Any, asof_us: Any, elements: Any) -> Any:
    """Return the rows of lists that count as of a register's `asof` or that of their heads; more may not be read then.

    `words` are the 8 bytes at each place of `data`.
    """
    lists = len(elements.ends)
    begins, total, before = np.zeros(lists, np.int64), 0, 0
    for i in range(lists):
        begins[i] = total
        total += (elements.parts[i, COUNT] if elements.is_read[i] else 0) + elements.ends[i] - before
        before = elements.ends[i]
    rows = ReadRows(
        begins,
        np.zeros(lists, np.int64),
        np.empty(total, np.int64),
        np.empty(total, np.int64),
        np.empty(len(shape.floats) * total, np.int64),
        np.empty(len(shape.floats) * total, np.bool_),
        np.empty(len(elements.places), np.int64),
        np.empty(len(elements.places), np.int64),
    )
    packed, before = (data, words), 0
    floats, scratch = rows.values.view(np.float64), np.empty(total + 1, np.int64)
    for i in range(lists):
        end = elements.ends[i]
        if elements.is_read[i]:
            count = rows_of(packed, shape, asof_us, elements, i, before, rows, floats, scratch)
            elements.is_read[i] = count >= 0
            rows.counts[i] = max(count, 0)
        before = end
    return rows


@numba.njit(nogil=True, error_model="numpy")
def rows_of(
    packed: Any, shape: Any, asof_us: Any, elements: Any, i: Any, first: Any, rows: Any, floats: Any, scratch: Any
) -> Any:
    """Put the rows of a list's head into their place, and find that of its records, from `first` on.

    Return how many rows count, -1: the list can't be read so. `scratch` has room for as many integers.
    """
    begin, parts, end, has_stamps = rows.begins[i], elements.parts[i], elements.ends[i], False
    at_us, order, behind = max(asof_us, parts[ASOF]), rows.order[first:end], rows.behind[first:end]
    count = unpack_head(packed, shape, parts, rows, floats, begin, scratch)
    if count > 0 and (parts[REPEATS] < parts[REPEATS + 1] or not are_available(packed, parts, rows, begin, at_us)):
        count, is_late = counting(packed, parts, at_us, rows, begin)
        elements.is_late[i] |= is_late
        has_stamps = True
    if count < 0 or first == end:
        return count
    is_known = in_order(elements.places, first, order, shape.has_ties)
    is_known = is_known and find_behind(packed, parts, elements.places, order, rows, begin, count, behind, has_stamps)
    return count if is_known else -1


@numba.njit(nogil=True, error_model="numpy")
def turned(word: Any) -> Any:
    """Return a word with its bytes in the other order."""
    found = np.uint64(0)
    for _ in range(8):
        found = (found << _OCTET) | (word & np.uint64(255))
        word >>= _OCTET
    return found


@numba.njit(nogil=True, error_model="numpy")
def bits_from_lowest(word: Any) -> Any:
    """Return a word whose bytes have their bits in the other order, the first in the lowest."""
    word = ((word >> _ONE) & _ODD) | ((word & _ODD) << _ONE)
    word = ((word >> _TWO) & _PAIRS) | ((word & _PAIRS) << _TWO)
    return ((word >> _FOUR) & _HALVES) | ((word & _HALVES) << _FOUR)


@numba.njit(nogil=True, error_model="numpy")
def form_of(data: Any, at: Any, stop: Any, count: Any) -> Any:
    """Return of so many packed integers the power of 1000, -1: these are none, and how many bits each has."""
    if stop - at < _PREFIX:
        return -1, 0
    form = np.int64(data[at + 8])
    scale = form // 64 - 1 if form >= 64 else form // 16
    bits = form % 64 + 1 if form >= 64 else 8 * (form % 16)
    if scale > 2 or bits > (57 if form >= 64 else 64) or stop - at != _PREFIX + (bits * count + 7) // 8:
        return -1, 0
    return scale, bits


@numba.njit(nogil=True, error_model="numpy")
def unpack_integers(packed: Any, at: Any, stop: Any, values: Any) -> Any:
    """Put packed integers into `values`, as `packed_ints.py` has them; return whether they are so many."""
    data, words = packed
    scale, bits = form_of(data, at, stop, len(values))
    if scale < 0:
        return False
    mask = (_ONE << np.uint64(bits)) - _ONE if bits < 64 else ~np.uint64(0)
    least, step, place, width = turned(words[at]), _STEPS[scale], np.uint64(8 * (at + _PREFIX)), np.uint64(bits)
    for row in range(len(values)):
        word = (words[place >> _THREE] >> (place & _SEVEN)) & mask
        values[row] = np.int64(word * step + least)
        place += width
    return True


@numba.njit(nogil=True, error_model="numpy")
def unpack_above(words: Any, above: Any, stop: Any, count: Any, zeros: Any) -> Any:
    """Put into `zeros` how many bits that are 0 are before each that is 1; return whether those that are 1 are so many.

    The first bit is the highest of the first byte.
    """
    row, before = 0, -8 * above
    for place in range(above, stop, 8):
        word = bits_from_lowest(words[np.uint64(place)])
        if stop - place < 8:
            word &= (_ONE << np.uint64(8 * (stop - place))) - _ONE
        while word and row < count:
            lowest = word & (~word + _ONE)
            zeros[row] = before + 8 * place + _PLACES[(lowest * _BRUIJN) >> _UPPER]
            word ^= lowest
            row += 1
            before -= 1
        if word:
            return False
    return row == count


@numba.njit(nogil=True, error_model="numpy")
def unpack_times(packed: Any, parts: Any, times: Any, scratch: Any) -> Any:
    """Put the event times of a head into `times`, as `packed_times.py` has them.

    Return whether they are so many, and ascend. `scratch` has room for them.
    """
    data, words = packed
    count, at, stop = len(times), parts[TIMES], parts[TIMES + 1]
    if stop - at < _PREFIX:
        return False
    first, form, body = turned(words[at]), np.int64(data[at + 8]), at + _PREFIX
    scale, lower = form // 16, form % 16
    above = body + lower * count
    if scale > 2 or lower > 7 or above > stop or not unpack_above(words, above, stop, count, scratch):
        return False
    shift, step, ascend = np.uint64(8 * lower), _STEPS[scale], True
    mask = (_ONE << shift) - _ONE
    for row in range(count):
        word = (np.uint64(scratch[row]) << shift) | (words[np.uint64(body + lower * row)] & mask)
        times[row] = np.int64(word * step + first)
    for row in range(1, count):
        ascend &= times[row] >= times[row - 1]
    return ascend


@numba.njit(nogil=True, error_model="numpy")
def unpack_floats(packed: Any, part: Any, values: Any, floats: Any, scratch: Any) -> Any:
    """Put the floats of a packed column into their place; return whether they are so many.

    `part` are where their bytes begin and end, and their form. `scratch` has room for them.
    """
    data, words = packed
    (at, stop, form), count = part, len(values)
    if form == _FLOATS:
        for row in range(count if stop - at == 8 * count else 0):
            values[row] = np.int64(words[at + 8 * row])
        return stop - at == 8 * count
    if at >= stop:
        return False
    if form == _DECIMALS:
        if data[at] >= len(_POWERS) or not unpack_integers(packed, at + 1, stop, scratch[:count]):
            return False
        power = _POWERS[data[at]]
        for row in range(count):
            floats[row] = np.float64(scratch[row]) / power
        return True
    table = at + 1
    at = table + 2 * np.int64(data[table - 1])
    if form != _EXPONENTS or at > stop or not unpack_integers(packed, at, stop, values):
        return False
    for row in range(count):
        word = np.uint64(values[row])
        place = table + 2 * np.int64(word >> _LOWER)
        if place >= at:
            return False
        values[row] = np.int64((word & _LOWER_BITS) + ((words[place] & _UPPER_BITS) << _LOWER))
    return True


@numba.njit(nogil=True, error_model="numpy")
def unpack_column(packed: Any, part: Any, values: Any, floats: Any, valid: Any, scratch: Any) -> Any:
    """Put a packed column into its place, as `packed_columns.py` has it; return whether it is one.

    `part` are where its bytes begin and end, and its kind. `scratch` has room for as many integers.
    """
    data, _ = packed
    (at, stop, kind), count = part, len(values)
    if stop - at < 2 or data[at + 1] > 1:
        return False
    form, has_nulls = data[at], data[at + 1] == 1
    at += 2
    if has_nulls and at + (count + 7) // 8 > stop:
        return False
    valid[:] = True
    if has_nulls:
        for row in range(count):
            valid[row] = (data[at + (row >> 3)] >> (7 - (row & 7))) & 1
        at += (count + 7) // 8
    if kind == FLOAT:
        return unpack_floats(packed, (at, stop, form), values, floats, scratch)
    return form == _INTEGERS and unpack_integers(packed, at, stop, values)


@numba.njit(nogil=True, error_model="numpy")
def unpack_head(packed: Any, shape: Any, parts: Any, rows: Any, floats: Any, begin: Any, scratch: Any) -> Any:
    """Unpack the rows of a head, from a place on; return how many there are, -1: they can't be read so.

    `scratch` has room for as many integers.
    """
    data, _ = packed
    count, stamps, ties = parts[COUNT], parts[STAMPS], len(shape.kinds) - len(shape.slots)
    if count == 0:
        return 0
    if parts[STAMPS + 1] <= stamps or data[stamps] >= _FORMS:
        return -1
    scale, _ = form_of(data, stamps + 1, parts[STAMPS + 1], count)
    if scale < 0 or not unpack_times(packed, parts, rows.event_us[begin : begin + count], scratch):
        return -1
    for i in range(len(shape.slots)):
        if shape.slots[i] >= 0:
            part = parts[COLUMNS + 2 * i], parts[COLUMNS + 2 * i + 1], shape.kinds[ties + i]
            place = shape.slots[i] * len(rows.event_us) + begin
            values, valid = rows.values[place : place + count], rows.valid[place : place + count]
            if not unpack_column(packed, part, values, floats[place : place + count], valid, scratch):
                return -1
    return count


@numba.njit(nogil=True, error_model="numpy")
def unpack_stamps(packed: Any, parts: Any, rows: Any, begin: Any) -> Any:
    """Unpack when all rows of a head became available; return whether that can be read."""
    data, _ = packed
    at, count = parts[STAMPS], parts[COUNT]
    if not unpack_integers(packed, at + 1, parts[STAMPS + 1], rows.stamps[begin : begin + count]):
        return False
    if not data[at] & _INSTANTS:
        for row in range(begin, begin + count):
            rows.stamps[row] += rows.event_us[row]
    return True


@numba.njit(nogil=True, error_model="numpy")
def are_available(packed: Any, parts: Any, rows: Any, begin: Any, at_us: Any) -> Any:
    """Return whether all rows of a head are available by an instant, as far as that is known without their stamps."""
    (data, words), at = packed, parts[STAMPS]
    if data[at] & _BY_HEAD:
        return True
    scale, bits = form_of(data, at + 1, parts[STAMPS + 1], parts[COUNT])
    if scale < 0 or bits > _FEW_BITS:
        return False
    least, first, last = np.int64(turned(words[at + 1])), rows.event_us[begin], rows.event_us[begin + parts[COUNT] - 1]
    if not (-_MOST_US < least < _MOST_US and first > -_MOST_US and last < _MOST_US):
        return False
    return least + ((1 << bits) - 1) * np.int64(_STEPS[scale]) + (0 if data[at] & _INSTANTS else last) <= at_us


@numba.njit(nogil=True, error_model="numpy")
def counting(packed: Any, parts: Any, at_us: Any, rows: Any, begin: Any) -> Any:
    """Keep those rows of a head that are no repeats, and available; return how many, and whether others count later.

    There are -1 where it can't be read which these are.
    """
    data, _ = packed
    count, repeats = parts[COUNT], parts[REPEATS]
    octets = parts[REPEATS + 1] - repeats
    if (octets and octets != (count + 7) // 8) or not unpack_stamps(packed, parts, rows, begin):
        return -1, False
    kept, is_late = 0, False
    for row in range(count):
        stamp = rows.stamps[begin + row]
        is_repeat = octets > 0 and (data[repeats + (row >> 3)] >> (7 - (row & 7))) & 1
        is_late |= stamp > at_us
        if stamp <= at_us and not is_repeat:
            move(rows, begin + row, begin + kept)
            kept += 1
    return kept, is_late


@numba.njit(nogil=True, error_model="numpy")
def move(rows: Any, of: Any, to: Any) -> None:
    """Put a row into another place."""
    rows.event_us[to], rows.stamps[to] = rows.event_us[of], rows.stamps[of]
    size = len(rows.event_us)
    for at in range(0, len(rows.values), size):
        rows.values[at + to], rows.valid[at + to] = rows.values[at + of], rows.valid[at + of]


@numba.njit(nogil=True, error_model="numpy")
def is_before(places: Any, one: Any, other: Any) -> Any:
    """Return whether a record is before another: by their instants, then by partition and offset."""
    if places[one, 0] != places[other, 0]:
        return places[one, 0] < places[other, 0]
    for i in range(1, 4):
        if places[one, i] != places[other, i]:
            return places[one, i] < places[other, i]
    return False


@numba.njit(nogil=True, error_model="numpy")
def in_order(places: Any, first: Any, order: Any, has_ties: Any) -> Any:
    """Put the numbers of records from `first` on in their order into `order`; return whether they have one.

    They have none where those of the same instants are ordered by what is in them.
    """
    for i in range(len(order)):
        at = i
        while at > 0 and is_before(places, first + i, order[at - 1]):
            order[at] = order[at - 1]
            at -= 1
        order[at] = first + i
    for i in range(1, len(order)):
        one, other = order[i - 1], order[i]
        if has_ties and places[one, 0] == places[other, 0] and places[one, 1] == places[other, 1]:
            return False
    return True


@numba.njit(nogil=True, error_model="numpy")
def first_from(times: Any, low: Any, high: Any, event_us: Any) -> Any:
    """Return the first place, of some, of a time that is not before another; the end where there is none."""
    while low < high:
        middle = (low + high) >> 1
        if times[middle] < event_us:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(nogil=True, error_model="numpy")
def find_behind(
    packed: Any, parts: Any, places: Any, order: Any, rows: Any, begin: Any, count: Any, behind: Any, has_stamps: Any
) -> Any:
    """Put into `behind` how many rows of a head each record is behind, those of the same instants among them.

    Return whether that is known. Stamps are unpacked where a row has the time of a record, unless `has_stamps` says
    that they are there.
    """
    times, stamps, end = rows.event_us, rows.stamps, begin + count
    row = first_from(times, begin, end, places[order[0], 0])
    for i in range(len(order)):
        event_us, stamp = places[order[i], 0], places[order[i], 1]
        while row < end and times[row] < event_us:
            row += 1
        if row < end and times[row] == event_us and not has_stamps:
            if not unpack_stamps(packed, parts, rows, begin):
                return False
            has_stamps = True
        while row < end and times[row] == event_us and stamps[row] <= stamp:
            row += 1
        behind[i] = row - begin
    return True
