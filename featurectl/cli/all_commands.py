"""The command tree. Importing it loads the standard library and Typer, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from featurectl.core.version import __version__

if TYPE_CHECKING:
    from featurectl.cli.command_decorator import Command

# In the order of the help, which is the order of the main job: where each is, below featurectl/cli/commands/.
COMMANDS: Final[Mapping[str, str]] = {
    "init": "init:init",
    "validate": "validate:validate",
    "test": "test:test",
    "plan": "plan:plan",
    "apply": "apply:apply",
    "history": "history:history",
    "materialize": "materialize:materialize",
    "push": "push:push",
    "training-set": "training_set:training_set",
    "train": "train:train",
    "models list": "models.listing:list_versions",
    "models show": "models.listing:show",
    "models diff": "models.diff:diff",
    "models promote": "models.promote:promote",
    "models rollback": "models.promote:rollback",
    "models retire": "models.retire:retire",
    "models prune": "models.retire:prune",
    "models import": "models.import_model:import_model",
    "models export": "models.export:export",
    "models canary start": "models.canary:start",
    "models canary status": "models.canary:status",
    "models canary promote": "models.canary:promote",
    "models canary abort": "models.canary:abort",
    "score": "score:score",
    "get": "get:get",
    "serve": "serve:serve",
    "stream send": "stream.send:send",
    "stream run": "stream.run:run",
    "stream status": "stream.status:status",
    "stream rebuild": "stream.rebuild:rebuild",
    "stream reset": "stream.reset:reset",
    "pipeline run": "pipeline.run:run",
    "pipeline list": "pipeline.listing:list_pipelines",
    "pipeline show": "pipeline.show:show",
    "pipeline render": "pipeline.render:render",
    "deployment render": "deployment.render:render",
    "list": "list_objects:list_objects",
    "show": "show_object:show_object",
    "search": "search_objects:search_objects",
    "lineage": "lineage:lineage",
    "status": "status:status",
    "monitor check": "monitor.check:check",
    "monitor run": "monitor.run:run",
    "monitor silence": "monitor.silence:silence",
    "monitor test": "monitor.try_notifier:try_notifier",
    "monitor drift": "monitor.drift:drift",
    "monitor export": "monitor.export:export",
    "monitor rules": "monitor.rules:rules",
    "verify": "verify:verify",
    "why": "why:why",
    "schema": "schema:schema",
    "explain": "explain:explain",
    "clean": "clean:clean",
    "erase": "erase:erase",
    "unlock": "unlock:unlock",
    "version": "version:version",
}
GROUPS: Final[Mapping[str, str]] = {
    "models": "Trained versions of models.",
    "models canary": "Try a version beside the champion.",
    "pipeline": "Stages in their order, here or by a scheduler.",
    "deployment": "What runs for long.",
    "monitor": "Watch what is applied, and tell.",
    "stream": "Event streams: into the online store and the log.",
}
VERSION: Final = ("--version", "-V")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"featurectl {__version__}")
        raise typer.Exit


_VersionOption = Annotated[
    bool, typer.Option(*VERSION, help="Print the version.", callback=_print_version, is_eager=True)
]


def build_app(words: Sequence[str] = (), *, is_completing: bool = False) -> typer.Typer:
    """Return the tree for a command line: of the commands that its first word begins, for all take long to build.

    Where it begins none, of all of them. A shell that completes a line is given what parameters may be.
    """
    first = tuple("version" if word in VERSION else word for word in words[:1])
    names = tuple(name for name in COMMANDS if (name.split()[0],) == first) or tuple(COMMANDS)
    return _build(names, is_completing)


def build_parser(words: Sequence[str], *, is_completing: bool = False) -> Callable[..., Any]:
    """Return what parses a command line, and runs its command; made once for all lines that have the same tree."""
    return _parser_of(build_app(words, is_completing=is_completing))


@cache
def _parser_of(app: typer.Typer) -> Callable[..., Any]:
    return typer.main.get_command(app)


def load_command(name: str) -> Command:
    """Return a command by its name in the table."""
    module, _, attribute = COMMANDS[name].partition(":")
    command: Command = getattr(import_module(f"featurectl.cli.commands.{module}"), attribute)
    return command


@cache
def _build(names: tuple[str, ...], is_completing: bool) -> typer.Typer:
    app = typer.Typer(
        name="featurectl",
        rich_markup_mode=None,
        no_args_is_help=True,
        suggest_commands=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    app.callback()(_featurectl)
    from featurectl.cli.command_decorator import add_command

    groups = {"": app}
    for name in names:
        group = _open_group(groups, name.rpartition(" ")[0])
        add_command(group, name, load_command(name), is_completing=is_completing)
    return app


def _featurectl(version: _VersionOption = False) -> None:
    """A feature store that is one command: features in YAML, plan, apply, materialize, train, score, serve.

    `featurectl help COMMAND` shows the options of a command, and examples. -C, --env, -o, --color, -q, -v and
    --debug, which every command has, also stand before it: featurectl -C shop --env prod plan.
    """


def _open_group(groups: dict[str, typer.Typer], name: str) -> typer.Typer:
    """Return a group of the tree, put below the one that its name begins with where it is not there yet."""
    if name not in groups:
        outer, _, word = name.rpartition(" ")
        groups[name] = typer.Typer(
            help=GROUPS[name], no_args_is_help=True, suggest_commands=False, rich_markup_mode=None
        )
        _open_group(groups, outer).add_typer(groups[name], name=word)
    return groups[name]
