"""What a plan says of pushes to an online store that takes money for each write: of how many write units they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, list_item
from featurectl.core.units import counted, format_bytes
from featurectl.online.all_stores import WriteUnits
from featurectl.online.codec import HEADER_BYTES
from featurectl.online.row_places import online_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurectl.language.definitions.view import FeatureView
    from featurectl.online.base import OnlineStore, OnlineView
    from featurectl.plan.plan import Change, Plan

_KNOWN_BYTES: Final = {BOOL: 1, DATE: 5, INT64: 9, FLOAT64: 9, TIMESTAMP: 9}  # at most
_TEXT_BYTES: Final = 20  # as long as texts and decimals are taken to be, where nothing was pushed so far
_LIST_ITEMS: Final = 10


def note_costs(plan: Plan, views: Mapping[str, FeatureView], units: WriteUnits, online: OnlineStore | None) -> Plan:
    """Return a plan whose changes say how many write units the next push of their view is.

    The size of rows is that of some of those that are there; where there are none, or no store can be reached, it is
    estimated by their types.

    Raises:
        StoreError: the store can't be read.
    """
    return replace(plan, changes=tuple(_noted(change, views, plan, units, online) for change in plan.changes))


def _noted(
    change: Change, views: Mapping[str, FeatureView], plan: Plan, units: WriteUnits, online: OnlineStore | None
) -> Change:
    view = views.get(change.name) if change.computes else None
    if view is None or not view.online or view.source.is_stream:  # what workers keep is pushed by none
        return change
    place = online_view(view, change.old_version or 1, plan.project, plan.environment)
    keys = change.effort.online_keys if change.effort is not None else None
    sizes = _sizes(online, place) if keys and online is not None else []
    note = cost_note(keys if sizes else None, sizes or [_estimated(place)], lambda size: units(place, size))
    return replace(change, notes=(*change.notes, note))


def cost_note(entities: int | None, sizes: Iterable[int], units: Callable[[int], int]) -> str:
    """Return what a push costs of so many entities, whose keys and rows have about such sizes.

    >>> cost_note(84_000, [180, 220], lambda size: -(-size // 1_024))
    'its push is about 84,000 write units of the online store: 84,000 entities, rows of about 200 B'
    >>> cost_note(None, [1_500], lambda size: -(-size // 1_024))
    'its push is about 2 write units of the online store an entity: rows of about 1.5 kB'
    """
    known = [*sizes]
    each = sum(map(units, known)) / len(known)
    rows = f"rows of about {format_bytes(sum(known) // len(known))}"
    if entities is None:
        return f"its push is about {counted(round(each), 'write unit')} of the online store an entity: {rows}"
    total = counted(round(entities * each), "write unit")
    return f"its push is about {total} of the online store: {counted(entities, 'entity', 'entities')}, {rows}"


def _sizes(online: OnlineStore, place: OnlineView) -> list[int]:
    """Return the sizes of some rows that are there, with their keys: of the first page that has some."""
    page = next((found for found in online.walk(place) if found), [])
    return [len(key) + len(row) for key, row in page]


def _estimated(place: OnlineView) -> int:
    return HEADER_BYTES + sum(map(_type_bytes, [*place.keys.values(), *place.features.values()]))


def _type_bytes(dtype: str) -> int:
    item = list_item(dtype)
    if item is not None:
        return _LIST_ITEMS * _type_bytes(item)
    return _TEXT_BYTES if dtype == STRING else _KNOWN_BYTES.get(dtype, _TEXT_BYTES)
