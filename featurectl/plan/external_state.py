"""What should be there outside of the registry: room for each view version in the online store, the offline folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from featurectl.language.definitions.json_form import load_untyped_view
from featurectl.language.definitions.view import FeatureView
from featurectl.plan.desired import DesiredObject
from featurectl.plan.plan import Change, Stage
from featurectl.registry.applied import applied_versions, served_views
from featurectl.registry.state import ObjectVersion, State


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalState:
    """What was found: the view versions that have room in the online store, and whether the offline folder is there.

    `online` None: nobody knows, the online store can't be reached.
    """

    online: frozenset[tuple[str, int]] | None
    offline: bool


def plan_creations(
    changes: Sequence[Change],
    desired: Mapping[tuple[str, str], DesiredObject],
    state: State,
    external: ExternalState | None,
) -> tuple[Stage, ...]:
    """Return what must be created outside before these changes are written.

    `external` None: nobody has looked. What belongs to registered versions is then taken to be there, and so is their
    room in an online store that can't be reached.
    """
    stages = [] if external is None or external.offline else [Stage(action="create")]
    there = _registered(state) if external is None or external.online is None else external.online
    for item, blocked in _online_versions(changes, desired, state):
        if (item.name, item.version) not in there:
            stages.append(Stage(action="create", item=item, blocked=blocked))
    return tuple(stages)


def is_pushed(view: FeatureView) -> bool:
    """Return whether a push brings a view's values online, all of a known type: workers keep those of streams."""
    return view.is_pushed and all(feature.dtype is not None for feature in view.features)


def _online_versions(
    changes: Sequence[Change], desired: Mapping[tuple[str, str], DesiredObject], state: State
) -> Iterator[tuple[ObjectVersion, bool]]:
    """Yield the view versions that need room online after the changes, and whether that waits for a blocked change."""
    coming: dict[tuple[str, int], tuple[ObjectVersion, bool]] = {}
    leaving: set[tuple[str, int]] = set()
    for change in changes:
        if change.object != "feature_view":
            continue
        old, new = (change.name, change.old_version or 0), (change.name, change.new_version or 0)
        if old != new and not change.blocked:
            leaving.add(old)
        item = desired.get((change.object, change.name))
        if item is not None and isinstance(item.spec, FeatureView) and is_pushed(item.spec):
            coming[new] = (item.version(new[1]), bool(change.blocked) and old != new)
    bound = {pair for m in applied_versions(state) for pair in m.view_versions.items()}
    for registered in served_views(state):
        key = (registered.name, registered.version)
        if key in coming or (key in leaving and key not in bound):
            continue
        if is_pushed(load_untyped_view(registered.definition)):
            yield registered, False
    yield from coming.values()


def _registered(state: State) -> frozenset[tuple[str, int]]:
    return frozenset((o.name, o.version) for o in state.objects if o.kind == "feature_view")
