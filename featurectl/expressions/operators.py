"""Typed nodes out of typed operands: conversions, arithmetic, comparisons, casts. All meaning that needs types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from featurectl.core.dtypes import BOOL, DATE, DURATION, FLOAT64, INT64, NULL, STRING, TIMESTAMP
from featurectl.expressions.constants import settle
from featurectl.expressions.functions import CAST_TYPES, CASTS, PARTS_OF
from featurectl.expressions.syntax import Raw, reject
from featurectl.expressions.tree import ExpressionNode, Value

_ARITHMETIC: Final = frozenset({"add", "sub", "mul", "div", "neg"})
_PASSES_TIMES_ON: Final = frozenset({"col", "case", "coalesce", "nullif", "greatest", "least"})
_COMPARISONS: Final = {
    "=": "eq",
    "<>": "ne",
    "<": "lt",
    "<=": "le",
    ">": "gt",
    ">=": "ge",
    "is not distinct": "same",
}
_OF_SECONDS: Final = "of seconds since 1970 write to_timestamp(x), of milliseconds to_timestamp(x / 1000)"
_DAY_OF_SECONDS: Final = "of seconds since 1970 write cast(to_timestamp(x) as date)"
_TIMES: Final = "a time is cast from a text, as '2024-01-31 10:00', or made from seconds by to_timestamp(x)"
_CAST_HINTS: Final = {
    (FLOAT64, STRING): "engines print floats differently; cast to int64 first, or keep the number",
    (FLOAT64, BOOL): "write x <> 0",
    (STRING, BOOL): "write x = 'true'",
    (INT64, TIMESTAMP): _OF_SECONDS,
    (FLOAT64, TIMESTAMP): _OF_SECONDS,
    (INT64, DATE): _DAY_OF_SECONDS,
    (FLOAT64, DATE): _DAY_OF_SECONDS,
    (BOOL, TIMESTAMP): _TIMES,
    (BOOL, DATE): _TIMES,
    (DURATION, TIMESTAMP): "write t + d",
    (TIMESTAMP, INT64): "write extract(epoch from t)",
    (TIMESTAMP, FLOAT64): "write extract(epoch from t)",
    (TIMESTAMP, STRING): "write cast(cast(t as date) as string)",
    (DURATION, INT64): "write extract(epoch from d)",
    (DURATION, FLOAT64): "write extract(epoch from d)",
}

_FORMS: Final = {  # of casts of which one literal that fails is a mistake: without rows there is no other
    (STRING, TIMESTAMP): "write 2024-01-31 10:00:00 (UTC unless it ends in an offset)",
    (STRING, DATE): "write 2024-01-31",
}
_SHOWN: Final = 40  # characters of a text


def make(
    op: str, dtype: str, args: Sequence[ExpressionNode], where: ExpressionNode | Raw, value: Value = None
) -> ExpressionNode:
    """Return a node that came from these characters, settled where it is constant."""
    node = ExpressionNode(op, dtype, tuple(args), value, where.start, where.end)
    return settle(node) if args else node


def constant(dtype: str, value: Value, where: ExpressionNode | Raw) -> ExpressionNode:
    """Return a literal that came from these characters."""
    return make("lit", dtype, (), where, value)


def clean(node: ExpressionNode) -> ExpressionNode:
    """Return what something other than arithmetic reads: inf and NaN of columns and arithmetic become null."""
    if node.dtype == FLOAT64 and (node.op in _ARITHMETIC or node.op == "col"):
        return make("clean", FLOAT64, (node,), node)
    return node


def on_calendar(node: ExpressionNode) -> ExpressionNode:
    """Return what the calendar reads: times outside the years 1 to 9999, which only columns have, become null."""
    if node.dtype in (TIMESTAMP, DATE) and node.op in _PASSES_TIMES_ON:
        return make("clean", node.dtype, (node,), node)
    return node


def to_float(node: ExpressionNode) -> ExpressionNode:
    """Return the same number as float64."""
    if node.op == "lit" and node.dtype == INT64:
        return constant(FLOAT64, float(node.value) if isinstance(node.value, int) else None, node)
    return make("float", FLOAT64, (node,), node) if node.dtype == INT64 else node


def null_as(node: ExpressionNode, dtype: str) -> ExpressionNode:
    """Return the node, a bare null as a null of the type."""
    return constant(dtype, None, node) if node.dtype == NULL else node


def boolean(node: ExpressionNode) -> ExpressionNode:
    """Return the node as a condition.

    Raises:
        ExpressionError: it is not bool.
    """
    if node.dtype not in (BOOL, NULL):
        reject(node, f"this is {node.dtype}, must be bool", "compare it with something")
    return null_as(node, BOOL)


def unify(nodes: Sequence[ExpressionNode], message: str) -> list[ExpressionNode]:
    """Return the nodes in their one type; int64 beside float64 is converted, a bare null takes the others' type.

    Raises:
        ExpressionError: `message` and the two types, where they have none.
    """
    dtypes = {node.dtype for node in nodes} - {NULL}
    if len(dtypes) > 1 and dtypes != {INT64, FLOAT64}:
        first = next(node for node in nodes if node.dtype != NULL)
        other = next(node for node in nodes if node.dtype not in (NULL, first.dtype))
        reject(other, f"{message} {first.dtype} and {other.dtype}", "cast one of them to the other's type")
    dtype = FLOAT64 if len(dtypes) > 1 else next(iter(dtypes), NULL)
    same = [null_as(node, dtype) for node in nodes]
    return [clean(to_float(node) if dtype == FLOAT64 else node) for node in same]


def comparison(operator: str, left: ExpressionNode, right: ExpressionNode, raw: Raw) -> ExpressionNode:
    """Return a comparison, by `=` and the like, of two values of one type."""
    left, right = unify([left, right], "can't compare")
    return make(_COMPARISONS[operator], BOOL, (left, right), raw)


def between(nodes: Sequence[ExpressionNode], raw: Raw) -> ExpressionNode:
    """Return low <= x and x <= high."""
    x, low, high = unify(nodes, "can't compare")
    return make("and", BOOL, (make("ge", BOOL, (x, low), raw), make("le", BOOL, (x, high), raw)), raw)


def membership(nodes: Sequence[ExpressionNode], raw: Raw) -> ExpressionNode:
    """Return whether the first node is one of the others, all of them literals."""
    x, *items = unify(nodes, "can't compare")
    for item in items:
        if item.op != "lit" or item.value is None:
            reject(item, "in takes literals that are not null", "write x = a or x = b; for null write x is null")
    return make("in", BOOL, (x,), raw, tuple(item.value for item in items))


def like(x: ExpressionNode, pattern: ExpressionNode, raw: Raw) -> ExpressionNode:
    """Return whether a text has the form of a literal pattern: % any text, _ one character."""
    if x.dtype not in (STRING, NULL):
        reject(x, f"like takes a string, this is {x.dtype}")
    if pattern.op != "lit" or not isinstance(pattern.value, str):
        reject(pattern, "like takes a literal pattern")
    if "\\" in pattern.value:
        reject(pattern, "a pattern can't hold a backslash", "for a literal % or _ use contains or starts_with")
    return make("like", BOOL, (null_as(x, STRING),), raw, pattern.value)


def joined(left: ExpressionNode, right: ExpressionNode, raw: Raw) -> ExpressionNode:
    """Return two texts as one."""
    for node in (left, right):
        if node.dtype not in (STRING, NULL):
            castable = (node.dtype, STRING) in CASTS
            reject(node, f"this is {node.dtype}, must be string", "write cast(x as string)" if castable else "")
    return make("concat", STRING, (null_as(left, STRING), null_as(right, STRING)), raw)


def arithmetic(operator: str, left: ExpressionNode, right: ExpressionNode, raw: Raw) -> ExpressionNode:
    """Return left + right and the like, of numbers or times."""
    if timed := _times(operator, left, right, raw):
        return timed
    for node in (left, right):
        if node.dtype not in (INT64, FLOAT64, NULL):
            _reject_arithmetic(operator, node, left, right, raw)
    left, right = null_as(left, INT64), null_as(right, INT64)
    if operator == "/":
        return make("div", FLOAT64, (to_float(left), to_float(right)), raw)
    if operator == "%":
        if FLOAT64 in (left.dtype, right.dtype):
            reject(raw, "% takes int64", "write a - b * floor(a / b)")
        return make("mod", INT64, (left, right), raw)
    if FLOAT64 in (left.dtype, right.dtype):
        left, right = to_float(left), to_float(right)
    return make({"+": "add", "-": "sub", "*": "mul"}[operator], left.dtype, (left, right), raw)


def _times(operator: str, left: ExpressionNode, right: ExpressionNode, raw: Raw) -> ExpressionNode | None:
    match left.dtype, operator, right.dtype:
        case "timestamp", "+" | "-", "duration":
            return make("later" if operator == "+" else "earlier", TIMESTAMP, (left, right), raw)
        case "timestamp", "-", "timestamp":
            return make("elapsed", DURATION, (left, right), raw)
        case "duration", "+" | "-", "duration":
            return make("add" if operator == "+" else "sub", DURATION, (left, right), raw)
        case _:
            return None


def _reject_arithmetic(
    operator: str, node: ExpressionNode, left: ExpressionNode, right: ExpressionNode, raw: Raw
) -> NoReturn:
    hints = {
        BOOL: "write cast(b as int64)",
        STRING: "join texts with ||; for numbers write cast(s as float64)",
        DATE: "write cast(d as timestamp) first",
        DURATION: "write extract(epoch from d) for its seconds; the timestamp stands first in t + interval '1 day'",
        TIMESTAMP: "t - t2, t + interval '1 day' and t - interval '1 day' are what there is",
    }
    reject(raw, f"{left.dtype} {operator} {right.dtype} is not defined", hints.get(node.dtype, ""))


def negative(node: ExpressionNode, raw: Raw) -> ExpressionNode:
    """Return -x of a number."""
    if node.dtype not in (INT64, FLOAT64, NULL):
        hint = "write cast(b as int64)" if node.dtype == BOOL else ""
        reject(raw, f"- of {node.dtype} is not defined", hint)
    node = null_as(node, INT64)
    return make("neg", node.dtype, (node,), raw)


def cast(node: ExpressionNode, name: str, raw: Raw) -> ExpressionNode:
    """Return x as another type; what can't be converted is null.

    Raises:
        ExpressionError: no such value can be converted, or a literal text is no time.
    """
    dtype = CAST_TYPES[name]
    node = on_calendar(clean(node))
    if node.dtype == dtype:
        return node
    if node.dtype == NULL:
        return constant(dtype, None, raw)
    if (node.dtype, dtype) not in CASTS:
        reject(raw, f"no cast from {node.dtype} to {dtype}", _CAST_HINTS.get((node.dtype, dtype), ""))
    if dtype == FLOAT64 and node.dtype == INT64:
        return to_float(node)
    made = make("cast", dtype, (node,), raw, node.dtype)
    if node.op == "lit" and node.value is not None and made.value is None and (node.dtype, dtype) in _FORMS:
        reject(raw, f"{str(node.value)[:_SHOWN]!r} is no {dtype}", _FORMS[node.dtype, dtype])
    return made


def extract(part: str, node: ExpressionNode, raw: Raw) -> ExpressionNode:
    """Return a part of a time, or its seconds since 1970."""
    if part not in PARTS_OF.get(node.dtype, ()):
        hint = {DATE: "write cast(d as timestamp)", STRING: "write cast(s as timestamp)"}.get(node.dtype, "")
        reject(raw, f"no {part} of {node.dtype}", hint)
    if part == "epoch":
        return make("epoch", FLOAT64, (node,), raw)
    return make("part", INT64, (on_calendar(node),), raw, (part, node.dtype))
