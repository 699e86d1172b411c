"""Rows of erased keys in the online store of an environment: those that pushes have written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurectl.core.units import counted
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.online.erased_keys import ErasedUntil, erased_until, find_erased, packed_key, remove_erased
from featurectl.online.erasure_mark import hear_of
from featurectl.online.row_places import online_view

if TYPE_CHECKING:
    from featurectl.online.base import OnlineView


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedView:
    """A view version whose rows are of an entity of which keys were erased, and how their rows are found."""

    online: OnlineView
    until: ErasedUntil
    known: Sequence[bytes] | None

    @property
    def place(self) -> str:
        """What it is called."""
        return f"online rows of {self.online.view}@{self.online.version}"


class OnlineStorePlace:
    """The rows of all view versions that were ever pushed, under the erased keys of their entities."""

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many rows each view version has."""
        store = request.target.workspace.online()
        counted = [
            (of.place, sum(len(page) for page in find_erased(store, of.online, of.until, of.known)))
            for of in erased_views(request)
        ]
        return [PlaceFindings(place=place, rows=rows) for place, rows in counted if rows]

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Remove them, and have files that may hold their bytes written anew, whether any was there or not.

        A run that was killed may have removed the rows and left the bytes.
        """
        store, views = request.target.workspace.online(), [*erased_views(request)]
        removed = [(of, remove_erased(store, of.online, of.until, of.known)) for of in views]
        notes = store.wipe(*(of.online for of in views)) if views else ()
        found = _unknown(request)
        for of, rows in removed:
            if rows.rows:
                back = ("who came back is there again after the next push",) if rows.have_returned else ()
                found.append(PlaceFindings(place=of.place, rows=rows.rows, notes=(*notes, *back)))
                notes = ()
        return found


def _unknown(request: ErasureRequest) -> list[PlaceFindings]:
    """Have the store hear of all that is erased, and return that a registry which was restored does not know of all."""
    workspace = request.target.workspace
    unknown = hear_of(workspace.online(), workspace.project, workspace.environment.name, workspace.erasures)
    if not unknown:
        return []
    note = (
        f"it has heard of erasures of {counted(unknown, 'more key')} than this registry, which was restored from "
        "before: erase again what was erased since"
    )
    return [PlaceFindings(place="online store", rows=0, notes=(note,))]


def erased_views(request: ErasureRequest) -> Iterator[ErasedView]:
    """Yield the view versions in the store that are of entities of which keys were erased."""
    workspace, state = request.target.workspace, request.target.state
    env = workspace.environment.name
    for name, version in sorted(workspace.online().prepared(workspace.project, env)):
        item = state.view(name, version)
        view = None if item is None else load_untyped_view(item.definition)
        if view is None or view.entity is None or not request.erasures.of(view.entity.name):
            continue
        yield ErasedView(
            online=online_view(view, version, workspace.project, env),
            until=erased_until(request.erasures, view.entity.name, view.key_types),
            known=known_keys(request, view.entity.name, view.key_types),
        )


def known_keys(request: ErasureRequest, entity: str, types: Mapping[str, str]) -> list[bytes] | None:
    """Return the packed keys of an entity that are erased; None where one is known by a hash, or in a part."""
    keys = []
    for item in request.erasures.of(entity):
        key = packed_key(request.values.get(item.number, {}), types)
        if key is None:
            return None
        keys.append(key)
    return keys
