"""The command tree. Importing it loads the standard library and Typer, nothing else."""

from __future__ import annotations

import typer

from featurectl.cli import apply, get, history, init, plan, push, version

app = typer.Typer(
    name="featurectl",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def featurectl() -> None:
    """A feature store that is one command: declare features in YAML, plan, apply, materialize, train, score."""


for command in (init, plan, apply, history, push, get, version):  # in the order of the help
    command.add_to(app)
