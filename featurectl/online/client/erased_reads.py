"""Rows and lists of erased keys are not answered while they may still be in the store.

Rows may be there until a push has ended that knows of the erasure: an older one may have brought them back, or the
store is a restored one. Lists may until the store's mark says that they are clean of it. Afterwards nothing is looked
at; of who was erased before, and came back, rows and lists are answered while a later erasure of others is carried out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featurectl.core.erasures import Erasures
from featurectl.online.base import Found, PushRecord
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_view import ReadView
from featurectl.online.erased_keys import ErasedUntil, erased_until
from featurectl.online.list_marks import marked_lists


class SuspectKeys:
    """Finds the keys of an entity that were erased since a store was clean; `types` are those of its keys."""

    def __init__(self, erasures: Erasures, entity: str, types: Mapping[str, str]) -> None:
        self._erasures, self._entity, self._types = erasures, entity, types
        self._newest = erasures.newest_of(entity)
        self._since: tuple[int, ErasedUntil] | None = None

    def since(self, record: PushRecord | None) -> ErasedUntil | None:
        """Return what finds those of which a record does not say that the store is clean; None: there are none."""
        clean = 0 if record is None else record.erased
        if clean >= self._newest:
            return None
        known = self._since
        if known is None or known[0] != clean:
            find = erased_until(self._erasures.after(clean), self._entity, self._types)
            self._since = known = clean, find
        return known[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectView:
    """A view of whose entity keys were erased: at which place of which trip its rows come, and what finds the keys."""

    source: ReadView
    trip: int
    place: int
    keys: SuspectKeys


def suspect_view(source: ReadView, trip: int, place: int) -> SuspectView | None:
    """Return a view with what was erased of its entity, None where nothing was."""
    keys = _suspect_keys(source)
    return None if keys is None else SuspectView(source=source, trip=trip, place=place, keys=keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectLists:
    """A view of a stream of whose entity keys were erased: its mark, and what finds the keys.

    `place` is where its lists come in the answers of the stream.
    """

    mark: ReadView
    place: int
    keys: SuspectKeys

    def suspects(self, pushes: Pushes) -> ErasedUntil | None:
        """Return what finds the keys whose lists the store does not call clean; None: there are none."""
        return self.keys.since(pushes.record(self.mark))


def suspect_lists(source: ReadView, place: int) -> SuspectLists | None:
    """Return a view of a stream with what was erased of its entity, None where nothing was."""
    keys = _suspect_keys(source)
    if keys is None:
        return None
    mark = ReadView(view=source.view, online=marked_lists(source.online))
    return SuspectLists(mark=mark, place=place, keys=keys)


def _suspect_keys(source: ReadView) -> SuspectKeys | None:
    entity = source.view.entity
    if entity is None or not source.erasures.of(entity.name):
        return None
    return SuspectKeys(source.erasures, entity.name, source.view.key_types)


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
        if (until := view.keys.since(pushes.record(view.source))) is not None:
            found = _hidden(view, until, packed, found)
    return found


def _hidden(
    view: SuspectView, until: ErasedUntil, packed: Sequence[Sequence[bytes | None]], found: Sequence[Sequence[Found]]
) -> Sequence[Sequence[Found]]:
    keys = [key for key in packed[view.trip] if key is not None]
    rows = [
        [None if place == view.place else row for place, row in enumerate(under)] if until(key) else under
        for key, under in zip(keys, found[view.trip], strict=True)
    ]
    return [rows if trip == view.trip else under for trip, under in enumerate(found)]
