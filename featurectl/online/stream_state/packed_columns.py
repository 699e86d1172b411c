r"""Columns of many rows in few bytes.

    byte 0    kind: `i` integers, `d` floats of few decimals, `e` floats of few signs and exponents, `f` floats, `o`
              other values
    byte 1    1 where nulls follow: a bit a row, from the highest of the first byte on, 1 for a value
    then      `i`: packed integers (`packed_ints.py`)
              `d`: 1 byte k; then packed integers: the floats times 10^k. The float is the integer divided by 10^k
              `e`: 1 byte n, and n times 2 bytes, little-endian: the upper 12 bits of floats. Then packed integers:
              the lower 52 bits of each float, and above them the number of its upper bits
              `f`: 8 bytes a row, little-endian
              `o`: a MessagePack array, with its nulls

Integers are those of the language, booleans as 0 and 1, times in microseconds, dates in days, decimals without their
point. One that has more than 64 bits makes the column one of other values: texts of digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import msgpack
import numpy as np

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, TIMESTAMP, decimal_parts
from featurectl.online.corrupt_rows import stored_as
from featurectl.online.stream_state.packed_ints import WORD, Words, pack_ints, unpack_ints
from featurectl.online.stream_state.record import broken_list
from featurectl.pit.arrays import Bools, Floats, Ints

WHOLE: Final = "whole"  # the type of integers of any size: sums
OTHER: Final = "other"  # of what only MessagePack has a form for
_WHOLE_TYPES: Final = (INT64, BOOL, TIMESTAMP, DATE)
_INT64_END: Final = 1 << 63
_DECIMALS: Final = 4
_LOWER: Final = np.uint64(52)  # bits of a float without its sign and exponent
_LOWER_BITS: Final = np.uint64((1 << 52) - 1)
_NUMBERS: Final = np.arange(256).astype(np.uint64) << _LOWER
_EXPONENTS: Final = 32  # so many signs and exponents that a float takes 57 bits
_MOST_SCALED: Final = 1e10  # so that times 10^4 it is below 2^53


class Column(NamedTuple):
    """Many rows of one column: an array with some number in place of a null, where `valid` is false; or a list.

    Arrays hold the types of fixed width, lists texts, lists, decimals and whole numbers as integers without a point.
    """

    values: Ints | Floats | list[object]
    valid: Bools | None = None

    def take(self, chosen: Bools) -> Column:
        """Return the rows that are chosen."""
        if isinstance(self.values, list):
            return Column([value for value, is_chosen in zip(self.values, chosen, strict=True) if is_chosen])
        return Column(self.values[chosen], None if self.valid is None else self.valid[chosen])

    def slice(self, lo: int, hi: int) -> Column:
        """Return the rows from `lo` to before `hi`."""
        return Column(self.values[lo:hi], None if self.valid is None else self.valid[lo:hi])

    def filled(self) -> Bools:
        """Return which rows have a value."""
        if isinstance(self.values, list):
            return np.array([value is not None for value in self.values], np.bool_)
        return np.ones(len(self.values), np.bool_) if self.valid is None else self.valid

    def part(self, lo: int, hi: int) -> Ints | Floats | list[object]:
        """Return the values that are not null of the rows from `lo` to before `hi`."""
        if isinstance(self.values, list):
            return [value for value in self.values[lo:hi] if value is not None]
        values = self.values[lo:hi]
        return values if self.valid is None else values[self.valid[lo:hi]]

    def rows(self, lo: int, hi: int) -> Ints:
        """Return the numbers of the rows from `lo` to before `hi` that have a value."""
        if isinstance(self.values, list):
            return np.array([row for row in range(lo, hi) if self.values[row] is not None], np.int64)
        return np.arange(lo, hi) if self.valid is None else np.flatnonzero(self.valid[lo:hi]) + lo

    def at(self, row: int) -> object:
        """Return the value of a row, None where it is null."""
        if isinstance(self.values, list):
            return self.values[row]
        if self.valid is not None and not self.valid[row]:
            return None
        value: object = self.values[row].item()
        return value


def column_of(dtype: str, values: Sequence[object]) -> Column:
    """Return values as MessagePack has them as a column of a type of the language, or `WHOLE` or `OTHER`.

    Raises:
        StoreError: one is of another type.
    """
    _check_types(dtype, values)
    if dtype == FLOAT64 or dtype in _WHOLE_TYPES:
        valid = np.array([value is not None for value in values], np.bool_) if None in values else None
        filled = values if valid is None else [0 if value is None else value for value in values]
        array: Ints | Floats = np.array(filled, np.float64) if dtype == FLOAT64 else np.array(filled, np.int64)
        return Column(array, valid)
    if decimal_parts(dtype):
        return Column([None if value is None else unscaled(str(value)) for value in values])
    return Column(list(values))


def _check_types(dtype: str, values: Sequence[object]) -> None:
    if dtype in (WHOLE, OTHER):
        return
    found = {*map(type, values)} - {stored_as(dtype), type(None)}
    if found - ({int} if dtype == BOOL else set()):
        raise broken_list(f"a column of {dtype} holds {' and '.join(sorted(kind.__name__ for kind in found))}")


def unscaled(text: str) -> int:
    """Return the integer of a decimal's text without its point.

    >>> unscaled("-0.05")
    -5
    """
    return int(text.replace(".", "", 1))


def scaled(number: int, scale: int) -> str:
    """Return the text of a decimal from its integer without a point.

    >>> scaled(-5, 2), scaled(1200, 2), scaled(7, 0)
    ('-0.05', '12.00', '7')
    """
    digits = str(abs(number)).zfill(scale + 1)
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def join_columns(first: Column, second: Column) -> Column:
    """Return the rows of two columns of one type, one after the other."""
    if isinstance(first.values, list) or isinstance(second.values, list):
        return Column([*first.values, *second.values])
    values = cast("Ints | Floats", np.concatenate((first.values, second.values)))
    if first.valid is None and second.valid is None:
        return Column(values)
    return Column(values, np.concatenate((first.filled(), second.filled())))


def order_column(column: Column, places: Ints) -> Column:
    """Return a column with its rows in another order."""
    if isinstance(column.values, list):
        return Column([column.values[place] for place in places.tolist()])
    return Column(column.values[places], None if column.valid is None else column.valid[places])


def pack_column(column: Column, dtype: str) -> bytes:
    """Return the bytes of a column."""
    values, valid = column
    if isinstance(values, list):
        return _pack_list(values, dtype)
    head = b"\0" if valid is None or valid.all() else b"\1" + np.packbits(valid).tobytes()
    if values.dtype == np.float64:
        few = _few_decimals(values.astype(np.float64))
        if few is not None:
            return b"".join((b"d", head, bytes([few[0]]), pack_ints(few[1])))
        whole = values.astype("<f8").tobytes()
        apart = _few_exponents(values.astype(np.float64).view(np.uint64))
        return b"f" + head + whole if apart is None or len(apart) >= len(whole) else b"e" + head + apart
    return b"i" + head + pack_ints(values.astype(np.int64))


def _few_decimals(values: Floats) -> tuple[int, Ints] | None:
    """Return floats as integers and by which power of ten they are divided; None where some have many decimals.

    >>> _few_decimals(np.array([0.5, 12.25]))
    (2, array([  50, 1225]))
    >>> _few_decimals(np.array([0.1 + 0.2])) is None
    True
    """
    if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) > _MOST_SCALED:
        return None
    if (np.signbit(values) & (values == 0)).any():
        return None  # -0.0 is another float
    for decimals in range(_DECIMALS + 1):
        scaled_up = np.rint(values * 10.0**decimals)
        if np.array_equal(scaled_up / 10.0**decimals, values):
            return decimals, scaled_up.astype(np.int64)
    return None


def _few_exponents(words: Words) -> bytes | None:
    """Return floats, given as words, with numbers for their signs and exponents; None where these are many."""
    upper, numbers = np.unique(words >> _LOWER, return_inverse=True)
    if len(upper) > _EXPONENTS:
        return None
    packed = (numbers.astype(np.uint64) << _LOWER) | (words & _LOWER_BITS)
    return b"".join(
        (bytes([len(upper)]), upper.astype("<u2").tobytes(), pack_ints(packed.view(np.int64), in_bits=True))
    )


def _float_steps(data: bytes | memoryview) -> Words:
    """Return what is to be added to words of floats by the numbers of their signs and exponents, the first of `data`.

    >>> _float_steps(bytes([2, 255, 3, 1, 4])) >> np.uint64(52)
    array([1023, 1024], dtype=uint64)
    """
    steps: Words = np.frombuffer(data, "<u2", data[0], 1).astype(np.uint64)
    steps <<= _LOWER
    steps -= _NUMBERS[: len(steps)]
    return steps


def _unpack_exponents(data: bytes | memoryview, rows: int) -> Floats:
    words = unpack_ints(data[1 + 2 * data[0] :], rows).view(np.uint64)
    words += _float_steps(data).take((words >> _LOWER).view(np.int64))
    return words.view(np.float64)


def _pack_list(values: list[object], dtype: str) -> bytes:
    if dtype == WHOLE or decimal_parts(dtype):
        numbers = [value for value in values if isinstance(value, int)]
        if all(-_INT64_END <= number < _INT64_END for number in numbers):
            return pack_column(column_of(INT64, values), INT64)
        values = [None if value is None else str(value) for value in values]
    packed: bytes = msgpack.packb(values)
    return b"o\0" + packed


def unpack_column(data: bytes, dtype: str, rows: int) -> Column:
    """Return a column of so many rows from its bytes.

    Raises:
        StoreError: the bytes are others.
    """
    kind, body, valid = data[:1], memoryview(data)[2:], None
    if data[1:2] == b"\1":
        size = (rows + 7) // 8
        valid = np.unpackbits(np.frombuffer(body[:size], np.uint8), count=rows).astype(np.bool_)
        body = body[size:]
    if kind == b"d" and len(body):
        return Column(unpack_ints(body[1:], rows) / 10.0 ** body[0], valid)
    if kind == b"e" and len(body):
        return Column(_unpack_exponents(body, rows), valid)
    if kind == b"f" and len(body) == WORD * rows:
        return Column(np.frombuffer(body, "<f8"), valid)
    is_list = dtype == WHOLE or (dtype not in _WHOLE_TYPES and bool(decimal_parts(dtype)))
    if kind == b"i":
        found = Column(unpack_ints(body, rows), valid)
        return Column(_listed(found)) if is_list else found
    values = msgpack.unpackb(body) if kind == b"o" else None
    if not isinstance(values, list) or len(values) != rows:
        raise broken_list("a column has other rows than its head")
    if is_list:
        return Column([None if value is None else int(value) for value in values])
    _check_types(dtype, values)
    return Column(values)


def _listed(column: Column) -> list[object]:
    assert not isinstance(column.values, list)
    values: list[object] = column.values.tolist()
    if column.valid is None:
        return values
    return [value if is_valid else None for value, is_valid in zip(values, column.valid.tolist(), strict=True)]
