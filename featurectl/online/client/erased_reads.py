"""Rows and lists of erased keys are not answered while they may still be in the store.

Rows may be there until a push has ended that knows of the erasure: an older one may have brought them back, or the
store is a restored one. Lists may until the store's mark says that they are clean of it. Afterwards nothing is looked
at.
"""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.core.dataclass import dataclass
from featurectl.online.base import Found
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_view import ReadView
from featurectl.online.erased_keys import ErasedUntil, erased_until
from featurectl.online.list_marks import marked_lists


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectView:
    """A view of whose entity keys were erased: at which place of which trip its rows come, and what finds the keys."""

    source: ReadView
    trip: int
    place: int
    newest: int
    until: ErasedUntil


def suspect_view(source: ReadView, trip: int, place: int) -> SuspectView | None:
    """Return a view with what was erased of its entity, None where nothing was."""
    entity = source.view.entity
    newest = 0 if entity is None else source.erasures.newest_of(entity.name)
    if entity is None or not newest:
        return None
    until = erased_until(source.erasures, entity.name, source.view.key_types)
    return SuspectView(source=source, trip=trip, place=place, newest=newest, until=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectLists:
    """A view of a stream of whose entity keys were erased: its mark, the newest erasure, and what finds the keys.

    `place` is where its lists come in the answers of the stream.
    """

    mark: ReadView
    place: int
    newest: int
    until: ErasedUntil

    def are_clean(self, pushes: Pushes) -> bool:
        """Return whether the store says that nothing of the erased keys is there."""
        record = pushes.record(self.mark)
        return record is not None and record.erased >= self.newest


def suspect_lists(source: ReadView, place: int) -> SuspectLists | None:
    """Return a view of a stream with what was erased of its entity, None where nothing was."""
    found = suspect_view(source, 0, 0)
    if found is None:
        return None
    mark = ReadView(view=source.view, online=marked_lists(source.online))
    return SuspectLists(mark=mark, place=place, newest=found.newest, until=found.until)


def without_erased(
    views: Sequence[SuspectView],
    pushes: Pushes,
    packed: Sequence[Sequence[bytes | None]],
    found: Sequence[Sequence[Found]],
) -> Sequence[Sequence[Found]]:
    """Return what was found without the rows of erased keys in views of which no push has ended since.

    `packed` are the keys of each trip by row, `found` what lies under those that are not None, in their order.
    """
    for view in views:
        record = pushes.record(view.source)
        if record is None or record.erased < view.newest:
            found = _hidden(view, packed, found)
    return found


def _hidden(
    view: SuspectView, packed: Sequence[Sequence[bytes | None]], found: Sequence[Sequence[Found]]
) -> Sequence[Sequence[Found]]:
    keys = [key for key in packed[view.trip] if key is not None]
    rows = [
        [None if place == view.place else row for place, row in enumerate(under)] if view.until(key) else under
        for key, under in zip(keys, found[view.trip], strict=True)
    ]
    return [rows if trip == view.trip else under for trip, under in enumerate(found)]
