"""scikit-learn's estimators, which skops keeps where it knows all their parts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from featurectl.models.estimators.base import FIT_FAILURES, EstimatorLibrary, needs_pickle
from featurectl.models.runtimes.base import SKOPS, not_installed


class SklearnLibrary(EstimatorLibrary):
    """It is kept by skops, or else as a pickle."""

    def dump(self, estimator: Any, *, allow_pickle: bool) -> tuple[str, bytes] | None:
        """Return what skops writes; None where it does not know a part of it and a pickle is allowed."""
        if not allow_pickle and find_spec("skops") is None:
            raise not_installed("skops")
        unknown, content = _dump_skops(estimator)
        if content and not unknown:
            return SKOPS, content
        if not allow_pickle:
            raise needs_pickle(estimator, unknown)
        return None


def _dump_skops(estimator: Any) -> tuple[Sequence[str], bytes]:
    """Return the unknown types of an estimator, and its bytes; no bytes where skops can't write it."""
    from featurectl.models.runtimes.skops import unknown_types

    try:
        from skops import io

        content = io.dumps(estimator)
    except (ImportError, *FIT_FAILURES):
        return [], b""
    return unknown_types(content), content
