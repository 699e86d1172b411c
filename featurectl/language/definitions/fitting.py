"""Whether what was read of a file has the types that the dataclasses of plans and definitions say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from featurectl.expressions.tree import Expression

_MOST: Final = 1 << 63  # what a registry and a table hold


def fits(value: object, hint: Any = None) -> bool:
    """Return whether a value, and all that is in it, is of a type; of a dataclass by itself, of its own.

    >>> fits(("a",), tuple[str, ...]), fits((1,), tuple[str, ...]), fits(None, int | None), fits(True, int)
    (True, False, True, False)
    >>> fits(-(2**63), int), fits(2**63, int)
    (True, False)
    """
    hint = type(value) if hint is None else hint
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin in (Union, UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(item, args[0]) for item in value)
    if origin is not None:
        pairs = value.items() if isinstance(value, Mapping) else [(None, None)]
        return all(isinstance(key, str) and fits(item, args[1]) for key, item in pairs)
    return _fits_class(value, hint)


def _fits_class(value: object, hint: Any) -> bool:
    if hint is int or hint is float:
        number = isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
        if not number:
            return False
        return -_MOST <= value < _MOST if isinstance(value, int) else math.isfinite(value)  # type: ignore[arg-type]  # a number by now
    if hint is type(None) or hint is None:
        return value is None
    if not isinstance(hint, type):
        return True
    if is_dataclass(hint) and hint is not Expression:  # one is made of a text alone
        return isinstance(value, hint) and all(fits(getattr(value, name), of) for name, of in _hints(hint).items())
    return isinstance(value, hint)


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return get_type_hints(cls)
