"""What is applied, object by object, and who depends on whom: read of the registry alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args

from featurectl.catalog.seen_types import with_seen_types, with_types
from featurectl.core.errors import UsageError
from featurectl.core.kinds import WORDS, ObjectKind
from featurectl.core.nearest import did_you_mean
from featurectl.identity.lineage import Graph, build_graph
from featurectl.language.definitions.json_form import (
    load_alert,
    load_deployment,
    load_entity,
    load_notifier,
    load_pipeline,
    load_untyped_model,
    load_untyped_source,
    load_untyped_view,
)
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.renaming import current_names, named_features, with_current_names
from featurectl.registry.applied import registered_view
from featurectl.workspace.plain_registry import list_view_columns

if TYPE_CHECKING:
    from featurectl.language.definitions.alerts import Alert, Notifier
    from featurectl.language.definitions.entity import Entity
    from featurectl.language.definitions.json_form import Json
    from featurectl.language.definitions.model import Model
    from featurectl.language.definitions.pipelines import Deployment, Pipeline
    from featurectl.language.definitions.source import Source
    from featurectl.language.definitions.view import Derived, Feature, FeatureView
    from featurectl.registry.base import SeenColumns
    from featurectl.registry.state import ObjectVersion, State
    from featurectl.workspace.workspace import Workspace

    Registered = FeatureView | Model | Source | Entity | Pipeline | Deployment | Alert | Notifier

T = TypeVar("T")
CatalogKind = Literal["view", "feature", "model", "source", "entity", "pipeline", "deployment", "alert", "notifier"]
CATALOG_KINDS: Final[tuple[CatalogKind, ...]] = get_args(CatalogKind)
REGISTERED_AS: Final[Mapping[CatalogKind, ObjectKind]] = {
    "view": "feature_view", "model": "model", "source": "source", "entity": "entity", "pipeline": "pipeline",
    "deployment": "deployment", "alert": "alert", "notifier": "notifier",
}  # fmt: skip
SHOWN_AS: Final[Mapping[ObjectKind, CatalogKind]] = {kind: shown for shown, kind in REGISTERED_AS.items()}
_MOST_HINTS: Final = 3
WORDS_OF_KINDS: Final[Mapping[str, CatalogKind]] = {  # before a name
    **{shown: shown for shown in REGISTERED_AS},
    **{kind: shown for shown, kind in REGISTERED_AS.items()},
}
SEVERAL: Final[Mapping[CatalogKind, str]] = {
    **{shown: WORDS[kind].short_several for shown, kind in REGISTERED_AS.items()},
    "feature": "features",
}


@dataclass(frozen=True, slots=True, order=True)
class ObjectName:
    """An object by kind and name, or a feature, named `view:feature`."""

    kind: CatalogKind
    name: str


@dataclass(frozen=True, kw_only=True)  # without slots: what is looked up is kept
class AppliedObjects:
    """The newest applied definitions of a project, by kind and name; expressions are texts alone.

    `columns` are those of the sources of view versions with types that the files do not say.
    """

    state: State
    columns: SeenColumns = field(default_factory=dict)

    @cached_property
    def views(self) -> Mapping[str, FeatureView]:
        """Feature views, their features by the names that these have now."""
        return {name: with_current_names(view) for name, view in self.stored_views.items()}

    @cached_property
    def stored_views(self) -> Mapping[str, FeatureView]:
        """Feature views, their features by the names that their values are stored under."""
        return {name: self._typed(view) for name, view in self._load("feature_view", load_untyped_view).items()}

    def _typed(self, view: FeatureView) -> FeatureView:
        columns = self.columns.get((view.name, self.registered("view", view.name).version))
        return view if columns is None else with_types(view, columns)

    @cached_property
    def models(self) -> Mapping[str, Model]:
        """Models, which read features by the names that these have now."""
        names = {name: current_names(view) for name, view in self.stored_views.items()}
        return {
            name: _by_current_names(model, names) for name, model in self._load("model", load_untyped_model).items()
        }

    @cached_property
    def sources(self) -> Mapping[str, Source]:
        """Sources."""
        seen = {view.source.name: view.source for view in self.stored_views.values() if view.transform is None}
        declared = self._load("source", load_untyped_source)
        return {name: with_seen_types(source, seen.get(name)) for name, source in declared.items()}

    @cached_property
    def entities(self) -> Mapping[str, Entity]:
        """Entities."""
        return self._load("entity", load_entity)

    @cached_property
    def pipelines(self) -> Mapping[str, Pipeline]:
        """Pipelines."""
        return self._load("pipeline", load_pipeline)

    @cached_property
    def deployments(self) -> Mapping[str, Deployment]:
        """Deployments."""
        return self._load("deployment", load_deployment)

    @cached_property
    def alerts(self) -> Mapping[str, Alert]:
        """Alerts."""
        return self._load("alert", load_alert)

    @cached_property
    def notifiers(self) -> Mapping[str, Notifier]:
        """Notifiers."""
        return self._load("notifier", load_notifier)

    @cached_property
    def graph(self) -> Graph:
        """Who is made of whom."""
        runs: list[Pipeline | Deployment] = [*self.pipelines.values(), *self.deployments.values()]
        return build_graph(self.views.values(), self.models.values(), self.sources.values(), runs)

    def of_kind(self, kind: CatalogKind) -> Mapping[str, Registered]:
        """Return the objects of a kind by name; a feature is none by itself."""
        by_kind: dict[CatalogKind, Mapping[str, Registered]] = {
            "view": self.views, "model": self.models, "source": self.sources, "entity": self.entities,
            "pipeline": self.pipelines, "deployment": self.deployments, "alert": self.alerts,
            "notifier": self.notifiers, "feature": {},
        }  # fmt: skip
        return by_kind[kind]

    def registered(self, kind: CatalogKind, name: str) -> ObjectVersion:
        """Return an object as the registry has it; KeyError where it is not applied."""
        found = self.state.current(REGISTERED_AS[kind], name)
        if found is None:
            raise KeyError(name)
        return found

    def _load(self, kind: ObjectKind, load: Callable[[Json], T]) -> dict[str, T]:
        names = sorted({item.name for item in self.state.objects if item.kind == kind and item.current})
        newest = (self.state.current(kind, name) for name in names)
        return {item.name: load(item.definition) for item in newest if item is not None}


def read_objects(workspace: Workspace) -> AppliedObjects:
    """Return what is applied of a workspace.

    Raises:
        CheckFailedError: nothing is.
        StoreError: the registry can't be read.
    """
    return AppliedObjects(state=workspace.applied_state(), columns=list_view_columns(workspace))


def at_version(objects: AppliedObjects, text: str) -> tuple[AppliedObjects, str]:
    """Return what is applied as if the view version that a text names (`spend@1`, `spend@1:count_7d`) were the newest.

    And the text without the version. Other texts, and other objects, are left as they are.

    Raises:
        UsageError: the view has no such version.
    """
    label, colon, feature = text.partition(":")
    name, at, number = label.partition("@")
    if not at or name not in objects.views:
        return objects, text
    item = registered_view(objects.state, name, int(number) if number.isdecimal() else -1)
    others = [o for o in objects.state.objects if not (o.kind == "feature_view" and o.name == name)]
    state = replace(objects.state, objects=(*others, replace(item, current=True)))
    return AppliedObjects(state=state, columns=objects.columns), f"{name}{colon}{feature}"


def _by_current_names(model: Model, names: Mapping[str, Mapping[str, str]]) -> Model:
    inputs = tuple(
        replace(item, feature=names.get(item.view, {}).get(item.feature, item.feature))
        if isinstance(item, FeatureInput)
        else item
        for item in model.inputs
    )
    return replace(model, inputs=inputs)


def find_feature(view: FeatureView, name: str) -> Feature | Derived:
    """Return a feature of a view by its name, or by an alias of it.

    Raises:
        UsageError: it has none of that name.
    """
    by_name = {item.name: item for item in named_features(view)}
    by_name |= {alias: item for item in named_features(view) for alias in item.aliases if alias not in by_name}
    if name not in by_name:
        known = [item.name for item in named_features(view)]
        hint = did_you_mean(name, known) or f"features: {', '.join(known)}"
        raise UsageError(f"view {view.name} has no feature {name!r}", hint=hint)
    return by_name[name]


def find_named(objects: AppliedObjects, text: str) -> list[ObjectName]:
    """Return what a text names: objects (`spend`), one of a kind (`source:spend`), a feature (`spend:amount_sum_7d`).

    A view before the colon means a feature of it, whatever it is called.

    Raises:
        UsageError: nothing of that name is applied; the hint names the nearest.
    """
    first, colon, second = text.partition(":")
    if "@" in text and (model := text.partition("@")[0]) in objects.models:
        raise UsageError(f"{text} is a trained version", hint=f"featurectl models show {text}; featurectl show {model}")
    if not colon:
        return _of_kinds(objects, first, [kind for kind in CATALOG_KINDS if kind != "feature"])
    if first not in objects.views and first in WORDS_OF_KINDS:
        return _of_kinds(objects, second, [WORDS_OF_KINDS[first]])
    _of_kinds(objects, first, ["view"])
    found = find_feature(objects.views[first], second)
    return [ObjectName("feature", f"{first}:{found.name}")]


def _of_kinds(objects: AppliedObjects, name: str, kinds: Sequence[CatalogKind]) -> list[ObjectName]:
    found = [ObjectName(kind, name) for kind in kinds if name in objects.of_kind(kind)]
    if not found:
        known = sorted({each for kind in kinds for each in objects.of_kind(kind)})
        what, listed = (kinds[0], SEVERAL[kinds[0]]) if len(kinds) == 1 else ("object", "")
        of_views = "" if listed else _features_hint(objects, name)
        hint = of_views or did_you_mean(name, known) or f"featurectl list {listed}".rstrip()
        raise UsageError(f"no {what} {name!r} is applied in project {objects.state.project}", hint=hint)
    return found


def _features_hint(objects: AppliedObjects, name: str) -> str:
    """Return where features have a name, or have had it; "": none has."""
    having = [
        view.name for view in objects.views.values() for f in named_features(view) if name in (f.name, *f.aliases)
    ]
    return " or ".join(f"featurectl show {view}:{name}" for view in having[:_MOST_HINTS])


def kind_of_word(word: str) -> CatalogKind:
    """Return the kind that a word for one or several of it means.

    >>> kind_of_word("views"), kind_of_word("feature_view")
    ('view', 'view')

    Raises:
        UsageError: it means none.
    """
    words: dict[str, CatalogKind] = {text: kind for kind in CATALOG_KINDS for text in (kind, SEVERAL[kind])}
    words |= {WORDS["feature_view"].section: "view", "feature_view": "view"}
    if word not in words:
        hint = did_you_mean(word, words) or ", ".join(SEVERAL[kind] for kind in CATALOG_KINDS)
        raise UsageError(f"{word!r} is no kind of object", hint=hint)
    return words[word]
