"""Columns of many rows, in memory and as a head has them.

In a head a column of a type of fixed width is its numbers, 8 bytes each, little-endian; where some are null, an array
of a bit a row, from the highest of the first byte on, 1 for a value, and of the numbers, with any in place of a null.
Every other column is an array of its values. Integers are those of the language, booleans as 0 and 1, times in
microseconds, dates in days. Decimals are without their point, and integers of more than 64 bits are texts of digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, TIMESTAMP, decimal_parts
from featurectl.core.errors import StoreError
from featurectl.online.corrupt_rows import stored_as
from featurectl.online.stream_state.record import broken_list
from featurectl.pit.arrays import Bools, Floats, Ints

WHOLE: Final = "whole"  # the type of integers of any size: sums
OTHER: Final = "other"  # of what only MessagePack has a form for
_WHOLE_TYPES: Final = (INT64, BOOL, TIMESTAMP, DATE)
_INT64_END: Final = 1 << 63
INTS: Final[np.dtype[np.int64]] = np.dtype("<i8")
FLOATS: Final[np.dtype[np.float64]] = np.dtype("<f8")
HASHES: Final[np.dtype[np.uint64]] = np.dtype("<u8")
_Number = TypeVar("_Number", bound=np.generic)


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


def join_columns(columns: Sequence[Column]) -> Column:
    """Return the rows of columns of one type, one after the other."""
    if any(isinstance(column.values, list) for column in columns):
        return Column([value for column in columns for value in column.values])
    values = cast("Ints | Floats", np.concatenate([column.values for column in columns]))
    if all(column.valid is None for column in columns):
        return Column(values)
    return Column(values, np.concatenate([column.filled() for column in columns]))


def order_column(column: Column, places: Ints) -> Column:
    """Return a column with its rows in another order."""
    if isinstance(column.values, list):
        return Column([column.values[place] for place in places.tolist()])
    return Column(column.values[places], None if column.valid is None else column.valid[places])


def pack_numbers(values: npt.NDArray[np.generic]) -> bytes:
    """Return numbers of 8 bytes each, little-endian."""
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def pack_column(column: Column) -> object:
    """Return a column as MessagePack has it in a head."""
    values, valid = column
    if isinstance(values, list):
        return [str(value) if _is_great(value) else value for value in values]
    numbers = pack_numbers(values)
    return numbers if valid is None or valid.all() else [np.packbits(valid).tobytes(), numbers]


def _is_great(value: object) -> bool:
    return type(value) is int and not -_INT64_END <= value < _INT64_END


def unpack_column(packed: Any, dtype: str, rows: int) -> Column:
    """Return a column of so many rows of a head.

    Raises:
        StoreError, ValueError, TypeError: it is something else.
    """
    if dtype == FLOAT64 or dtype in _WHOLE_TYPES:
        bits, numbers = packed if isinstance(packed, list) else (None, packed)
        valid = None if bits is None else unpack_bits(bits, rows)
        if dtype == FLOAT64:
            return Column(unpack_numbers(numbers, FLOATS, rows), valid)
        return Column(unpack_numbers(numbers, INTS, rows), valid)
    if not isinstance(packed, list) or len(packed) != rows:
        raise _other_rows()
    if dtype == WHOLE or decimal_parts(dtype):
        return Column([None if value is None else int(value) for value in packed])
    _check_types(dtype, packed)
    return Column(packed)


def unpack_numbers(packed: bytes, dtype: np.dtype[_Number], rows: int) -> npt.NDArray[_Number]:
    """Return so many numbers of 8 bytes each.

    Raises:
        StoreError, ValueError, TypeError: the bytes are of something else.
    """
    found = np.frombuffer(packed, dtype)
    if len(found) != rows:
        raise _other_rows()
    return found


def unpack_bits(packed: bytes, rows: int) -> Bools:
    """Return so many bits, from the highest of the first byte on.

    Raises:
        StoreError, TypeError: the bytes are of another number of them.
    """
    if len(packed) != (rows + 7) // 8:
        raise _other_rows()
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=rows).astype(np.bool_)


def _other_rows() -> StoreError:
    return broken_list("a column has other rows than its head")
