"""Arguments as callers gave them: what a method does not take is an error in Python's words before it does anything."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final

from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean

# What an annotation of an argument takes, by its parts; one with another part is looked at by the method itself.
_TAKES: Final[Mapping[str, type]] = {
    "str": str, "Path": Path, "int": Integral, "float": Real, "None": type(None), "Mapping[str, str]": Mapping,
}  # fmt: skip
_SAID: Final[Mapping[str, str]] = {
    "str": "text", "Path": "path", "int": "whole number", "float": "number", "Mapping[str, str]": "mapping of texts",
}  # fmt: skip


def check_arguments(
    function: Callable[..., object], name: str, given: tuple[Any, ...], named: Mapping[str, Any]
) -> None:
    """Look at the arguments of a call by the annotations of the function, which callers know by `name`.

    Raises:
        TypeError: one is missing, or there is no such argument.
        UsageError: one is of another type.
    """
    signature = inspect.signature(function)
    try:
        bound = signature.bind(*given, **named)
    except TypeError as error:
        unknown = [key for key in named if key not in signature.parameters]
        near = did_you_mean(unknown[0], [key for key in signature.parameters if key != "self"]) if unknown else ""
        raise TypeError(f"{name}() {error}{near and f'; {near}'}") from None
    for argument, value in bound.arguments.items():
        parameter = signature.parameters[argument]
        for each in value if parameter.kind == parameter.VAR_POSITIONAL else (value,):
            _check(argument, each, str(parameter.annotation).split(" | "))


def _check(name: str, value: object, parts: list[str]) -> None:
    if all(part in _TAKES for part in parts) and not isinstance(value, tuple(_TAKES[part] for part in parts)):
        raise UsageError(f"{name}={value!r} is no {' and no '.join(_wanted(parts))}")

    if "Path" in parts and isinstance(value, str | Path) and "\0" in str(value):
        raise UsageError(f"{name}={value!r} is no path: it holds a NUL")


def _wanted(parts: list[str]) -> Iterator[str]:
    return (_SAID[part] for part in parts if part in _SAID)
