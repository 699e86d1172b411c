"""Literals of an expression -> their type and value."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Final

from featurectl.core.dtypes import BOOL, DATE, DURATION, FLOAT64, INT64, NULL, STRING, TIMESTAMP
from featurectl.core.units import MAX_DURATION_US, instant_us, missing_day, parse_instant
from featurectl.expressions.calendar import EPOCH_DAY
from featurectl.expressions.functions import INTERVAL_UNITS
from featurectl.expressions.syntax import NodeKind, Raw, reject
from featurectl.expressions.tree import Value

INT64_LEAST: Final = -(2**63)
INT64_GREATEST: Final = 2**63 - 1
LITERALS: Final[frozenset[NodeKind]] = frozenset(
    {"number", "string", "boolean", "null", "timestamp", "date", "interval"},
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_INTERVAL: Final = re.compile(r"\s*([0-9]{1,12})\s+([a-z]+?)s?\s*")


def literal(raw: Raw) -> tuple[str, Value]:
    """Return the type and the value of a literal: microseconds for times and durations, days for dates.

    Raises:
        ExpressionError: it is no number, timestamp, date or interval of the language.
    """
    match raw.kind:
        case "number":
            return _number(raw)
        case "string":
            return STRING, raw.value
        case "boolean":
            return BOOL, raw.value == "true"
        case "timestamp":
            return TIMESTAMP, _timestamp(raw)
        case "date":
            return DATE, _date(raw)
        case "interval":
            return DURATION, _interval(raw)
        case _:
            return NULL, None


def _number(raw: Raw) -> tuple[str, Value]:
    if raw.value.lstrip("-").isdigit():
        whole = int(raw.value)
        if not INT64_LEAST <= whole <= INT64_GREATEST:
            reject(raw, "does not fit 64 bits", f"write it as a float64: {raw.value[:20]}.0")
        return INT64, whole
    number = float(raw.value)
    if math.isinf(number):
        reject(raw, "does not fit a float64", "the largest is 1.7976931348623157e308")
    return FLOAT64, number


def _timestamp(raw: Raw) -> int:
    instant = parse_instant(raw.value) if _TIMESTAMP.fullmatch(raw.value) else None
    if instant is None:
        wrong = missing_day(raw.value) or f"not a timestamp: {raw.value!r}"
        reject(raw, wrong, "write 2024-01-31 10:00:00 (UTC unless it ends in an offset)")
    return instant_us(instant)


def _date(raw: Raw) -> int:
    try:
        day = date.fromisoformat(raw.value) if _DATE.fullmatch(raw.value) else None
    except ValueError:
        day = None
    if day is None:
        reject(raw, missing_day(raw.value) or f"not a date: {raw.value!r}", "write 2024-01-31")
    return day.toordinal() - EPOCH_DAY


def _interval(raw: Raw) -> int:
    match = _INTERVAL.fullmatch(raw.value.lower())
    if match is None or match[2] not in INTERVAL_UNITS:
        if match and match[2] in ("month", "quarter", "year"):
            reject(raw, f"a {match[2]} has no fixed length", "write it in days: interval '30 days'")
        reject(raw, f"not an interval: {raw.value!r}", "write interval '90 minutes'; second to week")
    length_us = int(match[1]) * INTERVAL_UNITS[match[2]]
    if length_us > MAX_DURATION_US:
        reject(raw, f"an interval of more than 100 years: {raw.value!r}", "the longest is 36500 days")
    return length_us
