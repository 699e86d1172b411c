"""The operations on plain values, made total: what SQL engines raise or disagree on is None."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Final

from featurectl.core.units import ISO_DATE, ISO_TIMESTAMP, instant_us, parse_instant
from featurectl.expressions.calendar import EPOCH_DAY
from featurectl.expressions.literals import INT64_GREATEST, INT64_LEAST

WHOLE_FROM: Final = 2.0**52  # from here on every float64 is a whole number
WHOLE_TEXT: Final = r"[+-]?[0-9]{1,100}"  # what casts to int64
NUMBER_TEXT: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"  # what casts to float64
_WHOLE: Final = re.compile(WHOLE_TEXT)
_NUMBER: Final = re.compile(NUMBER_TEXT)
_TIMESTAMP: Final = re.compile(ISO_TIMESTAMP)
_DATE: Final = re.compile(ISO_DATE)


def in_int64(number: int) -> int | None:
    """Return the number, or None where it leaves 64 bits."""
    return number if INT64_LEAST <= number <= INT64_GREATEST else None


def finite(number: float) -> float | None:
    """Return the number, or None for inf and NaN."""
    return number if math.isfinite(number) else None


def add(x: int, y: int) -> int | None:
    """Return x + y, exact or None."""
    return in_int64(x + y)


def subtract(x: int, y: int) -> int | None:
    """Return x - y, exact or None."""
    return in_int64(x - y)


def multiply(x: int, y: int) -> int | None:
    """Return x * y, exact or None."""
    return in_int64(x * y)


def negate(x: int) -> int | None:
    """Return -x; the least int64 has none."""
    return in_int64(-x)


def absolute(x: int) -> int | None:
    """Return |x|; the least int64 has none."""
    return in_int64(abs(x))


def divide(x: float, y: float) -> float | None:
    """Return x / y as IEEE 754 has it, None by zero."""
    return None if y == 0.0 else x / y


def whole_divide(x: int, y: int) -> int | None:
    """Return x / y cut off toward zero.

    >>> whole_divide(-7, 2), whole_divide(7, 0)
    (-3, None)
    """
    if y == 0:
        return None
    quotient = abs(x) // abs(y)
    return in_int64(quotient if (x < 0) == (y < 0) else -quotient)


def remainder(x: int, y: int) -> int | None:
    """Return what `whole_divide` leaves; it has the sign of x.

    >>> remainder(-7, 2)
    -1
    """
    if y == 0:
        return None
    left = abs(x) % abs(y)
    return -left if x < 0 else left


def sign(x: int) -> int:
    """Return -1, 0 or 1."""
    return (x > 0) - (x < 0)


def round_half_away(digits: int) -> Callable[[float], float]:
    """Return the function that rounds to so many decimal digits, halves away from zero.

    >>> round_half_away(0)(-2.5), round_half_away(1)(0.25)
    (-3.0, 0.3)
    """
    factor = 10.0**digits

    def rounded(x: float) -> float:
        if not abs(x) * factor < WHOLE_FROM:
            return x
        size = abs(x * factor)
        below = math.floor(size)
        whole = float(below + 1 if size - below >= 0.5 else below)
        return math.copysign(whole, x) / factor

    return rounded


def square_root(x: float) -> float | None:
    """Return the root, None of a negative."""
    return math.sqrt(x) if x >= 0 else None


def log(x: float) -> float | None:
    """Return the natural logarithm, None where there is none."""
    return math.log(x) if x > 0 else None


def log1p(x: float) -> float | None:
    """Return ln(1 + x), None where there is none."""
    return math.log1p(x) if x > -1 else None


def exp(x: float) -> float | None:
    """Return e to the x, None where it overflows."""
    try:
        return math.exp(x)
    except OverflowError:
        return None


def power(x: float, y: float) -> float | None:
    """Return x to the y, None where it overflows or is no real number."""
    try:
        return finite(math.pow(x, y))
    except (OverflowError, ValueError):
        return None


def float_to_int(x: float) -> int | None:
    """Return the number cut off toward zero."""
    return in_int64(int(x))


def text_to_int(text: str) -> int | None:
    """Return the whole number that a text is, with nothing around it."""
    return in_int64(int(text)) if _WHOLE.fullmatch(text) else None


def text_to_float(text: str) -> float | None:
    """Return the number that a text is, with nothing around it."""
    return finite(float(text)) if _NUMBER.fullmatch(text) else None


def text_to_timestamp(text: str) -> int | None:
    """Return the instant that a text in ISO 8601 is, with nothing around it; UTC where it has no offset."""
    instant = parse_instant(text.upper()) if _TIMESTAMP.fullmatch(text) else None
    return None if instant is None else instant_us(instant)


def text_to_date(text: str) -> int | None:
    """Return the day that a text in ISO 8601 is, with nothing around it."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text).toordinal() - EPOCH_DAY
    except ValueError:
        return None


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return the test for a LIKE pattern; time grows with the lengths of pattern and text, never with their power.

    >>> matcher("a%_z")("abyz"), matcher("a%_z")("az")
    (True, False)
    """
    first, *rest = ("".join("." if part == "_" else re.escape(part) for part in piece) for piece in pattern.split("%"))
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])  # the leftmost place is always good enough
    last = f".*{rest[-1]}" if rest else ""
    match = re.compile(first + middle + last, re.DOTALL).fullmatch
    return lambda text: match(text) is not None
