"""`featurectl test`."""

from __future__ import annotations

import time
import traceback

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "test", outputs=("text", "json", "github", "junit"))
    def test(call: Call) -> Outcome:
        """Run the feature tests of the repository. Rows in, values out; nothing else is touched."""
        from featurectl.cli.render import feature_tests as render
        from featurectl.cli.render.files import Files
        from featurectl.cli.render.github import write_step_summary
        from featurectl.engines.open import open_local_engine
        from featurectl.operations.feature_tests.run import run_feature_tests
        from featurectl.workspace.workspace import environment_of, load_checked

        repo = load_checked(call.root())
        environment_of(repo, call.env)  # the tests are the same in each, but a name that is none is a mistake
        begin = time.perf_counter()
        results = run_feature_tests(open_local_engine(), repo.tests.values())
        seconds = time.perf_counter() - begin
        if call.debug:
            for result in results:
                if result.error is not None:
                    traceback.print_exception(result.error)
        files = Files(call)
        if call.output == "github":
            write_step_summary(f"### featurectl test\n\n{render.results_markdown(results, files)}\n\n")
        draw = {"github": render.draw_github, "junit": render.draw_results_junit}.get(call.output)
        return Outcome(
            text=render.render_results(results, files, seconds if call.verbose else None),
            result=render.results_json(results, files),
            exit_code=0 if all(result.passed for result in results) else 1,
            drawings={call.output: draw(results, files)} if draw else {},
        )
