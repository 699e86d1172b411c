"""CatBoost's estimators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from featurectl.core.temporary_folders import temporary_folder
from featurectl.models.estimators.base import SEEDS, EstimatorLibrary, FitRows
from featurectl.models.runtimes.base import CATBOOST

# What CatBoost would do on its own: print each round, and write a folder into the current one.
_QUIET: Final = {"verbose": False, "allow_writing_files": False}
_VERBOSITY: Final = {"verbose", "verbose_eval", "silent", "logging_level"}


class CatBoostLibrary(EstimatorLibrary):
    """It takes its seed as a parameter of another name, and is kept in its own binary format."""

    stops_early: ClassVar[bool] = True
    numbers_classes: ClassVar[bool] = True

    def own_params(self, params: Mapping[str, object], seed: int) -> dict[str, object]:
        """Return the parameters with a seed, and quiet."""
        quiet = {key: value for key, value in _QUIET.items() if key != "verbose" or not _VERBOSITY & set(params)}
        seeded = {} if SEEDS & set(params) else {"random_seed": seed}
        return {**quiet, **seeded, **params}

    def prepare(self, estimator: Any, rows: FitRows) -> dict[str, Any]:
        """Return the rows to stop by."""
        _ = estimator
        return {} if rows.stop is None else {"eval_set": [rows.stop]}

    def failures(self) -> tuple[type[Exception], ...]:
        """Return the errors of Python, and its own."""
        from catboost import CatBoostError

        return (*super().failures(), CatBoostError)

    def dump(self, estimator: Any, *, allow_pickle: bool) -> tuple[str, bytes] | None:
        """Return the model in CatBoost's binary format."""
        _ = allow_pickle
        return CATBOOST, save_as(estimator, CATBOOST)


def save_as(model: Any, form: str) -> bytes:
    """Return what CatBoost writes in one of its formats; it writes to files alone."""
    with temporary_folder("model") as folder:
        path = folder / "model"
        model.save_model(str(path), format=form)
        return path.read_bytes()
