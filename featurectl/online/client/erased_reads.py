"""Rows of erased keys are not answered while they may still be in the store.

They may be there until a push has ended that knows of the erasure: an older one may have brought them back, or the
store is a restored one. Afterwards nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.core.dataclass import dataclass
from featurectl.online.base import Found
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_view import ReadView
from featurectl.online.erased_keys import ErasedUntil, erased_until


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
