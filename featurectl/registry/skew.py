"""A model is asked with the features that it was trained on, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from featurectl.core.errors import DataError
from featurectl.identity.facts.base import Fact
from featurectl.identity.facts.models import input_fact
from featurectl.identity.fingerprint import digest, feature_fingerprints
from featurectl.language.definitions.model import FeatureInput, Model, ModelInput
from featurectl.language.definitions.view import FeatureView
from featurectl.registry.state import BoundFeature, ModelVersion


def input_fingerprint(item: ModelInput, features: Mapping[str, Mapping[str, str]]) -> str:
    """Return the fingerprint of everything that the values of an input depend on.

    Of a feature that is its own, in the view as typed by its table, its join, default and type. `features` has the
    `feature_fingerprints` of each view.
    """
    facts = {"input": input_fact(item)}
    if isinstance(item, FeatureInput):
        feature = features[item.view].get(item.feature, "")
        facts["feature"] = Fact(feature, feature)
    return digest(facts)


def check_skew(version: ModelVersion, model: Model, views: Mapping[str, FeatureView]) -> None:
    """See that a version is about to be asked with the features that it was trained on.

    `model` is its own definition, `views` are the view versions that are read for it, by name.

    Raises:
        DataError: FC525, its inputs are others, or come from other versions of views, or mean something else.
    """
    if [item.name for item in model.inputs] != [item.name for item in version.inputs]:
        raise _refusal(version, "its definition has other inputs than it was trained on")
    features = {name: feature_fingerprints(view) for name, view in views.items()}
    for item, bound in zip(model.inputs, version.inputs, strict=True):
        _check_input(version, item, bound)
        if bound.fingerprint and bound.fingerprint != input_fingerprint(item, features):
            raise _refusal(version, f"input {bound.name}{_origin(bound)} means something else by now")


def _check_input(version: ModelVersion, item: ModelInput, bound: BoundFeature) -> None:
    view, feature = (item.view, item.feature) if isinstance(item, FeatureInput) else ("", "")
    if (view, feature) != (bound.view, bound.feature):
        raise _refusal(version, f"its definition reads another feature for input {bound.name}{_origin(bound)}")
    read = version.view_versions.get(view)
    if view and read != bound.view_version:
        other = f"{view}@{read} is read" if read else f"no version of {view} is read"
        raise _refusal(version, f"input {bound.name} was trained on {view}@{bound.view_version}, and {other}")


def _origin(bound: BoundFeature) -> str:
    return f" ({bound.view}@{bound.view_version}:{bound.feature})" if bound.view else ""


def _refusal(version: ModelVersion, what: str) -> DataError:
    return DataError(
        f"model {version.model} version {version.version} is not asked: {what}",
        code="FC525",
        hint=f"featurectl models show {version.model}@{version.version}; train it again, or restore the registry",
    )
