"""What an object is made of, and what is made of it, as a graph in whose direction values flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from featurectl.catalog.objects import (
    SHOWN_AS,
    AppliedObjects,
    ObjectName,
    find_feature,
    find_named,
    read_objects,
)
from featurectl.catalog.uses import DirectUses
from featurectl.core.errors import UsageError
from featurectl.expressions.check import expression_columns
from featurectl.identity.lineage import Ref
from featurectl.language.renaming import named_features

if TYPE_CHECKING:
    from featurectl.language.definitions.view import Derived, Feature, FeatureView
    from featurectl.workspace.workspace import Workspace


WITHOUT_LINEAGE: Final = ("alert", "notifier")
LineageEdge = tuple[ObjectName, ObjectName]
LineageSteps = Callable[[ObjectName], Iterable[ObjectName]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageGraph:
    """Nodes and edges, sorted; the second of an edge is made of the first. `root` None: of a whole project."""

    root: ObjectName | None
    nodes: tuple[ObjectName, ...]
    edges: tuple[LineageEdge, ...]

    def made_of(self, node: ObjectName) -> list[ObjectName]:
        """Return what a node is made of, one step up."""
        return [first for first, second in self.edges if second == node]

    def used_by(self, node: ObjectName) -> list[ObjectName]:
        """Return what is made of a node, one step down."""
        return [second for first, second in self.edges if first == node]


def lineage_of(objects: AppliedObjects, node: ObjectName, depth: int | None = None) -> LineageGraph:
    """Return the graph around an object: at most so many steps up, and so many down; None: all of them."""
    view, _, feature = node.name.partition(":")
    of_feature = _FeatureSteps(objects, objects.views[view], feature) if node.kind == "feature" else None
    up = of_feature.up if of_feature else partial(_up, objects)
    down = of_feature.down if of_feature else partial(_down, DirectUses(objects=objects))
    edges = {(before, after) for after, before in _walk(node, up, depth)} | set(_walk(node, down, depth))
    nodes = {node, *(end for edge in edges for end in edge)}
    return LineageGraph(root=node, nodes=tuple(sorted(nodes)), edges=tuple(sorted(edges)))


def lineage_of_name(workspace: Workspace, name: str | None, depth: int | None) -> LineageGraph:
    """Return the graph around an object, or without a name that of the project.

    Raises:
        CheckFailedError: nothing is applied.
        UsageError: nothing of that name is, or several objects are, or it has no lineage.
        StoreError: the registry can't be read.
    """
    objects = read_objects(workspace)
    if name is None:
        return whole_lineage(objects)
    found = [node for node in find_named(objects, name) if node.kind not in WITHOUT_LINEAGE]
    if not found:
        raise UsageError(
            f"{name} has no lineage",
            hint="entities, sources, views, features, models, pipelines and deployments have one",
        )
    if len(found) > 1:
        raise UsageError(
            f"{name} is the name of several objects", hint=" or ".join(f"{node.kind}:{node.name}" for node in found)
        )
    return lineage_of(objects, found[0], depth)


def whole_lineage(objects: AppliedObjects) -> LineageGraph:
    """Return the graph of all entities, sources, views and models, and of what runs commands that name any."""
    edges = {(_node(ref), _node(user)) for user, needed in objects.graph.needs.items() for ref in needed}
    alone = {ObjectName(kind, name) for kind in ("entity", "source") for name in objects.of_kind(kind)}
    nodes = {
        *alone,
        *(_node(ref) for ref, needed in objects.graph.needs.items() if needed),
        *(end for edge in edges for end in edge),
    }
    return LineageGraph(root=None, nodes=tuple(sorted(nodes)), edges=tuple(sorted(edges)))


def _walk(start: ObjectName, steps: LineageSteps, depth: int | None) -> list[LineageEdge]:
    """Return the edges from a node onwards, each once, in the direction that is gone."""
    found: dict[LineageEdge, None] = {}
    level, seen = [start], {start}
    while level and depth != 0:
        ahead = [(node, other) for node in level for other in steps(node)]
        found |= dict.fromkeys(ahead)
        level = list(dict.fromkeys(other for _, other in ahead if other not in seen))
        seen |= set(level)
        depth = None if depth is None else depth - 1
    return list(found)


def _node(ref: Ref) -> ObjectName:
    return ObjectName(SHOWN_AS[ref.kind], ref.name)


def _ref(node: ObjectName) -> Ref:
    return Ref("feature_view" if node.kind == "view" else node.kind, node.name)  # type: ignore[arg-type]  # no feature


def _up(objects: AppliedObjects, node: ObjectName) -> list[ObjectName]:
    return sorted(_node(ref) for ref in objects.graph.needs.get(_ref(node), ()))


def _down(uses: DirectUses, node: ObjectName) -> list[ObjectName]:
    return [_node(ref) for ref in uses.of_refs.get(_ref(node), ())]


class _FeatureSteps:
    """One step from a feature: to features that it is derived from, or that are derived from it, sources, models."""

    def __init__(self, objects: AppliedObjects, view: FeatureView, feature: str) -> None:
        find_feature(view, feature)
        self._objects, self._view = objects, view
        self._by_name: dict[str, Feature | Derived] = {item.name: item for item in named_features(view)}

    def up(self, node: ObjectName) -> list[ObjectName]:
        """Return what a feature is made of: other features, or the view's sources; of those, nothing."""
        if node.kind != "feature":
            return []
        below = self._reads(self._by_name[node.name.partition(":")[2]])
        if below:
            return [self._feature(name) for name in sorted(below)]
        view = self._view
        sources = (view.source, *(view.transform.others if view.transform else ()))
        histories = [source.history for source in sources if source.history is not None]
        return sorted(ObjectName("source", item.name) for item in (*sources, *histories))

    def down(self, node: ObjectName) -> list[ObjectName]:
        """Return the features that are derived from a feature, and the models that read it itself."""
        if node.kind != "feature":
            return []
        name = node.name.partition(":")[2]
        derived = [self._feature(item.name) for item in self._view.derived if name in self._reads(item)]
        readers = [
            ObjectName("model", model.name)
            for model in self._objects.models.values()
            if any(
                getattr(i, "view", "") == self._view.name and getattr(i, "feature", "") == name for i in model.inputs
            )
        ]
        return [*derived, *readers]

    def _reads(self, item: Feature | Derived) -> set[str]:
        text = getattr(item, "expression", None)
        return set() if text is None else set(expression_columns(text.text)) & set(self._by_name)

    def _feature(self, name: str) -> ObjectName:
        return ObjectName("feature", f"{self._view.name}:{name}")
