"""`featurectl deployment render`."""

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
    to: Annotated[str, typer.Option(help="What runs them: kubernetes, systemd or compose.", metavar="TARGET")],
    deployments: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="The deployments; all of the files by default.")
    ] = None,
) -> Outcome:
    """Write deployments for what runs them.

    Plain files, for people to read and change by kustomize. They are made of the repository's files alone, say which
    command made them, and hold no secret: variables stand in them by their names. What runs may write nowhere but into
    what ends with it, has probes where it answers, and the time that it needs to end.
    """
    from featurectl.pipelines.render.order import render_deployments

    return outcome_of(call, to, render_deployments(options.order(call, deployments, to)))
