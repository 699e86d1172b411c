"""Which character separates the columns of a CSV file whose header was read by another one."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

_MARKS: Final = (";", "\t", "|")


def separator_hint(names: Collection[str]) -> str:
    r"""Return what to say of a file whose columns are likely separated otherwise, "" of another.

    >>> separator_hint(["customer;amount"]), separator_hint(["customer", "amount"])
    ('its header is one column: csv: {separator: ";"} of the source', '')
    """
    if len(names) != 1:
        return ""
    found = next((mark for mark in _MARKS if mark in next(iter(names))), "")
    return f"its header is one column: csv: {{separator: {json.dumps(found)}}} of the source" if found else ""
