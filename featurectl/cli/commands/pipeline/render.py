"""`featurectl pipeline render`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.rendered_files import RenderOptions, outcome_of


@verb()
def render(
    call: Call,
    options: RenderOptions,
    to: Annotated[
        str,
        typer.Option(
            help="What runs them: cron, systemd, github-actions, kubernetes, argo, airflow or dagster.",
            metavar="TARGET",
        ),
    ],
    pipelines: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="The pipelines; all of the files by default.")
    ] = None,
) -> Outcome:
    """Write pipelines for the scheduler that runs them.

    Small files, for people to read: each task of them is a command line of featurectl. They are made of the
    repository's files alone, say which command made them, and hold no secret: an environment variable of the
    environment, a source or a notifier stands in them by its name. Schedules hold in UTC, wherever the scheduler is.
    """
    from featurectl.pipelines.render.order import render_pipelines

    return outcome_of(call, to, render_pipelines(options.order(call, pipelines, to)))
