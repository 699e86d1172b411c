"""`:since` in a query: the place for the instant from which rows are wanted."""

from __future__ import annotations

import re
from typing import Final

_SINCE: Final = re.compile(r"(?<![\w:\]\)\"]):since\b")  # behind a name it is a part of a document, in Snowflake


def asks_since(query: str) -> bool:
    """Return whether a query takes the instant from which rows are wanted.

    >>> asks_since("select * from orders where updated_at > :since"), asks_since("select a::since, a:since from t")
    (True, False)
    """
    return _SINCE.search(query) is not None


def count_since(query: str) -> int:
    """Return how many times a query takes the instant.

    >>> count_since("select * from t where at > :since or seen > :since")
    2
    """
    return len(_SINCE.findall(query))


def with_since(query: str, value: str) -> str:
    """Return a query with an expression in the place of the instant.

    >>> with_since("select a::since from t where at > :since", "now()")
    'select a::since from t where at > now()'
    """
    return _SINCE.sub(lambda _: value, query)
