"""Forests scored by compiled loops (numba) instead of by the library that trained them, to the same bits."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Final

import numpy as np

from featurectl.models.conversion.graph import Link
from featurectl.models.forests.onnx_trees import NoTreesError, read_trees
from featurectl.models.forests.tables import ForestTables, TooManyLeavesError, lay_out
from featurectl.models.runtimes.base import LIGHTGBM, SKOPS, XGBOOST, Matrix, Scores

# By the format of the native file: whether the base comes first in its sums. scikit-learn's boosters begin with it;
# XGBoost's base is the first tree of its ONNX form. CatBoost is not here: its own loops over symmetric trees are twice
# as fast as these.
_BASE_IS_FIRST: Final = {LIGHTGBM: False, XGBOOST: False, SKOPS: True}
_SCALED: Final = re.compile(rb"\nobjective=[^\n]*sigmoid:(?!1\s)")
_PART: Final = 12_800  # rows of one call: a multiple of the kernel's block
_IN_KERNEL: Final[dict[Link, int]] = {"identity": 0, "sigmoid": 1, "exp": 2, "signed_square": 3}


class NotTheSameError(Exception):
    """These loops can't stand for the library; the text says why."""


def may_compile(kind: str) -> bool:
    """Return whether a model of a format may be scored by compiled loops: the libraries for it are installed."""
    return kind in _BASE_IS_FIRST and all(find_spec(name) is not None for name in ("numba", "onnx"))


class CompiledForest:
    """A forest from its ONNX form; `kind` is the format of the native file, whose order of adding is kept.

    `native` is that file, which may say that its library adds otherwise than its ONNX form.

    It takes a matrix of either order; one whose columns lie behind each other is not copied.

    Raises:
        NotTheSameError: the graph is no forest, has trees of more than 512 leaves, or is not added as the library adds;
            or numba can't be used here.
    """

    reads_columns: Final = True

    def __init__(self, onnx: bytes, kind: str, native: bytes = b"") -> None:
        try:
            from featurectl.models.forests.kernel import Summing, forget_compiled, score_rows

            tables = lay_out(read_trees(onnx))
        except (NoTreesError, TooManyLeavesError) as error:
            raise NotTheSameError(str(error)) from error
        except (ImportError, RuntimeError) as error:  # numba has found no folder for what it compiled, for one
            raise NotTheSameError(f"numba can't be used: {error}") from error
        if reason := _added_otherwise(tables, kind, native):
            raise NotTheSameError(reason)
        self._score: Callable[..., None] = score_rows
        number = tables.trees.leaves.dtype.type
        first, last = (tables.base, 0.0) if _BASE_IS_FIRST[kind] else (0.0, tables.base)
        self._ends_by_numpy = kind == SKOPS and tables.link == "exp"  # its exp is NumPy's, which is not the C library's
        summing = Summing(
            start=number(first),
            base=number(last),
            link=0 if self._ends_by_numpy else _IN_KERNEL[tables.link],
            most_words=int(tables.trees.words[:, 1].max()),
        )
        self._forest = (tables.tests, tables.trees, summing)
        self._compile(forget_compiled)

    def _compile(self, forget: Callable[[], None]) -> None:
        """Compile the loops, or load them where numba has them in its files; `forget` has it let go of those.

        Raises:
            NotTheSameError: neither can be done.
        """
        nothing = np.empty((1, 0), dtype=np.float32), self._forest, 0, 0, np.empty(0, dtype=np.float64)
        try:
            try:
                self._score(*nothing)
            except Exception:  # noqa: BLE001 (whatever a damaged file of numba's makes of it)
                forget()
                self._score(*nothing)
        except Exception as error:
            raise NotTheSameError(f"numba can't be used: {error}") from error

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row; rows do not depend on each other, so parts of them go to all processors."""
        columns, scores = np.ascontiguousarray(matrix.T), np.empty(len(matrix), dtype=np.float64)

        def fill(begin: int) -> None:
            self._score(columns, self._forest, begin, min(begin + _PART, len(scores)), scores)

        starts = range(0, len(matrix), _PART)
        if len(starts) <= 1:
            fill(0)
        else:
            with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                list(pool.map(fill, starts))
        return np.exp(scores) if self._ends_by_numpy else scores


def _added_otherwise(tables: ForestTables, kind: str, native: bytes) -> str:
    """Return why sums of leaves differ from those of the library in their last bits, "" where they do not.

    A few golden rows would not always show it.
    """
    if kind == SKOPS and tables.link == "identity" and not tables.base:
        return "a forest of scikit-learn divides what its trees give"
    if kind == LIGHTGBM and tables.base:
        return "trees that are one leaf are added in their turn by LightGBM"
    if kind == LIGHTGBM and (b"\naverage_output" in native or _SCALED.search(native)):
        return "LightGBM scales the sum of these trees"
    return ""
