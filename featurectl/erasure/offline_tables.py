"""The offline tables of all versions of views: what an erasure removes of them, and what can't be made again then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurectl.core.units import counted, format_instant, from_us
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.language.definitions.json_form import load_view
from featurectl.operations.materialize.clean_erased import remove_erased
from featurectl.operations.views import view_table
from featurectl.workspace.plain_registry import list_pins

if TYPE_CHECKING:
    from featurectl.offline.base import ErasedFiles, OfflineTable
    from featurectl.registry.state import ObjectVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVersions:
    """A view version with its table, and who names versions of that: manifests, and model versions by their labels."""

    view: ObjectVersion
    table: OfflineTable
    manifests: Sequence[tuple[int, str]]
    models: Sequence[tuple[int, str]]

    @property
    def versions(self) -> list[int]:
        """The versions of the table that somebody names."""
        return sorted({version for version, _ in (*self.manifests, *self.models)})

    def notes(self, broken: Sequence[int]) -> tuple[str, ...]:
        """Return what can't be made again without some versions of the table.

        >>> named = NamedVersions(view=None, table=None, manifests=[(3, "manifest a1")], models=[(3, "churn@2")])
        >>> named.notes([3])
        ("version 3 of the table is gone: manifest a1 and the training set of churn@2 can't be made again",)
        """
        found = []
        for version in broken:
            holders = [holder for number, holder in self.manifests if number == version]
            holders += [f"the training set of {model}" for number, model in self.models if number == version]
            who = f"{', '.join(holders[:-1])} and {holders[-1]}" if len(holders) > 1 else "".join(holders)
            found.append(f"version {version} of the table is gone: {who} can't be made again")
        return tuple(found)


class OfflineTables:
    """The tables of all view versions that the registry knows, those of removed views and of older versions too."""

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return what tables hold of erased keys, without changing anything."""
        found = []
        for named in _tables(request):
            here = named.table.look_erased(request.erasures, request.values, named.versions)
            if here:
                found.append(_findings(named, here))
        return found

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Remove it, with the pins of versions that can't be read any more, and return what was removed."""
        found = []
        for named in _tables(request):
            here = remove_erased(request.target, named.view, named.table, request.erasures, request.values)
            if here:
                found.append(_findings(named, here))
        return found


def _tables(request: ErasureRequest) -> Iterator[NamedVersions]:
    """Give the view versions that may hold erased keys."""
    target = request.target
    pins = list_pins(target.workspace)
    for item in target.state.objects:
        view = load_view(item.definition) if item.kind == "feature_view" else None
        if view is None or view.entity is None or not request.erasures.of(view.entity.name):
            continue
        label = f"{item.name}@{item.version}"
        models = [(m.table_versions[label], m) for m in target.state.model_versions if label in m.table_versions]
        yield NamedVersions(
            view=item,
            table=view_table(target.offline, view, item.version),
            manifests=[(p.table_version, p.holder) for p in pins if f"{p.view}@{p.version}" == label],
            models=[(number, f"{model.model}@{model.version}") for number, model in models],
        )


def _findings(named: NamedVersions, found: ErasedFiles) -> PlaceFindings:
    older = f"{counted(found.removed, 'file')} with such rows, which older versions need, can't be read any more"
    restored = (
        f"it was cleaned of an erasure of {format_instant(from_us(found.unknown))} that this registry does not know: "
        "if the registry was restored from before, erase again what was erased since"
    )
    said = [*([older] if found.removed else []), *([restored] if found.unknown else [])]
    return PlaceFindings(
        place=f"offline table {named.view.name}@{named.view.version}",
        rows=found.rows,
        rewritten=found.rewritten,
        notes=(*said, *named.notes(found.broken)),
    )
