"""Values of feature tests as texts."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime

from featurectl.core.units import format_iso
from featurectl.language.syntax.node import scalar_value
from featurectl.operations.feature_tests.results import Cell

_PLAIN = re.compile(r"(?!.*: )[^\W_](?:[\w .:+/%@-]*\w)?")  # texts that need no quotes anywhere in YAML


def show_value(value: object) -> str:
    """Return a value as a test file would write it; a text in quotes when it would be read as something else.

    >>> [show_value(value) for value in (None, True, 0.1 + 0.2, "AA", "7", "a b", [1, None])]
    ['null', 'true', '0.30000000000000004', 'AA', '"7"', 'a b', '[1, null]']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return format_iso(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(show_value, value)) + "]"
    if not isinstance(value, str):
        return str(value)
    plain = _PLAIN.fullmatch(value) is not None and scalar_value(value) == value
    return value if plain else json.dumps(value, ensure_ascii=not value.isprintable())


def show_pair(cell: Cell) -> tuple[str, str]:
    """Return what was expected and what was found; where they differ and look alike, in a way that shows it."""
    expected, found = show_value(cell.expected), show_value(cell.found)
    if cell.agrees or _look(expected) != _look(found):
        return expected, found
    expected, found = (text.encode("ascii", "backslashreplace").decode() for text in (expected, found))
    if expected != found:
        return expected, found
    return f"{expected} ({type(cell.expected).__name__})", f"{found} ({type(cell.found).__name__})"


def _look(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace('"', "")
