"""Constants in files: which fit a type, and the one form in which they are kept."""

from __future__ import annotations

from decimal import Decimal

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, decimal_parts
from featurectl.core.units import is_date, parse_instant
from featurectl.language.syntax.node import Constant

_INT64 = range(-(2**63), 2**63)


def fit_constant(value: Constant, dtype: str) -> Constant:
    """Return a constant as a value of a type, in the form in which it is kept; None when it does not fit.

    A whole number fits float64 and becomes one, so that 10 and 10.0 are the same default; times and dates are
    kept as texts, decimals as numbers; a decimal with more digits than its type has does not fit.

    >>> fit_constant(10, "float64"), fit_constant("x", "int64"), fit_constant("2013-01-01", "date")
    (10.0, None, '2013-01-01')
    """
    if isinstance(value, bool):
        return value if dtype == BOOL else None
    if isinstance(value, int | float):
        return _fit_number(value, dtype)
    if value is None:
        return None
    fits = (
        dtype == STRING
        or (dtype == TIMESTAMP and parse_instant(value) is not None)
        or (dtype == DATE and is_date(value))
    )
    return value if fits else None


def _fit_number(value: float, dtype: str) -> Constant:
    if dtype == INT64:
        return int(value) if value == int(value) and int(value) in _INT64 else None
    if dtype == FLOAT64:
        return float(value)
    parts = decimal_parts(dtype)
    return value if parts and _fits_decimal(value, *parts) else None


def _fits_decimal(value: float, precision: int, scale: int) -> bool:
    """Return whether a number is a decimal without losing a digit.

    >>> _fits_decimal(1.25, 3, 2), _fits_decimal(1.255, 10, 2), _fits_decimal(100, 4, 2), _fits_decimal(1e2, 5, 2)
    (True, False, False, True)
    """
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int), value  # numbers of files are finite
    whole = "".join(map(str, digits)).rstrip("0")
    lowest = exponent + len(digits) - len(whole)  # the power of ten of the last digit that is not 0
    return not whole or (lowest >= -scale and lowest + len(whole) <= precision - scale)
