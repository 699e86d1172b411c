"""The elements of lists are read by compiled loops: heads as far as `head.open_head` does, and the records behind them.

Where a list has something that is not usual, the loops leave it: it is read by others, who say what is wrong with it.
So nothing here raises. A place in the bytes that is negative is none, and what is read there has no place behind it.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from featurectl.online.stream_state.compiled.inner import inner
from featurectl.online.stream_state.compiled.shapes import (
    ASOF,
    BOOLEAN,
    COLUMNS,
    COUNT,
    FLOAT,
    KNOWN,
    NAMED,
    NEVER_US,
    NEWEST,
    OTHERS,
    TEXT,
    TIMES,
    ReadElements,
)

_HEAD: Final = 0x82
_RECORD: Final = 1
_OFFSET, _EVENT_TIME, _STAMP = 3, 11, 19  # bytes of a record before these; first are its format and partition
_PREFIX, _NAMED_PREFIX = 27, 35  # bytes of a record before its values
_PARTS: Final = 14
_NIL, _FALSE, _TRUE, _FLOAT32, _FLOAT64 = 0xC0, 0xC2, 0xC3, 0xCA, 0xCB  # of MessagePack
_MOST_ROWS, _MOST_RECORDS, _MOST_PAIRS, _MOST_ARRAYS = 10_000, 512, 256, 256
_OCTET: Final = np.uint64(8)
_SEEN: Final = 4_096  # low bits of names by which most are told apart


@numba.njit(nogil=True, cache=True)
def read_elements(data: Any, words: Any, begins: Any, ends: Any, list_ends: Any, shape: Any, asof_us: Any) -> Any:
    """Return what lists have, as of a register's `asof` or that of their heads.

    `data` has the elements of all, with some bytes behind them, and `words` the 8 bytes at each place of it; `begins`
    and `ends` say where each element begins and ends, and `list_ends` how many the lists up to each one have.
    """
    lists, elements = len(list_ends), len(ends)
    found = ReadElements(
        np.zeros(lists, np.bool_),
        np.zeros(lists, np.bool_),
        np.zeros((lists, COLUMNS + 2 * len(shape.slots)), np.int64),
        np.zeros(lists, np.int64),
        np.empty((elements, 4), np.int64),
        np.empty(len(shape.floats) * elements, np.int64),
        np.empty(len(shape.floats) * elements, np.bool_),
    )
    pairs, seen = np.empty((_MOST_PAIRS, 2), np.int64), np.zeros(_SEEN, np.bool_)
    first = count = 0
    for i in range(lists):
        end, parts, size = list_ends[i], found.parts[i], 0
        parts[NEWEST] = parts[KNOWN] = NEVER_US
        if first < end:
            begin = begins[first]
            if begin < ends[first] and data[begin] == _HEAD:
                size = open_head(data, words, begin, ends[first], shape, parts, pairs)
                first += 1
            is_read = size >= 0 and end - first <= _MOST_RECORDS
            if is_read and shape.has_names:
                is_read = not has_copies(data, words, begins, ends, first, end, parts, seen)
            if is_read and first < end:
                at_us = max(asof_us, parts[ASOF])
                is_read, count = read_records(
                    data, words, begins, ends, (first, end, i, count), shape, pairs[: max(size, 0)], at_us, found
                )
            found.is_read[i] = is_read
        found.ends[i] = count
        first = end
    return found


@inner
def turned(word: Any) -> Any:
    """Return a word with its bytes in the other order, as a number with a sign: one step, compiled."""
    found = np.uint64(0)
    for _ in range(8):
        found = (found << _OCTET) | (word & np.uint64(255))
        word >>= _OCTET
    return np.int64(found)


@inner
def big_endian(words: Any, at: Any, size: Any) -> Any:
    """Return some bytes as a number, the highest first: 1, 2, 4 or 8 of them."""
    value = turned(words[at])
    return value if size == 8 else (value >> (64 - 8 * size)) & ((1 << (8 * size)) - 1)


@inner
def integer(data: Any, words: Any, at: Any, end: Any) -> Any:
    """Return a MessagePack integer and the place behind it."""
    if at < 0 or at >= end:
        return 0, -1
    form = np.int64(data[at])
    if form < 0x80:
        return form, at + 1
    if form >= 0xE0:
        return form - 256, at + 1
    size = 1 << ((form - 0xCC) & 3)
    if form < 0xCC or form > 0xD3 or at + 1 + size > end:
        return 0, -1
    value = big_endian(words, at + 1, size)
    if form == 0xCF and value < 0:
        return 0, -1
    if form >= 0xD0 and size < 8 and value >= 1 << (8 * size - 1):
        value -= 1 << (8 * size)
    return value, at + 1 + size


@inner
def octets(data: Any, words: Any, at: Any, end: Any) -> Any:
    """Return where the bytes of a MessagePack value begin, and where they end and the next value is."""
    if at < 0 or at >= end or data[at] < 0xC4 or data[at] > 0xC6:
        return 0, -1
    begin = at + 1 + (1 << (np.int64(data[at]) - 0xC4))
    if begin > end:
        return 0, -1
    stop = begin + big_endian(words, at + 1, begin - at - 1)
    return (begin, stop) if stop <= end else (0, -1)


@inner
def array(data: Any, words: Any, at: Any, end: Any) -> Any:
    """Return how many values a MessagePack array has, and where they begin."""
    if at < 0 or at >= end:
        return 0, -1
    form = np.int64(data[at])
    if form >> 4 == 9:
        return form & 15, at + 1
    size = 2 if form == 0xDC else 4 if form == 0xDD else 0
    if size == 0 or at + 1 + size > end:
        return 0, -1
    return big_endian(words, at + 1, size), at + 1 + size


@inner
def is_text(data: Any, at: Any, stop: Any) -> Any:
    """Return whether bytes are UTF-8, as others read no text of any others."""
    while at < stop:
        first = np.int64(data[at])
        size = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
        if size > 1:
            if first < 0xC2 or first > 0xF4 or at + size > stop:
                return False
            second = np.int64(data[at + 1])
            least = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
            most = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
            if second < least or second > most:
                return False
            for i in range(2, size):
                if data[at + i] >> 6 != 2:
                    return False
        at += size
    return True


@inner
def behind_text(data: Any, words: Any, at: Any, end: Any) -> Any:
    """Return the place behind a MessagePack text."""
    form = np.int64(data[at])
    size = 0 if form < 0xD9 else 1 << (form - 0xD9)
    begin = at + 1 + size
    if begin > end:
        return -1
    stop = begin + (form & 31 if size == 0 else big_endian(words, at + 1, size))
    return stop if stop <= end and is_text(data, begin, stop) else -1


@inner
def behind_value(data: Any, words: Any, at: Any, end: Any) -> Any:
    """Return the place behind a MessagePack value; of a map, an extension, or very many arrays none."""
    left, arrays = 1, 0
    while left > 0:
        if at < 0 or at >= end:
            return -1
        left -= 1
        form = np.int64(data[at])
        if form >> 4 == 9 or form == 0xDC or form == 0xDD:
            count, at = array(data, words, at, end)
            left, arrays = left + count, arrays + 1
            if arrays > _MOST_ARRAYS:
                return -1
        elif form < 0x80 or form >= 0xE0 or form == _NIL or form == _FALSE or form == _TRUE:
            at += 1
        elif form >> 5 == 5 or 0xD9 <= form <= 0xDB:
            at = behind_text(data, words, at, end)
        elif 0xC4 <= form <= 0xC6:
            _, at = octets(data, words, at, end)
        elif form == _FLOAT32 or form == _FLOAT64:
            at += 5 if form == _FLOAT32 else 9
        elif 0xCC <= form <= 0xD3:
            at += 1 + (1 << ((form - 0xCC) & 3))
        else:
            return -1
    return at if at <= end else -1


@inner
def open_head(data: Any, words: Any, begin: Any, end: Any, shape: Any, parts: Any, pairs: Any) -> Any:
    """Find the parts of a head; return how many partitions its frontier in `pairs` has, -1: it is no usual head."""
    size, at = array(data, words, begin + 1, end)
    parts[ASOF], at = integer(data, words, at, end)
    _, at = integer(data, words, at, end)
    if size != _PARTS or at < 0 or at >= end:
        return -1
    if data[at] == _NIL:
        at += 1
    else:
        size, at = array(data, words, at, end)
        parts[NEWEST], at = integer(data, words, at, end)
        parts[KNOWN], at = integer(data, words, at, end)
        if size != 2:
            return -1
    size, at = array(data, words, at, end)
    if at < 0 or size % 2 or size > 2 * _MOST_PAIRS:
        return -1
    for i in range(size // 2):
        pairs[i, 0], at = integer(data, words, at, end)
        pairs[i, 1], at = integer(data, words, at, end)
    parts[COUNT], at = integer(data, words, at, end)
    for i in range(TIMES, COLUMNS, 2):
        parts[i], at = octets(data, words, at, end)
        parts[i + 1] = at
    columns, at = array(data, words, at, end)
    if at < 0 or columns != len(shape.slots):
        return -1
    for i in range(columns):
        parts[COLUMNS + 2 * i], at = octets(data, words, at, end)
        parts[COLUMNS + 2 * i + 1] = at
    tiles, at = integer(data, words, at, end)
    _, at = octets(data, words, at, end)
    at = behind_value(data, words, at, end)
    if at != end - 1 or data[at] != _NIL or tiles != 0 or parts[COUNT] < 0 or parts[COUNT] > _MOST_ROWS:
        return -1
    names = 8 * parts[COUNT] if shape.has_names else 0
    return size // 2 if parts[NAMED + 1] - parts[NAMED] == names else -1


@inner
def has_copies(data: Any, words: Any, begins: Any, ends: Any, first: Any, end: Any, parts: Any, seen: Any) -> Any:
    """Return whether a record may have the name of another, or of a row of the head."""
    if first == end:
        return False
    seen[:] = False
    begin, stop = parts[NAMED], parts[NAMED + 1]
    for at in range(begin, stop, 8):
        seen[(np.int64(data[at]) | np.int64(data[at + 1]) << 8) % _SEEN] = True
    for i in range(first, end):
        name = _PREFIX + begins[i]
        if name + 8 > ends[i]:
            return True
        low = (np.int64(data[name + 7]) | np.int64(data[name + 6]) << 8) % _SEEN
        if seen[low]:
            for at in range(begin, stop, 8):
                if np.int64(words[at]) == turned(words[name]):
                    return True
            for j in range(first, i):
                if words[_PREFIX + begins[j]] == words[name]:
                    return True
        seen[low] = True
    return False


@inner
def value_at(data: Any, words: Any, at: Any, end: Any, kind: Any) -> Any:
    """Return a value of a record, a float by its bits; whether there is one; and the place behind it."""
    if at < 0 or at >= end:
        return 0, False, -1
    form = data[at]
    if form == _NIL:
        return 0, False, at + 1
    if kind == TEXT:
        return 0, False, behind_text(data, words, at, end) if form >> 5 == 5 or 0xD9 <= form <= 0xDB else -1
    if kind == OTHERS:
        return 0, False, behind_value(data, words, at, end)
    if kind == FLOAT:
        return (big_endian(words, at + 1, 8), True, at + 9) if form == _FLOAT64 and at + 9 <= end else (0, False, -1)
    if kind == BOOLEAN and (form == _FALSE or form == _TRUE):
        return np.int64(form == _TRUE), True, at + 1
    value, at = integer(data, words, at, end)
    return value, True, at


@inner
def is_again(words: Any, begins: Any, first: Any, i: Any, at_us: Any) -> Any:
    """Return whether a record has the partition and the offset of one before it, and one of both counts by then."""
    begin = begins[i]
    is_late = turned(words[begin + _STAMP]) > at_us
    for j in range(first, i):
        other = begins[j]
        is_same = words[other + 1] == words[begin + 1] and words[other + _OFFSET] == words[begin + _OFFSET]
        if is_same and not (is_late and turned(words[other + _STAMP]) > at_us):
            return True
    return False


@inner
def read_records(
    data: Any, words: Any, begins: Any, ends: Any, places: Any, shape: Any, pairs: Any, at_us: Any, found: Any
) -> Any:
    """Put the records of a list that count into `found`; return whether they can be read, and how many there are then.

    `places` are the first element, the one behind the last, the list, and how many records there are before.
    """
    first, end, owner, before = places
    count, ties, room, newest = before, len(shape.kinds) - len(shape.slots), len(found.places), -1
    prefix = _NAMED_PREFIX if shape.has_names else _PREFIX
    for i in range(first, end):
        begin, stop = begins[i], ends[i]
        size, at = array(data, words, begin + prefix, stop)
        if at < 0 or data[begin] != _RECORD or size != len(shape.kinds):
            return False, before
        for j in range(size):
            kind, slot = shape.kinds[j], shape.slots[j - ties] if j >= ties else -1
            if kind == FLOAT and at >= 0 and at + 9 <= stop and data[at] == _FLOAT64:
                word, is_there, at = turned(words[at + 1]), True, at + 9
            else:
                word, is_there, at = value_at(data, words, at, stop, kind)
            if slot >= 0:
                found.values[slot * room + count], found.valid[slot * room + count] = word, is_there
        if at != stop:
            return False, before
        partition, offset, least = turned(words[begin + 1]) >> 48 & 0xFFFF, turned(words[begin + _OFFSET]), 0
        for j in range(len(pairs)):
            if pairs[j, 0] == partition:
                least = pairs[j, 1]
        if offset < 0:
            return False, before
        if offset >= least:
            if offset <= newest and is_again(words, begins, first, i, at_us):
                return False, before
            newest, stamp = max(newest, offset), turned(words[begin + _STAMP])
            found.places[count, 0], found.places[count, 1] = turned(words[begin + _EVENT_TIME]), stamp
            found.places[count, 2], found.places[count, 3] = partition, offset
            found.is_late[owner] |= stamp > at_us
            count += stamp <= at_us
    return True, count
