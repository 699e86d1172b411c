"""scikit-learn by skops: a zip of arrays and parameters, from which only types that are known are made."""

from __future__ import annotations

from typing import Final

from featurectl.core.errors import DataError
from featurectl.models.runtimes.base import not_installed
from featurectl.models.runtimes.estimator import EstimatorRuntime

# Types of fitted scikit-learn estimators that hold data and run nothing when they are made, beyond those that skops
# trusts by itself.
KNOWN_TYPES: Final = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)


def load_skops(content: bytes) -> EstimatorRuntime:
    """Return the estimator of a skops file.

    Raises:
        DataError: FC514, it holds a type that is not known; FC513, skops is not installed.
    """
    unknown = unknown_types(content)
    if unknown:
        raise DataError(f"this model holds types that are not known: {', '.join(unknown)}", code="FC514")
    from skops import io

    return EstimatorRuntime(io.loads(content, trusted=list(KNOWN_TYPES)))


def unknown_types(content: bytes) -> list[str]:
    """Return the names of the types in a skops file that are not known to be harmless, without making any.

    Raises:
        DataError: FC513, skops is not installed.
    """
    try:
        from skops import io
    except ImportError as error:
        raise not_installed("skops") from error
    return sorted(set(io.get_untrusted_types(data=content)) - set(KNOWN_TYPES))
