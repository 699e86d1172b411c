"""Rows that a model is asked to score, and which of them it was that it refused, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from featurectl.core.errors import DataError, FeaturectlError
from featurectl.core.units import plural
from featurectl.models.reasons import reason_of
from featurectl.models.runtimes.base import Matrix, Runtime, Scores

_HINT: Final = (
    "give these features a `default:`, or train an estimator that takes nulls, as LightGBM and scikit-learn's "
    "HistGradientBoosting do, or that imputes them"
)
_LOOKED_AT: Final = 1_000  # rows with a null, one after the other, until the model refuses one


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsToScore:
    """What a model and its rows are called: `origin` "the spine", whose row `first` (from 0) is the first of these."""

    model: str
    inputs: Sequence[str]
    origin: str
    first: int = 0

    def predict(self, runtime: Runtime, matrix: Matrix) -> Scores:
        """Return a score per row.

        Raises:
            DataError: FC532, the model refuses a row, as many refuse one with a null.
            FeaturectlError: what the model itself found wrong.
        """
        try:
            return runtime.predict(matrix)
        except (FeaturectlError, MemoryError):
            raise
        except Exception as error:  # each library raises its own kinds
            raise self._refused(runtime, matrix, error) from error

    def _refused(self, runtime: Runtime, matrix: Matrix, error: Exception) -> DataError:
        said = reason_of(error)
        place = _refused_row(runtime, matrix)
        if place is None:
            return DataError(f"{self.model} has no score for rows of {self.origin}: {said}", code="FC532")
        nulls = [name for name, is_null in zip(self.inputs, np.isnan(matrix[place]), strict=True) if is_null]
        what = f"its {plural(len(nulls), 'input', 'inputs')} {', '.join(nulls)} {plural(len(nulls), 'is', 'are')} null"
        row = f"row {self.first + place + 1:,} of {self.origin}"
        return DataError(f"{self.model} has no score for {row}: {what} ({said})", code="FC532", hint=_HINT)


def _refused_row(runtime: Runtime, matrix: Matrix) -> int | None:
    """Return the place of the first row with a null that a model refuses; None where it is not for a null."""
    for place in np.flatnonzero(np.isnan(matrix).any(axis=1))[:_LOOKED_AT]:
        try:
            runtime.predict(matrix[place : place + 1])
        except Exception:  # noqa: BLE001  # each library raises its own kinds
            return int(place)
    return None
