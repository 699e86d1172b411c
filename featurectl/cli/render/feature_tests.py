"""Results of feature tests as people read them, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.feature_tests import FeatureTestResult, show_value


def render_results(results: Sequence[FeatureTestResult]) -> str:
    """Return a line per test, below a failed one what differs, and the counts."""
    if not results:
        return "No feature tests. They stand in a list `tests:` of any file."
    lines = []
    for result in results:
        lines.append(f"{'FAIL' if result.differences else 'ok':<5}{result.view}: {result.name}")
        if result.differences:
            lines.append(f"     {result.place}")
        lines += [
            f"     row {d.row}: {d.column} is {show_value(d.found)}, expected {show_value(d.expected)}"
            for d in result.differences
        ]
    failed = sum(bool(result.differences) for result in results)
    return "\n".join([*lines, "", f"{len(results) - failed} passed, {failed} failed."])


def result_json(result: FeatureTestResult) -> dict[str, object]:
    """Return a result ready for JSON."""
    return {
        "name": result.name,
        "view": result.view,
        "place": str(result.place),
        "passed": not result.differences,
        "differences": [
            {"row": d.row, "column": d.column, "expected": show_value(d.expected), "found": show_value(d.found)}
            for d in result.differences
        ],
    }
