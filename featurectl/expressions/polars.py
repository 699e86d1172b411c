"""Typed tree -> Polars expression, exact where Polars takes short cuts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import polars as pl

from featurectl.core.dtypes import BOOL, DATE, DURATION, FLOAT64, INT64, STRING, TIMESTAMP, decimal_parts
from featurectl.core.frames.timestamps import parse_calendar_dates, parse_calendar_instants
from featurectl.core.units import SECOND_US
from featurectl.expressions import calendar
from featurectl.expressions.scalars import NUMBER_TEXT, WHOLE_FROM, WHOLE_TEXT
from featurectl.expressions.tree import ExpressionNode, Value

Translator = Callable[[ExpressionNode, Sequence[pl.Expr]], pl.Expr]

DTYPES: Final[Mapping[str, pl.DataType]] = {
    BOOL: pl.Boolean(),
    INT64: pl.Int64(),
    FLOAT64: pl.Float64(),
    STRING: pl.String(),
    TIMESTAMP: pl.Datetime("us", "UTC"),
    DATE: pl.Date(),
    DURATION: pl.Duration("us"),
}
_PHYSICAL: Final[Mapping[str, pl.DataType]] = {TIMESTAMP: pl.Int64(), DURATION: pl.Int64(), DATE: pl.Int32()}


def to_polars(node: ExpressionNode) -> pl.Expr:
    """Return the expression over columns as the readers leave them: Int64, Float64, Datetime("us", "UTC") and so on.

    The result has the Polars type of the node's (`DTYPES`); an expression without columns is a literal, of one row.
    Use it with `select`, `with_columns` and `filter`, not inside `group_by` or `over`.
    """
    if node.op == "col":
        return pl.col(str(node.value))
    if node.op == "lit":
        return _literal(node.value, node.dtype)
    return TRANSLATORS[node.op](node, [to_polars(arg) for arg in node.args])


def _literal(value: Value, dtype: str) -> pl.Expr:
    if value is None:
        return pl.lit(None, DTYPES.get(dtype) or _decimal(dtype))
    if physical := _PHYSICAL.get(dtype):
        return pl.lit(value, physical).cast(DTYPES[dtype])
    return pl.lit(value, DTYPES[dtype])


def _decimal(dtype: str) -> pl.DataType:
    """Return the type of a decimal column, which an expression can only hand on."""
    parts = decimal_parts(dtype)
    assert parts is not None
    return pl.Decimal(*parts)


def _full(x: pl.Expr | float) -> pl.Expr:
    """Return x as a column with a value of its own for each row.

    Polars divides by a scalar, and by a column that it knows to be constant, as x * (1 / k), which is another
    number for half of all x (49.0 / 49 is not 1). What is constant depends on the other rows, too.
    """
    return pl.int_range(pl.len()).cast(pl.Float64) * 0.0 + x


def _finite(x: pl.Expr) -> pl.Expr:
    return pl.when(x.is_finite()).then(x)


def _wide(x: pl.Expr) -> pl.Expr:
    return x.cast(pl.Int64).cast(pl.Int128)


def _narrow(x: pl.Expr) -> pl.Expr:
    return x.cast(pl.Int64, strict=False)


def _unary(function: Callable[[pl.Expr], pl.Expr]) -> Translator:
    return lambda _, args: function(args[0])


def _binary(function: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Translator:
    return lambda _, args: function(args[0], args[1])


def _comparison(
    function: Callable[[pl.Expr, pl.Expr], pl.Expr], mirrored: Callable[[pl.Expr, pl.Expr], pl.Expr]
) -> Translator:
    """Translate a comparison, a literal on its right: of one on its left and nothing but nulls Polars gives one row."""
    return lambda node, args: mirrored(args[1], args[0]) if node.args[0].op == "lit" else function(args[0], args[1])


def _arithmetic(function: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Translator:
    """Translate + - *: as it is on floats; on whole numbers and durations by way of 128 bits, to see an overflow."""

    def translate(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
        if node.dtype == FLOAT64:
            return function(args[0], args[1])
        exact = _narrow(function(_wide(args[0]), _wide(args[1])))
        return exact.cast(DTYPES[node.dtype]) if node.dtype == DURATION else exact

    return translate


def _negative(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    return -args[0] if node.dtype == FLOAT64 else _narrow(pl.lit(0, pl.Int64).cast(pl.Int128) - _wide(args[0]))


def _moved(function: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Translator:
    def translate(_: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
        exact = _narrow(function(_wide(args[0]), _wide(args[1])))
        inside = exact.is_between(calendar.FIRST_US, calendar.LAST_US)
        return pl.when(inside).then(exact).cast(DTYPES[TIMESTAMP])

    return translate


def _instant(seconds: pl.Expr) -> pl.Expr:
    """Return the instants so many seconds after 1970, to the nearest microsecond; null outside of the calendar."""
    us = (seconds * float(SECOND_US) + 0.5).floor()
    inside = (us >= float(calendar.FIRST_US)) & (us < calendar.END_US)
    return pl.when(inside).then(us).cast(pl.Int64).cast(DTYPES[TIMESTAMP])


def _elapsed(_: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    return _narrow(_wide(args[0]) - _wide(args[1])).cast(DTYPES[DURATION])


def _clean(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    x = args[0]
    if node.dtype == FLOAT64:
        return _finite(x)
    low, high = (
        (calendar.FIRST_US, calendar.LAST_US) if node.dtype == TIMESTAMP else (calendar.FIRST_DAY, calendar.LAST_DAY)
    )
    return pl.when(x.is_between(_literal(low, node.dtype), _literal(high, node.dtype))).then(x)


def _in(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    dtype = node.args[0].dtype
    assert isinstance(node.value, tuple)
    items = pl.Series(node.value, dtype=_PHYSICAL.get(dtype, DTYPES[dtype])).cast(DTYPES[dtype])
    return args[0].is_in(items.implode())


def _like(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    pieces = {"%": ".*", "_": "."}
    pattern = "".join(pieces.get(character, f"\\x{{{ord(character):x}}}") for character in str(node.value))
    return args[0].str.contains(f"^(?s:{pattern})$")


def _case(_: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    otherwise = args[-1]
    for condition, value in zip(args[-3::-2], args[-2::-2], strict=True):
        otherwise = pl.when(condition).then(value).otherwise(otherwise)
    return otherwise


def _nullif(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    other = node.args[1]
    if other.op == "lit" and other.value is not None and node.dtype in (INT64, FLOAT64):
        return args[0].replace(other.value, None)  # does not repeat its operand
    return pl.when(TRANSLATORS["eq"](node, args).fill_null(value=False)).then(None).otherwise(args[0])


def _absolute(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    x = args[0]
    return x.abs() if node.dtype == FLOAT64 else pl.when(x != -(2**63)).then(x.abs())


def _round(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    x, factor = args[0], 10.0 ** _numbers(node)[0]
    rounded = (x * factor).round(mode="half_away_from_zero")
    exact = rounded if factor == 1.0 else rounded / _full(factor)
    return pl.when(x.abs() * factor < WHOLE_FROM).then(exact).otherwise(x)


def _numbers(node: ExpressionNode) -> list[int]:
    assert isinstance(node.value, tuple)
    return [value for value in node.value if isinstance(value, int)]


def _texts(node: ExpressionNode) -> list[str]:
    return [str(value) for value in node.value] if isinstance(node.value, tuple) else [str(node.value)]


def _substring(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    start, *length = _numbers(node)
    return args[0].str.slice(start - 1, *length)


def _with_text(function: Callable[[pl.Expr, str], pl.Expr]) -> Translator:
    return lambda node, args: function(args[0], _texts(node)[0])


_PARTS: Final[Mapping[str, Callable[[pl.Expr], pl.Expr]]] = {
    "year": lambda x: x.dt.year(),
    "quarter": lambda x: x.dt.quarter(),
    "month": lambda x: x.dt.month(),
    "week": lambda x: x.dt.week(),
    "day": lambda x: x.dt.day(),
    "doy": lambda x: x.dt.ordinal_day(),
    "isodow": lambda x: x.dt.weekday(),
    "hour": lambda x: x.dt.hour(),
    "minute": lambda x: x.dt.minute(),
    "second": lambda x: x.dt.second(),
}
_UNITS: Final = {"minute": "1m", "hour": "1h", "day": "1d", "week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}


def _cast(node: ExpressionNode, args: Sequence[pl.Expr]) -> pl.Expr:
    x = args[0]
    if node.value == STRING and node.dtype == INT64:
        whole = pl.when(x.str.contains(f"^{WHOLE_TEXT}$")).then(x.str.strip_prefix("+"))
        return whole.cast(pl.Int64, strict=False)
    if node.value == STRING and node.dtype == FLOAT64:
        number = pl.when(x.str.contains(f"^{NUMBER_TEXT}$")).then(x)
        return _finite(number.cast(pl.Float64, strict=False))
    if node.value == STRING:
        return parse_calendar_instants(x) if node.dtype == TIMESTAMP else parse_calendar_dates(x)
    return x.cast(DTYPES[node.dtype], strict=False)


TRANSLATORS: Final[Mapping[str, Translator]] = {
    "add": _arithmetic(lambda x, y: x + y),
    "sub": _arithmetic(lambda x, y: x - y),
    "mul": _arithmetic(lambda x, y: x * y),
    "neg": _negative,
    "div": _binary(lambda x, y: x / _full(y).replace(0.0, None)),
    "idiv": _binary(lambda x, y: _narrow(_wide(x).truncdiv(_wide(y)))),  # the least int64 / -1 leaves 64 bits
    "mod": _binary(lambda x, y: x - x.truncdiv(y) * y),  # wraps to the right answer where y is -1
    "later": _moved(lambda x, y: x + y),
    "earlier": _moved(lambda x, y: x - y),
    "elapsed": _elapsed,
    "clean": _clean,
    "float": _unary(lambda x: x.cast(pl.Float64)),
    "eq": _comparison(lambda x, y: x == y, lambda x, y: x == y),
    "ne": _comparison(lambda x, y: x != y, lambda x, y: x != y),
    "lt": _comparison(lambda x, y: x < y, lambda x, y: x > y),
    "le": _comparison(lambda x, y: x <= y, lambda x, y: x >= y),
    "gt": _comparison(lambda x, y: x > y, lambda x, y: x < y),
    "ge": _comparison(lambda x, y: x >= y, lambda x, y: x <= y),
    "same": _binary(lambda x, y: x.eq_missing(y)),
    "and": _binary(lambda x, y: x & y),
    "or": _binary(lambda x, y: x | y),
    "not": _unary(lambda x: ~x),
    "isnull": _unary(lambda x: x.is_null()),
    "istrue": _unary(lambda x: x.fill_null(value=False)),
    "isfalse": _unary(lambda x: ~x.fill_null(value=True)),
    "in": _in,
    "like": _like,
    "case": _case,
    "coalesce": lambda _, args: pl.coalesce(*args),
    "nullif": _nullif,
    "greatest": lambda _, args: pl.max_horizontal(*args),
    "least": lambda _, args: pl.min_horizontal(*args),
    "abs": _absolute,
    "sign": _unary(lambda x: x.sign()),
    "floor": _unary(lambda x: x.floor()),
    "ceil": _unary(lambda x: x.ceil()),
    "round": _round,
    "sqrt": _unary(lambda x: pl.when(x >= 0).then(x.sqrt())),
    "ln": _unary(lambda x: pl.when(x > 0).then(x.log())),
    "log1p": _unary(lambda x: pl.when(x > -1).then(x.log1p())),
    "exp": _unary(lambda x: _finite(x.exp())),
    "power": _binary(lambda x, y: _finite(x.pow(_full(y)))),
    "lower": _unary(lambda x: x.str.to_lowercase()),
    "upper": _unary(lambda x: x.str.to_uppercase()),
    "length": _unary(lambda x: x.str.len_chars().cast(pl.Int64)),
    "trim": _unary(lambda x: x.str.strip_chars(" ")),
    "ltrim": _unary(lambda x: x.str.strip_chars_start(" ")),
    "rtrim": _unary(lambda x: x.str.strip_chars_end(" ")),
    "substr": _substring,
    "left": lambda node, args: args[0].str.head(_numbers(node)[0]),
    "right": lambda node, args: args[0].str.tail(_numbers(node)[0]),
    "replace": lambda node, args: args[0].str.replace_all(*_texts(node), literal=True),
    "starts_with": _with_text(lambda x, text: x.str.starts_with(text)),
    "ends_with": _with_text(lambda x, text: x.str.ends_with(text)),
    "contains": _with_text(lambda x, text: x.str.contains(text, literal=True)),
    "concat": lambda _, args: pl.concat_str(args, ignore_nulls=False),
    "part": _with_text(lambda x, part: _PARTS[part](x).cast(pl.Int64)),
    "epoch": _unary(lambda x: x.cast(pl.Int64).cast(pl.Float64) / _full(float(SECOND_US))),
    "instant": _unary(_instant),
    "trunc": _with_text(lambda x, unit: x.dt.truncate(_UNITS[unit])),
    "cast": _cast,
}
