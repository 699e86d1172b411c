"""What a model is made of, and what comes out."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from featurectl.core.dataclass import dataclass
from featurectl.models.matrix import MatrixForm
from featurectl.models.runtimes.base import Matrix, Runtime
from featurectl.models.split import Examples


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedModel:
    """A model as bytes in a format, and loaded from these bytes."""

    format: str
    content: bytes
    runtime: Runtime
