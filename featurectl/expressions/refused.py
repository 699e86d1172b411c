"""What SQL has and this language refuses, each with what to write instead."""

from __future__ import annotations

from typing import Final

_CLOCK = "an expression has no clock: use the event time column, in derived features asof"
_AGGREGATE = "this is an aggregate: put it under aggregates:"
_WINDOW = "this is a window function: put it under aggregates:, with windows:"
_RANDOM = "an expression gives the same value each time"
_REGULAR = "regular expressions differ between engines: use like, starts_with or contains"
_WEEKDAY = "it starts on a different day in each engine: write extract(isodow from t), Monday 1 to Sunday 7"
SUB_QUERY: Final = "an expression sees one row: join in the source's sql, or bring the features together in a model"

REFUSED_FUNCTIONS: Final = {
    **dict.fromkeys(("now", "current_timestamp", "current_date", "current_time", "today", "getdate"), _CLOCK),
    **dict.fromkeys(("localtime", "localtimestamp", "unix_timestamp", "clock_timestamp"), _CLOCK),
    **dict.fromkeys(("sum", "count", "avg", "mean", "stddev", "variance", "median", "percentile"), _AGGREGATE),
    **dict.fromkeys(("count_distinct", "approx_count_distinct", "array_agg", "string_agg", "any_value"), _AGGREGATE),
    **dict.fromkeys(("first", "last", "stddev_pop", "var", "var_pop", "mode"), _AGGREGATE),
    "min": "this is an aggregate; for the least of several columns use least()",
    "max": "this is an aggregate; for the greatest of several columns use greatest()",
    **dict.fromkeys(("row_number", "rank", "dense_rank", "ntile", "lag", "lead", "first_value", "last_value"), _WINDOW),
    **dict.fromkeys(("random", "rand", "uuid", "gen_random_uuid", "newid", "setseed"), _RANDOM),
    **dict.fromkeys(("regexp_like", "regexp_matches", "regexp_replace", "regexp_extract", "rlike"), _REGULAR),
    **dict.fromkeys(("regexp", "regexp_substr", "regexp_full_match", "similar_to"), _REGULAR),
    **dict.fromkeys(("dow", "dayofweek", "weekday"), _WEEKDAY),
    **dict.fromkeys(("concat", "concat_ws"), "engines treat its nulls differently: write a || b, with coalesce"),
    "log": "its base differs between engines: write ln(x)",
    "log10": "engines differ in its last digits: write ln(x) / 2.302585092994046",
    "log2": "engines differ in its last digits: write ln(x) / 0.6931471805599453",
    "try_cast": "every cast gives null where it fails: write cast(x as t)",
    "exists": SUB_QUERY,
}
REFUSED_PARTS: Final = dict.fromkeys(("dow", "dayofweek", "weekday"), _WEEKDAY)
# Words that SQL allows without brackets; a column of that name is quoted.
CLOCK_WORDS: Final = frozenset(
    ("current_timestamp", "current_date", "current_time", "localtime", "localtimestamp"),
)
# What SQL allows after an operand, and this language doesn't.
REFUSED_AFTER: Final = {
    "over": ("a window function is not allowed in an expression", _WINDOW),
    "filter": ("a filtered aggregate is not allowed in an expression", _AGGREGATE),
    "ilike": ("ilike is not an operator", "write lower(x) like 'a%'"),
    "similar": ("regular expressions are not allowed in an expression", _REGULAR),
    "rlike": ("regular expressions are not allowed in an expression", _REGULAR),
    "regexp": ("regular expressions are not allowed in an expression", _REGULAR),
    "glob": ("glob is not an operator", "write like, with % and _"),
    "from": ("a sub-query is not allowed in an expression", SUB_QUERY),
    "as": ("an expression gives itself no name", "the name stands in its own key, beside expr:"),
    "at": ("an expression has no time zones", "times are UTC; the source's timezone: says how its own are read"),
    "collate": ("an expression has no collations", "texts are compared by code point"),
}
