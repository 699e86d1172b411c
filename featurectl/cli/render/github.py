"""Workflow annotations of GitHub, and the table of a step's summary."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from featurectl.core.disk_room import write_failure
from featurectl.core.markdown import code, prose
from featurectl.render.visible import visible

if TYPE_CHECKING:
    from featurectl.cli.render.files import Files
    from featurectl.language.problems.codes import Problem
    from featurectl.language.syntax.place import Place

MAX_ANNOTATIONS: Final = 9  # GitHub shows ten of a step; the last one counts the rest
MAX_ROWS: Final = 500  # GitHub refuses a summary of more than 1 MiB
_WIDEST: Final = 500  # characters of a cell
AnnotationLevel = Literal["error", "warning", "notice"]
_LEVELS: Final[tuple[AnnotationLevel, ...]] = ("error", "warning", "notice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A message at a place; the place's path begins at the top of the checkout."""

    level: AnnotationLevel
    place: Place
    title: str
    message: str


def draw_annotations(annotations: Sequence[Annotation]) -> str:
    """Return one workflow command an annotation, at most 9, errors first, and one that counts the rest."""
    ordered = sorted(annotations, key=lambda item: _LEVELS.index(item.level))
    lines = [_command(item) for item in ordered[:MAX_ANNOTATIONS]]
    rest = len(ordered) - MAX_ANNOTATIONS
    if rest > 0:
        lines.append(f"::{ordered[MAX_ANNOTATIONS].level} title=featurectl::{rest} more")
    return "\n".join(lines)


def problem_annotation(problem: Problem, files: Files) -> Annotation:
    """Return the annotation of a problem."""
    return Annotation(
        level="notice" if problem.severity == "note" else problem.severity,
        place=files.place_in_checkout(problem.place),
        title=problem.code,
        message="\n".join([problem.message, *filter(None, [problem.suggestion]), *problem.notes]),
    )


def _command(item: Annotation) -> str:
    place = item.place
    found = {"file": place.path, "line": place.line, "col": place.column, "title": item.title}
    if place.end_column:
        found["endColumn"] = place.end_column
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in found.items() if value)
    return f"::{item.level} {properties}::{_data(item.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def problem_table(problems: Sequence[Problem], files: Files) -> str:
    """Return the problems as a Markdown table; one sentence when there are none."""
    rows = [
        (p.severity, p.code, code(f"{files.place_in_checkout(p.place)}"), cell(f"{p.message} {p.suggestion}".rstrip()))
        for p in problems
    ]
    return draw_table(("", "code", "place", "problem"), rows) if rows else "No problems.\n"


def draw_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of cells, `code` or `cell`, of at most 500 rows, and a line that counts the rest."""
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (head, *rows[:MAX_ROWS])]
    lines.insert(1, "|" + "---|" * len(head))
    if len(rows) > MAX_ROWS:
        lines.append(f"\n{len(rows) - MAX_ROWS} more")
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return a text as a cell of a table, which shows it as it is, and not endlessly."""
    return prose(text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…")


def write_step_summary(text: str) -> None:
    """Append Markdown to the summary of the running GitHub step; nothing happens outside of one.

    Raises:
        UsageError: the file that GITHUB_STEP_SUMMARY names can't be written.
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(visible(text))
    except OSError as error:
        raise write_failure(f"the file of $GITHUB_STEP_SUMMARY can't be written: {path}", error) from error
