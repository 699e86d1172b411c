"""Whether what was read of a file has the types that the dataclasses of plans and definitions say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from featurectl.expressions.tree import Expression

FieldCheck = Callable[[object], bool]
_MOST: Final = 1 << 63  # what a registry and a table hold


def fits(value: object, hint: Any = None) -> bool:
    """Return whether a value, and all that is in it, is of a type; of a dataclass by itself, of its own.

    >>> fits(("a",), tuple[str, ...]), fits((1,), tuple[str, ...]), fits(None, int | None), fits(True, int)
    (True, False, True, False)
    >>> fits(-(2**63), int), fits(2**63, int)
    (True, False)
    """
    of: Any = type(value) if hint is None else hint
    return _check_of(of)(value)


@cache
def _check_of(hint: Any) -> FieldCheck:
    """Return what says whether a value is of a type."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is None:
        return _check_of_class(hint)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in args
    if origin in (Union, UnionType):
        return _check_of_union(args)
    fits_item = _check_of(args[0 if origin is tuple else 1])
    if origin is tuple:
        return lambda value: isinstance(value, tuple) and all(map(fits_item, value))
    return lambda value: (
        isinstance(value, Mapping) and all(isinstance(key, str) and fits_item(item) for key, item in value.items())
    )


def _check_of_class(hint: Any) -> FieldCheck:
    if hint is int or hint is float:
        return _fits_int if hint is int else _fits_float
    if hint is type(None) or hint is None:
        return lambda value: value is None
    if not isinstance(hint, type):
        return lambda _: True
    if is_dataclass(hint) and hint is not Expression:  # one is made of a text alone
        return partial(_fits_dataclass, hint)
    return lambda value: isinstance(value, hint)


def _check_of_union(args: tuple[Any, ...]) -> FieldCheck:
    checks = tuple(_check_of(arg) for arg in args if arg is not NoneType)
    if len(checks) == 1 and NoneType in args:
        (check,) = checks
        return lambda value: value is None or check(value)
    return lambda value: (value is None and NoneType in args) or any(check(value) for check in checks)


def _fits_dataclass(cls: type, value: object) -> bool:
    """Return whether a value is of a dataclass, its fields too; a field's own default needs no check."""
    if not isinstance(value, cls):
        return False
    for name, default, check in _checks_of_fields(cls):  # most fields have their default
        item = getattr(value, name)
        if item is not default and not check(item):
            return False
    return True


def _fits_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_MOST <= value < _MOST


def _fits_float(value: object) -> bool:
    return _fits_int(value) or (isinstance(value, float) and math.isfinite(value))


@cache
def _checks_of_fields(cls: Any) -> tuple[tuple[str, object, FieldCheck], ...]:
    hints = get_type_hints(cls)
    return tuple((field.name, field.default, _check_of(hints[field.name])) for field in fields(cls))
