"""The packed columns of many lists are unpacked at once, as `packed_columns.py` unpacks each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from featurectl.core.dtypes import FLOAT64
from featurectl.online.stream_state.packed_columns import MASKS, SCALES, Column, Words, column_of
from featurectl.pit.arrays import Bools, Floats, Ints, running_total

_WORD: Final = 8
_PREFIX: Final = np.dtype([("least", ">i8"), ("width", "u1")])  # of packed integers; `width` has their scale, too
_PREFIX_SIZE: Final = _WORD + 1
_WIDTHS: Final = 16
_WORDS: Final = bytes([0] * _WORD + [_WORD])  # the prefix of integers that are as they are
_POWERS: Final = np.array([10.0**decimals for decimals in range(5)])
_INTEGERS, _DECIMALS, _FLOATS = b"idf"


class JoinedInts:
    """Packed integers of many lists: in each part some, from a byte on to its end.

    Raises:
        ValueError: parts have other bytes than so many integers.
    """

    def __init__(self, parts: Sequence[bytes], at: Sequence[int], counts: Ints) -> None:
        prefixes = np.frombuffer(
            b"".join([part[i : i + _PREFIX_SIZE] for part, i in zip(parts, at, strict=True)]), _PREFIX
        )
        self._parts, self._data = parts, np.array(at, np.int64) + _PREFIX_SIZE
        self._least: Ints = prefixes["least"].astype(np.int64)
        self._scales, self._widths = np.divmod(prefixes["width"].astype(np.int64), _WIDTHS)
        sizes = np.array([*map(len, parts)], np.int64)
        if (self._widths > _WORD).any() or (self._scales >= len(SCALES)).any():
            raise ValueError(self._widths)
        if (sizes != self._data + self._widths * counts).any():
            raise ValueError(sizes)

    def rows(self, lo: Ints, hi: Ints) -> Ints:
        """Return the integers of a range of each list, range after range; the one at -1 is any number."""
        counts = hi - lo
        found = self._spreads(lo, hi, counts)
        if self._scales.any():
            same = self._scales.min() == self._scales.max()
            found *= SCALES[self._scales[0]] if same else np.repeat(SCALES[self._scales], counts)
        found += np.repeat(self._least.view(np.uint64), counts)
        return found.view(np.int64)

    def _spreads(self, lo: Ints, hi: Ints, counts: Ints) -> Words:
        begins, ends = self._data + self._widths * lo, self._data + self._widths * hi
        bodies = [part[i:j] for part, i, j in zip(self._parts, begins.tolist(), ends.tolist(), strict=True)]
        widths: list[int] = self._widths.tolist()
        different = {*widths}
        if len(different) == 1:
            return _words(bodies, widths[0], int(counts.sum()))
        found: Words = np.empty(int(counts.sum()), np.uint64)
        for width in different:
            chosen = self._widths == width
            some = [body for body, of in zip(bodies, widths, strict=True) if of == width]
            found[np.repeat(chosen, counts)] = _words(some, width, int(counts[chosen].sum()))
        return found


def _words(bodies: Sequence[bytes], width: int, count: int) -> Words:
    """Return the integers that lie one after the other in some bytes, so many bytes each."""
    joined = b"".join((*bodies, bytes(_WORD)))  # a word of each integer has bytes of the next
    words: Words = np.ndarray((count,), "<u8", joined, 0, (width,))
    spreads: Words = words & MASKS[width]
    return spreads


def join_sorted(parts: Sequence[bytes], counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Return ascending integers of many lists, one or more each, without their firsts; these, and the lasts.

    In each part are 8 bytes of the first, then the packed differences. What is returned begins with 0 in each list.

    Raises:
        ValueError: parts have other bytes.
    """
    if not parts:
        return counts, counts, counts
    if any(len(part) < _WORD for part in parts):
        raise ValueError(parts)
    firsts = np.frombuffer(b"".join([part[:_WORD] for part in parts]), ">i8").astype(np.int64)
    filled = [part + _WORDS[:_WORD] + b"\0" if len(part) == _WORD else part for part in parts]  # of one: none
    starts = running_total(counts)
    found = JoinedInts(filled, [_WORD] * len(parts), counts - 1).rows(np.full(len(parts), -1), counts - 1)
    found[starts[:-1]] = 0
    np.cumsum(found, out=found)
    before = found[starts[:-1]]
    lasts = firsts + found[starts[1:] - 1] - before
    found -= np.repeat(before, counts)
    return found, firsts, lasts


def join_ints(parts: Sequence[bytes], counts: Ints) -> Ints:
    """Return packed integers of many lists.

    Raises:
        ValueError: they are something else.
    """
    return _all(parts, [0] * len(parts), counts) if parts else counts


def join_packed(parts: Sequence[bytes], dtype: str, counts: Ints) -> Column:
    """Return packed columns of a type of fixed width, each of one row or more, as one.

    Raises:
        ValueError, LookupError: they are some other columns.
    """
    if not parts:
        return column_of(dtype, [])
    kinds = {part[0] for part in parts}
    if not kinds <= ({_DECIMALS, _FLOATS} if dtype == FLOAT64 else {_INTEGERS}):
        raise ValueError(kinds)
    bits = [(count + 7) // 8 if part[1] == 1 else 0 for part, count in zip(parts, counts.tolist(), strict=True)]
    valid = _valid(parts, bits, counts) if any(bits) else None
    if dtype != FLOAT64:
        return Column(_all(parts, [2 + size for size in bits], counts), valid)
    return Column(_floats(parts, bits, counts), valid)


def _all(parts: Sequence[bytes], at: Sequence[int], counts: Ints) -> Ints:
    return JoinedInts(parts, at, counts).rows(np.zeros(len(counts), np.int64), counts)


def _floats(parts: Sequence[bytes], bits: Sequence[int], counts: Ints) -> Floats:
    plain = np.array([part[0] == _FLOATS for part in parts], np.bool_)
    decimals = np.array([0 if part[0] == _FLOATS else part[2 + size] for part, size in zip(parts, bits, strict=True)])
    packed = [
        _WORDS + part[2 + size :] if part[0] == _FLOATS else part[3 + size :]
        for part, size in zip(parts, bits, strict=True)
    ]
    words = join_ints(packed, counts)
    if plain.all():
        return words.view(np.float64)
    powers = _POWERS[decimals]
    found: Floats = words / (powers[0] if powers.min() == powers.max() else np.repeat(powers, counts))
    return np.where(np.repeat(plain, counts), words.view(np.float64), found) if plain.any() else found


def _valid(parts: Sequence[bytes], bits: Sequence[int], counts: Ints) -> Bools:
    valid, end = np.ones(int(counts.sum()), np.bool_), 0
    for part, size, count in zip(parts, bits, counts.tolist(), strict=True):
        if size:
            valid[end : end + count] = np.unpackbits(np.frombuffer(part[2 : 2 + size], np.uint8), count=count)
        end += count
    return valid
