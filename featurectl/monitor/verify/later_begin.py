"""A table that was rebuilt since a push: one that begins later has not what was pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from featurectl.core.units import instant_us
from featurectl.offline.base import Coverage
from featurectl.operations.views import BoundView


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterBegin:
    """A table that was rebuilt to begin later: when it was, where it begins, what the rebuild is called."""

    rebuilt_us: int
    since_us: int
    rebuild_id: str


def moved_begin(bound: BoundView, history: Sequence[tuple[int, Coverage]]) -> LaterBegin | None:
    """Return that a table was rebuilt to begin later than one before; None where it was not."""
    here = next((c for n, c in history if n == bound.table_version), None)
    if here is None or here.since is None:
        return None
    others = [c for _, c in history if c.rebuild_id != here.rebuild_id]
    if not others or all(c.since is not None and c.since >= here.since for c in others):
        return None
    first = next(c.now for _, c in history if c.rebuild_id == here.rebuild_id)
    rebuilt_us = instant_us(first) if first else 0
    return LaterBegin(rebuilt_us=rebuilt_us, since_us=instant_us(here.since), rebuild_id=here.rebuild_id)
