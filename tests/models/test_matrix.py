"""Training rows become the same numbers in training and scoring."""

import math

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.models.matrix import fit_form
from featurectl.registry.state import BoundFeature


def bound(name, dtype, **more):
    return BoundFeature(name=name, dtype=dtype, model_dtype=more.pop("model_dtype", dtype), **more)


ROWS = pl.DataFrame(
    {"a": [1.5, None], "n": [3, 4], "flag": [True, None], "kind": ["jet", "prop"]},
    schema={"a": pl.Float64, "n": pl.Int64, "flag": pl.Boolean, "kind": pl.String},
)


def test_null_is_nan_bool_is_0_1_and_a_category_is_its_place():
    form = fit_form(
        [bound("flag", "bool"), bound("kind", "string", model_dtype="category"), bound("a", "float64")], ROWS
    )
    matrix = form.encode(ROWS)
    assert matrix.dtype.name == "float32"
    assert matrix[0].tolist() == [1.0, 0.0, 1.5]
    assert math.isnan(matrix[1, 0])
    assert matrix[1, 1] == 1.0
    assert form.category_positions() == [1]


def test_an_unseen_category_is_nan_as_a_null_is():
    form = fit_form([bound("kind", "string", model_dtype="category")], ROWS)
    later = pl.DataFrame({"kind": ["prop", "balloon", None]})
    first, *rest = form.encode(later)[:, 0].tolist()
    assert first == 1.0
    assert all(math.isnan(value) for value in rest)


def test_declared_categories_are_kept_in_their_order():
    form = fit_form([bound("kind", "string", model_dtype="category", categories=("prop", "jet"))], ROWS)
    assert form.encode(ROWS)[:, 0].tolist() == [1.0, 0.0]


def test_a_text_input_is_refused_by_name():
    with pytest.raises(DataError, match="model input kind is string") as caught:
        fit_form([bound("kind", "string")], ROWS)
    assert caught.value.code == "FC517"
