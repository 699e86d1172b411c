"""The value types of the language, by name.

`string int64 float64 bool timestamp date decimal(p,s) list(T)`; a timestamp is an instant (UTC, microseconds).
A type is its canonical text, so it can stand in YAML, JSON and fingerprints as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Final

STRING: Final = "string"
INT64: Final = "int64"
FLOAT64: Final = "float64"
BOOL: Final = "bool"
TIMESTAMP: Final = "timestamp"
DATE: Final = "date"
DURATION: Final = "duration"  # only inside an expression
NULL: Final = "null"  # only inside an expression: the type of a bare null
UNKNOWN: Final = "unknown"  # the column is known by name alone (a CSV header)

SCALARS: Final = (STRING, INT64, FLOAT64, BOOL, TIMESTAMP, DATE)
KEY_TYPES: Final = (STRING, INT64, BOOL, DATE)
MOST_KEY_BYTES: Final = 1_024  # of an entity's key, all its columns together, as stores have it (`online/codec.py`)
NUMERIC: Final = (INT64, FLOAT64)

_DIGITS: Final = Context(prec=80)  # more than a decimal has, and no value is rounded on the way to it
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_LIST = re.compile(r"list\((.+)\)", re.DOTALL)


class TypedColumns(dict[str, str]):
    """The columns of data that have a type of the language; `untyped` are the others, with what they are there.

    `valueless` are those of texts that have no value, which says nothing of their type.
    """

    def __init__(
        self, columns: Mapping[str, str], untyped: Mapping[str, str], valueless: Collection[str] = frozenset()
    ) -> None:
        super().__init__(columns)
        self.untyped = untyped
        self.valueless = valueless


def untyped_columns(columns: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the columns beside these that have no type of the language, as far as somebody has looked."""
    return columns.untyped if isinstance(columns, TypedColumns) else {}


def valueless_columns(columns: Mapping[str, str]) -> Collection[str]:
    """Return which of the columns are strings only because no row has a value that says another type."""
    return columns.valueless if isinstance(columns, TypedColumns) else ()


def parse_dtype(text: str) -> str | None:
    """Return the canonical text of a type, or None when there is no such type.

    >>> parse_dtype("decimal( 10, 2 )")
    'decimal(10,2)'
    >>> parse_dtype("list(string)")
    'list(string)'
    >>> parse_dtype("varchar") is None
    True
    """
    text = text.strip()
    if text in SCALARS:
        return text
    if match := _DECIMAL.fullmatch(text):
        precision, scale = int(match[1]), int(match[2])
        return f"decimal({precision},{scale})" if 1 <= precision <= 38 and scale <= precision else None
    if match := _LIST.fullmatch(text):
        inner = match[1].strip()
        item = None if inner.startswith("list") else parse_dtype(inner)  # no lists of lists, however deep
        return None if item is None else f"list({item})"
    return None


def list_item(dtype: str) -> str | None:
    """Return the item type of a list type, or None for any other type.

    >>> list_item("list(int64)")
    'int64'
    """
    match = _LIST.fullmatch(dtype)
    return match[1].strip() if match else None


def decimal_parts(dtype: str) -> tuple[int, int] | None:
    """Return (precision, scale) of a decimal type, or None for any other type.

    >>> decimal_parts("decimal(10,2)")
    (10, 2)
    """
    match = _DECIMAL.fullmatch(dtype)
    return (int(match[1]), int(match[2])) if match else None


def is_text(text: str) -> bool:
    r"""Return whether a string is whole text: halves of characters can be written in no file and no store.

    >>> is_text("Zoë"), is_text("\ud800")
    (True, False)
    """
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def fixed_point(number: Decimal, scale: int) -> Decimal | None:
    """Return a number with so many digits after the point, as a decimal column has it; None when some are lost.

    >>> fixed_point(Decimal("1.1"), 2), fixed_point(Decimal("1.125"), 2), fixed_point(Decimal("-0"), 1)
    (Decimal('1.10'), None, Decimal('0.0'))
    """
    try:
        exact = number.quantize(Decimal(1).scaleb(-scale), context=_DIGITS) if number.is_finite() else None
    except InvalidOperation:  # more digits than any decimal has
        return None
    if exact is None or exact != number:
        return None
    return exact or exact.copy_abs()  # there is one zero
