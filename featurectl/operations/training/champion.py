"""The champion's scores of the rows that another version is judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.engines.all_engines import open_engine
from featurectl.engines.base import Engine
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import FeatureInput, Model, ModelInput
from featurectl.models.gates.base import Champion
from featurectl.models.matrix import MatrixForm
from featurectl.models.pickle_policy import PicklePolicy
from featurectl.models.runtimes.base import Scores, classes_of
from featurectl.models.served_model import load_native
from featurectl.models.validation_rows import ValidationRows
from featurectl.offline.base import OfflineStore
from featurectl.operations.training.join import join_features
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.views import BoundView, bind_view
from featurectl.registry.applied import registered_view
from featurectl.registry.skew import check_skew
from featurectl.registry.state import CHAMPION, ModelVersion, State
from featurectl.workspace.applied_workspace import AppliedWorkspace
from featurectl.workspace.pickles import pickle_policy
from featurectl.workspace.workspace import Workspace

_ORIGIN: Final = "of the validation rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationContext:
    """Where a champion comes from, who may run code when it is loaded, and what its features are computed by."""

    workspace: Workspace
    state: State
    engine: Engine
    pickles: PicklePolicy

    @property
    def offline(self) -> OfflineStore:
        """The environment's offline store."""
        return self.workspace.offline()

    def erasure_secret(self) -> bytes:
        """Return the registry's secret, by which golden rows are found when a key is erased."""
        return self.workspace.registry().erasure_secret(self.state.project)

    @property
    def location(self) -> str:
        """Where the offline store is, and the models' files with it."""
        return self.workspace.offline_location()


def evaluation_context(
    applied: AppliedWorkspace, *, allow_pickle: bool, memory_bytes: int | None = None
) -> EvaluationContext:
    """Return what versions of a workspace are measured by; `allow_pickle`: a command has allowed code of models."""
    workspace = applied.workspace
    return EvaluationContext(
        workspace=workspace,
        state=applied.state,
        engine=open_engine(workspace.environment, memory_bytes),
        pickles=pickle_policy(workspace, applied.state, by_flag=allow_pickle),
    )


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


def score_champion(
    champion: ModelVersion, candidate: Candidate, rows: ValidationRows, context: EvaluationContext
) -> Champion:
    """Return the champion with its scores of some rows, or why it has none of them.

    Where its inputs are the candidate's, so are their values. Else they are joined to the spine of these rows, from
    the view versions that the champion was trained on.

    Raises:
        StoreError: a table can't be read now; that says nothing of either of them.
    """
    try:
        runtime = load_native(champion, context.location, context.pickles)
        matrix = MatrixForm(inputs=champion.inputs).encode(_inputs(champion, candidate, rows, context))
        scores: Scores = runtime.predict(matrix)
        classes = classes_of(runtime, matrix)
    except StoreError:
        raise
    except (FeaturectlError, ValueError) as error:
        why = error.message if isinstance(error, FeaturectlError) else str(error)
        return Champion(version=champion.version, scores=rows.label[:0], missing=why)
    return Champion(version=champion.version, scores=scores, classes=classes)


def _inputs(
    champion: ModelVersion, candidate: Candidate, rows: ValidationRows, context: EvaluationContext
) -> pl.DataFrame:
    model = load_model(champion.definition)
    if model.inputs == candidate.model.inputs and champion.view_versions == candidate.view_versions:
        return rows.inputs
    views = {name: _bound(name, number, candidate, context) for name, number in champion.view_versions.items()}
    check_skew(champion, model, {name: bound.view for name, bound in views.items()})
    spine = SpineRows(
        rows=rows.spine,
        own=rows.spine,
        time=rows.time,
        time_column=model.spine.time,
        origin=_ORIGIN,
        known=rows.known,
        known_column=model.spine.known_at or "",
    )
    return join_features(context.engine, spine, bound_inputs(model, champion), views)


def _bound(name: str, number: int, candidate: Candidate, context: EvaluationContext) -> BoundView:
    """Return a view of the champion: as the candidate read it where that is the same version."""
    at_hand = candidate.views.get(name)
    if at_hand is not None and at_hand.version == number:
        return at_hand
    return bind_view(context.offline, registered_view(context.state, name, number))


def bound_inputs(model: Model, version: ModelVersion) -> list[ModelInput]:
    """Return a model's inputs with the types that a version of it was trained with."""
    trained = {item.name: item for item in version.inputs}
    return [
        replace(item, dtype=trained[item.name].dtype) if isinstance(item, FeatureInput) else item
        for item in model.inputs
    ]
