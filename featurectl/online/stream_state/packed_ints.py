"""Integers in as few bytes as their spread needs.

    bytes 0-7  the least one, signed, big-endian
    byte 8     their form: below 64 it is w + 16 k, from 64 on w - 1 + 64 (k + 1), where w is at most 57
    then       of each integer (value - least) / 1000^k, little-endian: in w bytes; of the other form in w bits, the
               first from the lowest bit of the first byte on, and so on without a gap

No integers are no bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.online.stream_state.record import broken_list
from featurectl.pit.arrays import Ints

WORD: Final = 8
PREFIX: Final = WORD + 1
STEP: Final = 1_000  # times are often whole milliseconds, or seconds
BYTES, BITS = 16, 64  # what the scale is multiplied with in a form
MOST_BITS: Final = 57  # that lie in 8 bytes, wherever in a byte they begin
Words = npt.NDArray[np.uint64]
MASKS: Final = np.array([(1 << 8 * width) - 1 for width in range(WORD + 1)], np.uint64)  # of a word, by its width
SCALES: Final = np.array([STEP**scale for scale in range(3)], np.uint64)
_KEPT_PLACES: Final = 512  # of which the places of bits are kept


def scale_of(spread: Words) -> int:
    """Return by which power of 1000, up to the second, all of some integers can be divided."""
    return next((k for k in (2, 1) if not (spread % SCALES[k]).any()), 0)


def pack_ints(values: Ints, *, in_bits: bool = False) -> bytes:
    """Return the bytes of integers; `in_bits` where these are fewer, which take longer to unpack.

    >>> len(pack_ints(np.array([1_700_000_000_000_000, 1_700_000_000_000_255])))
    11
    >>> len(pack_ints(np.array([1_700_000_000_000_001, 1_700_000_000_255_001])))
    11
    >>> len(pack_ints(np.array([5, 12, 7, 6, 5]), in_bits=True))
    11
    """
    if len(values) == 0:
        return b""
    least = values.min()
    spread = values.astype(np.uint64) - least.astype(np.uint64)
    scale = scale_of(spread)
    spread //= SCALES[scale]
    bits = int(spread.max()).bit_length()
    width = (bits + 7) // 8
    octets = spread.astype("<u8").view(np.uint8).reshape(len(values), WORD)
    form, packed = width + BYTES * scale, octets[:, :width]
    if in_bits and 0 < bits <= MOST_BITS and bits % 8:
        each = np.unpackbits(octets, axis=1, bitorder="little")[:, :bits]
        form, packed = bits - 1 + BITS * (scale + 1), np.packbits(each, bitorder="little")
    return b"".join((int(least).to_bytes(WORD, "big", signed=True), bytes([form]), packed.tobytes()))


def form_of(data: bytes | memoryview, rows: int) -> tuple[int, int, int]:
    """Return of packed integers the power of 1000, and how many bytes each has, or 0 and how many bits.

    Raises:
        ValueError: the bytes are of something else.
    """
    form = data[WORD] if len(data) > WORD else BITS - 1
    scale, width = divmod(form, BYTES) if form < BITS else (form // BITS - 1, 0)
    bits = 0 if form < BITS else form % BITS + 1
    size = width * rows if form < BITS else (bits * rows + 7) // 8
    if scale >= len(SCALES) or width > WORD or bits > MOST_BITS or len(data) != PREFIX + size:
        raise ValueError(form)
    return scale, width, bits


def most_of(data: bytes, rows: int) -> int:
    """Return what none of so many packed integers is greater than.

    Raises:
        ValueError: the bytes are of something else.
    """
    scale, width, bits = form_of(data, rows)
    most: int = ((1 << (bits or 8 * width)) - 1) * STEP**scale
    return most + int.from_bytes(data[:WORD], "big", signed=True)


def unpack_ints(data: bytes | memoryview, rows: int) -> Ints:
    """Return so many integers.

    Raises:
        StoreError: the bytes are of another number of them.
    """
    if rows == 0 and not data:
        return np.zeros(0, np.int64)
    try:
        scale, width, bits = form_of(data, rows)
    except ValueError as error:
        raise broken_list("a column of integers has other rows than its head") from error
    spread = spread_of(b"".join((data[PREFIX:], bytes(WORD))), rows, width, bits)
    if scale:
        spread *= SCALES[scale]
    spread += np.uint64(int.from_bytes(data[:WORD], "big", signed=True) % (1 << 64))
    return spread.view(np.int64)


def spread_of(body: bytes, rows: int, width: int, bits: int) -> Words:
    """Return so many integers, which lie one after the other in some bytes with 8 more behind them.

    Each has `width` bytes, or so many bits if there are any.
    """
    if not bits:
        words: Words = np.ndarray((rows,), "<u8", body, 0, (width,))  # each with bytes of the next
        found: Words = words & MASKS[width]
        return found
    at, shifts = _kept_places(bits) if rows <= _KEPT_PLACES else bit_places(np.arange(rows) * bits)
    return bits_at(body, at[:rows], shifts[:rows], np.uint64((1 << bits) - 1))


def bits_at(body: bytes, at: Ints, shifts: Words, masks: Words | np.uint64) -> Words:
    """Return integers of some bits, which begin in bytes, at bits of these; 7 bytes are behind each."""
    words: Words = np.ndarray((len(body) - WORD + 1,), "<u8", body, 0, (1,))
    found: Words = words.take(at)
    found >>= shifts
    found &= masks
    return found


def bit_places(begins: Ints) -> tuple[Ints, Words]:
    """Return in which bytes bits are, and which they are of these, by their numbers."""
    return begins >> 3, (begins & 7).astype(np.uint64)


@lru_cache(MOST_BITS)
def _kept_places(bits: int) -> tuple[Ints, Words]:
    return bit_places(np.arange(_KEPT_PLACES) * bits)
