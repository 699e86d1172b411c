"""`featurectl models list` and `models show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import VersionOrChampion
from featurectl.cli.shared.workspaces import open_applied

if TYPE_CHECKING:
    from featurectl.registry.state import ModelVersion


@verb()
def list_versions(
    call: Call,
    model: Annotated[str | None, typer.Argument(help="A model; every one by default.")] = None,
    uses: Annotated[
        str | None, typer.Option(help="Only versions that use a view, VIEW@2, VIEW:FEATURE or VIEW@2:FEATURE.")
    ] = None,
) -> Outcome:
    """List the trained versions, newest first."""
    from featurectl.operations.models.versions import find_versions
    from featurectl.render.models import render_versions, version_json

    with open_applied(call) as workspace:
        found = find_versions(workspace, model, uses)
    none = "No model is trained yet: featurectl train" if uses is None else f"No model version uses {uses}."
    if model is not None:
        none = f"Model {model} is not trained yet: featurectl train {model}"
        none = none if uses is None else f"No version of model {model} uses {uses}."
    text = render_versions(found.versions, found.aliases) if found.versions else none
    return Outcome(text=text, result={"versions": [version_json(v, found.aliases) for v in found.versions]})


@verb()
def show(
    call: Call,
    model: VersionOrChampion,
    card: Annotated[bool, typer.Option("--card", help="Print its model card, which is Markdown.")] = False,
) -> Outcome:
    """Show what a model version was made of.

    Its features with their versions, the tables that it read, parameters, metrics, and what its gates found.
    """
    from featurectl.operations.models.versions import find_version, read_card
    from featurectl.render.models import label_of, version_json, version_page
    from featurectl.render.page import page_text

    with open_applied(call) as workspace:
        found = find_version(workspace, model)
        if card:
            return _card(found.version, read_card(workspace, found.version))
    result = version_json(found.version, found.aliases) | {"label_definition": label_of(found.version)}
    return Outcome(text=page_text(version_page(found.version, found.aliases)), result=result)


def _card(version: ModelVersion, text: str) -> Outcome:
    return Outcome(text=text.rstrip("\n"), result={"card": text, "path": version.card}, text_is="document")
