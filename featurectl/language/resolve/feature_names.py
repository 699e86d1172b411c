"""Features asked for by name, `view:feature`, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from featurectl.core.errors import UsageError
from featurectl.language.definitions.model import FeatureInput
from featurectl.language.definitions.view import FeatureView


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


def feature_inputs(views: Mapping[str, FeatureView], wanted: Iterable[tuple[str, str]]) -> list[FeatureInput]:
    """Return inputs for (view, feature) pairs asked for without a model: keys are columns of their own names.

    Raises:
        UsageError: a view has no such feature, or two features have one name.
    """
    inputs: dict[str, FeatureInput] = {}
    for view_name, feature in wanted:
        view = views[view_name]
        names = [f.name for f in view.features] + [d.name for d in view.derived]
        for name in names if feature == "*" else [feature]:
            if name not in names:
                raise UsageError(f"view {view_name} has no feature {name!r}", hint="features: " + ", ".join(names))
            if name in inputs:
                raise UsageError(
                    f"two features named {name!r}", code="FC516", hint="ask for them through a model, with a prefix"
                )
            dtype = view.dtype_of(name)
            inputs[name] = FeatureInput(
                name=name,
                view=view_name,
                feature=name,
                join={key: key for key in view.keys},
                dtype=dtype,
                model_dtype=dtype,
            )
    return list(inputs.values())
