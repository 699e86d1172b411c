"""What apply runs: the list that a plan shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from featurectl.language.definitions.json_form import dump_definition, load_untyped_view, load_view
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.plan.desired import DesiredObject, desired_object
from featurectl.plan.external_state import ExternalState, plan_creations
from featurectl.plan.plan import Change, Stage
from featurectl.registry.state import ObjectVersion, State


def plan_stages(
    changes: Sequence[Change], desired: Sequence[DesiredObject], state: State, external: ExternalState | None = None
) -> tuple[Stage, ...]:
    """Return what apply does: create what is missing outside, then, in one transaction, make the registry match.

    The stages of blocked changes are marked: they are what would be done once that is allowed. An object without a
    change is written when its definition reads otherwise (its source has moved, say), but only along with others:
    that alone is nothing to apply. Old versions of views follow their source to its new place.
    """
    specs: dict[tuple[str, str], DesiredObject] = {(item.kind, item.name): item for item in desired}
    created = plan_creations(changes, specs, state, external)
    if all(change.kind == "unchanged" for change in changes):
        return created
    stages: list[Stage] = []
    for change in changes:
        found = _stages_of(change, specs.get((change.object, change.name)), state)
        stages += [replace(stage, blocked=bool(change.blocked)) for stage in found]
    sources = {item.name: item.spec for item in desired if isinstance(item.spec, Source)}
    touched = {(s.item.kind, s.item.name, s.item.version) for s in stages if s.item}
    retired = [replace(s, item=_follow(s.item, sources)) if s.action == "retire" and s.item else s for s in stages]
    older = [o for o in state.objects if not o.current and (o.kind, o.name, o.version) not in touched]
    moved = [Stage(action="write", item=item) for o in older if (item := _follow(o, sources)) != o]
    return (*created, *retired, *moved)


def _stages_of(change: Change, item: DesiredObject | None, state: State) -> list[Stage]:
    old = state.current(change.object, change.name)
    if item is None or change.new_version is None:
        return [Stage(action="retire", item=old)] if old else []
    if old is None or old.version != change.new_version:
        there = state.view(item.name, change.new_version) if change.resumes else None
        written = item if there is None else _in_old_key_order(item, there)
        retired = [] if old is None else [Stage(action="retire", item=old)]
        return [Stage(action="write", item=written.version(change.new_version)), *retired]
    new = replace(_in_old_key_order(item, old).version(old.version), applied_at=old.applied_at)
    return [] if new == old else [Stage(action="write", item=replace(new, applied_at=None))]


def _in_old_key_order(item: DesiredObject, old: ObjectVersion) -> DesiredObject:
    """Return a view with the key order that its version began with: rows of composite keys are stored by it."""
    if not isinstance(item.spec, FeatureView) or item.spec.entity is None or len(item.spec.keys) == 1:
        return item
    before, keys = load_untyped_view(old.definition).keys, item.spec.entity.keys
    if sorted(before) != sorted(keys):
        return item
    spec = replace(item.spec, entity=replace(item.spec.entity, keys={key: keys[key] for key in before}))
    return desired_object(spec)


def _follow(item: ObjectVersion, sources: Mapping[str, Source]) -> ObjectVersion:
    """Return an old version of a view, reading from where its source lies now; any other object as it is."""
    if item.kind != "feature_view":
        return item
    view = load_view(item.definition)
    moved = _moved(view, sources.get(view.source.name))
    return item if moved == view else replace(item, definition=dump_definition(moved))


def _moved(view: FeatureView, source: Source | None) -> FeatureView:
    """Return the view with the place of its source; what its rows mean stays as it was."""
    return replace(view, source=_moved_source(view.source, source))


def _moved_source(before: Source, now: Source | None) -> Source:
    """Return a source where it lies now, with its history; as it was where it is of another kind by now."""
    if now is None or (now.sql is None) != (before.sql is None) or now.is_stream != before.is_stream:
        return before
    sql = before.sql
    if sql and now.sql:
        sql = replace(sql, url=now.sql.url)
    history = None if before.history is None else _moved_source(before.history, now.history)
    csv = replace(before.csv, separator=now.csv.separator)
    place = replace(before, path=now.path, format=now.format, iceberg=now.iceberg, stream=now.stream)
    return replace(place, sql=sql, csv=csv, history=history)
