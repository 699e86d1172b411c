"""`featurectl list`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import LookAtState, Select
from featurectl.cli.shared.workspaces import open_with


@verb(as_of=True)
def list_objects(
    call: Call,
    kind: Annotated[
        str | None,
        typer.Argument(
            help="views, features, models, sources, entities, alerts or notifiers; all but features by default."
        ),
    ] = None,
    select: Select = None,
    state: LookAtState = False,
) -> Outcome:
    """List what is applied.

    Views, features, models, sources, entities, alerts, notifiers. Of the registry alone; with --state the stores are
    looked at, too.
    """
    from featurectl.catalog.listing import ListRequest, list_objects, needs_files
    from featurectl.catalog.objects import kind_of_word

    request = ListRequest(select=tuple(select or ()), state=state)
    if kind is not None:
        request = replace(request, kinds=(kind_of_word(kind),))
    with open_with(call, "unread" if needs_files(request.select) else "project file") as workspace:
        found = list_objects(workspace, request, call.progress)
    if call.output == "json":
        from featurectl.catalog.documents import object_document

        return Outcome(result={"objects": [object_document(item) for item in found]})
    from featurectl.render.catalog import render_objects

    return Outcome(text=render_objects(found))
