"""`featurectl models list` and `featurectl models show`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli import canary
from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Trained versions of models.", no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name="models")
    canary.add_to(group)

    @verb(group, "list")
    def list_(call: Call) -> Outcome:
        """List the trained versions of every model, newest first."""
        from featurectl.cli.render.models import render_versions, version_json
        from featurectl.open import open_workspace

        with open_workspace(call.root(), call.env, None, "unread") as workspace:
            state = workspace.state()
        versions = sorted(state.model_versions, key=lambda v: (v.model, -v.version))
        text = render_versions(versions, state.aliases) if versions else "No model is trained yet: featurectl train"
        return Outcome(text=text, result={"versions": [version_json(v, state.aliases) for v in versions]})

    @verb(group, "show")
    def show(
        call: Call,
        model: Annotated[str, typer.Argument(help="MODEL, MODEL@3 or MODEL@champion; champion by default.")],
    ) -> Outcome:
        """Show what a model version was made of.

        Its features with their versions, the tables that it read, parameters and metrics.
        """
        from featurectl.cli.render.models import render_version, version_json
        from featurectl.open import open_workspace
        from featurectl.registry.applied import choose_version

        name, _, which = model.partition("@")
        with open_workspace(call.root(), call.env, None, "unread") as workspace:
            state = workspace.state()
        version = choose_version(state, name, which or "champion")
        return Outcome(text=render_version(version, state.aliases), result=version_json(version, state.aliases))
