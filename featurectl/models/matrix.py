"""Columns of a training set -> the matrix of numbers that a model sees, the same in training and scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from featurectl.core.errors import DataError
from featurectl.models.request_matrix import CATEGORY
from featurectl.models.runtimes.base import Matrix
from featurectl.registry.state import BoundFeature

_NUMBERS = ("int64", "float64", "bool")
_FLOAT32 = pl.Float32()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixForm:
    """The inputs of a model in order, each category with its list of values."""

    inputs: tuple[BoundFeature, ...]

    def category_positions(self) -> list[int]:
        """Return the places of the categories in a row of the matrix."""
        return [i for i, item in enumerate(self.inputs) if item.model_dtype == CATEGORY]

    def encode(self, rows: pl.DataFrame, *, by_column: bool = False) -> Matrix:
        """Return the rows as float32, a column per input: null is NaN, bool 0/1, a category its place in its list.

        A category value that the list lacks is NaN, as a null is; so is a NaN, which no JSON could distinguish from it.
        `by_column`: the values of a column lie behind each other in memory, else those of a row.
        """
        matrix = np.empty((rows.height, len(self.inputs)), dtype=np.float32, order="F" if by_column else "C")
        with np.errstate(over="ignore"):  # what is beyond float32 is infinite
            for i, item in enumerate(self.inputs):
                matrix[:, i] = _encode(rows[item.name], item)
        return matrix

    def encode_stored(self, rows: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Return the same in float64, each number as it is stored; no model here is given that."""
        matrix = np.empty((rows.height, len(self.inputs)), dtype=np.float64)
        for i, item in enumerate(self.inputs):
            matrix[:, i] = _encode(rows[item.name], item, pl.Float64())
        return matrix


def fit_form(inputs: Sequence[BoundFeature], rows: pl.DataFrame) -> MatrixForm:
    """Return the form of a model's matrix; a category without a list takes the values of these rows, sorted.

    Raises:
        DataError: FC517, an input is neither a number, a bool nor a category.
    """
    return MatrixForm(inputs=tuple(_with_categories(item, rows) for item in inputs))


def _with_categories(item: BoundFeature, rows: pl.DataFrame) -> BoundFeature:
    if item.model_dtype == CATEGORY:
        if item.categories is not None:
            return item
        return replace(item, categories=tuple(category_values(category_texts(rows[item.name]))))
    if item.model_dtype not in _NUMBERS and not item.model_dtype.startswith("decimal"):
        raise DataError(
            f"model input {item.name} is {item.model_dtype}; a model takes numbers, bools and categories",
            code="FC517",
            hint=_hint(item),
        )
    return item


def _hint(item: BoundFeature) -> str:
    """Return what to write among the model's `features` so that an input can be trained on."""
    if not item.view:
        return f"derive a number from it, or ask for it as a category: - {{request: {{{item.name}: category}}}}"
    called = "" if item.name == item.feature else f", as: {item.name}"
    if item.model_dtype == "timestamp":
        number = f"derived: [{{name: {item.feature}_s, expr: extract(epoch from {item.feature})}}]"
        return f"{number} in view {item.view} is a number that the model can have in its place"
    return f'in the features of the model: - {{feature: "{item.view}:{item.feature}"{called}, type: category}}'


def _encode(column: pl.Series, item: BoundFeature, numbers: pl.DataType = _FLOAT32) -> npt.NDArray[Any]:
    """Return numbers that are rounded, to float32 mostly, when they are put into the matrix, once."""
    if item.model_dtype == CATEGORY:
        codes = {value: code for code, value in enumerate(item.categories or ())}
        column = category_texts(column).replace_strict(codes, default=None, return_dtype=pl.Float32)
    if column.dtype.is_float() or (column.dtype.is_integer() and not column.null_count()):
        return column.to_numpy()  # a null of a float is NaN there
    return column.cast(numbers).fill_null(float("nan")).to_numpy()


def category_texts(column: pl.Series) -> pl.Series:
    """Return the texts of a category's values; a NaN has none."""
    return (column.fill_nan(None) if column.dtype.is_float() else column).cast(pl.String)


def category_values(texts: pl.Series) -> list[str]:
    """Return the values of a category that are in rows, as texts, sorted: for a feature that declares no categories."""
    return texts.drop_nulls().unique().sort().to_list()
