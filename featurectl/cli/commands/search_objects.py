"""`featurectl search`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_with


@verb()
def search_objects(
    call: Call,
    text: Annotated[list[str], typer.Argument(help="Words, all of which must be found; in any case.")],
    kind: Annotated[
        str | None, typer.Option(help="Only views, features, models, sources, entities, alerts or notifiers.")
    ] = None,
) -> Outcome:
    """Search what is applied by words; the best first.

    All words have to be in a name, tags, a description, an owner, a definition or a type.
    """
    from featurectl.catalog.objects import kind_of_word
    from featurectl.catalog.search import SearchRequest, search_objects

    request = SearchRequest(text=" ".join(text))
    if kind is not None:
        request = SearchRequest(text=request.text, kinds=(kind_of_word(kind),))
    with open_with(call, "project file") as workspace:
        found = search_objects(workspace, request)
    if call.output == "json":
        from featurectl.catalog.documents import hit_document

        return Outcome(result={"hits": [hit_document(hit) for hit in found]})
    from featurectl.render.catalog import render_hits

    shown = render_hits(found) if found else f"Nothing that is applied has {request.text!r}: featurectl list"
    return Outcome(text=shown)
