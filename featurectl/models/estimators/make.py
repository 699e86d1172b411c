"""A trainer's estimator: made by its name, fitted, kept as bytes in the safest format that can hold it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from typing import Any

from featurectl.core.errors import DataError
from featurectl.models.estimators.all_libraries import library_of
from featurectl.models.estimators.base import (
    EARLY_STOPPING,
    SEEDS,
    EstimatorLibrary,
    FitRows,
    needs_pickle,
    type_name,
)
from featurectl.models.estimators.declared_params import find_unknown
from featurectl.models.runtimes.base import FUNCTION, PICKLE, install_hint
from featurectl.models.runtimes.estimator import Estimator
from featurectl.models.runtimes.function import FunctionRuntime
from featurectl.models.runtimes.pickled import dump_pickle


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
    factory = _import_factory(name)
    try:
        estimator = factory(**library_of(name).own_params(params, seed))
        if not SEEDS & set(params) and "random_state" in getattr(estimator, "get_params", dict)():
            estimator.set_params(random_state=seed)
    except (TypeError, ValueError) as error:
        raise DataError(f"estimator {name} does not take these params: {error}", code="FC513") from error
    return estimator  # type: ignore[no-any-return]  # a library's own class


def check_params(name: str, params: Mapping[str, object]) -> None:
    """Check the names of parameters, which LightGBM and XGBoost would take whatever they are, and not use.

    Raises:
        DataError: FC513, the estimator can't be imported, or has no parameter of that name.
    """
    if ":" in name or not params:
        return
    unknown = find_unknown(name, params, _import_factory(name))
    if unknown:
        first = unknown[0]
        raise DataError(first.message, code="FC513", hint=first.suggestion or first.listed)


def _import_factory(name: str) -> Callable[..., Any]:
    module, _, attribute = name.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(
            f"estimator {name} can't be imported: {error}", code="FC513", hint=install_hint(module)
        ) from error
    if not (hasattr(factory, "fit") and hasattr(factory, "predict")):  # before it is called: joblib.load would load
        raise DataError(f"estimator {name} has no fit and predict", code="FC513")
    return factory  # type: ignore[no-any-return]  # a library's own class


def stops_early(estimator: Estimator, params: Mapping[str, object]) -> bool:
    """Return whether an estimator is to stop by rows of its own, as LightGBM, XGBoost and CatBoost can."""
    return _library(estimator).stops_early and EARLY_STOPPING in params


def fit_estimator(estimator: Estimator, rows: FitRows) -> None:
    """Fit an estimator; LightGBM and XGBoost get the columns that are categories.

    What came after the best round of one that stops early is left out. What an estimator prints goes to stderr: stdout
    is the result of the command.

    Raises:
        DataError: FC513, it refuses its parameters or the rows.
    """
    library, kind = _library(estimator), type_name(estimator)
    try:
        with redirect_stdout(sys.stderr):
            estimator.fit(rows.matrix, rows.label, **library.prepare(estimator, rows))
    except library.failures() as error:
        raise DataError(f"{kind} could not be fitted: {error}", code="FC513") from error
    if library.numbers_classes:
        _check_classes(estimator, kind)


def _check_classes(estimator: Estimator, kind: str) -> None:
    """Raise for more than two classes by other names than 0, 1, 2 ...: a boosters' file holds the numbers alone."""
    classes = getattr(estimator, "classes_", None)
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
    found = _library(estimator).dump(estimator, allow_pickle=allow_pickle)
    if found is not None:
        return found
    if not allow_pickle:
        raise needs_pickle(estimator)
    if isinstance(estimator, FunctionRuntime):
        return FUNCTION, estimator.name.encode()
    return PICKLE, dump_pickle(estimator)


def _library(estimator: Estimator) -> EstimatorLibrary:
    return library_of(type(estimator).__module__)
