"""Checks of the data that failed: nothing is written then."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.core.errors import DataError
from featurectl.core.units import counted
from featurectl.engines.base import CheckResult


class FailedChecksError(DataError):
    """A check of severity `error` has failed (FC518); `checks` are all that were looked at."""

    def __init__(self, message: str, checks: Sequence[CheckResult], *, hint: str) -> None:
        super().__init__(message, code="FC518", hint=hint)
        self.checks = tuple(checks)


def check_passed(checks: Sequence[CheckResult]) -> None:
    """Raise FC518 when a check of severity `error` has failed."""
    failed = [check for check in checks if check.severity == "error" and not check.passed]
    if failed:
        more = f" (and {counted(len(failed) - 1, 'other check')} failed)" * (len(failed) > 1)
        hint = "; ".join(check.message for check in failed[1:]) or "nothing was written; the table is as it was"
        raise FailedChecksError(f"{failed[0].message}{more}", checks, hint=hint)
