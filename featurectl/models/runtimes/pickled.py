"""Estimators by joblib's pickle. Loading one runs any code that it holds."""

from __future__ import annotations

import io

from featurectl.models.runtimes.base import not_installed
from featurectl.models.runtimes.estimator import Estimator, EstimatorRuntime


def dump_pickle(estimator: Estimator) -> bytes:
    """Return an estimator as bytes."""
    import joblib

    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def load_pickle(content: bytes) -> EstimatorRuntime:
    """Return the estimator of a pickle; whoever calls this has seen that it is allowed.

    Raises:
        DataError: FC513, joblib is not installed.
    """
    try:
        import joblib
    except ImportError as error:
        raise not_installed("sklearn") from error
    return EstimatorRuntime(joblib.load(io.BytesIO(content)))
