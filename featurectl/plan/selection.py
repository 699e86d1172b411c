"""A part of a plan: the changes of the objects that `--select` chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from featurectl.core.errors import UsageError
from featurectl.core.kinds import WORDS
from featurectl.identity.lineage import Graph, Ref, build_graph
from featurectl.identity.registered_kinds import Registrable, kind_of
from featurectl.identity.selection import SelectableObject, select_objects
from featurectl.language.definitions.alerts import Alert, Notifier
from featurectl.language.definitions.json_form import load_model, load_untyped_source, load_untyped_view
from featurectl.language.definitions.view import FeatureView
from featurectl.language.repo import Repo, runs_of
from featurectl.plan.desired import registrables
from featurectl.plan.plan import Change
from featurectl.registry.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The changes that were chosen, and how many others there are (unchanged objects are not counted)."""

    changes: tuple[Change, ...]
    left: int = 0


def select_changes(terms: Sequence[str], changes: Sequence[Change], repo: Repo, state: State) -> Selected:
    """Return the changes of what the terms choose; without terms, all of them.

    Raises:
        UsageError: a term chooses nothing, or something is chosen whose sources, entities or views change too and
            are not: it would be registered on top of definitions that the registry does not have. Or something is
            chosen to be removed of which a registered object is made that changes too and is not chosen.
    """
    if not terms:
        return Selected(changes=tuple(changes))
    graph = build_graph(repo.views.values(), repo.models.values(), repo.sources.values(), runs_of(repo))
    chosen = select_objects(terms, candidates(repo, changes), graph)
    kept = [change for change in changes if Ref(change.object, change.name) in chosen]
    _check_gaps(kept, changes, graph)
    _check_orphans(kept, changes, state)
    changing = sum(change.kind != "unchanged" for change in changes)
    return Selected(changes=tuple(kept), left=changing - sum(change.kind != "unchanged" for change in kept))


def candidates(repo: Repo, changes: Sequence[Change]) -> list[SelectableObject]:
    """Return everything that can be chosen: the objects of the files, and those that the files leave out."""
    modified = {(change.object, change.name) for change in changes if change.kind != "unchanged"}
    found = [
        _candidate(spec, Ref(kind_of(spec), spec.name), repo, modified=(kind_of(spec), spec.name) in modified)
        for spec in registrables(repo)
    ]
    gone = [change for change in changes if change.kind == "removed"]
    return found + [SelectableObject(ref=Ref(change.object, change.name), modified=True) for change in gone]


def _candidate(spec: Registrable, ref: Ref, repo: Repo, *, modified: bool) -> SelectableObject:
    place = repo.places.get((ref.kind, ref.name))
    entity = spec.entity.name if isinstance(spec, FeatureView) and spec.entity else ""
    tags = () if isinstance(spec, Alert | Notifier) else spec.about.tags
    return SelectableObject(ref=ref, path=place.path if place else "", tags=tags, entity=entity, modified=modified)


def _check_gaps(kept: Sequence[Change], changes: Sequence[Change], graph: Graph) -> None:
    chosen = {Ref(change.object, change.name) for change in kept}
    waiting = {
        Ref(change.object, change.name)
        for change in changes
        if change.kind not in ("unchanged", "removed") and Ref(change.object, change.name) not in chosen
    }
    for change in kept:
        if change.kind in ("unchanged", "removed"):
            continue
        ref = Ref(change.object, change.name)
        for needed in sorted(graph.upstream(ref) & waiting):
            word = WORDS[needed.kind].short
            raise UsageError(
                f"--select leaves out {word} {needed.name}, which changes too and which {ref.name} is made of",
                hint=f"--select +{ref.name} takes both",
            )


def _check_orphans(kept: Sequence[Change], changes: Sequence[Change], state: State) -> None:
    """Refuse to remove what registered objects are made of when these change or go in the same files, but not now."""
    leaving = [Ref(change.object, change.name) for change in kept if change.kind == "removed"]
    if not leaving:
        return
    chosen = {Ref(change.object, change.name) for change in kept}
    changing = {Ref(change.object, change.name) for change in changes if change.kind != "unchanged"}
    registered = _registered_graph(state)
    for ref in leaving:
        for user in sorted((registered.downstream(ref) & changing) - chosen):
            word, other = WORDS[ref.kind].short, WORDS[user.kind].short
            raise UsageError(
                f"--select removes {word} {ref.name} and leaves out {other} {user.name}, which is made of it until it "
                "changes too",
                hint=f"--select {ref.name} --select {user.name}",
            )


def _registered_graph(state: State) -> Graph:
    current = [item for item in state.objects if item.current]
    views = [load_untyped_view(item.definition) for item in current if item.kind == "feature_view"]
    models = [load_model(item.definition) for item in current if item.kind == "model"]
    sources = [load_untyped_source(item.definition) for item in current if item.kind == "source"]
    return build_graph(views, models, sources)
