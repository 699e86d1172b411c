"""Where problems are collected while files are read and checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from featurectl.core.variables import hide_passwords
from featurectl.language.problems.codes import Problem
from featurectl.language.syntax.place import Place

MOST_PROBLEMS: Final = 10_000


class TooManyProblemsError(Exception):
    """There are more problems than anybody reads: nothing more is checked."""


class Report:
    """Problems in the order in which they were found, and how many of them are errors."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.errors = 0
        self._seen: set[tuple[str, Place]] = set()

    def add(self, problem: Problem) -> None:
        """Add a problem; its message is one line and shows no password, whatever text of the user stands in it.

        Raises:
            TooManyProblemsError: there are `MOST_PROBLEMS` already.
        """
        if len(self.problems) >= MOST_PROBLEMS:
            raise TooManyProblemsError
        if "\n" in problem.message:
            problem = replace(problem, message=" ".join(problem.message.split()))
        shown = hide_passwords(problem.message)
        if shown != problem.message:
            problem = replace(problem, message=shown, suggestion="")  # which may be made of the password
        self.problems.append(problem)
        self.errors += problem.severity == "error"
        self._seen.add((problem.code, problem.place))

    def has(self, code: str, place: Place) -> bool:
        """Return whether a problem of a code was found at a place."""
        return (code, place) in self._seen

    def error(self, code: str, message: str, place: Place, *, suggestion: str = "", note: str = "") -> None:
        """Add an error."""
        notes = (note,) if note else ()
        self.add(Problem(code=code, message=message, place=place, suggestion=suggestion, notes=notes))

    def clash(self, code: str, message: str, place: Place, other: tuple[Place, str], *, note: str = "") -> None:
        """Add an error that two places make together."""
        notes = (note,) if note else ()
        self.add(Problem(code=code, message=message, place=place, related=(other,), notes=notes))

    def warning(self, code: str, message: str, place: Place, *, note: str = "") -> None:
        """Add a warning."""
        notes = (note,) if note else ()
        self.add(Problem(code=code, message=message, place=place, severity="warning", notes=notes))

    def note(self, code: str, message: str, place: Place, *, note: str) -> None:
        """Add what is right as it stands and worth knowing."""
        self.add(Problem(code=code, message=message, place=place, severity="note", notes=(note,)))
