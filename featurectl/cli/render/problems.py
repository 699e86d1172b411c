"""Problems as text for people, one line each, JSON, and in the forms that CI reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from featurectl.cli.render.excerpt import draw_problem
from featurectl.cli.render.files import Files
from featurectl.cli.render.github import draw_annotations, problem_annotation
from featurectl.render.paint import Paint, wants_color
from featurectl.render.screen import screen_width
from featurectl.render.visible import in_one_line

if TYPE_CHECKING:
    from featurectl.cli.shared.call import Call
    from featurectl.language.problems.codes import Problem


def render_problems(problems: Sequence[Problem], call: Call, seconds: float | None = None) -> str:
    """Return the problems in the call's output form; `seconds` is how long the search for them took.

    Paths are relative to the caller's folder, those for a code host to the top of the checkout. Notes are listed
    with `-v`; without it the text only counts them.
    """
    files, every = Files(call), problems
    problems = listed(every, call)
    if call.output not in ("sarif", "junit"):  # these have escapes of their own
        problems = [_visible(problem) for problem in problems]
    if call.output == "concise":
        return "\n".join(_line(problem, files) for problem in problems)
    if call.output == "github":
        return draw_annotations([problem_annotation(problem, files) for problem in problems])
    if call.output == "sarif":
        from featurectl.cli.render.sarif import draw_sarif

        return draw_sarif(problems, files)
    if call.output == "junit":
        from featurectl.cli.render.junit import draw_files

        return draw_files(problems, files, seconds)
    is_text = call.output == "text"
    paint = Paint(on=is_text and wants_color(call.color, sys.stderr))
    width = screen_width(sys.stderr) if is_text else None
    drawn = [
        draw_problem(problem, files.lines(problem.place), lambda path: in_one_line(files.shown(path)), paint, width)
        for problem in problems
    ]
    return "\n\n".join([*drawn, summary(every, len(files.paths()), listed=call.verbose)])


def _visible(problem: Problem) -> Problem:
    """Return the problem with texts that a log may have, a line each; its path, which is looked up, as it is."""
    return replace(
        problem,
        message=in_one_line(problem.message),
        suggestion=in_one_line(problem.suggestion),
        notes=tuple(map(in_one_line, problem.notes)),
    )


def listed(problems: Sequence[Problem], call: Call) -> list[Problem]:
    """Return the problems that are to be shown one by one: notes only with `-v`."""
    return [problem for problem in problems if problem.severity != "note" or call.verbose]


def problems_json(problems: Sequence[Problem], call: Call | None = None) -> list[dict[str, object]]:
    """Return the problems ready for JSON; paths are relative to the caller's folder, to the root without a call."""
    shown = Files(call).shown if call else (lambda path: path)
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


def _line(problem: Problem, files: Files) -> str:
    place = in_one_line(files.shown_place(problem.place))
    suggestion = f" ({problem.suggestion})" if problem.suggestion else ""
    return f"{place}: {problem.severity}[{problem.code}]: {problem.message}{suggestion}"
