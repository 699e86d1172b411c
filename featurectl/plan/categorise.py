"""What becomes of each object: the files against the registry's state. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from featurectl.core.kinds import OBJECT_KINDS
from featurectl.identity.registered_kinds import REGISTERED, Registrable
from featurectl.language.definitions.view import FeatureView
from featurectl.plan.allowed_removals import allowed_removals, removal_option
from featurectl.plan.desired import DesiredObject
from featurectl.plan.diff import diff_data, diff_metadata, diff_retyped
from featurectl.plan.plan import Change
from featurectl.plan.retype import LearnedTypes, find_misfits, learned_types, with_source_types
from featurectl.plan.view_changes import change_view, last_version, means_the_same, staying
from featurectl.registry.base import SeenColumns
from featurectl.registry.lineage import bound_versions, view_users
from featurectl.registry.state import CHAMPION, ObjectVersion, State

_KINDS: Final = ("breaking", "removal", "additive", "new", "retrain", "metadata", "removed", "unchanged")
_TRAINED: Final = ("spine.", "features", "trainer.", "output.")  # fields of a model that its next training reads


def categorise(
    desired: Sequence[DesiredObject],
    state: State,
    *,
    allow_remove: Sequence[str] = (),
    allow_breaking: Collection[str] = (),
    seen: SeenColumns = MappingProxyType({}),
) -> tuple[Change, ...]:
    """Return one change for each object of the files or the state, most far-reaching first; places are not in it.

    `allow_remove` names the objects that may be removed (`NAME` or `KIND:NAME`); any other that the files leave out is
    blocked. `allow_breaking` names the views that a champion reads and that may have a breaking change all the same.
    `seen` are the columns that view versions were made of, where their definitions do not say the types.

    Raises:
        UsageError: one of `allow_remove` does not name one object that the files leave out.
    """
    learned = learned_types(state, seen)
    found = [_with_misfits(_change(item, state, learned), item, learned) for item in desired]
    changes = [_guarded(change, state, allow_breaking) for change in found]
    changes += _removals(desired, state, allow_remove)
    return tuple(sorted(changes, key=lambda c: (_KINDS.index(c.kind), OBJECT_KINDS.index(c.object), c.name)))


def _change(item: DesiredObject, state: State, learned: LearnedTypes) -> Change:
    old = state.current(item.kind, item.name)
    if old is None:
        version = last_version(state, item.kind, item.name) + 1 if item.kind == "feature_view" else 1
        added = Change(kind="new", object=item.kind, name=item.name, new_version=version)
        return _resumed(added, item.spec, state, learned)
    new = item.version(old.version)
    kept = Change(kind="unchanged", object=item.kind, name=item.name, old_version=old.version, new_version=old.version)
    if (old.features, old.data, old.metadata) == (new.features, new.data, new.metadata):
        return kept
    registered, after = REGISTERED[item.kind].load(old.definition), item.spec
    before = with_source_types(registered, after, learned, old.version)
    if isinstance(before, FeatureView) and isinstance(after, FeatureView):
        change = change_view(kept, before, after, state, diff_retyped(registered, before))
        return _resumed(change, after, state, learned) if change.kind == "breaking" else change
    reasons = (*diff_data(before, after), *diff_metadata(before, after))
    if not reasons:
        return kept
    if item.kind == "model" and any(reason.field.startswith(_TRAINED) for reason in reasons):
        note = f"it takes effect when {item.name} is trained again"
        return replace(kept, kind="retrain", reasons=reasons, notes=(note,))
    return replace(kept, kind="metadata", reasons=reasons)


def _resumed(change: Change, view: Registrable, state: State, learned: LearnedTypes) -> Change:
    """Return the change that gives a view its next version, or makes current an earlier one that means the same."""
    if not isinstance(view, FeatureView):
        return change
    earlier = [o for o in state.objects if o.kind == "feature_view" and o.name == view.name and not o.current]
    for registered in sorted(earlier, key=lambda o: o.version, reverse=True):
        before = with_source_types(
            REGISTERED["feature_view"].load(registered.definition), view, learned, registered.version
        )
        if isinstance(before, FeatureView) and means_the_same(before, view):
            return replace(change, new_version=registered.version, resumes=True)
    return change


def _with_misfits(change: Change, item: DesiredObject, learned: LearnedTypes) -> Change:
    """Return a change with what will not fit the data, as far as the types of that are known."""
    if change.kind == "unchanged":
        return change
    return replace(change, notes=(*change.notes, *find_misfits(item.spec, learned, change.old_version or 0)))


def _guarded(change: Change, state: State, allowed: Collection[str]) -> Change:
    """Return a breaking change blocked when a champion reads the view and nobody has allowed it."""
    if change.kind != "breaking" or change.name in allowed:
        return change
    champions = [
        f"model {m.model} v{m.version}"
        for m in bound_versions(state, change.name, change.old_version or 1)
        if state.aliases.get((m.model, CHAMPION)) == m.version
    ]
    if not champions:
        return change
    why = f"champion {', '.join(champions)} reads it"
    return replace(change, blocked=why, code="FC413", allow=f"--allow-breaking {change.name}")


def _removals(desired: Sequence[DesiredObject], state: State, allow_remove: Sequence[str]) -> list[Change]:
    there = {(item.kind, item.name) for item in desired}
    gone = [o for o in _newest(state) if (o.kind, o.name) not in there]
    names = [(o.kind, o.name) for o in gone]
    allowed = allowed_removals(allow_remove, names)
    # A model of the files reads no view that they leave out: it lets go of it in the same plan.
    leaving = {name for kind, name in (*allowed, *there) if kind == "model"}
    removals = [(_removal(o, state, leaving), (o.kind, o.name)) for o in gone]
    return [
        replace(change, blocked="", code="") if name in allowed else replace(change, allow=removal_option(name, names))
        for change, name in removals
    ]


def _newest(state: State) -> list[ObjectVersion]:
    names = dict.fromkeys((o.kind, o.name) for o in state.objects if o.current)
    found = [state.current(kind, name) for kind, name in names]
    return [o for o in found if o is not None]


def _removal(item: ObjectVersion, state: State, leaving: Collection[str]) -> Change:
    """Return the removal of an object, blocked as one that nobody has allowed."""
    users = view_users(state, item.name, leaving) if item.kind == "feature_view" else ()
    bound = bound_versions(state, item.name, item.version) if users else ()
    why, code = (f"used by {', '.join(users)}", "FC412") if users else ("left out of the files", "FC401")
    return Change(
        kind="removed",
        object=item.kind,
        name=item.name,
        old_version=item.version,
        notes=staying(bound, item.name, item.version),
        blocked=why,
        code=code,
    )
