"""Where problems are collected while files are read and checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace

from featurectl.spec.place import Place
from featurectl.spec.problems import Problem


class Report:
    """Problems in the order in which they were found."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Add a problem; its message is one line, whatever text of the user stands in it."""
        if "\n" in problem.message:
            problem = replace(problem, message=" ".join(problem.message.split()))
        self.problems.append(problem)

    def error(self, code: str, message: str, place: Place, *, suggestion: str = "", note: str = "") -> None:
        """Add an error."""
        notes = (note,) if note else ()
        self.add(Problem(code=code, message=message, place=place, suggestion=suggestion, notes=notes))

    def clash(self, code: str, message: str, place: Place, other: tuple[Place, str]) -> None:
        """Add an error that two places make together."""
        self.add(Problem(code=code, message=message, place=place, related=(other,)))

    def warning(self, code: str, message: str, place: Place, *, note: str = "") -> None:
        """Add a warning."""
        notes = (note,) if note else ()
        self.add(Problem(code=code, message=message, place=place, severity="warning", notes=notes))

    def note(self, code: str, message: str, place: Place, *, note: str) -> None:
        """Add what is right as it stands and worth knowing."""
        self.add(Problem(code=code, message=message, place=place, severity="note", notes=(note,)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the one suggestion for a word that is not known, or an empty text when nothing is near.

    >>> did_you_mean("windw", ["op", "windows", "column"])
    'did you mean "windows"?'
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""
