"""`featurectl test`."""

from __future__ import annotations

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "test")
    def test(call: Call) -> Outcome:
        """Run the feature tests of the repository. Rows in, values out; nothing else is touched."""
        from featurectl.cli.render.feature_tests import render_results, result_json
        from featurectl.engines.polars.engine import PolarsEngine
        from featurectl.feature_tests import run_feature_test
        from featurectl.open import load_checked

        repo = load_checked(call.root())
        results = [run_feature_test(PolarsEngine(), item) for item in repo.tests.values()]
        failed = any(result.differences for result in results)
        result = {"tests": [result_json(item) for item in results]}
        return Outcome(text=render_results(results), result=result, exit_code=1 if failed else 0)
