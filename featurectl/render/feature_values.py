"""Values of features, as people read them and as JSON has them."""

from __future__ import annotations

import math
from datetime import date, datetime

from featurectl.core.units import format_iso


def plain_value(value: object) -> object:
    """Return a value as JSON has it: instants and dates in ISO 8601, decimals as text."""
    if isinstance(value, list):
        return [plain_value(item) for item in value]
    if isinstance(value, datetime):
        return format_iso(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no NaN and no infinity
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def shown_value(value: object) -> str:
    """Return a value in one line for people; of a float six digits, which JSON has all of.

    >>> shown_value([None, True, 1.5]), shown_value("a"), shown_value(0.1 + 0.2), shown_value(1234567.0)
    ('[null, true, 1.5]', 'a', '0.3', '1.23457e+06')
    """
    if isinstance(value, list):
        return "[" + ", ".join(shown_value(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:.6g}"
    plain = plain_value(value)
    if plain is None:
        return "null"
    return str(plain).lower() if isinstance(plain, bool) else str(plain)
