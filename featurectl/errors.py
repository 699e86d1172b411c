"""The errors that featurectl raises, for those who catch them; `featurectl.core.errors` says what each one means."""

from featurectl.core.errors import (
    CheckFailedError,
    DataError,
    FeaturectlError,
    NoAnswerError,
    PlanError,
    ProblemsError,
    StoreError,
    TryAgainError,
    UsageError,
)
from featurectl.core.parts_failed import PartsFailedError

__all__ = [
    "CheckFailedError",
    "DataError",
    "FeaturectlError",
    "NoAnswerError",
    "PartsFailedError",
    "PlanError",
    "ProblemsError",
    "StoreError",
    "TryAgainError",
    "UsageError",
]
