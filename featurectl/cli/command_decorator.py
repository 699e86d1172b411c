"""A command is a function: its first parameter is the `Call`, each other one an option, an argument or a dataclass.

A dataclass stands for its fields, which are options. The options that every command has are added here, once.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, get_args, get_type_hints

import typer

from featurectl.cli.all_examples import EXAMPLES
from featurectl.cli.shared.call import Call, Invocation, Outcome, Output
from featurectl.cli.shared.progress import open_progress
from featurectl.core.errors import UsageError

COLORS = ("auto", "always", "never")


def _output(outputs: Sequence[Output]) -> tuple[Any, object]:
    """Return the option that chooses one of a command's outputs, the first of them by default."""
    choices = f"{', '.join(outputs[:-1])} or {outputs[-1]}."
    return Annotated[str, typer.Option("-o", "--output", help=choices, metavar="FORM")], outputs[0]


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
    "clock": (
        Annotated[
            str | None,
            typer.Option(
                metavar="TIME",
                help="Take this for the time of the clock, as rendered files do: all stages of a run have one now.",
            ),
        ],
        None,
    ),
}
_AS_OF = (Annotated[str | None, typer.Option(help="The instant to take as now.", metavar="TIME")], None)
_MEMORY = (
    Annotated[
        str | None, typer.Option(help="At most so much memory, like 4GiB; half of what is free.", metavar="SIZE")
    ],
    None,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A function that is a command, with the outputs that it has and whether it takes `--as-of` and `--memory`."""

    function: Callable[Concatenate[Call, ...], Outcome]
    outputs: tuple[Output, ...]
    as_of: bool
    memory: bool

    def common(self) -> dict[str, tuple[Any, object]]:
        """Return the options that are not the function's own: their types and defaults by name."""
        options = _COMMON | {"output": _output(self.outputs)}
        return options | ({"as_of": _AS_OF} if self.as_of else {}) | ({"memory": _MEMORY} if self.memory else {})


def verb(
    *, outputs: tuple[Output, ...] = ("text", "json"), as_of: bool = False, memory: bool = False
) -> Callable[[Callable[Concatenate[Call, ...], Outcome]], Command]:
    """Make a function a command, which `featurectl.cli.all_commands` lists under its name."""
    return lambda function: Command(function=function, outputs=outputs, as_of=as_of, memory=memory)


def add_command(app: typer.Typer, name: str, command: Command, *, is_completing: bool = False) -> None:
    """Register a command by its whole name: it only parses, and returns an `Invocation` that `cli.main` runs."""
    common, own = command.common(), _own_parameters(command)

    @functools.wraps(command.function)
    def parse(**values: Any) -> Invocation:
        options = {key: values.pop(key) for key in common}
        call = _call(name, command.outputs, options)
        return Invocation(call=call, run=functools.partial(command.function, call, **_packed(own, values)))

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [part for parameter in own.values() for part in parameter.parts]
    parameters += [inspect.Parameter(k, keyword, default=d, annotation=a) for k, (a, d) in common.items()]
    if is_completing:
        parameters = [_completed(parameter, command.outputs) for parameter in parameters]
    parse.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # which Typer reads
    parse.__annotations__ = {p.name: p.annotation for p in parameters}
    del parse.__wrapped__
    app.command(name.rpartition(" ")[2], epilog=_examples(name))(parse)


def _examples(name: str) -> str:
    """Return the end of a command's help, whose lines stay as they are."""
    lines = [f"  featurectl {example}" for example in EXAMPLES.get(name, ())]
    return "\n".join(["\b", "Examples:", *lines]) if lines else ""


def _completed(parameter: inspect.Parameter, outputs: Sequence[Output]) -> inspect.Parameter:
    """Return a parameter that a shell completes, where anything is known of what it may be."""
    from featurectl.cli.completion import choices, completer

    found = {"output": choices(outputs), "color": choices(COLORS)}.get(parameter.name) or completer(parameter.name)
    if found is None:
        return parameter
    kind, info = get_args(parameter.annotation)
    info = copy.copy(info)
    info.autocompletion = found
    return parameter.replace(annotation=Annotated[kind, info])


@dataclass(frozen=True, slots=True)
class _Parameters:
    """What stands on the command line for a parameter of the function: itself, or the fields of its dataclass."""

    parts: list[inspect.Parameter]
    made_into: Callable[..., object] | None = None


def _own_parameters(command: Command) -> Mapping[str, _Parameters]:
    """Return what each parameter of the function but the first is on the command line."""
    hints = get_type_hints(command.function, include_extras=True)
    own = list(inspect.signature(command.function).parameters.values())[1:]
    return {parameter.name: _expanded(parameter, hints[parameter.name]) for parameter in own}


def _expanded(parameter: inspect.Parameter, hint: Any) -> _Parameters:
    keyword = inspect.Parameter.KEYWORD_ONLY
    if not (isinstance(hint, type) and dataclasses.is_dataclass(hint)):
        return _Parameters([parameter.replace(kind=keyword, annotation=hint)])
    types = get_type_hints(hint, include_extras=True)
    parts = []
    for field in dataclasses.fields(hint):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        parts.append(inspect.Parameter(field.name, keyword, default=default, annotation=types[field.name]))
    return _Parameters(parts, hint)


def _packed(own: Mapping[str, _Parameters], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the function's arguments: values of the command line, and dataclasses of them."""
    arguments = {}
    for name, parameters in own.items():
        parts = {part.name: values[part.name] for part in parameters.parts}
        arguments[name] = parts[name] if parameters.made_into is None else parameters.made_into(**parts)
    return arguments


def _call(name: str, outputs: tuple[Output, ...], options: dict[str, Any]) -> Call:
    if options["output"] not in outputs:
        raise UsageError(f"{name} has no output {options['output']!r}", hint="outputs: " + ", ".join(outputs))
    if options["color"] not in COLORS:
        raise UsageError(f"no color {options['color']!r}", hint="colors: " + ", ".join(COLORS))
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
        clock=options["clock"],
        memory=options.get("memory"),
        progress=open_progress(quiet=options["quiet"]),
    )
