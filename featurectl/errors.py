"""The errors that featurectl raises, for those who catch them; `featurectl.core.errors` says what each one means."""

from featurectl.core.errors import (
    BusyStoreError,
    CheckFailedError,
    DataError,
    FeaturectlError,
    NoAnswerError,
    PlanError,
    ProblemsError,
    RunningError,
    StoreError,
    TryAgainError,
    UsageError,
)
from featurectl.core.parts_failed import PartsFailedError

__all__ = [
    "BusyStoreError",
    "CheckFailedError",
    "DataError",
    "FeaturectlError",
    "NoAnswerError",
    "PartsFailedError",
    "PlanError",
    "ProblemsError",
    "RunningError",
    "StoreError",
    "TryAgainError",
    "UsageError",
]
