"""The command tree. Importing it loads the standard library and Typer, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Final

import typer

COMMANDS: Final = (  # in the order of the help, which is the order of the main job; each has a module of its name
    "init",
    "validate",
    "test",
    "plan",
    "apply",
    "history",
    "materialize",
    "push",
    "training-set",
    "train",
    "models",
    "score",
    "get",
    "serve",
    "status",
    "monitor",
    "verify",
    "why",
    "schema",
    "explain",
    "clean",
    "unlock",
    "version",
)


def build_app(words: Sequence[str] = ()) -> typer.Typer:
    """Return the tree for a command line: of the one command that it begins with, for all take long to build.

    Where it begins with none, of all of them.
    """
    return _build(*(word for word in words[:1] if word in COMMANDS))


@cache
def _build(*names: str) -> typer.Typer:
    app = typer.Typer(
        name="featurectl",
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def featurectl() -> None:
        """A feature store that is one command: features in YAML, plan, apply, materialize, train, score, serve."""

    for name in names or COMMANDS:
        import_module(f"featurectl.cli.{name.replace('-', '_')}").add_to(app)
    return app
