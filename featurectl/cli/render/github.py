"""Workflow annotations of GitHub, and the table of a step's summary."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from featurectl.spec.problems import Problem

MAX_ANNOTATIONS: Final = 9  # GitHub shows ten of a step; the last one counts the rest
_LEVELS: Final = ("error", "warning", "notice")


def draw_annotations(problems: Sequence[Problem], shown: Callable[[str], str]) -> str:
    """Return one workflow command a problem, at most 9, errors first, and one that counts the rest."""
    ordered = sorted(problems, key=lambda problem: _LEVELS.index(_level(problem)))
    lines = [_annotation(problem, shown) for problem in ordered[:MAX_ANNOTATIONS]]
    rest = len(ordered) - MAX_ANNOTATIONS
    if rest > 0:
        lines.append(f"::{_level(ordered[MAX_ANNOTATIONS])} title=featurectl::{rest} more")
    return "\n".join(lines)


def _annotation(problem: Problem, shown: Callable[[str], str]) -> str:
    place = problem.place
    found = {"file": shown(place.path), "line": place.line, "col": place.column, "title": problem.code}
    if place.end_column:
        found["endColumn"] = place.end_column
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in found.items() if value)
    message = "\n".join([problem.message, *filter(None, [problem.suggestion]), *problem.notes])
    return f"::{_level(problem)} {properties}::{_data(message)}"


def _level(problem: Problem) -> str:
    return "notice" if problem.severity == "note" else problem.severity


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def problem_table(problems: Sequence[Problem]) -> str:
    """Return the problems as a Markdown table; one sentence when there are none."""
    if not problems:
        return "No problems.\n"
    rows = [
        f"| {p.severity} | {p.code} | `{p.place}` | {_cell(p.message)} {_cell(p.suggestion)} |".replace("  |", " |")
        for p in problems
    ]
    return "\n".join(["| | code | place | problem |", "|---|---|---|---|", *rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write_step_summary(text: str) -> None:
    """Append Markdown to the summary of the running GitHub step; nothing happens outside of one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
