"""A change of a view as people read it: features by the names that they have now, renames, and who is not answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from featurectl.expressions.tree import Expression
from featurectl.identity.facts.views import ALIASES, NAME
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import current_names, named_features, rename_columns
from featurectl.plan.plan import ChangeReason
from featurectl.plan.renames import asks_for

_LISTS: Final = ("aggregates", "features", "derived")
_NAMES: Final = (f".{NAME}", f".{ALIASES}")


def feature_path(view: FeatureView, feature: str) -> str:
    """Return a feature, by the name that it is stored under, below the list of the file that it stands in."""
    if any(d.name == feature for d in view.derived):
        return f"derived.{feature}"
    return f"{'aggregates' if view.kind == 'event' else 'features'}.{feature}"


def is_of_names(reason: ChangeReason) -> bool:
    """Return whether a reason is about what a feature is called alone: `name_reasons` says it better."""
    return reason.field.startswith("features.") and reason.field.endswith(_NAMES)


def name_reasons(before: FeatureView, after: FeatureView) -> tuple[ChangeReason, ...]:
    """Return a reason for each feature that was renamed in place, or answers to other old names."""
    was = {item.name: item for item in named_features(before)}
    reasons = []
    for item in named_features(after):
        old = was.get(item.name)
        if old is None:
            continue
        path = feature_path(after, item.name)
        if old.current_name != item.current_name:
            reasons.append(ChangeReason(sign="~", field=f"{path}.{NAME}", old=old.current_name, new=item.current_name))
        elif old.aliases != item.aliases:
            texts = [", ".join(names) or "-" for names in (old.aliases, item.aliases)]
            reasons.append(ChangeReason(sign="~", field=f"{path}.{ALIASES}", old=texts[0], new=texts[1]))
    return tuple(reasons)


def name_notes(before: FeatureView, after: FeatureView) -> tuple[str, ...]:
    """Return a line on the names that go on being answered by aliases, and on those that are not answered any more."""
    now = {item.name: item for item in named_features(after)}
    answered, refused = list[tuple[str, str]](), list[tuple[str, str]]()
    for old in named_features(before):
        item = now.get(old.name)
        if item is None:
            continue
        for name in (old.current_name, *old.aliases):
            if name == old.current_name and name in item.aliases:
                answered.append((name, item.current_name))
            elif name != item.current_name and name not in item.aliases:
                refused.append((name, item.current_name))
    lines = [f"{asks_for(after.name, answered, 'is answered by')}, with a warning"] if answered else []
    return (*lines, asks_for(after.name, refused, "has to ask for")) if refused else tuple(lines)


def taken_names(before: FeatureView, after: FeatureView) -> tuple[str, ...]:
    """Return a line on each new feature that has the name under which values of a renamed one are stored."""
    held = {item.name: item.current_name for item in named_features(before) if item.renamed_to}
    return tuple(
        f"values of {after.name}:{held[item.name]} are stored under the name {item.name}, which another feature gets: "
        f"those of {held[item.name]} are computed anew"
        for item in named_features(after)
        if item.name in held and item.current_name == item.name
        if any(other.name == held[item.name] for other in named_features(after))
    )


def by_current_names(
    reasons: Sequence[ChangeReason], before: FeatureView, after: FeatureView
) -> tuple[ChangeReason, ...]:
    """Return reasons with features as they are called in the files; those that are gone, as they were called."""
    names = current_names(before) | current_names(after)
    if all(old == new for old, new in names.items()):
        return tuple(reasons)
    return tuple(_by_current_names(reason, names) for reason in reasons)


def _by_current_names(reason: ChangeReason, names: Mapping[str, str]) -> ChangeReason:
    parts = reason.field.split(".")
    if parts[0] in _LISTS and len(parts) > 1:
        parts[1] = names.get(parts[1], parts[1])
    texts = (reason.old, reason.new)
    if parts[0] == "derived" and parts[-1] == "expr":
        texts = (_rewritten(reason.old, names), _rewritten(reason.new, names))
    features = tuple(names.get(name, name) for name in reason.features)
    return replace(reason, field=".".join(parts), old=texts[0], new=texts[1], features=features)


def _rewritten(text: str, names: Mapping[str, str]) -> str:
    return rename_columns(Expression(text), names).text
