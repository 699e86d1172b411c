"""Problems as text for people, one line each, annotations of GitHub, and JSON."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featurectl.cli.render.excerpt import draw_problem
from featurectl.cli.render.github import draw_annotations
from featurectl.cli.render.paint import Paint, wants_color
from featurectl.errors import UsageError

if TYPE_CHECKING:
    from featurectl.cli.call import Call
    from featurectl.spec.place import Place
    from featurectl.spec.problems import Problem


def render_problems(problems: Sequence[Problem], call: Call) -> str:
    """Return the problems in the call's output form; paths are relative to the caller's folder.

    Notes are listed with `-v`; without it the text only counts them.
    """
    files, every = _Files(call), problems
    problems = [p for p in every if p.severity != "note" or call.verbose]
    if call.output == "concise":
        return "\n".join(_line(problem, files) for problem in problems)
    if call.output == "github":
        return draw_annotations(problems, files.shown)
    paint = Paint(on=wants_color(call.color))
    drawn = [draw_problem(problem, files.lines(problem.place), files.shown, paint) for problem in problems]
    return "\n\n".join([*drawn, summary(every, files.count(), listed=call.verbose)])


def problems_json(problems: Sequence[Problem], call: Call | None = None) -> list[dict[str, object]]:
    """Return the problems ready for JSON; paths are relative to the caller's folder, to the root without a call."""
    shown = _Files(call).shown if call else (lambda path: path)
    return [
        {
            "code": problem.code,
            "severity": problem.severity,
            "message": problem.message,
            "path": shown(problem.place.path),
            "line": problem.place.line,
            "column": problem.place.column,
            "end_column": problem.place.end_column,
            "suggestion": problem.suggestion,
            "notes": list(problem.notes),
            "related": [
                {"path": shown(place.path), "line": place.line, "column": place.column, "message": word}
                for place, word in problem.related
            ],
        }
        for problem in problems
    ]


def summary(problems: Sequence[Problem], files: int, *, listed: bool = True) -> str:
    """Return the last line: how many problems in how many files, that nothing was changed, how notes are `listed`."""
    counts = [
        f"{number} {word}{'' if number == 1 else 's'}"
        for word in ("error", "warning", "note")
        if (number := sum(problem.severity == word for problem in problems))
    ]
    codes = ", ".join(sorted({problem.code for problem in problems if problem.severity == "note"}))
    touched = len({problem.place.path for problem in problems})
    total = max(files, touched)
    of_files = f"in {touched} of {total} file{'' if total == 1 else 's'}"
    unchanged = " Nothing was changed." if any(p.severity == "error" for p in problems) else ""
    more = f" -v lists the notes ({codes})." if codes and not listed else ""
    return f"{', '.join(counts[:-1])}{' and ' * (len(counts) > 1)}{counts[-1]} {of_files}.{unchanged}{more}"


def _line(problem: Problem, files: _Files) -> str:
    place = _shown_place(problem.place, files)
    suggestion = f" ({problem.suggestion})" if problem.suggestion else ""
    return f"{place}: {problem.severity}[{problem.code}]: {problem.message}{suggestion}"


def _shown_place(place: Place, files: _Files) -> str:
    return str(place).replace(place.path, files.shown(place.path), 1)


class _Files:
    """The repository's files as the caller sees them; each is read at most once."""

    def __init__(self, call: Call) -> None:
        try:
            self._root: Path | None = call.root()
        except UsageError:  # problems of something that is no repository
            self._root = None
        self._lines: dict[str, list[str]] = {}

    def shown(self, path: str) -> str:
        """Return a path relative to the caller's folder."""
        if self._root is None:
            return path
        try:
            return os.path.relpath(self._root / path)
        except ValueError:  # another drive
            return str(self._root / path)

    def lines(self, place: Place) -> list[str]:
        """Return the lines of a place's file; empty when it can't be read."""
        if self._root is None or not place.line:
            return []
        if place.path not in self._lines:
            try:
                text = (self._root / place.path).read_text(encoding="utf-8-sig", errors="replace")
            except OSError:
                text = ""
            self._lines[place.path] = text.split("\n")
        return self._lines[place.path]

    def count(self) -> int:
        """Return how many files the repository has."""
        from featurectl.spec.load import yaml_files

        return sum(1 for _ in yaml_files(self._root)) if self._root else 0
