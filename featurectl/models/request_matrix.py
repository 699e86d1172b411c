"""Values of a request -> the matrix of numbers that a model sees, without Polars: the same as `MatrixForm.encode`."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from featurectl.core.dtypes import INT64
from featurectl.models.runtimes.base import Matrix
from featurectl.registry.state import BoundFeature

CATEGORY: Final = "category"
_NAN: Final = float("nan")
_EXACT: Final = 2**53  # whole numbers up to here are floats as they are
ColumnEncoder = Callable[[Sequence[object]], npt.NDArray[np.float32]]
ValueEncoder = Callable[[object], float]


class RowEncoder:
    """The inputs of a model as numbers: null is NaN, a bool 0 or 1, a category its place in its list.

    A value that the list lacks is NaN, and a NaN is. Decimals and dates may be their texts, as in JSON.
    """

    def __init__(self, inputs: Sequence[BoundFeature]) -> None:
        self._fields: list[tuple[str, ValueEncoder]] = [(item.name, _value(item)) for item in inputs]

    def encode(self, columns: Mapping[str, Sequence[object]], count: int) -> Matrix:
        """Return `count` rows as float32, a column per input."""
        if count == 1:
            return self._encode_one(columns)
        matrix = np.empty((count, len(self._fields)), dtype=np.float32)
        for place, (name, value) in enumerate(self._fields):
            # array() rounds a double to a float as C does, and without a word on what is infinite then.
            matrix[:, place] = array("f", [value(cell) for cell in columns[name]])
        return matrix

    def _encode_one(self, columns: Mapping[str, Sequence[object]]) -> Matrix:
        row = array("f")
        put = row.append
        for name, value in self._fields:
            cell = columns[name][0]
            put(cell if type(cell) is float and value is _number else value(cell))
        return np.frombuffer(row, dtype=np.float32).reshape(1, -1)


def _value(item: BoundFeature) -> ValueEncoder:
    if item.model_dtype == CATEGORY:
        return _place_of(item)
    return _whole if item.model_dtype == INT64 else _number


def _number(cell: object) -> float:
    return _NAN if cell is None else float(cell)  # type: ignore[arg-type]  # a number by now


def _whole(cell: object) -> float:
    """Return a whole number as a float that rounds to the nearest float32: rounding twice can end beside it."""
    if cell is None:
        return _NAN
    number = int(cell)  # type: ignore[call-overload]  # a number by now
    return float(number) if -_EXACT <= number <= _EXACT else float(np.float32(np.int64(number)))


def _place_of(item: BoundFeature) -> ValueEncoder:
    places = {text: float(place) for place, text in enumerate(item.categories or ())}
    get = places.get

    def place_of(cell: object) -> float:
        if cell != cell:  # noqa: PLR0124 (NaN, which is no category: no JSON could distinguish it from null)
            return _NAN
        text = cell if type(cell) is str else category_text(cell)
        return _NAN if text is None else get(text, _NAN)

    return place_of


def category_text(cell: object) -> str | None:
    """Return the text of a value by which it stands in a list of categories, as Polars writes it.

    >>> category_text(True), category_text(7), category_text(1.5e-7), category_text(None)
    ('true', '7', '1.5e-7', None)
    """
    match cell:
        case None:
            return None
        case bool():
            return "true" if cell else "false"
        case float():
            return _float_text(cell)
        case datetime():
            return f"{cell.replace(tzinfo=None).isoformat(' ', 'microseconds')}+00:00"
        case Decimal():
            return f"{cell:f}"
        case _:
            return str(cell)


def _float_text(cell: float) -> str:
    """Return a float as Polars writes it: shortest digits, plain from 1e-5 up to 1e16."""
    if math.isnan(cell):
        return "NaN"
    digits, _, exponent = repr(cell).partition("e")
    if not exponent:
        return digits
    if exponent == "-05":
        return f"{Decimal(digits).scaleb(-5):f}"
    return f"{digits}e{exponent[0]}{exponent[1:].lstrip('0')}"
