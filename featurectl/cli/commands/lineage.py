"""`featurectl lineage`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.commands.show_object import Depth, depth_of
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_with


@verb(outputs=("text", "json", "mermaid", "dot"))
def lineage(
    call: Call,
    name: Annotated[
        str | None, typer.Argument(help="A view, model, source or entity, VIEW:FEATURE, or KIND:NAME; all by default.")
    ] = None,
    depth: Depth = "all",
) -> Outcome:
    """Draw what an object is made of, and what is made of it.

    As a tree for a terminal, as Mermaid or DOT for pages.
    """
    from featurectl.catalog.lineage import lineage_of_name
    from featurectl.render.lineage import lineage_dot, lineage_json, lineage_mermaid, render_lineage

    with open_with(call, "project file") as workspace:
        graph = lineage_of_name(workspace, name, depth_of(depth))
    drawings = {"mermaid": lineage_mermaid(graph), "dot": lineage_dot(graph)}
    return Outcome(text=render_lineage(graph), result=lineage_json(graph), drawings=drawings)
