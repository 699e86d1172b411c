"""`featurectl stream rebuild`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.signals import ended_by_sigterm
from featurectl.cli.shared.workspaces import open_applied


@verb()
def rebuild(
    call: Call,
    views: Annotated[list[str], typer.Argument(help="VIEW, or VIEW@2 for one of its versions.")],
) -> Outcome:
    """Make the online lists of views of streams anew.

    They are made from the history and the log. Workers do so by themselves where lists are lost, or lack what is
    applied; this is for whoever doubts them, or has mended the history. It runs beside workers, or without any. Nothing
    is lost and nobody waits: answers come from the lists of before until the new ones are whole, so that nothing is
    asked. While one of a view goes on, another one of it is refused (75).
    """
    from featurectl.render.stream_run import render_rebuilt
    from featurectl.streaming.session.rebuild_views import rebuild_views

    with ended_by_sigterm(), open_applied(call) as workspace:  # what was begun is given up
        rebuilt = rebuild_views(workspace, views, call.progress)
    return Outcome(text=render_rebuilt(rebuilt), result={"views": [asdict(view) for view in rebuilt]})
