"""What the gates that are applied now find of a registered version."""

from __future__ import annotations

from featurectl.core.errors import UsageError
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import Model
from featurectl.models.artifact import read_artifact
from featurectl.models.gates.all_gates import gates_asked
from featurectl.models.gates.base import GateEvidence
from featurectl.models.gates.evaluate import measure_gates
from featurectl.models.gates.evidence import evidence_of_version
from featurectl.models.validation_rows import load_validation_rows
from featurectl.operations.training.champion import Candidate, EvaluationContext, current_champion, score_champion
from featurectl.registry.state import GateResult, ModelVersion, State


def check_gates(version: ModelVersion, context: EvaluationContext) -> tuple[GateResult, ...]:
    """Return what the gates that its model asks for now find of a version, its gain over the champion of now among it.

    What was measured when it was trained stands where the same is asked. The champion gains nothing over itself, and is
    not asked to.

    Raises:
        StoreError: a table that the champion reads can't be read now.
        UsageError: its file runs code and the command was not given --allow-pickle.
        DataError: FC512, a file of it is gone or is another.
    """
    asked = gates_asked(_asked_model(version, context.state).gates)
    return measure_gates(asked, lambda: _evidence(version, context), version.gates)


def _asked_model(version: ModelVersion, state: State) -> Model:
    """Return the model as it is applied, whose gates count; as it was trained where it is applied no more."""
    applied = state.current("model", version.model)
    return load_model(version.definition if applied is None else applied.definition)


def _evidence(version: ModelVersion, context: EvaluationContext) -> GateEvidence:
    if not version.judged:
        raise UsageError(
            f"model {version.model} version {version.version} keeps no validation rows to measure a gate on",
            hint=f"featurectl train {version.model}",
        )
    rows = load_validation_rows(read_artifact(context.location, version.judged, version.judged_sha256))
    champion, rival = current_champion(context.state, version.model), None
    if champion is not None and champion.version != version.version:
        candidate = Candidate(model=load_model(version.definition), view_versions=version.view_versions, views={})
        rival = score_champion(champion, candidate, rows, context)
    return evidence_of_version(version, rows, context.location, rival, context.pickles)
