"""A model that was fitted on float64 is told from one of float32 by where its scores change."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from featurectl.models.matrix import MatrixForm
from featurectl.models.runtimes.base import ONNX, SKOPS
from featurectl.models.stored_precision import warn_of_float64
from featurectl.registry.state import BoundFeature

ROWS = pl.DataFrame({"x": np.random.default_rng(7).normal(0, 100, 4000).round(2)})
FORM = MatrixForm(inputs=(BoundFeature(name="x", dtype="float64", model_dtype="float64"),))
LATE = (ROWS["x"].to_numpy() + np.random.default_rng(8).normal(0, 50, 4000)) > 0


def foreign(predict, kind=SKOPS):
    return SimpleNamespace(format=kind, runtime=SimpleNamespace(predict=predict))


def fitted_on(dtype):
    model = HistGradientBoostingClassifier(max_iter=20).fit(ROWS.to_numpy().astype(dtype), LATE)
    return lambda matrix: model.predict_proba(matrix)[:, 1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_fit_on_float64_is_warned_of_and_one_on_float32_is_not(dtype):
    predict, matrix = fitted_on(dtype), ROWS.to_numpy()
    others = int((np.abs(predict(matrix) - predict(matrix.astype(np.float32))) > 1e-6).sum())
    assert others > 20  # of both
    found = warn_of_float64(foreign(predict), FORM, ROWS)
    assert [text.startswith(f"{others:,} of 4,000 scores") for text in found] == [True] * (dtype == np.float64)


def test_a_smooth_score_is_not_warned_of_however_many_differ():
    assert warn_of_float64(foreign(lambda matrix: matrix[:, 0] * 1e3), FORM, ROWS) == ()


def test_a_split_between_two_neighbours_of_float32_is_not_warned_of():
    rows = pl.DataFrame({"x": [float(2**24 + 1)]})  # in the midst of two of them
    assert warn_of_float64(foreign(lambda matrix: (matrix[:, 0] < 2**24 + 1) * 1.0), FORM, rows) == ()


def test_a_graph_of_onnx_is_of_float32_itself():
    assert warn_of_float64(foreign(fitted_on(np.float64), ONNX), FORM, ROWS) == ()
