"""An applied object in a row: what it is in words, who uses it, what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from featurectl.catalog.objects import CATALOG_KINDS, AppliedObjects, CatalogKind
from featurectl.catalog.uses import DirectUses
from featurectl.catalog.words import (
    alert_words,
    deployment_words,
    entity_words,
    feature_words,
    notifier_words,
    one_line,
    pipeline_words,
    source_words,
    view_words,
)
from featurectl.identity.lineage import Ref
from featurectl.language.definitions.about import Freshness
from featurectl.language.renaming import named_features
from featurectl.registry.state import CHAMPION

if TYPE_CHECKING:
    from featurectl.language.definitions.view import Derived, Feature, FeatureView
    from featurectl.monitor.freshness import FreshnessRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSummary:
    """An applied object, or a feature, named `view:feature`.

    `type` is a feature's type; the kind of a view; the format of a source; a model's estimator; an alert's severity; a
    notifier's way; the command that a deployment runs. `definition` says in words what it is. `version` is a view's, or
    the number of a model's champion (None: there is none). `freshness` is the SLA that holds for it. `used_by` are the
    models of a view or a feature, the views, models and streams of a source, the views of an entity, the alerts and
    pipelines of a notifier. `size` is how many features a view, inputs a model, stages a pipeline has. `aliases` are
    what a feature was called before. `state` is how it did when the stores were looked at; None: they were not.
    """

    kind: CatalogKind
    name: str
    type: str
    definition: str
    version: int | None = None
    entity: str = ""
    freshness: Freshness | None = None
    used_by: tuple[str, ...] = ()
    size: int | None = None
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    state: FreshnessRow | None = None
    aliases: tuple[str, ...] = ()


def summarize(objects: AppliedObjects, kinds: Iterable[CatalogKind] = CATALOG_KINDS) -> Iterator[ObjectSummary]:
    """Yield a summary of each applied object of some kinds."""
    uses = DirectUses(objects=objects)
    for kind in kinds:
        yield from _SUMMARIES[kind](objects, uses)


def _views(objects: AppliedObjects, uses: DirectUses) -> Iterator[ObjectSummary]:
    for view in objects.views.values():
        yield ObjectSummary(
            kind="view",
            name=view.name,
            type=view.kind,
            definition=view_words(view),
            version=objects.registered("view", view.name).version,
            entity=view.entity.name if view.entity else "",
            freshness=view.freshness,
            used_by=_names(uses.of_refs.get(Ref("feature_view", view.name), ())),
            size=len(named_features(view)),
            description=one_line(view.about.description),
            owner=view.about.owner,
            tags=view.about.tags,
        )


def _features(objects: AppliedObjects, uses: DirectUses) -> Iterator[ObjectSummary]:
    for view in objects.views.values():
        for item in named_features(view):
            yield summarize_feature(view, item, uses)


def summarize_feature(view: FeatureView, item: Feature | Derived, uses: DirectUses) -> ObjectSummary:
    """Return the summary of a feature; owner and tags are its view's."""
    return ObjectSummary(
        kind="feature",
        name=f"{view.name}:{item.name}",
        type=item.dtype or "unknown",
        definition=feature_words(view, item),
        version=uses.objects.registered("view", view.name).version,
        entity=view.entity.name if view.entity else "",
        freshness=view.freshness if item.freshness is None else item.freshness,
        used_by=uses.of_features.get((view.name, item.name), ()),
        description=one_line(item.description),
        owner=view.about.owner,
        tags=view.about.tags,
        aliases=item.aliases,
    )


def _models(objects: AppliedObjects, _: DirectUses) -> Iterator[ObjectSummary]:
    for model in objects.models.values():
        trainer = model.trainer
        label = model.spine.label.name if model.spine.label else ""
        yield ObjectSummary(
            kind="model",
            name=model.name,
            type="" if trainer is None else trainer.estimator or "command",
            definition=f"{label or model.output_name} at rows of {model.spine.source.name}",
            version=objects.state.aliases.get((model.name, CHAMPION)),
            size=len(model.inputs),
            description=one_line(model.about.description),
            owner=model.about.owner,
            tags=model.about.tags,
        )


def _sources(objects: AppliedObjects, uses: DirectUses) -> Iterator[ObjectSummary]:
    for source in objects.sources.values():
        yield ObjectSummary(
            kind="source",
            name=source.name,
            type=source.format,
            definition=source_words(source),
            freshness=source.freshness,
            used_by=_names(uses.of_refs.get(Ref("source", source.name), ())),
            description=one_line(source.about.description),
            owner=source.about.owner,
            tags=source.about.tags,
        )


def _entities(objects: AppliedObjects, uses: DirectUses) -> Iterator[ObjectSummary]:
    for entity in objects.entities.values():
        yield ObjectSummary(
            kind="entity",
            name=entity.name,
            type="",
            definition=entity_words(entity),
            used_by=_names(uses.of_refs.get(Ref("entity", entity.name), ())),
            description=one_line(entity.about.description),
            owner=entity.about.owner,
            tags=entity.about.tags,
        )


def _pipelines(objects: AppliedObjects, _: DirectUses) -> Iterator[ObjectSummary]:
    for pipeline in objects.pipelines.values():
        yield ObjectSummary(
            kind="pipeline",
            name=pipeline.name,
            type=pipeline.schedule,
            definition=pipeline_words(pipeline),
            size=len(pipeline.stages),
            description=one_line(pipeline.about.description),
            owner=pipeline.about.owner,
            tags=pipeline.about.tags,
        )


def _deployments(objects: AppliedObjects, _: DirectUses) -> Iterator[ObjectSummary]:
    for deployment in objects.deployments.values():
        yield ObjectSummary(
            kind="deployment",
            name=deployment.name,
            type=deployment.run,
            definition=deployment_words(deployment),
            description=one_line(deployment.about.description),
            owner=deployment.about.owner,
            tags=deployment.about.tags,
        )


def _alerts(objects: AppliedObjects, _: DirectUses) -> Iterator[ObjectSummary]:
    for alert in objects.alerts.values():
        yield ObjectSummary(kind="alert", name=alert.name, type=alert.severity, definition=alert_words(alert))


def _notifiers(objects: AppliedObjects, uses: DirectUses) -> Iterator[ObjectSummary]:
    for item in objects.notifiers.values():
        yield ObjectSummary(
            kind="notifier",
            name=item.name,
            type=item.way,
            definition=notifier_words(item),
            used_by=uses.of_notifier(item.name),
        )


_SUMMARIES: Final[Mapping[CatalogKind, Callable[[AppliedObjects, DirectUses], Iterator[ObjectSummary]]]] = {
    "view": _views,
    "feature": _features,
    "model": _models,
    "source": _sources,
    "entity": _entities,
    "pipeline": _pipelines,
    "deployment": _deployments,
    "alert": _alerts,
    "notifier": _notifiers,
}


def _names(refs: Iterable[Ref]) -> tuple[str, ...]:
    """Return the names of what is made of an object; what runs commands that name it is left out."""
    return tuple(dict.fromkeys(ref.name for ref in refs if ref.kind not in ("pipeline", "deployment")))
