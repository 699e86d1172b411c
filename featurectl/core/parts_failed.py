"""The error of a call that works on several parts, of which some have failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.core.errors import CheckFailedError, FeaturectlError
from featurectl.core.units import counted

_NAMED: Final = 5  # failures in a message


class PartsFailedError(CheckFailedError):
    """Some parts of a call failed while the others were done; `results` are those, `errors` by part why not."""

    def __init__(self, results: Sequence[object], failures: Sequence[tuple[str, FeaturectlError]], parts: str) -> None:
        named = [f"{part}: {error.message}" for part, error in failures[:_NAMED]]
        more = len(failures) - len(named)
        which = "; ".join([*named, *([f"and {more} more"] if more else [])])
        message = f"{counted(len(failures), parts[:-1])} failed: {which}"
        super().__init__(message, code=failures[0][1].code, hint=failures[0][1].hint)
        self.results, self.errors = results, dict(failures)
