"""The rows of heads are unpacked by compiled loops, and the places of records between them found.

Records are put between rows as `joined_lists.py` does it.

Where something is not usual, or two rows are of one time, the list is left to others: `is_read` is false then.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from featurectl.online.stream_state.compiled.inner import inner
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

_lowest: Final[Any] = trailing_zeros  # the place of the lowest bit of a word that is not 0
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
_OCTET, _WORD = np.uint64(8), np.uint64(64)
_ODD, _PAIRS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
_HALVES: Final = np.uint64(0x0F0F0F0F0F0F0F0F)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def read_rows(data: Any, words: Any, shape: Any, asof_us: Any, elements: Any) -> Any:
    """Return the rows of lists that count as of a register's `asof` or that of their heads; more may not be read then.

    `words` are the 8 bytes at each place of `data`.
    """
    lists, records, slots = len(elements.ends), len(elements.places), len(shape.floats)
    begins, total, most = np.zeros(lists, np.int64), 0, 0
    for i in range(lists):
        begins[i] = total
        count = elements.parts[i, COUNT] if elements.is_read[i] else 0
        total, most = total + count, max(most, count)
    rows = ReadRows(
        begins,
        np.zeros(lists, np.int64),
        np.empty(total, np.int64),
        np.empty(slots * total, np.int64),
        np.empty(slots * total, np.bool_),
        np.ones((slots, lists), np.bool_),
        np.empty((3, records), np.int64),
    )
    packed, before, stamps = (data, words), 0, np.empty(most, np.int64)
    for i in range(lists):
        end = elements.ends[i]
        if elements.is_read[i]:
            count = rows_of(packed, shape, asof_us, elements, i, before, rows, stamps)
            elements.is_read[i] = count >= 0
            rows.counts[i] = max(count, 0)
        before = end
    return rows


@inner
def rows_of(packed: Any, shape: Any, asof_us: Any, elements: Any, i: Any, first: Any, rows: Any, stamps: Any) -> Any:
    """Put the rows of a list's head into their place, and find that of its records, from `first` on.

    Return how many rows count, -1: the list can't be read so. `stamps` has room for when they became available.
    """
    parts, begin, end, has_stamps = elements.parts[i], rows.begins[i], elements.ends[i], False
    count, at_us, times = parts[COUNT], max(asof_us, parts[ASOF]), rows.event_us[begin : begin + parts[COUNT]]
    if not unpack_head(packed, shape, parts, rows, i):
        return -1
    if count > 0 and (parts[REPEATS] < parts[REPEATS + 1] or not are_available(packed, parts, times, at_us)):
        count, is_late = counting(packed, parts, at_us, rows, begin, stamps)
        elements.is_late[i] |= is_late
        has_stamps = True
    if count < 0 or first == end:
        return count
    order, behind, late_us = rows.records[0, first:end], rows.records[1, first:end], rows.records[2, first:end]
    is_known = in_order(elements.places, first, order, late_us, shape.has_ties) and find_behind(
        packed, parts, elements.places, (order, behind, late_us), times[:count], stamps, has_stamps
    )
    return count if is_known else -1


@inner
def turned(word: Any) -> Any:
    """Return a word with its bytes in the other order."""
    found = np.uint64(0)
    for _ in range(8):
        found = (found << _OCTET) | (word & np.uint64(255))
        word >>= _OCTET
    return found


@inner
def bits_from_lowest(word: Any) -> Any:
    """Return a word whose bytes have their bits in the other order, the first in the lowest."""
    word = ((word >> _ONE) & _ODD) | ((word & _ODD) << _ONE)
    word = ((word >> _TWO) & _PAIRS) | ((word & _PAIRS) << _TWO)
    return ((word >> _FOUR) & _HALVES) | ((word & _HALVES) << _FOUR)


@inner
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


@inner
def unpack_integers(packed: Any, at: Any, stop: Any, values: Any) -> Any:
    """Put packed integers into `values`, as `packed_ints.py` has them; return whether they are so many."""
    data, words = packed
    scale, bits = form_of(data, at, stop, len(values))
    if scale < 0:
        return False
    mask = (_ONE << np.uint64(bits)) - _ONE if bits < 64 else ~np.uint64(0)
    least, step, place, width = turned(words[at]), _STEPS[scale], np.uint64(at + _PREFIX), np.uint64(bits)
    whole = len(values) // 8 * 8
    for row in range(0, whole, 8):  # eight begin with a byte
        for i in range(8):
            bit = np.uint64(i) * width
            word = (words[place + (bit >> _THREE)] >> (bit & _SEVEN)) & mask
            values[row + i] = np.int64(word * step + least)
        place += width
    for row in range(whole, len(values)):
        bit = np.uint64(row - whole) * width
        word = (words[place + (bit >> _THREE)] >> (bit & _SEVEN)) & mask
        values[row] = np.int64(word * step + least)
    return True


@inner
def unpack_times(packed: Any, parts: Any, times: Any) -> Any:
    """Put the event times of a head into `times`, as `packed_times.py` has them.

    Return whether they are so many, and ascend.
    """
    data, words = packed
    count, at, stop = len(times), parts[TIMES], parts[TIMES + 1]
    if stop - at < _PREFIX:
        return False
    first, form, lower_at = turned(words[at]), np.int64(data[at + 8]), at + _PREFIX
    scale, lower = form // 16, form % 16
    above = lower_at + lower * count
    if scale > 2 or lower > 7 or above > stop:
        return False
    shift, step, row = np.uint64(8 * lower), _STEPS[scale], 0
    mask, zeros, before = (_ONE << shift) - _ONE, np.uint64(0), np.int64(first)
    for place in range(above, stop, 8):
        word = bits_from_lowest(words[np.uint64(place)])
        if stop - place < 8:
            word &= (_ONE << np.uint64(8 * (stop - place))) - _ONE
        while word:
            if row == count:
                return False
            spread = ((zeros + np.uint64(_lowest(word))) << shift) | (words[np.uint64(lower_at)] & mask)
            event_us = np.int64(spread * step + first)
            if row > 0 and event_us < before:
                return False
            times[row] = before = event_us
            word &= word - _ONE
            row, zeros, lower_at = row + 1, zeros - _ONE, lower_at + lower
        zeros += _WORD
    return row == count


@inner
def unpack_floats(packed: Any, part: Any, values: Any) -> Any:
    """Put the floats of a packed column into their place, by their bits; return whether they are so many.

    `part` are where their bytes begin and end, and their form.
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
        if data[at] >= len(_POWERS) or not unpack_integers(packed, at + 1, stop, values):
            return False
        power, floats = _POWERS[data[at]], values.view(np.float64)
        for row in range(count):
            floats[row] = np.float64(values[row]) / power
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


@inner
def unpack_column(packed: Any, part: Any, values: Any, valid: Any) -> Any:
    """Put a packed column into its place, as `packed_columns.py` has it; return whether it is one, and has no nulls.

    `part` are where its bytes begin and end, and its kind. Where it has no nulls, `valid` is left as it is.
    """
    data, _ = packed
    (at, stop, kind), count, is_full = part, len(values), True
    if stop - at < 2 or data[at + 1] > 1:
        return False, True
    form, has_nulls = data[at], data[at + 1] == 1
    at += 2
    if has_nulls and at + (count + 7) // 8 > stop:
        return False, True
    if has_nulls:
        for row in range(count):
            valid[row] = (data[at + (row >> 3)] >> (7 - (row & 7))) & 1
            is_full &= valid[row]
        at += (count + 7) // 8
    if kind == FLOAT:
        return unpack_floats(packed, (at, stop, form), values), is_full
    return form == _INTEGERS and unpack_integers(packed, at, stop, values), is_full


@inner
def unpack_head(packed: Any, shape: Any, parts: Any, rows: Any, i: Any) -> Any:
    """Unpack the rows of a list's head; return whether they can be read so."""
    data, _ = packed
    begin, count, stamps, ties = rows.begins[i], parts[COUNT], parts[STAMPS], len(shape.kinds) - len(shape.slots)
    if count == 0:
        return True
    if parts[STAMPS + 1] <= stamps or data[stamps] >= _FORMS:
        return False
    scale, _ = form_of(data, stamps + 1, parts[STAMPS + 1], count)
    if scale < 0 or not unpack_times(packed, parts, rows.event_us[begin : begin + count]):
        return False
    for j in range(len(shape.slots)):
        slot = shape.slots[j]
        if slot >= 0:
            part = parts[COLUMNS + 2 * j], parts[COLUMNS + 2 * j + 1], shape.kinds[ties + j]
            place = slot * len(rows.event_us) + begin
            values, valid = rows.values[place : place + count], rows.valid[place : place + count]
            is_column, rows.is_full[slot, i] = unpack_column(packed, part, values, valid)
            if not is_column:
                return False
    return True


@inner
def unpack_stamps(packed: Any, parts: Any, times: Any, stamps: Any) -> Any:
    """Unpack when all rows of a head, of these event times, became available; return whether that can be read."""
    data, _ = packed
    at, count = parts[STAMPS], parts[COUNT]
    if not unpack_integers(packed, at + 1, parts[STAMPS + 1], stamps[:count]):
        return False
    if not data[at] & _INSTANTS:
        for row in range(count):
            stamps[row] += times[row]
    return True


@inner
def are_available(packed: Any, parts: Any, times: Any, at_us: Any) -> Any:
    """Return whether all rows of a head are available by an instant, as far as that is known without their stamps."""
    (data, words), at = packed, parts[STAMPS]
    if data[at] & _BY_HEAD:
        return True
    scale, bits = form_of(data, at + 1, parts[STAMPS + 1], parts[COUNT])
    if scale < 0 or bits > _FEW_BITS:
        return False
    least, first, last = np.int64(turned(words[at + 1])), times[0], times[len(times) - 1]
    if not (-_MOST_US < least < _MOST_US and first > -_MOST_US and last < _MOST_US):
        return False
    return least + ((1 << bits) - 1) * np.int64(_STEPS[scale]) + (0 if data[at] & _INSTANTS else last) <= at_us


@inner
def counting(packed: Any, parts: Any, at_us: Any, rows: Any, begin: Any, stamps: Any) -> Any:
    """Keep those rows of a head that are no repeats, and available; return how many, and whether others count later.

    There are -1 where it can't be read which these are.
    """
    data, _ = packed
    count, repeats, size = parts[COUNT], parts[REPEATS], len(rows.event_us)
    octets, times = parts[REPEATS + 1] - repeats, rows.event_us[begin : begin + count]
    if (octets and octets != (count + 7) // 8) or not unpack_stamps(packed, parts, times, stamps):
        return -1, False
    kept, is_late = 0, False
    for row in range(count):
        is_late |= stamps[row] > at_us
    if not is_late and octets == 0:
        return count, False
    for row in range(count):
        stamp = stamps[row]
        is_repeat = octets > 0 and (data[repeats + (row >> 3)] >> (7 - (row & 7))) & 1
        if stamp <= at_us and not is_repeat:
            times[kept], stamps[kept] = times[row], stamp
            for at in range(begin, len(rows.values), size):
                rows.values[at + kept], rows.valid[at + kept] = rows.values[at + row], rows.valid[at + row]
            kept += 1
    return kept, is_late


@inner
def is_before(places: Any, one: Any, other: Any) -> Any:
    """Return whether a record is before another: by their instants, then by partition and offset."""
    if places[one, 0] != places[other, 0]:
        return places[one, 0] < places[other, 0]
    for i in range(1, 4):
        if places[one, i] != places[other, i]:
            return places[one, i] < places[other, i]
    return False


@inner
def in_order(places: Any, first: Any, order: Any, late_us: Any, has_ties: Any) -> Any:
    """Put the numbers of records from `first` on in their order into `order`, their event times into `late_us`.

    Return whether they have one: they have none where those of the same instants are ordered by what is in them.
    """
    for i in range(len(order)):
        at, event_us = i, places[first + i, 0]
        while at > 0 and (
            late_us[at - 1] > event_us or (late_us[at - 1] == event_us and is_before(places, first + i, order[at - 1]))
        ):
            order[at], late_us[at] = order[at - 1], late_us[at - 1]
            at -= 1
        order[at], late_us[at] = first + i, event_us
    for i in range(1, len(order) if has_ties else 0):
        if late_us[i] == late_us[i - 1] and places[order[i], 1] == places[order[i - 1], 1]:
            return False
    return True


@inner
def find_behind(packed: Any, parts: Any, places: Any, records: Any, times: Any, stamps: Any, has_stamps: Any) -> Any:
    """Put into `records` how many rows of a head each is behind, those of the same instants among them.

    `records` are as `ReadRows` has them. Return whether that is known. Stamps are unpacked where a row has the time of
    a record, unless `has_stamps` says that they are there.
    """
    (order, behind, late_us), row, end = records, 0, len(times)
    for i in range(len(order)):
        event_us = late_us[i]
        while row + 8 <= end and times[row + 7] < event_us:
            row += 8
        while row < end and times[row] < event_us:
            row += 1
        if row < end and times[row] == event_us:
            if not has_stamps and not unpack_stamps(packed, parts, times, stamps):
                return False
            has_stamps = True
            while row < end and times[row] == event_us and stamps[row] <= places[order[i], 1]:
                row += 1
        behind[i] = row
    return True
