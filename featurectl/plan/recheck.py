"""What a saved plan does, held against the definitions that it writes and the registry's state.

Its digest tells a damaged file from a whole one; whoever changes the file can make another digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from featurectl.core.errors import StoreError, TryAgainError, UsageError
from featurectl.core.kinds import ObjectKind
from featurectl.identity.fingerprint import fingerprints
from featurectl.identity.registered_kinds import REGISTERED, Registrable
from featurectl.language.definitions.fitting import fits
from featurectl.language.definitions.model import Model
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import named_features
from featurectl.language.shapes.values import NAME
from featurectl.plan.categorise import categorise
from featurectl.plan.desired import DesiredObject, desired_object
from featurectl.plan.plan import Change, Plan, Stage
from featurectl.registry.base import SeenColumns
from featurectl.registry.state import ObjectVersion, State

_HINT: Final = "featurectl plan --out FILE writes one"
ObjectKey = tuple[ObjectKind, str]


def decide_again(plan: Plan, state: State, name: str, seen: SeenColumns = MappingProxyType({})) -> Plan:
    """Return a saved plan that does what it says; `name` is what errors call it. Pure.

    `state` is the one that the plan was made against, `seen` are the columns that view versions are made of by now.
    What was allowed when it was made stays allowed: that is part of what was reviewed.

    Raises:
        TryAgainError: the data has other types of columns than it had when the plan was made.
        UsageError: what the plan writes is nothing that the language can say, or is not what its changes say.
    """
    written = {_key(stage.item): stage.item for stage in plan.stages if _is_written(stage) and stage.item}
    desired = [_desired(item, name) for item in written.values()]
    _check_stages(plan, state, written, name)
    retired = {_key(stage.item) for stage in plan.stages if stage.action == "retire" and stage.item}
    kept = [o for o in state.objects if state.current(o.kind, o.name) is o and _key(o) not in {*written, *retired}]
    known = [_desired(item, name, known=True) for item in kept]
    found = categorise([*desired, *known], state, seen=seen)
    moved, claimed = _moved(found), _moved(plan.changes)
    if wrong := _differing(claimed, moved):
        if any(not wrong & _differing(claimed, _moved(found)) for found in _before([*desired, *known], state, seen)):
            raise TryAgainError(f"types that {name} declares have been read from the data since", hint="plan again")
        raise UsageError(f"{name} does something else than it says", hint=_HINT)
    for key, item in written.items():
        there = state.current(item.kind, item.name)
        if item.version != (moved[key].new_version if key in moved else there.version if there else 0):
            raise UsageError(f"{name} writes another version of {item.name} than it says", hint=_HINT)
    return replace(
        plan,
        stages=tuple(replace(s, blocked=_waits(s, claimed, state)) for s in plan.stages),
    )


def _before(objects: Sequence[DesiredObject], state: State, seen: SeenColumns) -> Iterator[Sequence[Change]]:
    """Give what was decided before columns were seen: when no types had been read, and when nothing had been made."""
    yield categorise(objects, state)
    yield categorise(objects, state, seen={place: {} for place in seen})


def _waits(stage: Stage, changes: Mapping[ObjectKey, Change], state: State) -> bool:
    """Return whether a stage is of a blocked change; room for what is registered is of none."""
    found, item = changes.get(stage.object) if stage.object else None, stage.item
    is_there = stage.action == "create" and item is not None and state.view(item.name, item.version) is not None
    return found is not None and bool(found.blocked) and not is_there


def _moved(changes: Iterable[Change]) -> dict[ObjectKey, Change]:
    return {(change.object, change.name): change for change in changes if change.kind != "unchanged"}


def _differing(claimed: Mapping[ObjectKey, Change], found: Mapping[ObjectKey, Change]) -> set[ObjectKey]:
    """Return the objects that become something else than a plan says."""
    return {key for key in {*claimed, *found} if _outcome(claimed.get(key)) != _outcome(found.get(key))}


def _outcome(change: Change | None) -> tuple[str, int | None, int | None, bool] | None:
    return None if change is None else (change.kind, change.old_version, change.new_version, change.resumes)


def _key(item: ObjectVersion) -> ObjectKey:
    return item.kind, item.name


def _is_written(stage: Stage) -> bool:
    return stage.action == "write" and stage.item is not None and stage.item.current


def _check_stages(plan: Plan, state: State, written: Mapping[ObjectKey, ObjectVersion], name: str) -> None:
    """See that the other stages mean what the versions mean that the plan writes, or that are registered."""
    known = {(o.kind, o.name, o.version): o for o in state.objects}
    known |= {(o.kind, o.name, o.version): o for o in written.values()}
    for item in (stage.item for stage in plan.stages if stage.item and not _is_written(stage)):
        there = known.get((item.kind, item.name, item.version))
        if there is None:
            raise UsageError(f"{name} names {item.name!r} in version {item.version}, which nobody knows", hint=_HINT)
        meant = fingerprints(REGISTERED[there.kind].load(there.definition)).data
        if _loaded(item, name).fingerprints.data != meant:
            raise UsageError(f"{name} gives {item.name} v{item.version} another meaning", hint=_HINT)


def _desired(item: ObjectVersion, name: str, *, known: bool = False) -> DesiredObject:
    """Return an object as it is desired; the fingerprints of one that is not `known` are those of its definition."""
    desired = desired_object(REGISTERED[item.kind].load(item.definition)) if known else _loaded(item, name)
    if not known and desired.version(item.version) != replace(item, definition=desired.definition, applied_at=None):
        raise UsageError(f"{name} has a definition of {item.name} that is not the one it was made with", hint=_HINT)
    if known:
        marks = replace(desired.fingerprints, features=item.features, data=item.data, metadata=item.metadata)
        return replace(desired, fingerprints=marks)
    return desired


def _loaded(item: ObjectVersion, name: str) -> DesiredObject:
    """Return the object of a stage, all of its names names of the language."""
    try:
        spec = REGISTERED[item.kind].load(item.definition)
        is_whole = fits(spec) and spec.name == item.name and all(map(NAME.fullmatch, _names(spec)))
        desired = desired_object(spec)
    except Exception as error:
        reason = error.__cause__ if isinstance(error, StoreError) and error.__cause__ else error
        problem = str(reason)[:200] or type(reason).__name__
        raise UsageError(f"{name} has a definition that is none, of {item.kind} {item.name!r}: {problem}") from error
    if not is_whole:
        raise UsageError(f"{name} has a definition that is none, of {item.kind} {item.name!r}", hint=_HINT)
    return desired


def _names(spec: Registrable) -> Iterator[str]:
    yield spec.name
    if isinstance(spec, Source):
        yield from _history_name(spec)
    elif isinstance(spec, FeatureView):
        yield spec.source.name
        yield from _history_name(spec.source)
        for item in named_features(spec):
            yield from (item.name, item.current_name, *item.aliases)
        yield from (spec.entity.name,) if spec.entity else ()
    elif isinstance(spec, Model):
        yield spec.spine.source.name


def _history_name(source: Source) -> Iterator[str]:
    if source.history is not None:
        yield source.history.name
