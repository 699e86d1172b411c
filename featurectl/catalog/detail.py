"""All that there is to know of one applied object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from featurectl.catalog.documents import definition_document
from featurectl.catalog.facts import facts_of
from featurectl.catalog.lineage import WITHOUT_LINEAGE, LineageGraph, lineage_of
from featurectl.catalog.objects import AppliedObjects, CatalogKind, ObjectName, at_version, find_named, read_objects
from featurectl.catalog.statistics import FeatureStatistics, read_statistics
from featurectl.catalog.summaries import ObjectSummary, summarize
from featurectl.core.errors import FeaturectlError
from featurectl.language.renaming import old_name_warning
from featurectl.registry.lineage import bound_versions
from featurectl.registry.state import Json, ObjectVersion, State

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.workspace.workspace import Workspace

DEPTH: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInUse:
    """A version of a view with the model versions that are bound to it, or one of a model with its aliases."""

    version: int
    at: datetime | None
    is_newest: bool
    used_by: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    status: str = ""
    metrics: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDetail:
    """An object: what it says (`facts`, by label), its features, versions, lineage and statistics by feature.

    `definition` is what the registry keeps of it, without secrets; of a feature, what it keeps of its view. `lineage`
    is the graph around it, None for alerts and notifiers. `statistics_missing` says why a view or a feature has none.
    """

    summary: ObjectSummary
    facts: Mapping[str, str]
    applied_at: datetime | None
    definition: Json
    features: tuple[ObjectSummary, ...] = ()
    versions: tuple[VersionInUse, ...] = ()
    lineage: LineageGraph | None = None
    statistics: Mapping[str, FeatureStatistics] = field(default_factory=dict)
    statistics_missing: str = ""
    sample_keys: tuple[tuple[object, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowRequest:
    """A name, as `find_named` takes it, or a version of a view (`spend@1`), and what is shown of the stores.

    `depth` is how many steps of lineage are shown in each direction; None: all. `sample`: statistics are computed now,
    of so many entities, not read from the profiles of models. `keys`: some keys of entities are shown. `state`: the
    stores are looked at.
    """

    name: str
    depth: int | None = DEPTH
    state: bool = False
    sample: int | None = None
    keys: bool = False
    memory_bytes: int | None = None


def show_objects(
    workspace: Workspace, request: ShowRequest, progress: Progress | None = None
) -> tuple[ObjectDetail, ...]:
    """Return the objects of a name, which may be several of several kinds.

    Raises:
        CheckFailedError: nothing is applied.
        UsageError: there is none; the hint names the nearest.
        StoreError: the registry can't be read, or with `sample` or `keys` the offline store.
        DataError: with `sample` or `keys`, a view is not materialized.
    """
    now = read_objects(workspace)
    objects, name = at_version(now, request.name)
    look = _Look(workspace, objects, now.state, request, progress)
    found = find_named(objects, name)
    _warn_of_old_name(name, found, progress)
    return tuple(look.show(node) for node in found)


def _warn_of_old_name(name: str, found: Sequence[ObjectName], progress: Progress | None) -> None:
    """Say what a feature is called now that was named by an alias."""
    view, _, asked = name.partition(":")
    for node in found:
        current = node.name.partition(":")[2]
        if progress is not None and node.kind == "feature" and current != asked:
            progress.done(f"warning: {old_name_warning(view, asked, current)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """Statistics of features by name, why there are none, and keys."""

    statistics: Mapping[str, FeatureStatistics] = field(default_factory=dict)
    missing: str = ""
    keys: tuple[tuple[object, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """What is asked, and where the answers are; `every` has all versions, `objects` those that are shown."""

    workspace: Workspace
    objects: AppliedObjects
    every: State
    request: ShowRequest
    progress: Progress | None

    def show(self, node: ObjectName) -> ObjectDetail:
        """Return all of an object."""
        objects, (view, _, feature) = self.objects, node.name.partition(":")
        registered = objects.registered("view" if feature else node.kind, view)
        summary = next(item for item in summarize(objects, [node.kind]) if item.name == node.name)
        if self.request.state:
            from featurectl.catalog.states import with_states

            (summary,) = with_states(self.workspace, objects.state, [summary], self.progress)
        features = tuple(f for f in summarize(objects, ["feature"]) if f.name.partition(":")[0] == view)
        asked = [feature] if feature else [item.name.partition(":")[2] for item in features]
        values = self._values(view, asked) if node.kind in ("view", "feature") else _Values()
        return ObjectDetail(
            summary=summary,
            facts=facts_of(objects, summary),
            applied_at=registered.applied_at,
            definition=definition_document(registered),
            features=features if node.kind == "view" else (),
            versions=tuple(_VERSIONS[node.kind](self.every, view)) if node.kind in _VERSIONS else (),
            lineage=None if node.kind in WITHOUT_LINEAGE else lineage_of(objects, node, self.request.depth),
            statistics=values.statistics,
            statistics_missing=values.missing,
            sample_keys=values.keys,
        )

    def _values(self, view: str, features: Sequence[str]) -> _Values:
        request = self.request
        if request.sample is None and not request.keys:
            return self._profiled(view, features)
        from featurectl.catalog.sample import SampleRequest, sample_view

        asked = SampleRequest(
            view=view, features=tuple(features), entities=request.sample or 0, memory_bytes=request.memory_bytes
        )
        sampled = sample_view(self.workspace, self.objects.state, asked, self.progress)
        values = self._profiled(view, features) if request.sample is None else _Values(statistics=sampled.statistics)
        return replace(values, keys=sampled.keys if request.keys else ())

    def _profiled(self, view: str, features: Sequence[str]) -> _Values:
        """Return what profiles of models have; that one can't be read is no error of what else is shown."""
        try:
            location = self.workspace.offline_location()
            found = read_statistics(self.objects.state, location, self.objects.stored_views[view], features)
        except FeaturectlError as error:
            return _Values(missing=f"the profile of the model can't be read: {error.message}")
        name = f"{view}:{features[0]}" if len(features) == 1 else view
        missing = "" if found else f"no model was trained on it: featurectl show {name} --sample 1000 computes them now"
        return _Values(statistics=found, missing=missing)


def _view_versions(state: State, name: str) -> Iterator[VersionInUse]:
    """Yield the versions of a view, the newest first."""
    newest = state.current("feature_view", name)
    for item in _of_name(state, name):
        users = [f"{version.model}@{version.version}" for version in bound_versions(state, name, item.version)]
        yield VersionInUse(
            version=item.version, at=item.applied_at, is_newest=item == newest, used_by=tuple(sorted(users))
        )


def _of_name(state: State, name: str) -> Sequence[ObjectVersion]:
    found = [item for item in state.objects if item.kind == "feature_view" and item.name == name]
    return sorted(found, key=lambda item: -item.version)


def _model_versions(state: State, name: str) -> Iterator[VersionInUse]:
    """Yield the trained versions of a model, the newest first."""
    found = sorted((v for v in state.model_versions if v.model == name), key=lambda v: -v.version)
    for place, item in enumerate(found):
        aliases = sorted(alias for (model, alias), n in state.aliases.items() if (model, n) == (name, item.version))
        yield VersionInUse(
            version=item.version,
            at=item.created_at,
            is_newest=place == 0,
            used_by=tuple(f"{view}@{number}" for view, number in sorted(item.view_versions.items())),
            aliases=tuple(aliases),
            status=item.status,
            metrics=item.metrics,
        )


_VERSIONS: Final[Mapping[CatalogKind, Callable[[State, str], Iterator[VersionInUse]]]] = {
    "view": _view_versions,
    "feature": _view_versions,
    "model": _model_versions,
}
