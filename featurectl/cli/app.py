"""The command tree. Importing it loads the standard library and Typer, nothing else."""

from __future__ import annotations

import typer

from featurectl.cli import (
    apply,
    explain,
    get,
    history,
    init,
    materialize,
    models,
    plan,
    push,
    schema,
    score,
    status,
    test,
    train,
    training_set,
    unlock,
    validate,
    version,
)

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


_COMMANDS = (  # in the order of the help, which is the order of the main job
    init,
    validate,
    test,
    plan,
    apply,
    history,
    materialize,
    push,
    training_set,
    train,
    models,
    score,
    get,
    status,
    schema,
    explain,
    unlock,
    version,
)

for command in _COMMANDS:
    command.add_to(app)
