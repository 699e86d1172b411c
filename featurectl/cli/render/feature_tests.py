"""Results of feature tests as people read them, as JSON, and in the forms that CI reads."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.cli.render.files import Files
from featurectl.cli.render.github import Annotation, cell, draw_annotations, draw_table
from featurectl.cli.render.junit import Case, Suite, Trouble, draw_junit
from featurectl.cli.render.values import show_pair
from featurectl.core.markdown import code
from featurectl.operations.feature_tests.results import Cell, FeatureTestResult
from featurectl.render.table import render_table
from featurectl.render.visible import in_one_line

NONE = "No feature tests. They stand in a list `tests:` of any file."
_HEAD = ("", "row", "column", "expected", "actual")


def render_results(results: Sequence[FeatureTestResult], files: Files, seconds: float | None = None) -> str:
    """Return a line per test, below a failed one its place and what differs, and the counts."""
    if not results:
        return NONE
    lines = []
    for result in results:
        lines.append(f"{'ok' if result.passed else 'FAIL':<5}{result.subject}: {in_one_line(result.name)}")
        if not result.passed:
            lines += [f"     {line}".rstrip() for line in _explained(result, files)]
    return "\n".join([*lines, "", counts(results, seconds)])


def counts(results: Sequence[FeatureTestResult], seconds: float | None = None) -> str:
    """Return the last line: how many passed and failed, and how long all of them took when that is given."""
    failed = sum(not result.passed for result in results)
    took = "" if seconds is None else f" in {seconds:.1f} s"
    return f"{len(results) - failed} passed, {failed} failed{took}."


def results_json(results: Sequence[FeatureTestResult], files: Files) -> dict[str, object]:
    """Return the results ready for JSON; values are texts as a test file would hold them."""
    failed = sum(not result.passed for result in results)
    return {
        "passed": len(results) - failed,
        "failed": failed,
        "tests": [_result_json(result, files) for result in results],
    }


def _result_json(result: FeatureTestResult, files: Files) -> dict[str, object]:
    error, place = result.error, result.place
    return {
        "name": result.name,
        "view": result.view or None,
        "model": result.model or None,
        "place": files.shown_place(place),
        "path": files.shown(place.path),
        "line": place.line,
        "column": place.column,
        "passed": result.passed,
        "differences": [
            {"row": cell.row, "column": cell.column, "expected": expected, "actual": actual}
            for cell in result.differences
            for expected, actual in [show_pair(cell)]
        ],
        "error": None if error is None else {"code": error.code, "message": error.message, "hint": error.hint},
    }


def draw_github(results: Sequence[FeatureTestResult], files: Files) -> str:
    """Return an annotation for each failed test, and the counts."""
    if not results:
        return NONE
    failed = [result for result in results if not result.passed]
    annotations = [
        Annotation(
            level="error",
            place=files.place_in_checkout(result.place),
            title=f"{result.subject}: {result.name}",
            message="\n".join(_sentences(result)),
        )
        for result in failed
    ]
    return "\n".join(filter(None, [draw_annotations(annotations), counts(results)]))


def results_markdown(results: Sequence[FeatureTestResult], files: Files) -> str:
    """Return the counts, and a Markdown table of what differs."""
    rows: list[tuple[str, ...]] = []
    for result in results:
        about = (cell(f"{result.subject}: {result.name}"), code(f"{files.place_in_checkout(result.place)}"))
        if result.error is not None:
            rows.append((*about, "", "", "", cell(f"{_code(result)}: {result.error.message}")))
        rows += [
            (*about, str(found.row), *(cell(text) for text in (found.column, *show_pair(found))))
            for found in result.differences
        ]
    table = draw_table(("test", "place", *_HEAD[1:]), rows) if rows else ""
    return "\n\n".join(filter(None, [counts(results) if results else NONE, table]))


def draw_results_junit(results: Sequence[FeatureTestResult], files: Files) -> str:
    """Return a document with a suite for each file that has tests, and a case for each test, with their seconds."""
    places: dict[str, list[FeatureTestResult]] = {}
    for result in results:
        places.setdefault(files.shown(result.place.path), []).append(result)
    suites = [
        Suite(
            name=path,
            file=path,
            cases=[_case(result, files) for result in found],
            seconds=sum(result.seconds for result in found),
        )
        for path, found in sorted(places.items())
    ]
    return draw_junit("featurectl test", suites, sum(result.seconds for result in results))


def _case(result: FeatureTestResult, files: Files) -> Case:
    trouble = None
    if not result.passed:
        first, *more = _sentences(result)
        trouble = Trouble(
            kind="failure" if result.error is None else "error",
            type=_code(result),
            message=f"{first} (and {len(more)} more)" if more else first,
            text="\n".join(_explained(result, files)),
        )
    return Case(group=result.subject, name=result.name, seconds=result.seconds, trouble=trouble)


def _code(result: FeatureTestResult) -> str:
    return "difference" if result.error is None else result.error.code or type(result.error).__name__


def _sentences(result: FeatureTestResult) -> list[str]:
    """Return what is wrong with a failed test, a sentence for each difference."""
    if result.error is not None:
        return [result.error.message]
    return [
        f"row {cell.row}: {cell.column} is {actual}, expected {expected}"
        for cell in result.differences
        for expected, actual in [show_pair(cell)]
    ]


def _explained(result: FeatureTestResult, files: Files) -> list[str]:
    """Return the place of a failed test, and a table of the rows that differ, each value that does marked with !."""
    lines = [in_one_line(files.shown_place(result.place))]
    if result.error is not None:
        code = f"[{result.error.code}]" if result.error.code else ""
        hint = [f"  = {in_one_line(result.error.hint)}"] if result.error.hint else []
        return [*lines, f"error{code}: {in_one_line(result.error.message)}", *hint]
    wrong = {cell.row for cell in result.differences}
    return lines + render_table(_HEAD, [_row(cell) for cell in result.cells if cell.row in wrong])


def _row(cell: Cell) -> tuple[str, ...]:
    return (" " if cell.agrees else "!", str(cell.row), cell.column, *show_pair(cell))
