"""What there is: an object a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from featurectl.catalog.objects import CATALOG_KINDS, REGISTERED_AS, AppliedObjects, CatalogKind, read_objects
from featurectl.catalog.summaries import ObjectSummary, summarize
from featurectl.identity.lineage import Ref
from featurectl.identity.selection import SelectableObject, select_objects
from featurectl.language.definitions.about import NOTHING_SAID, About
from featurectl.language.definitions.alerts import Alert, Notifier

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.workspace.workspace import Workspace

_OF_FILES: Final = ("path:", "state:")  # what `--select` looks up in the files, which the registry does not have


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Which kinds, all but features by default, by `--select` which objects, and whether the stores are looked at."""

    kinds: tuple[CatalogKind, ...] = tuple(kind for kind in CATALOG_KINDS if kind != "feature")
    select: tuple[str, ...] = ()
    state: bool = False


def needs_files(select: Sequence[str]) -> bool:
    """Return whether terms of `--select` ask for what stands in the files, not in the registry."""
    return any(term.strip("+").startswith(_OF_FILES) for term in select)


def list_objects(
    workspace: Workspace, request: ListRequest, progress: Progress | None = None
) -> tuple[ObjectSummary, ...]:
    """Return what is applied, by kind and name; features in the order of their views.

    Raises:
        CheckFailedError: nothing is applied.
        UsageError: a term of `select` chooses nothing.
        StoreError: the registry can't be read.
    """
    objects = read_objects(workspace)
    chosen = _chosen(workspace, objects, request.select)
    found = tuple(item for item in summarize(objects, request.kinds) if chosen is None or chosen(item))
    if not request.state:
        return found
    from featurectl.catalog.states import with_states

    return with_states(workspace, objects.state, found, progress)


def _chosen(
    workspace: Workspace, objects: AppliedObjects, terms: Sequence[str]
) -> Callable[[ObjectSummary], bool] | None:
    if not terms:
        return None
    if needs_files(terms):
        from featurectl.operations.select_views import select_refs

        refs = select_refs(workspace, objects.state, terms)
    else:
        refs = select_objects(terms, _selectable(objects), objects.graph)

    def is_chosen(item: ObjectSummary) -> bool:
        if item.kind == "feature":
            return Ref("feature_view", item.name.partition(":")[0]) in refs
        return Ref(REGISTERED_AS[item.kind], item.name) in refs

    return is_chosen


def _selectable(objects: AppliedObjects) -> list[SelectableObject]:
    found = []
    for shown, kind in REGISTERED_AS.items():
        for name, item in objects.of_kind(shown).items():
            entity = objects.views[name].entity if shown == "view" else None
            tags = _about(item).tags
            found.append(SelectableObject(ref=Ref(kind, name), tags=tags, entity=entity.name if entity else ""))
    return found


def _about(item: object) -> About:
    if isinstance(item, Alert | Notifier):
        return NOTHING_SAID
    about = getattr(item, "about", NOTHING_SAID)
    assert isinstance(about, About)
    return about
