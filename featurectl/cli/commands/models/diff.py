"""`featurectl models diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied


@verb()
def diff(
    call: Call,
    first: Annotated[str, typer.Argument(help="A version, or by an alias: MODEL@champion.", metavar="MODEL@1")],
    second: Annotated[str, typer.Argument(help="The version to compare it with.", metavar="MODEL@2")],
) -> Outcome:
    """Show where two model versions differ; with -v all that they say.

    Inputs, view and table versions, parameters, metrics and gates. `~` stands before what differs, `+` and `-` before
    what one has alone. An input differs where its feature means something else (by its fingerprint); `=` stands before
    one that is read of another version of its view and means the same.
    """
    from featurectl.operations.models.diff import diff_versions
    from featurectl.render.diff_models import diff_json, render_diff

    with open_applied(call) as workspace:
        found = diff_versions(workspace, first, second)
    return Outcome(text=render_diff(found, is_whole=call.verbose), result=diff_json(found))
