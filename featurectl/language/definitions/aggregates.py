"""The aggregates of the language: what each takes, what it gives, and its value where there is no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, SCALARS, STRING, TIMESTAMP, decimal_parts
from featurectl.core.nearest import did_you_mean

Takes = Literal["anything", "numbers", "ordered", "booleans"]
Gives = Literal["count", "sum", "float", "same", "list", "bool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateSignature:
    """One operation. `parameter` is the key that it needs beside its column; `empty` its value without rows.

    `folds` is whether its value of any number of rows follows from a state of a bounded size, and of one more row from
    that state. `counts_repeats` is whether an equal copy of a row, at the same event time, changes its value.
    """

    takes: Takes
    gives: Gives
    parameter: Literal["n", "q"] | None = None
    needs_column: bool = True
    folds: bool = True
    counts_repeats: bool = True

    @property
    def empty(self) -> int | tuple[()] | None:
        """The value where there is no row: 0 for counts, an empty list for lists, else null."""
        return 0 if self.gives == "count" else () if self.gives == "list" else None


AGGREGATES: Final[Mapping[str, AggregateSignature]] = {
    "count": AggregateSignature(takes="anything", gives="count", needs_column=False),
    "sum": AggregateSignature(takes="numbers", gives="sum"),
    "mean": AggregateSignature(takes="numbers", gives="float"),
    "min": AggregateSignature(takes="ordered", gives="same", counts_repeats=False),
    "max": AggregateSignature(takes="ordered", gives="same", counts_repeats=False),
    "stddev": AggregateSignature(takes="numbers", gives="float"),
    "stddev_pop": AggregateSignature(takes="numbers", gives="float"),
    "var": AggregateSignature(takes="numbers", gives="float"),
    "var_pop": AggregateSignature(takes="numbers", gives="float"),
    "first": AggregateSignature(takes="anything", gives="same", counts_repeats=False),
    "last": AggregateSignature(takes="anything", gives="same", counts_repeats=False),
    "last_n": AggregateSignature(takes="anything", gives="list", parameter="n"),
    "first_n": AggregateSignature(takes="anything", gives="list", parameter="n"),
    "count_distinct": AggregateSignature(takes="anything", gives="count", folds=False, counts_repeats=False),
    "approx_count_distinct": AggregateSignature(takes="anything", gives="count", counts_repeats=False),
    "median": AggregateSignature(takes="numbers", gives="float", folds=False),
    "percentile": AggregateSignature(takes="numbers", gives="float", parameter="q", folds=False),
    "top_k": AggregateSignature(takes="anything", gives="list", parameter="n", folds=False),
    "any": AggregateSignature(takes="booleans", gives="bool", counts_repeats=False),
    "all": AggregateSignature(takes="booleans", gives="bool", counts_repeats=False),
}
# What other tools call them.
_OTHER_WORDS: Final[Mapping[str, str]] = {
    "avg": "mean", "average": "mean",
    "std": "stddev", "stdev": "stddev", "stddev_samp": "stddev", "std_dev": "stddev", "variance": "var",
    "var_samp": "var",
    "nunique": "count_distinct", "n_unique": "count_distinct", "distinct_count": "count_distinct",
    "distinct": "count_distinct", "unique": "count_distinct", "approx_distinct": "approx_count_distinct",
    "quantile": "percentile", "percentile_cont": "percentile", "approx_percentile": "percentile",
    "maximum": "max", "minimum": "min", "total": "sum", "size": "count", "len": "count", "cnt": "count",
    "latest": "last", "newest": "last", "earliest": "first", "oldest": "first",
    "collect_list": "last_n", "array_agg": "last_n", "mode": "top_k", "most_frequent": "top_k",
    "bool_or": "any", "some": "any", "bool_and": "all", "every": "all",
}  # fmt: skip
_ORDERED: Final = (STRING, INT64, FLOAT64, BOOL, TIMESTAMP, DATE)
_WORDS: Final[Mapping[Takes, str]] = {
    "anything": "single values",
    "numbers": "numbers and booleans",
    "ordered": "values that can be ordered",
    "booleans": "booleans",
}


def takes_words(op: str) -> str:
    """Return what an aggregate takes, in words.

    >>> takes_words("sum")
    'numbers and booleans'
    """
    return _WORDS[AGGREGATES[op].takes]


def result_type(op: str, column: str | None) -> str | None:
    """Return the type of an aggregate over a column of a type (None: rows), or None when it does not take it.

    A sum of decimals keeps the scale with the greatest precision.

    >>> result_type("sum", "bool"), result_type("last_n", "string"), result_type("mean", "string")
    ('int64', 'list(string)', None)
    """
    aggregate = AGGREGATES[op]
    if column is None:
        return None if aggregate.needs_column else INT64
    if not _takes(aggregate.takes, column):
        return None
    match aggregate.gives:
        case "count":
            return INT64
        case "sum":
            parts = decimal_parts(column)
            return f"decimal(38,{parts[1]})" if parts else FLOAT64 if column == FLOAT64 else INT64
        case "float":
            return FLOAT64
        case "same":
            return column
        case "list":
            return f"list({column})"
        case "bool":
            return BOOL


def _takes(takes: Takes, column: str) -> bool:
    decimal = decimal_parts(column) is not None
    match takes:
        case "anything":
            return decimal or column in SCALARS
        case "numbers":
            return decimal or column in (INT64, FLOAT64, BOOL)
        case "ordered":
            return decimal or column in _ORDERED
        case "booleans":
            return column == BOOL


def aggregate_base(op: str, column: str | None, n: int | None, q: float | None) -> str:
    """Return the base of an aggregate's name when the file gives none.

    >>> aggregate_base("percentile", "delay", None, 0.999), aggregate_base("last_n", "delay", 3, None)
    ('delay_p99_9', 'delay_last_3')
    >>> aggregate_base("count", None, None, None)
    'count'
    """
    word = op
    if op == "percentile" and q is not None:
        word = f"p{(Decimal(str(q)) * 100).normalize():f}".replace(".", "_")
    elif n is not None and AGGREGATES[op].parameter == "n":
        word = f"{op.removesuffix('_n').removesuffix('_k')}_{n}"
    return f"{column}_{word}" if column else word


def horizon_base(op: str, column: str | None) -> str:
    """Return by which name a label's expression reads its aggregate over a horizon.

    >>> horizon_base("count", None), horizon_base("sum", "amount")
    ('count', 'amount_sum')
    """
    return f"{column}_{op}" if column else op


def aggregate_name(base: str, window: str, offset: str = "") -> str:
    """Return the name of an aggregate's feature from its base and the texts of its window and offset.

    >>> aggregate_name("late_rate", "7d", "1d")
    'late_rate_7d_offset_1d'
    """
    return f"{base}_{window}_offset_{offset}" if offset else f"{base}_{window}"


def meant_aggregate(op: str) -> str:
    """Return the suggestion of what was meant by an operation that is none, also in the words of other tools.

    >>> meant_aggregate("avg"), meant_aggregate("SUM"), meant_aggregate("meen")
    ('did you mean "mean"?', 'did you mean "sum"?', 'did you mean "mean"?')
    """
    word = op.lower()
    known = _OTHER_WORDS.get(word, word if word in AGGREGATES else "")
    return f'did you mean "{known}"?' if known else did_you_mean(word, AGGREGATES)
