"""The packed columns of many lists are unpacked at once, as `packed_columns.py` unpacks each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from featurectl.core.dtypes import FLOAT64
from featurectl.online.stream_state.packed_columns import Column, column_of
from featurectl.online.stream_state.packed_ints import (
    BITS,
    BYTES,
    MOST_BITS,
    PREFIX,
    SCALES,
    WORD,
    Words,
    bit_places,
    bits_at,
    spread_of,
)
from featurectl.online.stream_state.packed_times import MOST_LOWER
from featurectl.pit.arrays import Bools, Floats, Ints, running_total

_PREFIXES: Final = np.dtype([("least", ">i8"), ("form", "u1")])
_WORDS: Final = bytes([0] * WORD + [WORD])  # the prefix of integers that are as they are
_POWERS: Final = np.array([10.0**decimals for decimals in range(5)])
_LOWER: Final = np.uint64(52)
_UPPER_NUMBERS: Final = 1 << 12
_INTEGERS, _DECIMALS, _EXPONENTS, _FLOATS = b"idef"


def join_ints(parts: Sequence[bytes], counts: Ints) -> Ints:
    """Return packed integers of many lists.

    Raises:
        ValueError: they are something else.
    """
    return _join_ints(parts, [0] * len(parts), counts) if parts else counts


def _join_ints(parts: Sequence[bytes], at: Sequence[int], counts: Ints, more: Words | None = None) -> Ints:
    """Return packed integers, which lie in each part from a byte on to its end, and so much more than they are."""
    prefixes = np.frombuffer(b"".join([part[i : i + PREFIX] for part, i in zip(parts, at, strict=True)]), _PREFIXES)
    scales, widths, bits = _forms(prefixes["form"].astype(np.int64))
    sizes = np.array([*map(len, parts)], np.int64) - np.array(at, np.int64) - PREFIX
    if (sizes != widths * counts + ((bits * counts + 7) >> 3)).any():
        raise ValueError(sizes)
    bodies = [part[i + PREFIX :] for part, i in zip(parts, at, strict=True)]
    found = _spreads(bodies, widths, bits, counts)
    _scale_up(found, scales, counts)
    least = prefixes["least"].astype(np.int64).view(np.uint64)
    found += np.repeat(least if more is None else least + more, counts)
    return found.view(np.int64)


def _forms(forms: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the scales of integers, and of each the width in bytes, or 0 and in bits.

    Raises:
        ValueError: there is no such form.
    """
    is_bits = forms >= BITS
    scales = np.where(is_bits, forms // BITS - 1, forms // BYTES)
    widths, bits = np.where(is_bits, 0, forms % BYTES), np.where(is_bits, forms % BITS + 1, 0)
    if (widths > WORD).any() or (bits > MOST_BITS).any() or (scales >= len(SCALES)).any():
        raise ValueError(forms)
    return scales, widths, bits


def _scale_up(found: Words, scales: Ints, counts: Ints) -> None:
    """Multiply the integers of each list by a power of 1000."""
    if scales.any():
        found *= SCALES[scales[0]] if scales.min() == scales.max() else np.repeat(SCALES[scales], counts)


def _spreads(bodies: Sequence[bytes], widths: Ints, bits: Ints, counts: Ints) -> Words:
    """Return the integers of lists, which have a number of bytes each, or of bits."""
    if not bits.any() and widths.min() == widths.max():
        return spread_of(b"".join((*bodies, bytes(WORD))), int(counts.sum()), int(widths[0]), 0)
    found: Words = np.empty(int(counts.sum()), np.uint64)
    for width in dict.fromkeys(widths.tolist()):
        chosen = widths == width
        some = [body for body, of in zip(bodies, widths.tolist(), strict=True) if of == width]
        joined, rows = b"".join((*some, bytes(WORD))), np.repeat(chosen, counts)
        if width or not bits.any():
            found[rows] = spread_of(joined, int(counts[chosen].sum()), width, 0)
        else:
            found[rows] = _of_bits(joined, np.array([*map(len, some)], np.int64), bits[chosen], counts[chosen])
    return found


def _of_bits(joined: bytes, sizes: Ints, bits: Ints, counts: Ints) -> Words:
    """Return integers of so many bits each, which begin anew with each list's bytes; of no bits they are 0."""
    starts = running_total(counts)[:-1]
    begins = np.repeat(8 * running_total(sizes)[:-1] - bits * starts, counts)
    same = bits.min() == bits.max()
    each = bits[0] if same else np.repeat(bits, counts)
    begins += each * np.arange(len(begins))
    masks = (np.uint64(1) << np.asarray(each).astype(np.uint64)) - np.uint64(1)
    return bits_at(joined, *bit_places(begins), masks)


def join_sorted(parts: Sequence[bytes], counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Return ascending integers of many lists, one or more each, less their firsts; these, and the lasts.

    Raises:
        ValueError: parts have other bytes.
    """
    if not parts:
        return counts, counts, counts
    prefixes = np.frombuffer(b"".join([part[:PREFIX] for part in parts]), _PREFIXES)
    scales, lower = np.divmod(prefixes["form"].astype(np.int64), BYTES)
    if (lower > MOST_LOWER).any() or (scales >= len(SCALES)).any():
        raise ValueError(lower)
    ends = (lower * counts + PREFIX).tolist()
    found = _above([part[end:] for part, end in zip(parts, ends, strict=True)], counts)
    if lower.any():
        same = lower.min() == lower.max()
        found <<= 8 * (lower[0] if same else np.repeat(lower, counts))
        bodies = [part[PREFIX:end] for part, end in zip(parts, ends, strict=True)]
        found |= _spreads(bodies, lower, np.zeros_like(lower), counts).view(np.int64)
    _scale_up(found.view(np.uint64), scales, counts)
    firsts = prefixes["least"].astype(np.int64)
    return found, firsts, firsts + found[running_total(counts)[1:] - 1]


def _above(parts: Sequence[bytes], counts: Ints) -> Ints:
    """Return what is above the lower bytes of ascending integers: how many zeros are before each one of a list."""
    octets = np.frombuffer(b"".join(parts), np.uint8)
    found: Ints = np.unpackbits(octets).view(np.bool_).nonzero()[0]
    begins, rows = 8 * running_total(np.array([*map(len, parts)], np.int64)), running_total(counts)
    if len(found) != rows[-1] or (found.searchsorted(begins) != rows).any():
        raise ValueError(len(found))
    found -= np.arange(len(found))
    found -= np.repeat(begins[:-1] - rows[:-1], counts)
    return found


def join_packed(parts: Sequence[bytes], dtype: str, counts: Ints) -> Column:
    """Return packed columns of a type of fixed width, each of one row or more, as one.

    Raises:
        ValueError, LookupError: they are some other columns.
    """
    if not parts:
        return column_of(dtype, [])
    begins = b"".join([part[:2] for part in parts])
    kinds = {*begins[::2]}
    if not kinds <= ({_DECIMALS, _EXPONENTS, _FLOATS} if dtype == FLOAT64 else {_INTEGERS}):
        raise ValueError(kinds)
    if not any(begins[1::2]) and len(kinds) == 1 and begins[0] != _EXPONENTS:
        return Column(_without_nulls(parts, begins[0], counts))
    bits = [(count + 7) // 8 if part[1] == 1 else 0 for part, count in zip(parts, counts.tolist(), strict=True)]
    valid = _valid(parts, bits, counts) if any(bits) else None
    if dtype != FLOAT64:
        return Column(_join_ints(parts, [2 + size for size in bits], counts), valid)
    return Column(_floats(parts, bits, counts), valid)


def _without_nulls(parts: Sequence[bytes], kind: int, counts: Ints) -> Ints | Floats:
    """Return columns of one kind, whose values are all there."""
    if kind == _INTEGERS:
        return _join_ints(parts, [2] * len(parts), counts)
    if kind == _FLOATS:
        found: Floats = np.frombuffer(b"".join([part[2:] for part in parts]), np.float64)
        if len(found) != counts.sum() or (np.array([*map(len, parts)]) != 8 * counts + 2).any():
            raise ValueError(len(found))
        return found
    words = _join_ints(parts, [3] * len(parts), counts)
    powers = _POWERS[[part[2] for part in parts]]
    divided: Floats = words / (powers[0] if powers.min() == powers.max() else np.repeat(powers, counts))
    return divided


def _floats(parts: Sequence[bytes], bits: Sequence[int], counts: Ints) -> Floats:
    kinds = np.array([part[0] for part in parts], np.uint8)
    bodies = [part[2 + size :] for part, size in zip(parts, bits, strict=True)]
    at = [_behind(part[0], body) for part, body in zip(parts, bodies, strict=True)]
    packed = [_WORDS + body if of[0] == _FLOATS else body for of, body in zip(parts, bodies, strict=True)]
    if (kinds == _EXPONENTS).any():
        upper = [body[1:end] if of[0] == _EXPONENTS else b"" for of, body, end in zip(parts, bodies, at, strict=True)]
        begins = running_total(np.array([*map(len, upper)], np.int64) >> 1)
        numbers = np.where(np.diff(begins) > 0, begins[:-1], 0)
        words = _join_ints(packed, at, counts, numbers.astype(np.uint64) << _LOWER)
        _add_exponents(words, np.frombuffer(b"".join(upper), "<u2").astype(np.uint64), begins, counts)
    else:
        words = _join_ints(packed, at, counts)
    if not (kinds == _DECIMALS).any():
        return words.view(np.float64)
    powers = _POWERS[[body[0] if of[0] == _DECIMALS else 0 for of, body in zip(parts, bodies, strict=True)]]
    found: Floats = words / (powers[0] if powers.min() == powers.max() else np.repeat(powers, counts))
    is_decimal = kinds == _DECIMALS
    return found if is_decimal.all() else np.where(np.repeat(is_decimal, counts), found, words.view(np.float64))


def _behind(kind: int, body: bytes) -> int:
    """Return where the packed integers of a column of floats begin, behind its nulls."""
    if kind == _EXPONENTS:
        return 1 + 2 * body[0]
    return 1 if kind == _DECIMALS else 0


def _add_exponents(words: Ints, upper: Words, begins: Ints, counts: Ints) -> None:
    """Put the signs and exponents of floats into the places of their numbers, which go through the tables of all lists.

    Raises:
        ValueError: a number is none of its list's table, or there are too many of them.
    """
    having = np.diff(begins) > 0
    rows = slice(None) if having.all() else np.repeat(having, counts)
    some = words[rows].view(np.uint64)
    places = (some >> _LOWER).view(np.int64)
    most = np.maximum.reduceat(places, running_total(counts[having])[:-1])
    if (most >= begins[1:][having]).any() or begins[-1] > _UPPER_NUMBERS:
        raise ValueError(most)
    some += ((upper - np.arange(len(upper)).astype(np.uint64)) << _LOWER).take(places)
    if not having.all():
        words[rows] = some.view(np.int64)


def _valid(parts: Sequence[bytes], bits: Sequence[int], counts: Ints) -> Bools:
    valid, end = np.ones(int(counts.sum()), np.bool_), 0
    for part, size, count in zip(parts, bits, counts.tolist(), strict=True):
        if size:
            valid[end : end + count] = np.unpackbits(np.frombuffer(part[2 : 2 + size], np.uint8), count=count)
        end += count
    return valid
