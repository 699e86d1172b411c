"""What a model is made of, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from featurectl.models.conversion.convert import Converted
from featurectl.models.matrix import MatrixForm
from featurectl.models.runtimes.base import Matrix, Runtime
from featurectl.models.split import Examples

COMPARED: Final = 2_000  # rows at least, where there are as many


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingInputs:
    """The rows to train `model` on: as they are, as the matrix of a form, and their labels as numbers."""

    examples: Examples
    form: MatrixForm
    matrix: Matrix
    label: npt.NDArray[Any]
    model: str

    @property
    def names(self) -> list[str]:
        """The names of the inputs, in the order of the matrix."""
        return [item.name for item in self.form.inputs]

    def spread(self) -> Matrix:
        """Return some of the rows, from the first to the last; enough to compare two forms of a model on."""
        return self.matrix[:: max(1, len(self.matrix) // COMPARED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedModel:
    """A model as bytes in a format, and loaded from these bytes; `onnx` where it was converted already."""

    format: str
    content: bytes
    runtime: Runtime
    onnx: Converted | None = None
