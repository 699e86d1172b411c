"""`featurectl show`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import LookAtState
from featurectl.cli.shared.workspaces import open_with
from featurectl.core.errors import UsageError

Depth = Annotated[str, typer.Option(help="How many steps of lineage in each direction: a number, or all.", metavar="N")]


@verb(as_of=True, memory=True)
def show_object(
    call: Call,
    name: Annotated[
        str,
        typer.Argument(help="A view, model, source, entity, alert or notifier; VIEW@2; VIEW:FEATURE; or KIND:NAME."),
    ],
    depth: Depth = "2",
    state: LookAtState = False,
    sample: Annotated[
        int | None,
        typer.Option(help="Compute the statistics now, of so many entities of the offline table.", metavar="N", min=1),
    ] = None,
    sample_keys: Annotated[
        bool, typer.Option("--sample-keys", help="Show some keys of entities that have values.")
    ] = False,
) -> Outcome:
    """Show all of an object.

    What it says, versions, who uses it, its lineage, how its values lie. Statistics are those of the newest model
    that was trained on a feature, with their date.
    """
    from featurectl.catalog.detail import ShowRequest, show_objects
    from featurectl.render.object_detail import detail_json, render_details

    request = ShowRequest(
        name=name,
        depth=depth_of(depth),
        state=state,
        sample=sample,
        keys=sample_keys,
        memory_bytes=call.memory_bytes(),
    )
    with open_with(call, "project file") as workspace:
        found = show_objects(workspace, request, call.progress)
    return Outcome(text=render_details(found), result={"objects": [detail_json(item) for item in found]})


def depth_of(text: str) -> int | None:
    """Return how many steps an option asks for, None for all.

    Raises:
        UsageError: it is no number.
    """
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f"--depth {text!r} is no number of steps", hint="0, 1, 2 and so on, or all")
    return int(text)
