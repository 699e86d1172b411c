"""A table that was rebuilt since a push: one that begins later has not what was pushed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from featurectl.errors import DataError, StoreError
from featurectl.offline.base import Coverage
from featurectl.online.base import PushRecord
from featurectl.training.join import BoundView
from featurectl.units import instant_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """A table that was rebuilt to begin later: when it was, where it begins, what the rebuild is called."""

    rebuilt_us: int
    since_us: int
    rebuild_id: str


def moved_begin(bound: BoundView, history: Sequence[tuple[int, Coverage]]) -> Begin | None:
    """Return that a table was rebuilt to begin later than one before; None where it was not."""
    here = next((c for n, c in history if n == bound.table_version), None)
    if here is None or here.since is None:
        return None
    others = [c for _, c in history if c.rebuild_id != here.rebuild_id]
    if not others or all(c.since is not None and c.since >= here.since for c in others):
        return None
    first = next(c.now for _, c in history if c.rebuild_id == here.rebuild_id)
    rebuilt_us = instant_us(first) if first else 0
    return Begin(rebuilt_us=rebuilt_us, since_us=instant_us(here.since), rebuild_id=here.rebuild_id)


def as_pushed(bound: BoundView, record: PushRecord) -> tuple[BoundView, str]:
    """Return the table that a push is compared with: the newest, unless that begins later and was not pushed yet."""
    begin = moved_begin(bound, bound.stored.history())
    if begin is None or begin.rebuild_id == record.rebuild_id:
        return bound, ""
    note = f"its table begins later since the last push: compared with version {record.table_version} of it"
    return replace(bound, table_version=record.table_version, pinned=True), note


@contextmanager
def reading_pushed(bound: BoundView) -> Iterator[None]:
    """Tell of a table that is read as it was pushed, and can't be: its files may be gone for good."""
    try:
        yield
    except StoreError as error:
        if not bound.pinned or error.code != "FC603":
            raise
        told = f"{bound.label} begins later since its last push, and what was pushed can't be read any more"
        raise DataError(f"{told}: {error.message}", hint=f"featurectl push {bound.view.name}") from error


def are_others(before: PushRecord, after: PushRecord | None) -> bool:
    """Return whether rows may have been replaced that do not say so: not by a later push of the same table."""
    if after is None or after.rebuild_id != before.rebuild_id:
        return True
    return after != before and after.computed_at <= before.computed_at
