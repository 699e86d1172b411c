"""`featurectl test`."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurectl.operations.feature_tests.results import FeatureTestResult


@verb(outputs=("text", "json", "github", "junit"))
def test(call: Call) -> Outcome:
    """Run the feature tests of the repository. Rows in, values out; nothing else is touched."""
    from featurectl.cli.render import feature_tests as render
    from featurectl.cli.render.files import Files
    from featurectl.operations.feature_tests.repository import run_repository_tests

    run = run_repository_tests(call.root(), call.env)
    results = run.results
    _show_errors(call, results)
    files = Files(call)
    draw = {"github": render.draw_github, "junit": render.draw_results_junit}.get(call.output)
    if call.output == "github":
        _write_summary(render.results_markdown(results, files))
    return Outcome(
        text=render.render_results(results, files, run.seconds if call.verbose else None),
        result=render.results_json(results, files),
        exit_code=0 if all(result.passed for result in results) else 1,
        drawings={call.output: draw(results, files)} if draw else {},
    )


def _show_errors(call: Call, results: Sequence[FeatureTestResult]) -> None:
    """Show with `--debug` where a test has failed by an error."""
    for result in results if call.debug else ():
        if result.error is not None:
            traceback.print_exception(result.error)


def _write_summary(markdown: str) -> None:
    from featurectl.cli.render.github import write_step_summary

    write_step_summary(f"### featurectl test\n\n{markdown}\n\n")
