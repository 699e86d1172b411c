"""`featurectl models`: what is trained, what it was made of, which version counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli import canary, model_files
from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.registry.state import ModelVersion


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    from featurectl.cli.model_promotion import add_to_group

    group = typer.Typer(help="Trained versions of models.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name="models")
    _add_list(group)
    _add_show(group)
    add_to_group(group)
    model_files.add_to(group)
    canary.add_to(group)


def _add_list(group: typer.Typer) -> None:
    @verb(group, "list")
    def list_(
        call: Call,
        uses: Annotated[
            str | None, typer.Option(help="Only versions that use a view, VIEW@2, VIEW:FEATURE or VIEW@2:FEATURE.")
        ] = None,
    ) -> Outcome:
        """List the trained versions of every model, newest first."""
        from featurectl.cli.render.models import render_versions, version_json
        from featurectl.registry.lineage import versions_using

        with open_applied(call) as workspace:
            state = workspace.applied_state()
        found = state.model_versions if uses is None else versions_using(state, uses)
        versions = sorted(found, key=lambda v: (v.model, -v.version))
        none = "No model is trained yet: featurectl train" if uses is None else f"No model version uses {uses}."
        text = render_versions(versions, state.aliases) if versions else none
        return Outcome(text=text, result={"versions": [version_json(v, state.aliases) for v in versions]})


def _add_show(group: typer.Typer) -> None:
    @verb(group, "show")
    def show(
        call: Call,
        model: Annotated[str, typer.Argument(help="MODEL, MODEL@3 or MODEL@champion; champion by default.")],
        card: Annotated[bool, typer.Option("--card", help="Print its model card, which is Markdown.")] = False,
    ) -> Outcome:
        """Show what a model version was made of.

        Its features with their versions, the tables that it read, parameters, metrics, and what its gates found.
        """
        from featurectl.cli.render.models import label_of, render_version, version_json
        from featurectl.registry.applied import choose_version

        name, _, which = model.partition("@")
        with open_applied(call) as workspace:
            state = workspace.applied_state()
            version = choose_version(state, name, which or "champion")
            if card:
                return _card(version, workspace.offline_location())
        result = version_json(version, state.aliases) | {"label_definition": label_of(version)}
        return Outcome(text=render_version(version, state.aliases), result=result)


def _card(version: ModelVersion, location: str) -> Outcome:
    """Return the card of a version; of one that was registered before there were cards, that it has none."""
    from featurectl.models.artifact import read_artifact

    if not version.card:
        raise UsageError(
            f"model {version.model} version {version.version} has no card",
            hint="it is older than the version of featurectl that writes them; a version that is trained now has one",
        )
    text = read_artifact(location, version.card, version.card_sha256).decode()
    return Outcome(text=text.rstrip("\n"), result={"card": text, "path": version.card})
