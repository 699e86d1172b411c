"""Make a Typer command of a function: the options that every command has are added here, once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec, get_args, get_type_hints

import typer

from featurectl.cli.call import Call, Invocation, Outcome, Output
from featurectl.cli.progress import open_progress
from featurectl.core.errors import UsageError

COMMON: Final = ("-C", "--repo", "--env", "-o", "--output", "--color", "-q", "--quiet", "-v", "--verbose", "--debug")
P = ParamSpec("P")
Color = ("auto", "always", "never")


def _output(outputs: Sequence[Output]) -> tuple[Any, object]:
    """Return the option that chooses one of a command's outputs, the first of them by default."""
    told = f"{', '.join(outputs[:-1])} or {outputs[-1]}."
    return Annotated[str, typer.Option("-o", "--output", help=told, metavar="FORM")], outputs[0]


_COMMON: dict[str, tuple[Any, object]] = {
    "repo": (
        Annotated[Path | None, typer.Option("-C", "--repo", help="The repository's folder.", metavar="DIR")],
        None,
    ),
    "env": (Annotated[str | None, typer.Option(help="An environment of featurectl.yaml; the first by default.")], None),
    "output": _output(("text", "json")),
    "color": (Annotated[str, typer.Option(help="auto, always or never.")], "auto"),
    "quiet": (Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no warnings.")], False),
    "verbose": (
        Annotated[bool, typer.Option("-v", "--verbose", help="Say more: time and memory, and what the command adds.")],
        False,
    ),
    "debug": (Annotated[bool, typer.Option("--debug", help="Show tracebacks.")], False),
}
_AS_OF = (Annotated[str | None, typer.Option(help="The instant to take as now.", metavar="TIME")], None)
_MEMORY = (
    Annotated[
        str | None, typer.Option(help="At most so much memory, like 4GiB; half of what is free.", metavar="SIZE")
    ],
    None,
)


def verb(
    app: typer.Typer,
    name: str,
    *,
    outputs: tuple[Output, ...] = ("text", "json"),
    as_of: bool = False,
    memory: bool = False,
) -> Callable[[Callable[Concatenate[Call, P], Outcome]], Callable[Concatenate[Call, P], Outcome]]:
    """Register a function as the command `name`; its first parameter receives the `Call`.

    The registered command only parses: it returns an `Invocation` that `cli.main` runs and draws.
    """

    def register(function: Callable[Concatenate[Call, P], Outcome]) -> Callable[Concatenate[Call, P], Outcome]:
        common = _COMMON | {"output": _output(outputs)} | ({"as_of": _AS_OF} if as_of else {})
        common |= {"memory": _MEMORY} if memory else {}
        own = list(inspect.signature(function).parameters.values())[1:]
        hints = get_type_hints(function, include_extras=True)

        @functools.wraps(function)
        def parse(**values: Any) -> Invocation:
            options = {key: values.pop(key) for key in common}
            call = _call(name, outputs, options)
            return Invocation(call=call, run=functools.partial(function, call, **values))

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [p.replace(kind=keyword, annotation=hints[p.name]) for p in own]
        parameters += [inspect.Parameter(k, keyword, default=d, annotation=a) for k, (a, d) in common.items()]
        parse.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        parse.__annotations__ = {p.name: p.annotation for p in parameters}
        del parse.__wrapped__
        app.command(name)(parse)
        return function

    return register


def _call(name: str, outputs: tuple[Output, ...], options: dict[str, Any]) -> Call:
    if options["output"] not in outputs:
        raise UsageError(f"{name} has no output {options['output']!r}", hint="outputs: " + ", ".join(outputs))
    if options["color"] not in Color:
        raise UsageError(f"no color {options['color']!r}", hint="colors: " + ", ".join(Color))
    assert set(outputs) <= set(get_args(Output))
    if options.get("memory"):
        from featurectl.core.memory import parse_size, prepare_for

        prepare_for(parse_size(options["memory"]) or 0)
    return Call(
        command=name,
        repo=options["repo"],
        env=options["env"],
        output=options["output"],
        color=options["color"],
        quiet=options["quiet"],
        verbose=options["verbose"],
        debug=options["debug"],
        as_of=options.get("as_of"),
        memory=options.get("memory"),
        progress=open_progress(quiet=options["quiet"]),
    )
