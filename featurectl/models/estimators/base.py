"""What differs from library to library when an estimator is made, fitted and kept; here, as any library has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy.typing as npt

from featurectl.core.errors import DataError
from featurectl.models.runtimes.base import Matrix
from featurectl.models.runtimes.estimator import Estimator
from featurectl.models.runtimes.function import FunctionRuntime

EARLY_STOPPING: Final = "early_stopping_rounds"
SEEDS: Final = {"random_state", "random_seed"}
FIT_FAILURES: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRows:
    """The rows that an estimator is fitted on: a row of `matrix` has a `label`; `names` and `categories` are columns.

    `categories` are the places of the columns that hold codes of categories. `stop` are rows, with their labels, by
    which an estimator stops that can; None: it takes all its rounds.
    """

    matrix: Matrix
    label: npt.NDArray[Any]
    names: Sequence[str]
    categories: Sequence[int]
    stop: tuple[Matrix, npt.NDArray[Any]] | None = None


class EstimatorLibrary:
    """A library of estimators; one that wants nothing of its own."""

    stops_early: ClassVar[bool] = False  # by rows of its own, where EARLY_STOPPING is among the parameters
    numbers_classes: ClassVar[bool] = False  # a model's file holds no names of classes, only their numbers

    def own_params(self, params: Mapping[str, object], seed: int) -> dict[str, object]:
        """Return the parameters that an estimator is made with."""
        _ = seed  # that is set afterwards, where an estimator has `random_state`
        return dict(params)

    def prepare(self, estimator: Any, rows: FitRows) -> dict[str, Any]:
        """Set what an estimator has to know of the rows, and return what its `fit` is given beside them."""
        _ = estimator, rows
        return {}

    def failures(self) -> tuple[type[Exception], ...]:
        """Return what it raises for parameters and rows that it refuses."""
        return FIT_FAILURES

    def dump(self, estimator: Any, *, allow_pickle: bool) -> tuple[str, bytes] | None:
        """Return the format and bytes of a fitted estimator as data; None where no data format can hold it.

        Raises:
            DataError: FC514, and why, where that is known here and no pickle is allowed; FC513, a library is missing.
        """
        _ = estimator, allow_pickle
        return None


def needs_pickle(estimator: Estimator, unknown: Sequence[str] = ()) -> DataError:
    """Return the error that only what runs code can hold an estimator; `unknown` are types that data can't hold."""
    if isinstance(estimator, FunctionRuntime):
        what = f"{estimator.name} is a Python function, which runs code when it is loaded"
    else:
        held = f" ({', '.join(unknown)})" if unknown else ""
        what = f"{type_name(estimator)} can only be kept as a pickle{held}, which runs code when it is loaded"
    return DataError(what, code="FC514", hint="set `allow_pickle: true` in the model, or train another estimator")


def type_name(estimator: Estimator) -> str:
    """Return the importable name of an estimator's type."""
    return f"{type(estimator).__module__}.{type(estimator).__name__}"
