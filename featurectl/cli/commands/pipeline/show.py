"""`featurectl pipeline show`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied


@verb()
def show(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pipeline.")],
    runs: Annotated[int, typer.Option("--runs", help="How many of its last runs.", min=1)] = 5,
) -> Outcome:
    """Show a pipeline and its last runs.

    Its stages and what they need, its last runs, and when it is due next. Of the last run every stage is shown, with
    what it failed of.
    """
    from featurectl.pipelines.overview import look_at
    from featurectl.render.pipelines import pipeline_page_json, render_pipeline_page

    with open_applied(call) as workspace:
        page = look_at(workspace, name, runs)
    return Outcome(text=render_pipeline_page(page), result={"pipeline": pipeline_page_json(page)})
