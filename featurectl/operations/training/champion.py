"""The champion's scores of the rows that another version is judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.engines.base import Engine
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.objects import FeatureInput, Model, ModelInput
from featurectl.models.gates.base import Champion
from featurectl.models.matrix import MatrixForm
from featurectl.models.pickle_policy import PicklePolicy
from featurectl.models.runtimes.base import Scores, classes_of
from featurectl.models.served_model import load_native
from featurectl.models.validation_rows import JudgedRows
from featurectl.offline.base import OfflineStore
from featurectl.operations.training.bind import bind_view
from featurectl.operations.training.join import BoundView, join_features
from featurectl.operations.training.spine import SpineRows
from featurectl.registry.applied import registered_view
from featurectl.registry.skew import check_skew
from featurectl.registry.state import CHAMPION, ModelVersion, State

_ORIGIN: Final = "of the validation rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationContext:
    """Where a champion comes from, who may run code when it is loaded, and what its features are computed by."""

    state: State
    offline: OfflineStore
    location: str
    engine: Engine
    leave: PicklePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The other version: its definition, and the views that its inputs were read from, where they are at hand."""

    model: Model
    view_versions: Mapping[str, int]
    views: Mapping[str, BoundView]


def current_champion(state: State, model: str) -> ModelVersion | None:
    """Return the champion of a model, None without one."""
    number = state.aliases.get((model, CHAMPION))
    return None if number is None else state.model_version(model, number)


def score_champion(champion: ModelVersion, contender: Candidate, rows: JudgedRows, ring: EvaluationContext) -> Champion:
    """Return the champion with its scores of some rows, or why it has none of them.

    Where its inputs are the contender's, so are their values. Else they are joined to the spine of these rows, from
    the view versions that the champion was trained on.

    Raises:
        StoreError: a table can't be read now; that says nothing of either of them.
    """
    try:
        runtime = load_native(champion, ring.location, ring.leave)
        matrix = MatrixForm(inputs=champion.inputs).encode(_inputs(champion, contender, rows, ring))
        scores: Scores = runtime.predict(matrix)
        classes = classes_of(runtime, matrix)
    except StoreError:
        raise
    except (FeaturectlError, ValueError) as error:
        why = error.message if isinstance(error, FeaturectlError) else str(error)
        return Champion(version=champion.version, scores=rows.label[:0], missing=why)
    return Champion(version=champion.version, scores=scores, classes=classes)


def _inputs(champion: ModelVersion, contender: Candidate, rows: JudgedRows, ring: EvaluationContext) -> pl.DataFrame:
    model = load_model(champion.definition)
    if model.inputs == contender.model.inputs and champion.view_versions == contender.view_versions:
        return rows.inputs
    views = {name: _bound(name, number, contender, ring) for name, number in champion.view_versions.items()}
    check_skew(champion, model, {name: bound.view for name, bound in views.items()})
    spine = SpineRows(rows=rows.spine, own=rows.spine, time=rows.time, time_column=model.spine.time, origin=_ORIGIN)
    return join_features(ring.engine, spine, bound_inputs(model, champion), views)


def _bound(name: str, number: int, contender: Candidate, ring: EvaluationContext) -> BoundView:
    """Return a view of the champion: as the contender read it where that is the same version."""
    at_hand = contender.views.get(name)
    if at_hand is not None and at_hand.version == number:
        return at_hand
    return bind_view(ring.offline, registered_view(ring.state, name, number))


def bound_inputs(model: Model, version: ModelVersion) -> list[ModelInput]:
    """Return a model's inputs with the types that a version of it was trained with."""
    trained = {item.name: item for item in version.inputs}
    return [
        replace(item, dtype=trained[item.name].dtype) if isinstance(item, FeatureInput) else item
        for item in model.inputs
    ]
