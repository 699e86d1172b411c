"""Values as MessagePack has them -> values of the language's types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Final

from featurectl.core.dtypes import DATE, TIMESTAMP, decimal_parts, list_item
from featurectl.core.units import DAY_US, from_us
from featurectl.online.corrupt_rows import stored_as

_EPOCH_DATE: Final = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH_DATE).days, (date.max - _EPOCH_DATE).days
_FIRST_US, _LAST_US = _FIRST_DAY * DAY_US, (_LAST_DAY + 1) * DAY_US - 1
_Decode = Callable[[object], object]


@lru_cache(maxsize=256)
def decoder(dtype: str) -> _Decode:
    """Return the function that turns a value as MessagePack gives it into one of the type.

    A time or date outside the years 1 to 9999 is null, as in a training set: rows of before may hold one.
    """
    if dtype == TIMESTAMP:
        return _timestamp
    if dtype == DATE:
        return _date
    if parts := decimal_parts(dtype):
        return partial(_decimal, *parts)
    item = list_item(dtype)
    return partial(_list, decoder(item), {stored_as(item), type(None)}) if item else _same


def _same(value: object) -> object:
    return value


def _timestamp(value: object) -> object:
    assert isinstance(value, int)
    return from_us(value) if _FIRST_US <= value <= _LAST_US else None


def _date(value: object) -> object:
    assert isinstance(value, int)
    return _EPOCH_DATE + timedelta(days=value) if _FIRST_DAY <= value <= _LAST_DAY else None


def _decimal(precision: int, scale: int, value: object) -> object:
    """Return the number of a text that has all digits of the scale, and no more than the precision."""
    assert isinstance(value, str)
    whole, point, fraction = value.removeprefix("-").partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit() and whole and len(fraction) == scale and bool(point) == bool(scale)):
        raise ValueError(value)
    if len(digits.lstrip("0")) > precision:
        raise ValueError(value)
    return Decimal(value)


def _list(decode: _Decode, types: set[type], value: object) -> object:
    assert isinstance(value, list)
    if not types.issuperset(map(type, value)):
        raise TypeError(value)
    return [item if item is None else decode(item) for item in value]
