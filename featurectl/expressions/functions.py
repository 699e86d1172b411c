"""The allow-list: functions, types, parts of a time, and every operation that an engine has to know.

A new function is one line of FUNCTIONS and one of OPERATIONS, and one branch per engine; a contract test walks
both tables and fails where an engine lacks one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from featurectl.core.dtypes import BOOL, DATE, DURATION, FLOAT64, INT64, STRING, TIMESTAMP
from featurectl.core.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US, WEEK_US

SAME: Final = "same"  # the type of the first argument
UNIFIED: Final = "unified"  # the one type of all "any" arguments


@dataclass(frozen=True, slots=True)
class FunctionSignature:
    """How a function is called, and what comes back.

    `parameters` are words: `number` (int64 or float64), `float64` (an int64 is converted), another type, `any`;
    for a literal `1..100` (an int64 in that range), `text`, `pattern` (a text that is not empty) or `unit` (of
    date_trunc). A word that ends in `?` may be left out, one that ends in `*` stands for any number.
    """

    op: str
    parameters: str
    result: str

    @property
    def words(self) -> tuple[str, ...]:
        """The parameters one by one."""
        return tuple(self.parameters.split())

    @property
    def least(self) -> int:
        """The smallest number of arguments."""
        return sum(not word.endswith(("?", "*")) for word in self.words)

    @property
    def most(self) -> int | None:
        """The largest number of arguments, None where there is no end."""
        return None if self.words[-1].endswith("*") else len(self.words)

    def word(self, index: int) -> str:
        """Return the parameter of the argument at `index`, without its mark."""
        return self.words[min(index, len(self.words) - 1)].rstrip("?*")


FUNCTIONS: Final = {
    "abs": FunctionSignature("abs", "number", SAME),
    "sign": FunctionSignature("sign", "number", SAME),
    "floor": FunctionSignature("floor", "float64", FLOAT64),
    "ceil": FunctionSignature("ceil", "float64", FLOAT64),
    "round": FunctionSignature("round", "float64 0..15?", FLOAT64),
    "sqrt": FunctionSignature("sqrt", "float64", FLOAT64),
    "ln": FunctionSignature("ln", "float64", FLOAT64),
    "log1p": FunctionSignature("log1p", "float64", FLOAT64),
    "exp": FunctionSignature("exp", "float64", FLOAT64),
    "power": FunctionSignature("power", "float64 float64", FLOAT64),
    "div": FunctionSignature("idiv", "int64 int64", INT64),
    "mod": FunctionSignature("mod", "int64 int64", INT64),
    "lower": FunctionSignature("lower", "string", STRING),
    "upper": FunctionSignature("upper", "string", STRING),
    "length": FunctionSignature("length", "string", INT64),
    "trim": FunctionSignature("trim", "string", STRING),
    "ltrim": FunctionSignature("ltrim", "string", STRING),
    "rtrim": FunctionSignature("rtrim", "string", STRING),
    "substr": FunctionSignature("substr", "string 1..10000 0..10000?", STRING),
    "left": FunctionSignature("left", "string 0..10000", STRING),
    "right": FunctionSignature("right", "string 0..10000", STRING),
    "replace": FunctionSignature("replace", "string pattern text", STRING),
    "starts_with": FunctionSignature("starts_with", "string pattern", BOOL),
    "ends_with": FunctionSignature("ends_with", "string pattern", BOOL),
    "contains": FunctionSignature("contains", "string pattern", BOOL),
    "coalesce": FunctionSignature("coalesce", "any any*", UNIFIED),
    "nullif": FunctionSignature("nullif", "any any", UNIFIED),
    "greatest": FunctionSignature("greatest", "any any*", UNIFIED),
    "least": FunctionSignature("least", "any any*", UNIFIED),
    "if": FunctionSignature("case", "bool any any", UNIFIED),
    "date_trunc": FunctionSignature("trunc", "unit timestamp", TIMESTAMP),
    "to_timestamp": FunctionSignature("instant", "float64", TIMESTAMP),
    "seconds_between": FunctionSignature("epoch", "timestamp timestamp", FLOAT64),
}
ALIASES: Final = {
    "ceiling": "ceil",
    "pow": "power",
    "substring": "substr",
    "char_length": "length",
    "ifnull": "coalesce",
    "nvl": "coalesce",
    "iff": "if",
}

_CHOOSING: Final = frozenset(("coalesce", "case", "greatest", "least"))  # they may have a value beside a null


def is_strict(function: str) -> bool:
    """Return whether a function of a null is null.

    >>> is_strict("lower"), is_strict("NVL")
    (True, False)
    """
    name = function.lower()
    signature = FUNCTIONS.get(ALIASES.get(name, name))
    return signature is not None and signature.op not in _CHOOSING


# What a typed tree may hold besides "col" and "lit" -> how often the largest engine form repeats its operands.
OPERATIONS: Final = {
    **dict.fromkeys(("add", "sub", "mul", "neg", "div", "idiv", "elapsed", "float"), 1),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "same", "and", "or", "not"), 1),
    **dict.fromkeys(("isnull", "istrue", "isfalse", "in", "like", "case", "coalesce", "greatest", "least"), 1),
    **dict.fromkeys(("sign", "lower", "upper", "length", "trim", "ltrim", "rtrim", "substr", "left", "right"), 1),
    **dict.fromkeys(("replace", "starts_with", "ends_with", "contains", "concat", "part", "epoch", "trunc"), 1),
    **dict.fromkeys(("clean", "nullif", "mod", "sqrt", "ln", "log1p", "exp", "power", "cast"), 2),
    **dict.fromkeys(("later", "earlier", "instant"), 2),
    **dict.fromkeys(("abs", "floor", "ceil"), 3),
    "round": 12,
}

CAST_TYPES: Final = {
    **dict.fromkeys(("int64", "bigint", "int", "integer", "long"), INT64),
    **dict.fromkeys(("float64", "double", "float", "float8"), FLOAT64),
    **dict.fromkeys(("string", "text", "varchar"), STRING),
    **dict.fromkeys(("bool", "boolean"), BOOL),
    "date": DATE,
    **dict.fromkeys(("timestamp", "timestamptz"), TIMESTAMP),
}
CASTS: Final = frozenset(
    {
        (INT64, FLOAT64), (FLOAT64, INT64), (BOOL, INT64), (INT64, BOOL), (INT64, STRING), (BOOL, STRING),
        (DATE, STRING), (STRING, INT64), (STRING, FLOAT64), (STRING, TIMESTAMP), (STRING, DATE), (TIMESTAMP, DATE),
        (DATE, TIMESTAMP),
    }
)  # fmt: skip

DATE_PARTS: Final = frozenset(("year", "quarter", "month", "week", "day", "doy", "isodow"))
PARTS: Final = DATE_PARTS | {"hour", "minute", "second", "epoch"}
PARTS_OF: Final = {TIMESTAMP: PARTS, DATE: DATE_PARTS, DURATION: frozenset({"epoch"})}
TRUNCATIONS: Final = ("minute", "hour", "day", "week", "month", "quarter", "year")
INTERVAL_UNITS: Final = {"second": SECOND_US, "minute": MINUTE_US, "hour": HOUR_US, "day": DAY_US, "week": WEEK_US}
