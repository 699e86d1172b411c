"""`featurectl list`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import LookAtState, Select
from featurectl.cli.shared.workspaces import open_applied, open_with
from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean

if TYPE_CHECKING:
    from featurectl.catalog.objects import CatalogKind


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
    """List what is applied: views, features, models, sources, entities, alerts, notifiers.

    Of the registry alone; with --state the stores are looked at, too.
    """
    from featurectl.catalog.listing import ListRequest, list_objects, needs_files
    from featurectl.cli.render.catalog import object_json, render_objects

    request = ListRequest(select=tuple(select or ()), state=state)
    if kind is not None:
        request = replace(request, kinds=(kind_of_word(kind),))
    with open_applied(call) if needs_files(request.select) else open_with(call, "project file") as workspace:
        found = list_objects(workspace, request, call.progress)
    return Outcome(text=render_objects(found), result={"objects": [object_json(item) for item in found]})


def kind_of_word(word: str) -> CatalogKind:
    """Return the kind that a word for one or several of it means.

    Raises:
        UsageError: it means none.
    """
    from featurectl.catalog.objects import CATALOG_KINDS, SEVERAL

    words: dict[str, CatalogKind] = {text: kind for kind in CATALOG_KINDS for text in (kind, SEVERAL[kind])}
    words |= {"feature_view": "view", "feature_views": "view"}
    if word not in words:
        hint = did_you_mean(word, words) or ", ".join(SEVERAL[kind] for kind in CATALOG_KINDS)
        raise UsageError(f"{word!r} is no kind of object", hint=hint)
    return words[word]
