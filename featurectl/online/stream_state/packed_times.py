"""The times of the rows of a head: when events happened, which ascend, and when they became available.

Event times:

    bytes 0-7  the first, signed, big-endian
    byte 8     b + 16 k: of each time the distance from the first is divided by 1000^k, and has b lower bytes
    then       b bytes of each distance, little-endian
    then       what is above them, in bits, from the highest of the first byte on: for each row as many zeros as it is
               more than that of the row before, and a one

Instants of availability: a byte, then packed integers (`packed_ints.py`): the delays from the event times, or where the
byte has 1, the instants. It has 2, too, where none is later than the instant of the head.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from featurectl.online.stream_state.packed_ints import (
    BYTES,
    PREFIX,
    SCALES,
    STEP,
    WORD,
    most_of,
    pack_ints,
    scale_of,
    spread_of,
    unpack_ints,
)
from featurectl.online.stream_state.record import broken_list
from featurectl.pit.arrays import Ints

MOST_LOWER: Final = 7
INSTANTS: Final = 1  # as they are, in place of delays
BY_HEAD: Final = 2  # none is later than the head's
_FORMS: Final = 4
_KEPT: Final = np.arange(10_000)


def pack_sorted(values: Ints) -> bytes:
    """Return the bytes of ascending integers, in as few as can be.

    >>> len(pack_sorted(np.array([5, 5, 9]) * 1_000_000))
    10
    """
    rows = len(values)
    if rows == 0:
        return b""
    spread = values.astype(np.uint64) - values[0].astype(np.uint64)
    scale = scale_of(spread)
    spread //= SCALES[scale]
    last = int(spread[-1])
    lower = min(range(MOST_LOWER + 1), key=lambda width: 8 * width * rows + (last >> 8 * width))
    above = np.zeros(rows + (last >> 8 * lower), np.bool_)
    above[np.arange(rows) + (spread >> np.uint64(8 * lower)).astype(np.int64)] = True
    octets = spread.astype("<u8").view(np.uint8).reshape(rows, WORD)[:, :lower]
    first = int(values[0]).to_bytes(WORD, "big", signed=True)
    return b"".join((first, bytes([lower + BYTES * scale]), octets.tobytes(), np.packbits(above).tobytes()))


def unpack_sorted(data: bytes, rows: int) -> Ints:
    """Return so many integers of which each is the one before or greater.

    Raises:
        StoreError: the bytes are of another number of them.
    """
    if rows == 0:
        return np.zeros(0, np.int64)
    scale, lower = divmod(data[WORD], BYTES) if len(data) > WORD else (0, WORD)
    if lower > MOST_LOWER or scale >= len(SCALES) or len(data) < PREFIX + lower * rows:
        raise _broken()
    body = b"".join((data[PREFIX:], bytes(WORD)))
    bits = np.unpackbits(np.frombuffer(body, np.uint8, -1, lower * rows))
    found: Ints = bits.view(np.bool_).nonzero()[0]
    if len(found) != rows:
        raise _broken()
    found -= _KEPT[:rows] if rows <= len(_KEPT) else np.arange(rows)
    if lower:
        found <<= 8 * lower
        found |= spread_of(body, rows, lower, 0).view(np.int64)
    if scale:
        found *= STEP**scale
    found += int.from_bytes(data[:WORD], "big", signed=True)
    return found


def pack_available(available_us: Ints, event_us: Ints, asof_us: int) -> bytes:
    """Return the bytes of the instants of rows: as they are where this takes less, as of events that came at once.

    `asof_us` is the instant of their head.
    """
    if len(event_us) == 0:
        return b""
    form = BY_HEAD if int(available_us.max()) <= asof_us else 0
    delays, instants = pack_ints(available_us - event_us, in_bits=True), pack_ints(available_us, in_bits=True)
    return bytes([form]) + delays if len(delays) <= len(instants) else bytes([form | INSTANTS]) + instants


def unpack_available(data: bytes, event_us: Ints) -> Ints:
    """Return the instants of rows, whose event times are given.

    Raises:
        StoreError: the bytes are of others.
    """
    if not len(event_us):
        return event_us
    form = data[0] if data else _FORMS
    if form >= _FORMS:
        raise _broken()
    found = unpack_ints(data[1:], len(event_us))
    if not form & INSTANTS:
        found += event_us
    return found


def last_available(data: bytes, asof_us: int, last_event_us: int, rows: int) -> int:
    """Return an instant by which all of so many rows were available, of a head as of an instant, by their last event.

    Raises:
        ValueError: the bytes are of something else.
    """
    form = data[0]
    if form >= _FORMS:
        raise ValueError(form)
    if form & BY_HEAD:
        return asof_us
    return most_of(data[1:], rows) + (0 if form & INSTANTS else last_event_us)


def unpack_differences(data: bytes, rows: int) -> Ints:
    """Return ascending integers as heads of format 129 have them: 8 bytes of the first, then packed differences."""
    if rows == 0:
        return np.zeros(0, np.int64)
    values = np.empty(rows, np.int64)
    values[0] = int.from_bytes(data[:WORD], "big", signed=True)
    values[1:] = unpack_ints(data[WORD:], rows - 1)
    return np.cumsum(values)


def _broken() -> Exception:
    return broken_list("a head has other times than rows")
