"""Which of two rows stays, for a store whose own program compares bytes: the rule that others say in SQL or Lua.

Rows are of format 1, as a store gets them that is not compact.
"""

from __future__ import annotations

from featurectl.online.base import VersionedBy
from featurectl.online.codec import COMPUTED_BYTES, NEWER_BYTES, RECORD_NEWER_BYTES


def gives_way(old: bytes, new: bytes, order: VersionedBy, bound: bytes) -> bool:
    """Return whether a row is replaced: it is no newer, was computed later than the bound, or is none."""
    places, computed = slice(*NEWER_BYTES[order]), old[slice(*COMPUTED_BYTES)]
    return not old or old[places] <= new[places] or computed > bound


def is_let_go(row: bytes, until: bytes, bound: bytes) -> bool:
    """Return whether a row was computed until an instant, or later than the bound, or is none."""
    computed = row[slice(*COMPUTED_BYTES)]
    return not row or computed <= until or computed > bound


def record_gives_way(old: bytes, new: bytes, bound: bytes) -> bool:
    """Return whether the record of a push is replaced: it is no newer, as of later than the bound, or none."""
    places = slice(*RECORD_NEWER_BYTES)
    return not old or old[places] <= new[places] or old[places] > bound
