"""`:since` in a query: the place for the instant from which rows are wanted."""

from __future__ import annotations

import re
from typing import Final

_SINCE: Final = re.compile(r"(?<!:):since\b")


def asks_since(query: str) -> bool:
    """Return whether a query takes the instant from which rows are wanted.

    >>> asks_since("select * from orders where updated_at > :since"), asks_since("select a::since from t")
    (True, False)
    """
    return _SINCE.search(query) is not None
