"""Every error that featurectl raises on purpose.

    FeaturectlError            a message that holds the name and the number that matter, a code, a hint
    |-- UsageError             the command line is wrong: an unknown name, an output that can't be written,
    |                          an unset environment variable, a prompt without a terminal
    |-- ProblemsError          problems in the user's files, found as data: `problems` holds them
    |-- DataError              problems in the user's data: null keys, bad casts, an unreadable file (FC5xx)
    |-- PlanError              a plan that can't be applied as it is: blocked, or not in this version (FC4xx)
    |-- CheckFailedError       it ran and found something: a failed test, a failed gate
    |-- StoreError             a registry, online or offline store can't be reached, is full or read-only (FC6xx)
    |   |-- RefusedDataError   it refuses what it was given to write, and takes all else
    |   |-- NoAnswerError      it did not answer in time, and would not the next time
    |   `-- BusyStoreError     somebody else holds it: nothing is wrong, and the same works later
    `-- TryAgainError          a lock is held, or the registry moved since it was read
        `-- RunningError       what is to run runs already

Library code raises these and knows nothing of exit codes; `cli/main.py` maps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_SHOWN_PROBLEMS: Final = 10  # below a message


class FeaturectlError(Exception):
    """Something the user can act on.

    `code` is a problem code of `language/problems/codes.py` ("FC501") or empty; `hint` says what to do next, or is
    empty.
    """

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint

    def __str__(self) -> str:
        """Return the message, and the hint on a line of its own."""
        return "\n".join([self.message, *self._details()])

    def _details(self) -> list[str]:
        """Return the lines below the message."""
        return [f"  = {self.hint}"] if self.hint else []

    def _render_traceback_(self) -> list[str]:
        """Return the lines that a notebook shows of an error that ends a cell: what to act on, not our calls."""
        code = f"[{self.code}]" if self.code else ""
        return [f"{type(self).__name__}{code}: {self.message}", *self._details()]


class UsageError(FeaturectlError):
    """The command line asks for something that does not exist or can't be written."""


class ProblemsError(FeaturectlError):
    """The user's files have problems; `problems` are `language.problems.codes.Problem` objects, sorted by place."""

    def __init__(self, message: str, problems: Sequence[object], *, code: str = "", hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)
        self.problems = tuple(problems)

    def _details(self) -> list[str]:
        shown = [_problem_line(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        more = len(self.problems) - len(shown)
        return [*super()._details(), *shown, *([f"and {more:,} more"] if more else [])]


def _problem_line(problem: object) -> str:
    code, message = getattr(problem, "code", ""), getattr(problem, "message", "")
    suggestion = getattr(problem, "suggestion", "")
    return f"{getattr(problem, 'place', '')}: [{code}] {message}{f', {suggestion}' if suggestion else ''}"


class DataError(FeaturectlError):
    """The user's data can't be used as it is: the message names the table, the column and the first bad row."""


class PlanError(FeaturectlError):
    """A plan is blocked, or needs a part of the language that this version does not run."""


class CheckFailedError(FeaturectlError):
    """The command ran and found a failure: a feature test, a gate."""


class StoreError(FeaturectlError):
    """A store or database can't be reached, is full, or refuses to be written."""


class RefusedDataError(StoreError):
    """A store refuses what it was given to write, and would refuse it again: the rest is written without it."""


class NoAnswerError(StoreError):
    """A store does not answer: what else is asked of it would wait as long, so nothing else is."""


class BusyStoreError(StoreError):
    """Another process holds a store, and has for as long as it was waited for: the same works when it is done."""


class TryAgainError(FeaturectlError):
    """Another command holds the lock, or the registry moved under this one."""


class RunningError(TryAgainError):
    """What is to run, one at a time, is run by somebody else already."""
