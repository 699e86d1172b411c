"""A trainer's estimator: made by its name, fitted, kept as bytes in the safest format that can hold it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from featurectl.core.errors import DataError
from featurectl.models.runtimes.base import (
    CATBOOST,
    FUNCTION,
    LIGHTGBM,
    PICKLE,
    SKOPS,
    XGBOOST,
    Matrix,
    install_hint,
    not_installed,
)
from featurectl.models.runtimes.estimator import Estimator
from featurectl.models.runtimes.function import FunctionRuntime
from featurectl.models.runtimes.pickled import dump_pickle

_FIT_FAILURES = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError)
EARLY_STOPPING = "early_stopping_rounds"
_STOPPERS = ("lightgbm", "xgboost", "catboost")
_SEEDS = {"random_state", "random_seed"}
# What CatBoost would do on its own: print each round, and write a folder into the current one.
_QUIET = {"verbose": False, "allow_writing_files": False}
_VERBOSITY = {"verbose", "verbose_eval", "silent", "logging_level"}


def make_estimator(name: str, params: Mapping[str, object], seed: int) -> Estimator:
    """Return a new estimator by its importable name; the seed goes in as `random_state` where it is taken.

    `package.module:function` is a function that scores as it is.

    Raises:
        DataError: FC513, it can't be imported or does not take the parameters.
    """
    if ":" in name:
        if params:
            raise DataError(f"{name} is a function and takes no params", code="FC513")
        return FunctionRuntime(name)
    module, _, attribute = name.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(
            f"estimator {name} can't be imported: {error}", code="FC513", hint=install_hint(module)
        ) from error
    if not (hasattr(factory, "fit") and hasattr(factory, "predict")):  # before it is called: joblib.load would load
        raise DataError(f"estimator {name} has no fit and predict", code="FC513")
    try:
        estimator = factory(**_own_params(module, params, seed))
        if not _SEEDS & set(params) and "random_state" in getattr(estimator, "get_params", dict)():
            estimator.set_params(random_state=seed)
    except (TypeError, ValueError) as error:
        raise DataError(f"estimator {name} does not take these params: {error}", code="FC513") from error
    return estimator  # type: ignore[no-any-return]


def _own_params(module: str, params: Mapping[str, object], seed: int) -> dict[str, object]:
    if module.split(".", maxsplit=1)[0] != "catboost":
        return dict(params)
    quiet = {key: value for key, value in _QUIET.items() if key != "verbose" or not _VERBOSITY & set(params)}
    seeded = {} if _SEEDS & set(params) else {"random_seed": seed}
    return {**quiet, **seeded, **params}


def stops_early(estimator: Estimator, params: Mapping[str, object]) -> bool:
    """Return whether an estimator is to stop by rows of its own, as LightGBM, XGBoost and CatBoost can."""
    return _library(estimator) in _STOPPERS and EARLY_STOPPING in params


def fit_estimator(  # noqa: PLR0913
    estimator: Estimator,
    matrix: Matrix,
    label: npt.NDArray[Any],
    names: Sequence[str],
    categories: Sequence[int],
    *,
    stop: tuple[Matrix, npt.NDArray[Any]] | None = None,
) -> None:
    """Fit an estimator; LightGBM and XGBoost get the columns that are categories.

    `stop` are rows by which it stops, for one that `stops_early`; what came after its best round is left out.
    What an estimator prints goes to stderr: stdout is the result of the command.

    Raises:
        DataError: FC513, it refuses its parameters or the rows.
    """
    library, kind = _library(estimator), type_name(estimator)
    more = {} if stop is None else _stopping(estimator, library, stop)
    try:
        with redirect_stdout(sys.stderr):
            if library == "lightgbm":
                estimator.fit(matrix, label, feature_name=list(names), categorical_feature=list(categories), **more)  # type: ignore[call-arg]
            else:
                if library == "xgboost":
                    _set_xgboost(estimator, len(names), categories)
                estimator.fit(matrix, label, **more)
    except _failures(library) as error:
        raise DataError(f"{kind} could not be fitted: {error}", code="FC513") from error
    _check_classes(estimator, library, kind)


def _stopping(estimator: Any, library: str, stop: tuple[Matrix, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return how each library gets the rows by which it stops."""
    if library == "lightgbm":
        newer = "eval_X" in signature(estimator.fit).parameters
        return {"eval_X": (stop[0],), "eval_y": (stop[1],)} if newer else {"eval_set": [stop]}
    return {"eval_set": [stop], "verbose": False} if library == "xgboost" else {"eval_set": [stop]}


def _set_xgboost(estimator: Any, width: int, categories: Sequence[int]) -> None:
    params = estimator.get_params()
    missing = params.get("missing")
    if missing is not None and not np.isnan(missing):
        raise ValueError("a null is NaN here, so `missing` can't be another number")
    if categories and params.get("feature_types") is None:
        types = ["c" if place in categories else "q" for place in range(width)]
        estimator.set_params(feature_types=types, enable_categorical=True)


def _failures(library: str) -> tuple[type[Exception], ...]:
    if library == "lightgbm":
        from lightgbm.basic import LightGBMError

        return (*_FIT_FAILURES, LightGBMError)
    if library == "catboost":
        from catboost import CatBoostError

        return (*_FIT_FAILURES, CatBoostError)
    return _FIT_FAILURES  # XGBoostError is a ValueError


def _check_classes(estimator: Estimator, library: str, kind: str) -> None:
    """Refuse more than two classes by other names than 0, 1, 2 ...: a boosters' file holds the numbers alone."""
    classes = getattr(estimator, "classes_", None) if library in {"lightgbm", "catboost"} else None
    if classes is not None and len(classes) > 2 and list(classes) != list(range(len(classes))):
        raise DataError(
            f"{kind} was given {len(classes)} classes other than 0 .. {len(classes) - 1}",
            code="FC515",
            hint="number the classes of the label from 0",
        )


def dump_estimator(estimator: Estimator, *, allow_pickle: bool) -> tuple[str, bytes]:
    """Return the format and bytes of a fitted estimator: its library's own format, skops, or else a pickle.

    Raises:
        DataError: FC514, only what runs code can hold it and the model does not allow that; FC513, skops is missing.
    """
    library = _library(estimator)
    if library == "lightgbm" and hasattr(estimator, "booster_"):
        return LIGHTGBM, estimator.booster_.model_to_string().encode()
    if library == "xgboost" and hasattr(estimator, "get_booster"):
        return XGBOOST, bytes(_best_rounds(estimator).save_raw("ubj"))
    if library == "catboost":
        return CATBOOST, save_as(estimator, CATBOOST)
    if library == "sklearn" and not allow_pickle and find_spec("skops") is None:
        raise not_installed("skops")
    found = _dump_skops(estimator) if library == "sklearn" else ([], b"")
    if found[1] and not found[0]:
        return SKOPS, found[1]
    if not allow_pickle:
        raise _needs_pickle(estimator, found[0])
    if isinstance(estimator, FunctionRuntime):
        return FUNCTION, estimator.name.encode()
    return PICKLE, dump_pickle(estimator)


def _best_rounds(estimator: Any) -> Any:
    """Return XGBoost's model up to its best round, which only its own scikit-learn class would stop at by itself."""
    booster = estimator.get_booster()
    best = booster.attr("best_iteration")
    return booster if best is None else booster[: int(best) + 1]


def _dump_skops(estimator: Estimator) -> tuple[list[str], bytes]:
    """Return the unknown types of an estimator, and its bytes; no bytes where skops can't write it."""
    from featurectl.models.runtimes.skops import unknown_types

    try:
        from skops import io

        content = io.dumps(estimator)
    except (ImportError, *_FIT_FAILURES):
        return [], b""
    return unknown_types(content), content


def _needs_pickle(estimator: Estimator, unknown: Sequence[str]) -> DataError:
    if isinstance(estimator, FunctionRuntime):
        what = f"{estimator.name} is a Python function, which runs code when it is loaded"
    else:
        held = f" ({', '.join(unknown)})" if unknown else ""
        what = f"{type_name(estimator)} can only be kept as a pickle{held}, which runs code when it is loaded"
    return DataError(what, code="FC514", hint="set `allow_pickle: true` in the model, or train another estimator")


def save_as(model: Any, form: str) -> bytes:
    """Return what CatBoost writes in one of its formats; it writes to files alone."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        model.save_model(str(path), format=form)
        return path.read_bytes()


def type_name(estimator: Estimator) -> str:
    """Return the importable name of an estimator's type."""
    return f"{type(estimator).__module__}.{type(estimator).__name__}"


def _library(estimator: Estimator) -> str:
    return type(estimator).__module__.split(".")[0]
