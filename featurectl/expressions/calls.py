"""Function calls -> typed nodes, by the table of functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.core.dtypes import BOOL, DATE, DURATION, FLOAT64, INT64, NULL, STRING, TIMESTAMP
from featurectl.expressions.functions import ALIASES, FUNCTIONS, SAME, TRUNCATIONS, UNIFIED, FunctionSignature
from featurectl.expressions.operators import clean, make, null_as, on_calendar, to_float, unify
from featurectl.expressions.syntax import Raw, reject
from featurectl.expressions.tree import ExpressionNode, Value

_ACCEPTED: Final = {
    "number": (INT64, FLOAT64),
    "float64": (FLOAT64, INT64),
    "int64": (INT64,),
    "string": (STRING,),
    "bool": (BOOL,),
    "timestamp": (TIMESTAMP,),
}
_OPERANDS: Final = frozenset({*_ACCEPTED, "any"})  # the other words of a function are literals
_HINTS: Final = {
    ("float64", BOOL): "write cast(b as int64)",
    ("number", BOOL): "write cast(b as int64)",
    ("int64", BOOL): "write cast(b as int64)",
    ("int64", FLOAT64): "write cast(x as int64), or x / y and floor",
    ("float64", STRING): "write cast(s as float64)",
    ("number", STRING): "write cast(s as float64)",
    ("string", INT64): "write cast(x as string)",
    ("string", BOOL): "write cast(b as string)",
    ("string", DATE): "write cast(d as string)",
    ("timestamp", DATE): "write cast(d as timestamp)",
    ("timestamp", STRING): "write cast(s as timestamp)",
}


def call(raw: Raw, args: Sequence[ExpressionNode]) -> ExpressionNode:
    """Return the node of a call whose name and number of arguments have been checked.

    Raises:
        ExpressionError: an argument has the wrong type, or is not the literal that it has to be.
    """
    name = ALIASES.get(raw.value, raw.value)
    function = FUNCTIONS[name]
    nodes: list[ExpressionNode] = []
    literals: list[Value] = []
    for index, arg in enumerate(args):
        word = function.word(index)
        if word in _OPERANDS:
            nodes.append(_operand(name, word, arg))
        else:
            literals.append(_literal(name, word, arg))
    if function.result == UNIFIED:
        return _unified(name, function, nodes, raw)
    if name == "seconds_between":
        start, end = nodes
        nodes = [make("elapsed", DURATION, (end, start), raw)]
    if function.op == "round":
        literals = literals or [0]
    if function.op == "trunc":
        nodes = [on_calendar(node) for node in nodes]
    dtype = nodes[0].dtype if function.result == SAME else function.result
    return make(function.op, dtype, nodes, raw, tuple(literals) or None)


def _operand(name: str, word: str, arg: ExpressionNode) -> ExpressionNode:
    if word == "any":
        return arg
    accepted = _ACCEPTED[word]
    arg = null_as(arg, accepted[0])
    if arg.dtype not in accepted:
        takes = " or ".join(sorted(accepted, reverse=True))
        reject(arg, f"{name} takes {takes}, this is {arg.dtype}", _HINTS.get((word, arg.dtype), ""))
    return clean(to_float(arg) if word == "float64" else arg)


def _literal(name: str, word: str, arg: ExpressionNode) -> Value:
    value = arg.value
    if ".." in word:
        low, high = map(int, word.split(".."))
        if arg.op != "lit" or arg.dtype != INT64 or not isinstance(value, int):
            reject(arg, f"{name} takes a literal number here", f"write one from {low} to {high}")
        if not low <= value <= high:
            reject(arg, f"{name} takes a number from {low} to {high} here, this is {value}")
        return value
    if arg.op != "lit" or not isinstance(value, str):
        reject(arg, f"{name} takes a literal text here", "write it in quotes: 'a'")
    if word == "pattern" and not value:
        reject(arg, f"{name} takes a text that is not empty here")
    if word == "unit" and value.lower() not in TRUNCATIONS:
        reject(arg, f"no unit {value!r}", f"units: {', '.join(TRUNCATIONS)}")
    return value.lower() if word == "unit" else value


def _unified(name: str, function: FunctionSignature, nodes: list[ExpressionNode], raw: Raw) -> ExpressionNode:
    if name == "if":
        condition, *branches = nodes
        values = unify(branches, "if gives both")
        if values[0].dtype == NULL:
            reject(raw, "every branch is null", "cast one: cast(null as float64)")
        return make("case", values[0].dtype, (condition, *values), raw)
    nodes = unify(nodes, f"{name} of")
    dtype = nodes[0].dtype
    if dtype == NULL:
        reject(raw, "every argument is null", "cast one: cast(null as float64)")
    if name in ("greatest", "least") and dtype in (BOOL, STRING):
        reject(raw, f"{name} takes numbers or times, not {dtype}")
    return make(function.op, dtype, nodes, raw)
