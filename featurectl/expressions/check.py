"""Raw tree and column types -> typed tree: names, types, constants folded, limits."""

from __future__ import annotations

from typing import Final

from featurectl.core.dtypes import BOOL, DURATION, FLOAT64, NULL, SCALARS, UNKNOWN, decimal_parts
from featurectl.expressions.calls import call
from featurectl.expressions.functions import CASTS, OPERATIONS, is_strict
from featurectl.expressions.literals import literal
from featurectl.expressions.names import canonical, check_names, walk
from featurectl.expressions.operators import (
    arithmetic,
    between,
    boolean,
    cast,
    clean,
    comparison,
    constant,
    extract,
    joined,
    like,
    make,
    membership,
    negative,
    null_as,
    to_float,
    unify,
)
from featurectl.expressions.parse import parse
from featurectl.expressions.syntax import Raw, reject
from featurectl.expressions.tree import Columns, Expression, ExpressionNode

MAX_WEIGHT: Final = 2_000
_SECONDS: Final = "write seconds_between(a, b), or extract(epoch from ...)"
# Kinds of parts that are null where a part of them is, but for these operators.
_STRICT: Final = frozenset(
    (
        "column",
        "number",
        "string",
        "boolean",
        "timestamp",
        "date",
        "interval",
        "operator",
        "negative",
        "cast",
        "extract",
    )
)
_NOT_STRICT: Final = frozenset(("and", "or", "is distinct", "is not distinct"))


def type_expression(text: str, columns: Columns, want: str | None = None) -> Expression:
    """Return an expression with its typed tree.

    `want` is the type that it must have: an int64 is converted to float64, a bare null becomes a null of the type;
    without it, the type is what the expression gives.

    Raises:
        ExpressionError: it is no expression of the language, reads a column that does not exist or whose type no
            expression can have, or gives another type than `want`.

    >>> type_expression("arr_delay > 15", {"arr_delay": "float64"}).tree.dtype
    'bool'
    """
    raw = parse(text)
    check_names(raw, columns)
    return type_parsed(text, raw, columns, want)


def type_parsed(text: str, raw: Raw, columns: Columns, want: str | None = None) -> Expression:
    """Return what `type_expression` does for a text that is parsed, and whose names are checked, already."""
    node = _clean_result(_Checker(columns).node(raw))
    return Expression(text, _wanted(node, raw, want))


def untyped_canonical(text: str) -> list[object]:
    """Return a JSON-ready form that case, brackets, white space and aliases don't change.

    Raises:
        ExpressionError: it is no expression of the language.

    >>> untyped_canonical("IFNULL(x,1)") == untyped_canonical("coalesce( x, (1) )")
    True
    """
    raw = parse(text)
    check_names(raw, None)
    return canonical(raw)


def expression_columns(text: str) -> frozenset[str]:
    """Return the names of the columns that an expression reads.

    Raises:
        ExpressionError: it is not in the grammar.

    >>> sorted(expression_columns("a + b > a"))
    ['a', 'b']
    """
    return frozenset(part.value for part in walk(parse(text)) if part.kind == "column")


def needed_columns(text: str) -> frozenset[str]:
    """Return the columns that an expression needs: where one is null, so is it. None of one that chooses among values.

    >>> sorted(needed_columns("cast(day || ' ' || hour as timestamp)")), needed_columns("coalesce(sent_at, made_at)")
    (['day', 'hour'], frozenset())
    """
    parts = list(walk(parse(text)))
    strict = all(
        part.kind in _STRICT and part.value.lower() not in _NOT_STRICT for part in parts if part.kind != "call"
    )
    strict = strict and all(is_strict(part.value) for part in parts if part.kind == "call")
    names = frozenset(part.value for part in parts if part.kind == "column")
    return names if strict or len(names) == 1 else frozenset()


def _clean_result(node: ExpressionNode) -> ExpressionNode:
    """Return the whole expression as it is read: what arithmetic leaves is finite; a bare column stays as it is."""
    return node if node.op == "col" else clean(node)


def _wanted(node: ExpressionNode, raw: Raw, want: str | None) -> ExpressionNode:
    if want is not None:
        node = null_as(node, want) if want in SCALARS else node
        node = _clean_result(to_float(node)) if want == FLOAT64 else node
        if node.dtype != want:
            reject(raw, f"this is {node.dtype}, must be {want}", _towards(node.dtype, want))
    if node.dtype == NULL:
        reject(raw, "this is always null, of no type", "write cast(null as float64)")
    if node.dtype == DURATION:
        reject(raw, "a duration can't be a value", _SECONDS)
    return node


def _towards(dtype: str, want: str) -> str:
    if dtype == DURATION and want == FLOAT64:
        return _SECONDS
    if want == BOOL:
        return "compare it with something"
    return f"write cast(... as {want})" if (dtype, want) in CASTS else ""


class _Checker:
    """Types one raw tree from the leaves up; `weights` knows the weight of every node made so far."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.weights: dict[int, tuple[ExpressionNode, int]] = {}  # by id; the node beside it keeps the id in use

    def node(self, raw: Raw) -> ExpressionNode:
        node = self.typed(raw)
        if self.weigh(node) > MAX_WEIGHT:
            reject(raw, "too large for the engines", "split it into two columns")
        return node

    def weigh(self, node: ExpressionNode) -> int:
        """Return how large the text of the largest engine form gets: guards repeat their operands."""
        if id(node) not in self.weights:
            weight = 1 + OPERATIONS.get(node.op, 1) * sum(self.weigh(arg) for arg in node.args)
            self.weights[id(node)] = (node, weight)
        return self.weights[id(node)][1]

    def typed(self, raw: Raw) -> ExpressionNode:
        match raw.kind:
            case "column":
                return self.column(raw)
            case "number" | "string" | "boolean" | "null" | "timestamp" | "date" | "interval":
                return constant(*literal(raw), raw)
            case "case" | "simple_case":
                return self.case(raw)
            case _:
                return _operation(raw, [self.node(arg) for arg in raw.args])

    def column(self, raw: Raw) -> ExpressionNode:
        dtype = self.columns[raw.value]
        if dtype == UNKNOWN:
            reject(raw, f'the type of column "{raw.value}" is not known', "declare it under the source's columns:")
        if dtype not in SCALARS:
            hint = "declare it float64 under the source's columns:" if decimal_parts(dtype) else "cast it in the source"
            reject(raw, f'column "{raw.value}" is {dtype}: no expression can read it', hint)
        return make("col", dtype, (), raw, raw.value)

    def case(self, raw: Raw) -> ExpressionNode:
        args = [self.node(arg) for arg in raw.args]
        subject = args.pop(0) if raw.kind == "simple_case" else None
        whens, values = args[:-1:2], [*args[1:-1:2], args[-1]]
        if subject is None:
            conditions = [boolean(when) for when in whens]
        else:
            conditions = [comparison("=", subject, when, raw) for when in whens]
        values = unify(values, "case gives both")
        if values[0].dtype == NULL:
            reject(raw, "every branch is null", "cast one: cast(null as float64)")
        branches = [node for pair in zip(conditions, values[:-1], strict=True) for node in pair]
        return make("case", values[0].dtype, (*branches, values[-1]), raw)


def _operation(raw: Raw, args: list[ExpressionNode]) -> ExpressionNode:
    match raw.kind:
        case "operator":
            return _binary(raw, *args)
        case "negative":
            return negative(args[0], raw)
        case "not":
            return make("not", BOOL, (boolean(args[0]),), raw)
        case "is" if raw.value == "null":
            return make("isnull", BOOL, (clean(args[0]),), raw)
        case "is":
            return make(f"is{raw.value}", BOOL, (boolean(args[0]),), raw)
        case "in":
            return membership(args, raw)
        case "between":
            return between(args, raw)
        case "like":
            return like(args[0], args[1], raw)
        case "cast":
            return cast(args[0], raw.value, raw)
        case "extract":
            return extract(raw.value, args[0], raw)
        case _:
            return call(raw, args)


def _binary(raw: Raw, left: ExpressionNode, right: ExpressionNode) -> ExpressionNode:
    match raw.value:
        case "and" | "or":
            return make(raw.value, BOOL, (boolean(left), boolean(right)), raw)
        case "||":
            return joined(left, right, raw)
        case "+" | "-" | "*" | "/" | "%":
            return arithmetic(raw.value, left, right, raw)
        case _:
            return comparison(raw.value, left, right, raw)
