"""What a loaded model is, and the formats that models are kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from featurectl.core.errors import DataError, UsageError

Matrix = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

LIGHTGBM: Final = "txt"
XGBOOST: Final = "ubj"
CATBOOST: Final = "cbm"
ONNX: Final = "onnx"
SKOPS: Final = "skops"
PICKLE: Final = "pkl"
FUNCTION: Final = "py"  # the file holds the function's name, package.module:function
RUNS_CODE: Final = {PICKLE: "a pickle", FUNCTION: "a Python function"}

_EXTRAS: Final = {
    "lightgbm": "models",
    "sklearn": "models",
    "skops": "models",
    "xgboost": "xgboost",
    "catboost": "catboost",
    "onnxruntime": "onnx",
    "onnx": "onnx",
    "skl2onnx": "onnx",
}


class Runtime(Protocol):
    """A loaded model."""

    def predict(self, matrix: Matrix) -> Scores:
        """Return a score per row: the probability of the positive class, or the predicted value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The probabilities of more than two classes: a row per row, a column per class, with the classes' labels."""

    labels: npt.NDArray[Any]
    table: Scores


def classes_of(runtime: Runtime, matrix: Matrix) -> Classes | None:
    """Return the probabilities of a model's classes where it has more than two and gives them, else None."""
    ask = getattr(runtime, "classes", None)
    return None if ask is None or not len(matrix) else ask(matrix)


def numbered(table: npt.NDArray[Any]) -> Classes | None:
    """Return a table of more than two columns as the probabilities of classes 0, 1, 2 ...; None for any other."""
    if table.ndim != 2 or table.shape[1] <= 2:
        return None
    return Classes(labels=np.arange(table.shape[1]), table=np.asarray(table, dtype=np.float64))


def gains_of(runtime: Runtime) -> npt.NDArray[np.float64] | None:
    """Return what each input contributed to a model by its own account, or None where it has none."""
    ask = getattr(runtime, "gains", None)
    found = None if ask is None else ask()
    return None if found is None else np.asarray(found, dtype=np.float64)


def check_code_allowed(kind: str, *, in_model: bool, by_flag: bool) -> None:
    """See that a model that runs code was allowed to, in its definition and by the command.

    Raises:
        DataError: FC514, its definition does not say so.
        UsageError: the command was not given --allow-pickle.
    """
    if kind not in RUNS_CODE:
        return
    what = f"this model is {RUNS_CODE[kind]}, which runs code when it is loaded"
    if not in_model:
        raise DataError(what, code="FC514", hint="set `allow_pickle: true` in the model and train it again")
    if not by_flag:
        raise UsageError(what, hint="allow it: --allow-pickle")


def install_hint(library: str) -> str:
    """Return how to install what a module belongs to, "" for one that featurectl does not know."""
    extra = _EXTRAS.get(library.split(".", maxsplit=1)[0])
    return f"pip install 'featurectl[{extra}]'" if extra else ""


def not_installed(library: str) -> DataError:
    """Return the error that a library is not there."""
    return DataError(f"{library} is not installed", code="FC513", hint=install_hint(library))


def one_score(table: npt.NDArray[Any]) -> Scores:
    """Return a score per row of what a classifier or a regression gives.

    Two columns are the probabilities of two classes, the second is the positive one; of more classes the likeliest
    counts, by its number.
    """
    if table.ndim == 2 and table.shape[1] == 2:
        table = table[:, 1]
    elif table.ndim == 2 and table.shape[1] > 2:
        table = table.argmax(axis=1)
    return np.ascontiguousarray(table.reshape(len(table)), dtype=np.float64)
