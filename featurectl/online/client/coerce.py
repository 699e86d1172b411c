"""Values that a caller brings, in the types that a model declares for them: nothing is lost, or the value is refused.

The rules are those of `sources/casts.py`, for single Python values as JSON or an application gives them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, cast

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, decimal_parts, fixed_point, is_text
from featurectl.core.errors import DataError
from featurectl.core.units import ISO_DATE, ISO_TIMESTAMP, parse_instant, plural

_SHOWN: Final = 100  # characters of a value in a message
_INT64: Final = range(-(2**63), 2**63)
_WORDS: Final = {"true": True, "false": False}
# The texts that spell a value, as `sources/casts.py` reads them: Python alone would read more.
_WHOLE: Final = re.compile(r"([+-]?)0*([0-9]{1,19})")
_FLOAT: Final = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
_FIXED: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_DAY: Final = re.compile(ISO_DATE)
_INSTANT: Final = re.compile(ISO_TIMESTAMP)
Coercion = Callable[[object], object]  # gives None for a value that does not fit


def typed_column(values: Sequence[object], dtype: str, name: str, what: str = "column") -> list[object]:
    """Return values in a type of the language; null stays null; NaN and infinities are null.

    Raises:
        DataError: FC504, one does not fit; it names the column, how many and the first such row.
    """
    read = reader_of(dtype)
    typed: list[object] = []
    for row, value in enumerate(values):
        if value is None or _is_no_number(value):
            typed.append(None)
            continue
        found = _read(read, value)
        if found is None:
            wrong = sum(not (v is None or _is_no_number(v)) and _read(read, v) is None for v in values)
            raise DataError(
                f"{what} {name}: {_shown(value)} is no {dtype} ({wrong:,} of {len(values):,} "
                f"{plural(len(values), 'row')}, first at row {row + 1:,})",
                code="FC504",
            )
        typed.append(None if _is_no_number(found) else found)  # the texts "NaN" and "inf"
    return typed


def _is_no_number(value: object) -> bool:
    """Return whether a value is a NaN of any kind, or an infinity."""
    return value != value or (isinstance(value, float) and math.isinf(value))  # noqa: PLR0124  # NaN


def _read(read: Coercion, value: object) -> object:
    """Return what is read of a value; a number of numpy that Python's own do not include is read as one of these."""
    found = read(value)
    return read(cast("Any", value).item()) if found is None and getattr(value, "ndim", None) == 0 else found


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:
        return "an integer of thousands of digits"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


@lru_cache(maxsize=256)
def reader_of(dtype: str) -> Coercion:
    """Return what reads a value as a type of the language.

    >>> [reader_of("int64")(value) for value in (3, 3.0, "3", 3.5, "x")]
    [3, 3, 3, None, None]
    """
    if parts := decimal_parts(dtype):
        return lambda value: _decimal(value, *parts)
    return _READERS[dtype]


def _string(value: object) -> str | None:
    if isinstance(value, str):
        return value if is_text(value) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value.isoformat() if type(value) is date else None


def _int64(value: object) -> int | None:
    found: int | None = None
    if isinstance(value, int):
        found = int(value)
    elif isinstance(value, float | Decimal):
        found = int(value) if math.isfinite(value) and value == int(value) else None
    elif isinstance(value, str):
        written = _WHOLE.fullmatch(value)
        found = int(written[1] + written[2]) if written else None
    return found if found is not None and found in _INT64 else None


def _float64(value: object) -> float | None:
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        found = float(value) if abs(value) <= 2**1023 else math.inf
        return found if found == value else None
    if not (isinstance(value, Decimal) or (isinstance(value, str) and _FLOAT.fullmatch(value))):
        return None
    number = float(value)
    spelled = math.isfinite(number) or not any(digit in "0123456789" for digit in str(value))
    return number if spelled else None  # digits that no float64 holds: "1e400"


def _bool(value: object) -> bool | None:
    if isinstance(value, str):
        return _WORDS.get(value.lower())
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None


def _timestamp(value: object) -> datetime | None:
    if isinstance(value, str):
        return parse_instant(value.upper()) if _INSTANT.fullmatch(value) else None
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else None


def _date(value: object) -> date | None:
    if isinstance(value, datetime):
        instant = _timestamp(value)
        return instant.date() if instant is not None and instant.time() == time() else None
    if isinstance(value, date):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return None


def _decimal(value: object, digits: int, scale: int) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and not _FIXED.fullmatch(value):
        return None
    exact = fixed_point(Decimal(str(value)), scale)
    return exact if exact is not None and exact.copy_abs() < 10 ** (digits - scale) else None


_READERS: Final[Mapping[str, Coercion]] = {
    STRING: _string,
    INT64: _int64,
    FLOAT64: _float64,
    BOOL: _bool,
    TIMESTAMP: _timestamp,
    DATE: _date,
}
