"""Rows of erased keys that a push finds in the online store, and those that it may have brought back itself.

An erasure removes what is in the store when it comes there. A push that has read an offline table before may write a
row afterwards, and be ended before it sees that; and a store may be restored from before an erasure. So a push begins
with the removal of all that was erased since the last one ended, and ends when nothing was erased since it began.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from featurectl.core.erasures import Erasures
from featurectl.core.errors import StoreError
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import OnlineStore, OnlineView
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.erased_keys import erased_until, remove_erased

if TYPE_CHECKING:
    import polars as pl


class PushErasures:
    """The erasures that a push goes by: those of its beginning, until it has looked again."""

    def __init__(self, view: FeatureView, online: OnlineView, load: Callable[[], Erasures]) -> None:
        self._view, self._online, self._load = view, online, load
        self._known = load()

    @property
    def number(self) -> int:
        """The number of the newest erasure that is known."""
        return self._known.number

    def remove_older(self, store: OnlineStore) -> None:
        """Remove the rows of what was erased since the last push ended, or ever if its record is broken.

        Raises:
            StoreError: the store fails.
        """
        try:
            last = store.read_push_record(self._online) if self._known else None
        except BrokenRecordError:
            last = None
        self._remove(store, self._known.after(last.erased if last else 0))

    def remove_newer(self, store: OnlineStore) -> bool:
        """Remove the rows of what was erased since this was asked last; return whether all rows are to be sent again.

        Raises:
            StoreError: a store fails.
        """
        before, self._known = self._known.number, self._load()
        return self._remove(store, self._known.after(before))

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows of the view's table that are not erased."""
        entity = self._view.entity
        if entity is None or not self._known.of(entity.name):
            return rows
        from featurectl.pit.erased_rows import ErasedRows  # needs numpy, which a push of nothing does without

        columns = {key: key for key in self._view.key_types}
        return ErasedRows(erasures=self._known, entity=entity.name, columns=columns).without(rows)

    def _remove(self, store: OnlineStore, erasures: Erasures) -> bool:
        entity = self._view.entity
        if entity is None or not erasures.of(entity.name):
            return False
        until = erased_until(erasures, entity.name, self._view.key_types)
        removed = remove_erased(store, self._online, until)
        if removed.rows:
            with suppress(StoreError):  # others hold the file: the bytes go by `erase --again`
                store.wipe(self._online)
        return removed.have_returned
