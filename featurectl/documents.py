"""JSON that others may have written: read whole, or refused by one kind of error, whatever it holds."""

from __future__ import annotations

import json
from typing import Any


def parse_json(content: str | bytes) -> Any:
    """Return what a text says in JSON.

    Raises:
        ValueError: it is no JSON, or JSON that is nested so deep, or is so large, that it can't be held.

    >>> parse_json('{"a": [1]}')
    {'a': [1]}
    """
    try:
        return json.loads(content)
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is nested too deep, or too large") from error
