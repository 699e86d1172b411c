"""What can be said of a raw tree without types: names, numbers of arguments, literals; its canonical form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from featurectl.core.nearest import nearest
from featurectl.expressions.functions import ALIASES, CAST_TYPES, FUNCTIONS, PARTS
from featurectl.expressions.literals import LITERALS, literal
from featurectl.expressions.syntax import Raw, reject
from featurectl.expressions.tree import ExpressionError

_QUOTE: Final = "'"  # around a text; two of them in one
_MAX_LISTED: Final = 12


def walk(raw: Raw) -> Iterator[Raw]:
    """Yield every part of a tree, from left to right, a whole before its parts."""
    yield raw
    for arg in raw.args:
        yield from walk(arg)


def check_names(raw: Raw, columns: Collection[str] | None) -> None:
    """Check all that needs no types; with `columns` None the names of columns are not looked at.

    Raises:
        ExpressionError: the leftmost name, literal or call that does not exist.
    """
    for part in walk(raw):
        match part.kind:
            case "column":
                _check_column(part, columns)
            case "call":
                _check_call(part)
            case "cast" if part.value not in CAST_TYPES:
                reject(part, f"no type {part.value!r}", _closest(part.value, "types", set(CAST_TYPES.values())))
            case "extract" if part.value not in PARTS:
                reject(part, f"no part {part.value!r}", _closest(part.value, "parts", PARTS))
            case kind if kind in LITERALS:
                literal(part)


def _check_column(raw: Raw, columns: Collection[str] | None) -> None:
    name = raw.value
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        reject(raw, f"a column can't be called {name!r} in an expression", "rename it in the source")
    if columns is not None and name not in columns:
        hint = _closest(name, "columns", columns)
        if _is_quoted(raw) and not hint.startswith("did you mean"):
            hint = f"a text takes single quotes: '{name.replace(_QUOTE, 2 * _QUOTE)}'; {hint}"
        error = ExpressionError(f'no column "{name}"', raw.start, raw.end, hint)
        error.unknown_column = name
        raise error


def _is_quoted(raw: Raw) -> bool:
    return raw.end - raw.start > len(raw.value)


def _check_call(raw: Raw) -> None:
    name, end = raw.value, raw.start + len(raw.value)
    function = FUNCTIONS.get(ALIASES.get(name, name))
    if function is None:
        hint = _closest(name, "functions", FUNCTIONS)
        raise ExpressionError(f'no function "{name}"', raw.start, end, hint)
    least, most, count = function.least, function.most, len(raw.args)
    if count < least or (most is not None and count > most):
        takes = f"{least} or more" if most is None else f"{least}" if least == most else f"{least} or {most}"
        plural = "" if takes == "1" else "s"
        raise ExpressionError(f"{name} takes {takes} argument{plural}, has {count}", raw.start, raw.end)


def _closest(name: str, what: str, names: Iterable[str]) -> str:
    """Return the hint to a name that doesn't exist: the closest one, else the first of those that do."""
    known = sorted(names)
    small = {known_name.lower(): known_name for known_name in known}
    if near := nearest(name.lower(), small):
        return f'did you mean "{small[near]}"?'
    return f"{what}: {', '.join(known[:_MAX_LISTED] if what == 'columns' else known)}"


def canonical(raw: Raw) -> list[object]:
    """Return the JSON-ready form of a tree without places and types: aliases resolved, literals by their value."""
    args = [canonical(arg) for arg in raw.args]
    if raw.kind in LITERALS:
        return ["literal", *literal(raw)]
    if raw.kind == "call":
        name = ALIASES.get(raw.value, raw.value)
        return ["operator", "%", args] if name == "mod" else ["call", name, args]
    return [raw.kind, CAST_TYPES[raw.value] if raw.kind == "cast" else raw.value, args]
