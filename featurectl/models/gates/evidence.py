"""What gates look at, of a model that was fitted just now or of a registered version."""

from __future__ import annotations

from typing import Final

import numpy as np

from featurectl.models.artifact import read_artifact
from featurectl.models.fit import FittedModel
from featurectl.models.gates.base import Champion, GateEvidence
from featurectl.models.golden_rows import Golden, load_golden
from featurectl.models.matrix import MatrixForm
from featurectl.models.metrics import task_of
from featurectl.models.pickle_policy import PicklePolicy
from featurectl.models.rows_to_score import RowsToScore
from featurectl.models.runtimes.all_runtimes import load_runtime
from featurectl.models.runtimes.base import ONNX, RUNS_CODE, classes_of
from featurectl.models.served_model import load_native, load_served
from featurectl.models.validation_rows import ValidationRows
from featurectl.registry.state import ModelVersion

_NO_GOLDEN: Final = Golden(columns={}, scores=np.empty(0))


def evidence_of_fitted(fitted: FittedModel, seed: int, champion: Champion | None) -> GateEvidence:
    """Return the evidence of a model that was fitted in this process; what would run code is not loaded for it."""
    native = fitted.native
    if fitted.onnx.content:
        serving = load_runtime(ONNX, fitted.onnx.content, allow_pickle=False)
    elif fitted.format in RUNS_CODE:
        serving = native
    else:
        serving = load_runtime(fitted.format, fitted.content, allow_pickle=False, threads=1)
    return GateEvidence(
        inputs=fitted.form.inputs,
        rows=fitted.judged.rows,
        matrix=fitted.judged.matrix,
        label=fitted.judged.label,
        scores=fitted.judged.scores,
        task=fitted.task,
        native=native,
        serving=serving,
        onnx_missing=fitted.onnx.missing,
        golden=load_golden(fitted.golden),
        size_bytes=max(len(fitted.content), len(fitted.onnx.content)),
        seed=seed,
        classes=classes_of(native, fitted.judged.matrix) if fitted.task == "classes" else None,
        champion=champion,
    )


def evidence_of_version(
    version: ModelVersion, rows: ValidationRows, location: str, champion: Champion | None, policy: PicklePolicy
) -> GateEvidence:
    """Return the evidence of a registered version on the rows that are kept beside it.

    Raises:
        As `load_served`.
    """
    native = load_native(version, location, policy)
    served = load_served(version, location, policy)
    matrix = MatrixForm(inputs=version.inputs).encode(rows.inputs)
    task, label = task_of(version.metrics), f"model {version.model} version {version.version}"
    names = [item.name for item in version.inputs]
    asked = RowsToScore(model=label, inputs=names, origin="those that it was judged on")
    golden = load_golden(read_artifact(location, version.golden, version.golden_sha256)) if version.golden else None
    return GateEvidence(
        inputs=version.inputs,
        rows=rows.inputs,
        matrix=matrix,
        label=rows.label,
        scores=asked.predict(native, matrix) if len(matrix) else np.empty(0),
        task=task,
        native=native,
        serving=served.runtime,
        onnx_missing="" if version.onnx else version.onnx_missing or "no ONNX form",
        golden=golden or _NO_GOLDEN,
        size_bytes=max(version.artifact_bytes, version.onnx_bytes),
        seed=version.seed,
        classes=classes_of(native, matrix) if task == "classes" else None,
        champion=champion,
    )
