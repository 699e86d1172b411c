"""`featurectl why`: one page on a view, for whoever is on call."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import ViewOrVersion
from featurectl.cli.shared.workspaces import open_applied


@verb(as_of=True)
def why(
    call: Call,
    view: ViewOrVersion,
    key: Annotated[list[str] | None, typer.Argument(help="KEY=VALUE for each key of an entity.")] = None,
) -> Outcome:
    """Show why a view's values are as they are.

    One page, from its sources to what is served. First what is wrong, if anything is. Then each link of the chain
    with its clocks and version, the models that read the view, its last runs and the checks that failed. With the
    keys of an entity: its value online and from the offline table now, and how it came to that; -v tells of every
    feature that changed. Of VIEW:FEATURE the view is explained. Exits 1 when something is wrong.
    """
    from featurectl.monitor.explain_view import explain_view
    from featurectl.operations.entity_values import entity_request, split_version
    from featurectl.render.why import render_why, why_json

    request = entity_request(view, key or ())
    split_version(request.view)
    with open_applied(call) as workspace:
        found = explain_view(workspace, request, call.progress)
    return Outcome(
        text=render_why(found.chain, found.cause, found.environment, found.values, whole=call.verbose),
        result=why_json(found.chain, found.cause, found.values),
        exit_code=1 if found.cause else 0,
    )
