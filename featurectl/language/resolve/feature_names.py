"""Features asked for by name, `view:feature`, without a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from featurectl.core.errors import UsageError
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.definitions.view import FeatureView
from featurectl.language.renaming import current_names, find_feature, old_name_warning

_PREFIX: Final = re.compile(r"[a-z][a-z0-9_]*")


def feature_pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    """Return (view, feature) of each `view:feature`.

    >>> feature_pairs(["spend:count_7d", "last:*"])
    [('spend', 'count_7d'), ('last', '*')]

    Raises:
        UsageError: a text is none.
    """
    found = []
    for text in texts:
        view, colon, feature = text.strip().partition(":")
        if not (view and colon and feature):
            hint = "write VIEW:FEATURE,VIEW:FEATURE, or VIEW:*"
            raise UsageError(f"{text.strip()!r} is not view:feature", hint=hint)
        found.append((view, feature))
    return found


class OneNameError(UsageError):
    """Two features that are asked for have one name; `views` are those that they are of, which may be one."""

    def __init__(self, name: str, views: tuple[str, str], choice: str) -> None:
        hint = f"call those of one view otherwise: {views[1]}:{choice} as {views[1]}_"
        super().__init__(f"two features named {name!r}", code="FC516", hint=hint)
        self.views = views


class FeatureChoice(NamedTuple):
    """A feature of a view, or `*` for all of them; its column is called by the feature behind the prefix.

    With a `column` the feature is named as it is stored, whatever it is called now, and that is what its column has
    for a name.
    """

    view: str
    feature: str
    prefix: str = ""
    column: str = ""


def feature_choices(texts: Iterable[str]) -> list[FeatureChoice]:
    """Return what each `view:feature` or `view:feature as PREFIX_` chooses.

    >>> feature_choices(["spend:count_7d", "airport:* as origin_"])[1]
    FeatureChoice(view='airport', feature='*', prefix='origin_', column='')

    Raises:
        UsageError: a text is none.
    """
    found = []
    for text in texts:
        name, word, prefix = (part.strip() for part in text.strip().partition(" as "))
        if word and not _PREFIX.fullmatch(prefix):
            raise UsageError(f"{prefix!r} is no prefix of names", hint="write VIEW:* as PREFIX_")
        found += [FeatureChoice(*pair, prefix) for pair in feature_pairs([name])]
    return found


def feature_inputs(
    views: Mapping[str, FeatureView], wanted: Iterable[FeatureChoice], join: Mapping[str, str] | None = None
) -> list[FeatureInput]:
    """Return inputs for features asked for without a model; keys are columns of their own names, or those of `join`.

    A feature that is named by an alias has the alias for a column: that is what the caller looks for.

    Raises:
        UsageError: a view has no such feature, two columns have one name, or `join` names no key of a view.
    """
    inputs: dict[str, FeatureInput] = {}
    columns = join or {}
    for choice in wanted:
        view = views[choice.view]
        for asked, feature in _chosen(view, choice):
            name = choice.column or f"{choice.prefix}{asked}"
            if name in inputs:
                raise OneNameError(name, (inputs[name].view, view.name), choice.feature)
            dtype = view.dtype_of(feature)
            inputs[name] = FeatureInput(
                name=name,
                view=view.name,
                feature=feature,
                join={key: columns.get(key, key) for key in view.keys},
                dtype=dtype,
                model_dtype=dtype,
            )
    _check_join(columns, inputs.values())
    return list(inputs.values())


def _chosen(view: FeatureView, choice: FeatureChoice) -> list[tuple[str, str]]:
    """Return what a choice names, each with the name that it is stored under."""
    names = current_names(view)
    if choice.feature == "*":
        return [(current, stored) for stored, current in names.items()]
    if choice.column and choice.feature in names:
        return [(choice.feature, choice.feature)]
    found = find_feature(view, choice.feature)
    if found is None:
        each = [f"{view.name}:{name.strip()}" for name in choice.feature.split(",")]
        hint = "write " + ", ".join(each) if len(each) > 1 else "features: " + ", ".join(names.values())
        raise UsageError(f"view {view.name} has no feature {choice.feature!r}", hint=hint)
    return [(choice.feature, found.stored)]


def old_name_warnings(views: Mapping[str, FeatureView], wanted: Iterable[FeatureChoice]) -> tuple[str, ...]:
    """Return a sentence on each choice that names a feature by an alias."""
    lines = []
    for choice in wanted:
        found = None if choice.column else find_feature(views[choice.view], choice.feature)
        if found is not None and found.by_alias:
            lines.append(old_name_warning(choice.view, choice.feature, found.current))
    return tuple(dict.fromkeys(lines))


def _check_join(join: Mapping[str, str], inputs: Iterable[FeatureInput]) -> None:
    keys = {key for item in inputs for key in item.join}
    if unknown := sorted(join.keys() - keys):
        hint = "keys: " + ", ".join(sorted(keys)) if keys else "these views have no key"
        raise UsageError(f"--join {unknown[0]}={join[unknown[0]]}: no view has a key {unknown[0]!r}", hint=hint)
