"""Who depends on whom: entities and sources -> feature views -> models, and what runs for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from featurectl.core.kinds import ObjectKind
from featurectl.language.commands.named import named_objects
from featurectl.language.definitions.model import Model, views_read
from featurectl.language.definitions.pipelines import Deployment, Pipeline
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """An object by kind and name."""

    kind: ObjectKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """`needs` maps each view, model and stream with a history to what it is made of, one step down.

    And each pipeline and deployment to what its commands name.
    """

    needs: Mapping[Ref, frozenset[Ref]]

    def upstream(self, ref: Ref) -> frozenset[Ref]:
        """Return everything that an object is made of, itself left out."""
        return _reach(ref, self.needs)

    def downstream(self, ref: Ref) -> frozenset[Ref]:
        """Return everything that is made of an object, itself left out."""
        used: dict[Ref, set[Ref]] = {}
        for user, needed in self.needs.items():
            for item in needed:
                used.setdefault(item, set()).add(user)
        return _reach(ref, {key: frozenset(users) for key, users in used.items()})


def build_graph(
    views: Iterable[FeatureView],
    models: Iterable[Model],
    sources: Iterable[Source] = (),
    runs: Iterable[Pipeline | Deployment] = (),
) -> Graph:
    """Return the graph of some views and models, down to their entities and sources, and histories of the sources.

    `runs` are pipelines and deployments, down to what their commands name.
    """
    needs = {Ref("feature_view", view.name): _view_needs(view) for view in views}
    needs |= {Ref("model", model.name): _model_needs(model) for model in models}
    for source in sources:
        if source.history is not None:
            needs[Ref("source", source.name)] = frozenset({Ref("source", source.history.name)})
    for run in runs:
        kind: ObjectKind = "pipeline" if isinstance(run, Pipeline) else "deployment"
        needs[Ref(kind, run.name)] = _run_needs(run)
    return Graph(needs=needs)


def _run_needs(run: Pipeline | Deployment) -> frozenset[Ref]:
    texts = [stage.run for stage in run.stages] if isinstance(run, Pipeline) else [run.run]
    return frozenset(Ref(kind, name) for text in texts for kind, name in named_objects(text))


def _view_needs(view: FeatureView) -> frozenset[Ref]:
    entity = {Ref("entity", view.entity.name)} if view.entity else set()
    others = {Ref("source", other.name) for other in view.transform.others} if view.transform else set()
    return frozenset({Ref("source", view.source.name), *others, *entity})


def _model_needs(model: Model) -> frozenset[Ref]:
    views = {Ref("feature_view", name) for name in views_of_model(model)}
    label = model.spine.label
    label_source = {Ref("source", label.source.name)} if label and label.source else set()
    judged_on = model.trainer.validation_source if model.trainer else None
    validation = {Ref("source", judged_on.name)} if judged_on else set()
    return frozenset({Ref("source", model.spine.source.name), *views, *label_source, *validation})


def views_of_model(model: Model) -> frozenset[str]:
    """Return the names of the views of which a model has columns."""
    return frozenset(views_read(model.inputs))


def _reach(start: Ref, edges: Mapping[Ref, frozenset[Ref]]) -> frozenset[Ref]:
    found: set[Ref] = set()
    waiting = [start]
    while waiting:
        for item in edges.get(waiting.pop(), frozenset()):
            if item not in found:
                found.add(item)
                waiting.append(item)
    return frozenset(found - {start})
