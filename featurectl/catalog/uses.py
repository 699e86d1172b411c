"""Who uses an object directly: models of features, views of sources, alerts of notifiers, pipelines of any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from featurectl.catalog.objects import AppliedObjects
from featurectl.expressions.check import expression_columns
from featurectl.identity.lineage import Ref
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import named_features


@dataclass(frozen=True, kw_only=True)  # without slots: what is looked up is kept
class DirectUses:
    """The names of those that use what is applied, sorted."""

    objects: AppliedObjects

    @cached_property
    def of_refs(self) -> Mapping[Ref, tuple[Ref, ...]]:
        """The views and models that are made of an object."""
        users: dict[Ref, list[Ref]] = {}
        for user, needed in self.objects.graph.needs.items():
            for ref in needed:
                users.setdefault(ref, []).append(user)
        return {ref: tuple(sorted(found)) for ref, found in users.items()}

    @cached_property
    def of_features(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """The models that read a feature (`view`, `feature`), also by a derived one that is made of it."""
        users: dict[tuple[str, str], set[str]] = {}
        for model in self.objects.models.values():
            for item in model.inputs:
                if isinstance(item, FeatureInput):
                    view = self.objects.views.get(item.view)
                    for feature in made_of(view, item.feature) if view else {item.feature}:
                        users.setdefault((item.view, feature), set()).add(model.name)
        return {feature: tuple(sorted(found)) for feature, found in users.items()}

    def of_notifier(self, name: str) -> tuple[str, ...]:
        """Return the alerts, then the pipelines, that notify by a notifier."""
        alerts = [alert.name for alert in self.objects.alerts.values() if name in alert.notify]
        stages = {
            pipeline.name: [n for stage in pipeline.stages for n in (*stage.on_success, *stage.on_failure)]
            for pipeline in self.objects.pipelines.values()
        }
        return (*alerts, *(pipeline for pipeline, notified in stages.items() if name in notified))


def made_of(view: FeatureView, feature: str) -> set[str]:
    """Return a feature of a view and all features of it that it is derived from."""
    found = {feature}
    for derived in reversed(view.derived):  # each reads only what stands above it
        if derived.name in found:
            found |= expression_columns(derived.expression.text)
    return found & {item.name for item in named_features(view)}
