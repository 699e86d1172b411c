"""`featurectl models diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied
from featurectl.cli.verb import verb


@verb()
def diff(
    call: Call,
    first: Annotated[str, typer.Argument(help="MODEL@1, or by an alias: MODEL@champion.", metavar="A")],
    second: Annotated[str, typer.Argument(help="The version to compare it with.", metavar="B")],
) -> Outcome:
    """Show two model versions side by side.

    Inputs, view and table versions, parameters, metrics and gates; a mark stands before what differs.
    """
    from featurectl.cli.render.diff_models import diff_json, render_diff
    from featurectl.operations.models.versions import find_pair

    with open_applied(call) as workspace:
        a, b = find_pair(workspace, first, second)
    return Outcome(text=render_diff(a, b), result=diff_json(a, b))
