"""What becomes of a feature view that is registered and still in the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.kinds import ObjectKind
from featurectl.identity.facts.sources import COLUMN
from featurectl.identity.facts.views import feature_facts
from featurectl.language.definitions.view import FeatureView
from featurectl.plan.current_names import (
    by_current_names,
    feature_path,
    is_of_names,
    name_notes,
    name_reasons,
    taken_names,
)
from featurectl.plan.diff import diff_features, diff_metadata
from featurectl.plan.plan import Change, ChangeKind, ChangeReason
from featurectl.plan.renames import asks_for, find_renames
from featurectl.registry.lineage import bound_versions, used_features
from featurectl.registry.state import ModelVersion, State


def last_version(state: State, kind: ObjectKind, name: str) -> int:
    """Return the greatest version that an object ever had; 0 for none."""
    return max((o.version for o in state.objects if o.kind == kind and o.name == name), default=0)


def change_view(
    kept: Change, before: FeatureView, after: FeatureView, state: State, learned: tuple[ChangeReason, ...] = ()
) -> Change:
    """Return `kept`, the change of an unchanged view, as what the difference makes of it.

    `learned` are types of `before` that were not known when it was registered.

    A feature that is left out is breaking when a trained model has it as a column, for then the old version must
    live on with it; else it is a removal: the view keeps its version and the other features their values.
    """
    old, new = feature_facts(before), feature_facts(after)
    moved = diff_features(old, new)
    renamed = find_renames(old, new)
    added = tuple(_added(before, after, name, renamed.get(name)) for name in new if name not in old)
    dropped = tuple(_dropped(before, name) for name in old if name not in {*new, *renamed.values()})
    # The list of features differs also by its order, which is worth a word only when nothing came or went.
    metadata = [r for r in diff_metadata(before, after) if not is_of_names(r)]
    others = tuple(r for r in metadata if r.field != "features" or not (added or dropped))
    reasons = (*moved, *added, *dropped, *name_reasons(before, after), *others)
    reasons = by_current_names(reasons, before, after)
    version = kept.old_version or 1
    bound = bound_versions(state, after.name, version)
    broken = (*_renaming_breaks(after, renamed, bound), *name_notes(before, after), *taken_names(before, after))
    if moved or used_features(bound, after.name) & (set(old) - set(new)):
        following = last_version(state, "feature_view", after.name) + 1
        notes = (
            *broken,
            *staying(bound, after.name, version),
            *_unseen(moved, after),
            *_handed_over(moved, after),
            *_other_types(moved, learned, after),
        )
        return replace(kept, kind="breaking", new_version=following, reasons=reasons, notes=notes)
    reasons += learned
    if not reasons:
        return kept
    kind: ChangeKind = "removal" if dropped or renamed else "additive" if added else "metadata"
    return replace(kept, kind=kind, reasons=reasons, notes=broken)


def means_the_same(before: FeatureView, after: FeatureView) -> bool:
    """Return whether two definitions of a view have the same features, each with the same values."""
    old, new = feature_facts(before), feature_facts(after)
    return old.keys() == new.keys() and not diff_features(old, new)


def _renaming_breaks(view: FeatureView, renamed: Mapping[str, str], bound: Sequence[ModelVersion]) -> tuple[str, ...]:
    """Return a line on who goes on under old names and who does not, for the features that the same models read."""
    read_by: dict[str, list[tuple[str, str]]] = {}
    for name, old in renamed.items():
        models = [f"model {m.model} v{m.version}" for m in bound if old in used_features([m], view.name)]
        read_by.setdefault(", ".join(models), []).append((old, name))
    lines = [
        asks_for(view.name, pairs, "has to ask for", "online ")
        + (f"; bound under {'it' if len(pairs) == 1 else 'them'}: {models}" if models else "")
        for models, pairs in read_by.items()
    ]
    if renamed and view.kind != "transform":
        lines.append("`aliases` of a renamed feature keep its old name answered, and nothing is computed again")
    return tuple(lines)


def _unseen(moved: Sequence[ChangeReason], view: FeatureView) -> tuple[str, ...]:
    """Return what to do about types that were known once and can't be looked at from here."""
    if not any(reason.new == UNKNOWN and reason.old != UNKNOWN for reason in moved):
        return ()
    return (f"the columns of {view.source.name} can't be looked at from here: declare them under columns:",)


def _handed_over(moved: Sequence[ChangeReason], view: FeatureView) -> tuple[str, ...]:
    """Return why a column of a source's `select` changes what a transform makes, whether or not it uses the column."""
    fields = [reason.field.split(".") for reason in moved]
    names = [parts[-1] for parts in fields if parts[0] == "source" and "select" in parts[1:-1]]
    if view.transform is None or not names:
        return ()
    columns = f"column{'s' if len(names) > 1 else ''} {', '.join(names)}"
    return (f"the transform is given every column of its sources, so {columns} of `select` may change its rows",)


def _other_types(moved: Sequence[ChangeReason], learned: Sequence[ChangeReason], view: FeatureView) -> tuple[str, ...]:
    """Return which columns had another type in the data, that no file said, than `columns:` declare now."""
    types = {reason.field: reason.new for reason in learned}
    if not view.source.columns_declared:
        return ()
    columns = [
        f"{reason.field.removeprefix(COLUMN)} {reason.old}"
        for reason in moved
        if reason.field.startswith(COLUMN) and types.get(reason.field) == reason.old
    ]
    if not columns:
        return ()
    return (f"read from the data of {view.source.name}: {', '.join(columns)}; `columns:` that say so change nothing",)


def _added(before: FeatureView, after: FeatureView, name: str, renamed: str | None) -> ChangeReason:
    """Return the reason of a new feature, with the column that the offline table doesn't have yet, if any.

    `renamed` is the name of a feature that is gone and had the same values.
    """
    if renamed is not None:
        return ChangeReason(sign="+", field=feature_path(after, name), new=f"renamed, was {renamed}")
    column = {f.name: f.column for f in after.features}.get(name)
    known = {i.name for i in before.inputs}
    text = "new feature" if column is None or column in known else f"new feature, new column {column}"
    return ChangeReason(sign="+", field=feature_path(after, name), new=text)


def _dropped(before: FeatureView, name: str) -> ChangeReason:
    return ChangeReason(sign="-", field=feature_path(before, name), new="removed feature")


def staying(versions: Sequence[ModelVersion], view: str, version: int) -> tuple[str, ...]:
    """Return a line a model on the versions of it that stay on an old version of a view."""
    numbers: dict[str, list[int]] = {}
    for item in versions:
        numbers.setdefault(item.model, []).append(item.version)
    lines = []
    for model, found in numbers.items():
        names, one = ", ".join(f"v{number}" for number in found), len(found) == 1
        verb, until = ("stays", "it is") if one else ("stay", "they are")
        lines.append(f"model {model} {names} {verb} on {view}@{version} until {until} retrained")
    return tuple(lines)
