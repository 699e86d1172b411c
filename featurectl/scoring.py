"""Batch scores: a spine, the features that a model version is bound to, the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from featurectl.engines.base import Engine
from featurectl.errors import DataError
from featurectl.models.matrix import MatrixForm
from featurectl.models.runtimes.base import Runtime
from featurectl.registry.state import ModelVersion
from featurectl.spec.definition import Model
from featurectl.spec.definition_json import load_model
from featurectl.training.champion import bound_inputs
from featurectl.training.join import BoundView, join_features
from featurectl.training.spine import SpineRows

CHUNK_ROWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A model version with everything it needs: its definition, views, matrix form and loaded model."""

    version: ModelVersion
    model: Model
    views: Mapping[str, BoundView]
    runtime: Runtime

    @property
    def output(self) -> str:
        """The name of the score's column."""
        return self.model.output_name


def score_spine(engine: Engine, scorer: Scorer, spine: SpineRows) -> pl.DataFrame:
    """Return the spine's columns as they were, the score and `model_version`; a row per spine row, in its order.

    Raises:
        DataError: FC506 the spine lacks a key or request column, FC516 it has a column of the score's name.
    """
    added = (scorer.output, "model_version")
    taken = [name for name in added if name in spine.own.columns]
    if taken:
        raise DataError(
            f"spine {spine.origin} has a column {taken[0]!r}, the name of an output",
            code="FC516",
            hint="rename it, or set `output: {name: ...}` in the model",
        )
    inputs = bound_inputs(scorer.model, scorer.version)
    rows = join_features(engine, spine, inputs, scorer.views)
    scores = predict_rows(scorer, rows)
    version = pl.lit(scorer.version.version, dtype=pl.Int64).alias("model_version")
    return spine.own.with_columns(pl.Series(scorer.output, scores, dtype=pl.Float64), version)


def predict_rows(scorer: Scorer, rows: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the score of each row of inputs, working through chunks so that memory stays bounded."""
    form = MatrixForm(inputs=scorer.version.inputs)
    scores = np.empty(rows.height, dtype=np.float64)
    for start in range(0, rows.height, CHUNK_ROWS):
        chunk = rows.slice(start, CHUNK_ROWS)
        scores[start : start + chunk.height] = scorer.runtime.predict(form.encode(chunk))
    return scores


def trained_model(version: ModelVersion) -> Model:
    """Return the definition of the model as it was when this version was trained."""
    return load_model(version.definition)
