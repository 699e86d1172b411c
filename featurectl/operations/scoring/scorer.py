"""A model version with all that it needs to score rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.frames.types import finite
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import Model, ModelInput
from featurectl.models.matrix import MatrixForm
from featurectl.models.rows_to_score import RowsToScore
from featurectl.models.runtimes.base import SKOPS, Matrix, Runtime, Scores
from featurectl.operations.training.champion import bound_inputs
from featurectl.operations.training.join import ViewRows
from featurectl.operations.training.manifest import LIBRARIES, library_versions
from featurectl.registry.state import ModelVersion

CHUNK_ROWS: Final = 100_000
_AT_ONCE: Final[Mapping[str, int]] = {SKOPS: 2}  # chunks; the libraries of trees use all threads for each


class LoadingRuntime:
    """A model that is being loaded beside what its caller does; its first prediction waits for it.

    Errors of loading come with the first prediction.
    """

    def __init__(self, load: Callable[[], Runtime]) -> None:
        pool = ThreadPoolExecutor(1)
        self._loaded = pool.submit(load)
        pool.shutdown(wait=False)

    @property
    def reads_columns(self) -> bool:
        """Whether the model reads a matrix column by column."""
        return getattr(self._loaded.result(), "reads_columns", False)

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row."""
        return self._loaded.result().predict(matrix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A model version with everything it needs: its definition, views, matrix form and loaded model."""

    version: ModelVersion
    model: Model
    views: Mapping[str, ViewRows]
    runtime: Runtime

    @property
    def output(self) -> str:
        """The name of the score's column."""
        return self.model.output_name

    @property
    def inputs(self) -> Sequence[ModelInput]:
        """The model's inputs with the types and defaults that the version was trained with."""
        return bound_inputs(self.model, self.version)


def predict_rows(scorer: Scorer, rows: pl.DataFrame, first: int = 0) -> Scores:
    """Return the score of each row of inputs; `first` is the place of the first one in the spine.

    It works through chunks that begin at multiples of CHUNK_ROWS, so that memory stays bounded, and a library whose
    sums depend on how many rows it is given sees the same ones in every run.

    Raises:
        DataError: FC532, the model refuses a row.
    """
    form, by_column = MatrixForm(inputs=scorer.version.inputs), getattr(scorer.runtime, "reads_columns", False)
    scores = np.empty(rows.height, dtype=np.float64)

    def fill(start: int) -> None:
        chunk = rows.slice(start, CHUNK_ROWS)
        asked = _asked_rows(scorer.version, first + start)
        scores[start : start + chunk.height] = asked.predict(scorer.runtime, form.encode(chunk, by_column=by_column))

    starts = range(0, rows.height, CHUNK_ROWS)
    at_once = _AT_ONCE.get(scorer.version.artifact_format, 1)
    if at_once == 1 or len(starts) == 1:
        for start in starts:
            fill(start)
        return scores
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(fill, starts))
    return scores


def _asked_rows(version: ModelVersion, first: int) -> RowsToScore:
    label = f"model {version.model} version {version.version}"
    return RowsToScore(model=label, inputs=[item.name for item in version.inputs], origin="the spine", first=first)


def scoring_libraries() -> Mapping[str, str]:
    """Return the versions of what scores depend on: numba's, too, where it is installed."""
    numba = ("numba",) if find_spec("numba") is not None else ()
    return library_versions((*LIBRARIES, *numba))


def score_columns(scorer: Scorer, scores: npt.NDArray[np.float64]) -> list[pl.Series]:
    """Return what is put beside the rows: their scores, null where the model has none, and its version."""
    version = pl.repeat(scorer.version.version, len(scores), dtype=pl.Int64, eager=True).alias("model_version")
    column = pl.Series(scorer.output, scores, dtype=pl.Float64)
    return [column.to_frame().select(finite(pl.col(scorer.output))).to_series(), version]


def trained_model(version: ModelVersion) -> Model:
    """Return the definition of the model as it was when this version was trained."""
    return load_model(version.definition)
