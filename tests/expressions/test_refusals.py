"""What SQL has and the language refuses: each with its place and a hint that says what to write."""

import pytest

from featurectl.expressions.check import type_expression, untyped_canonical
from featurectl.expressions.refused import REFUSED_AFTER, REFUSED_FUNCTIONS
from featurectl.expressions.tree import ExpressionError
from tests.expressions.random_expressions import COLUMNS

# text, the characters that the error is about, a piece of the hint
REFUSED = [
    ("sum(x) > 1", "sum", "aggregates:"), ("count(*)", "count", "aggregates:"), ("avg(x)", "avg", "aggregates:"),
    ("min(x)", "min", "least()"), ("max(x)", "max", "greatest()"), ("row_number()", "row_number", "window"),
    ("i over (partition by j)", "over", "window"), ("lag(x)", "lag", "window"),
    ("(select 1)", "select", "one row"), ("i in (select j from q)", "select", "one row"),
    ("exists (i)", "exists", "one row"),
    ("select * from q", "select", "one row"), ("now()", "now", "clock"), ("current_date", "current_date", "clock"),
    ("current_timestamp()", "current_timestamp", "clock"), ("random()", "random", "same value"),
    ("regexp_like(s, 'a')", "regexp_like", "like, starts_with"), ("s ~ 'a'", "~", "like, starts_with"),
    ("s rlike 'a'", "rlike", "like, starts_with"), ("s ilike 'a'", "ilike", "lower(x)"),
    ("concat(s, u)", "concat", "||"),
    ("extract(dow from t)", "dow", "isodow"), ("dayofweek(t)", "dayofweek", "isodow"), ("log(x)", "log", "ln(x)"),
    ("log2(x)", "log2", "ln(x) / 0.693"), ("log10(x)", "log10", "ln(x) / 2.302"),
    ("t + interval '1 month'", "interval '1 month'", "30 days"),
    ("t - interval '2 years'", "interval '2 years'", "30 days"),
    ("t + interval 'soon'", "interval 'soon'", "90 minutes"),
    ("t + interval '99999 weeks'", "interval '99999 weeks'", "36500"),
    ("i == 1", "==", "write ="), ("i -- no", "--", "after #"), ("i /* no */", "/*", "after #"),
    ("i; j", ";", "nothing stands"),
    ("i[1]", "[", "no lists"), ("q.i", ".", "quoted"), ("i ^ 2", "^", "power"), ("i ** 2", "**", "power"),
    ("!b", "!", "write not"), ("b && c", "&&", "write and"), ("b | c", "|", "write or"), ("`i`", "`", 'with "'),
    ("$1 = i", "$", "parameters"), ("i // 2", "//", "div(a, b)"), ("t at time zone 'utc'", "at", "UTC"),
    ("i as j", "as", "its own key"), ("\u2018a\u2019", "\u2018", "plain '"),
    ("try_cast(s as int64)", "try_cast", "null where"),
    ("in + 1", "in", '"in"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "hint"), REFUSED)
def test_a_refusal_names_the_place_and_a_way_out(text, place, hint):
    with pytest.raises(ExpressionError) as raised:
        type_expression(text, COLUMNS)
    error = raised.value
    assert text[error.start : error.end] == place
    assert hint in error.hint


@pytest.mark.parametrize(("text", "hint"), [(text, hint) for text, _, hint in REFUSED])
def test_what_is_never_allowed_is_refused_without_types_too(text, hint):
    with pytest.raises(ExpressionError) as raised:
        untyped_canonical(text)
    assert hint in raised.value.hint


def test_every_refused_name_has_a_hint_and_is_refused():
    for name, hint in REFUSED_FUNCTIONS.items():
        assert hint
        with pytest.raises(ExpressionError, match="not allowed"):
            untyped_canonical(f"{name}(i)")
    for word, (message, hint) in REFUSED_AFTER.items():
        assert hint
        with pytest.raises(ExpressionError) as raised:
            untyped_canonical(f"i {word} j")
        assert raised.value.message == message


# text, the characters that the error is about, the message, a piece of the hint
ILL_TYPED = [
    ("i + s", "i + s", "int64 + string is not defined", "||"),
    ("b + 1", "b + 1", "bool + int64 is not defined", "cast(b as int64)"),
    ("d + interval '1 day'", "d + interval '1 day'", "date + duration is not defined", "as timestamp"),
    ("interval '1 day' + t", "interval '1 day' + t", "duration + timestamp is not defined", "stands first"),
    ("t + t2", "t + t2", "timestamp + timestamp is not defined", "t - t2"),
    ("-s", "-s", "- of string is not defined", ""),
    ("x % 2", "x % 2", "% takes int64", "floor(a / b)"), ("i = s", "s", "can't compare int64 and string", "cast one"),
    ("b = 1", "1", "can't compare bool and int64", "cast one"),
    ("t = d", "d", "can't compare timestamp and date", "cast one"),
    ("i and b", "i", "this is int64, must be bool", "compare"),
    ("not x", "x", "this is float64, must be bool", "compare"),
    ("s || i", "i", "this is int64, must be string", "cast(x as string)"),
    ("s || x", "x", "this is float64, must be string", ""),
    ("if(b, 1, 'a')", "'a'", "if gives both int64 and string", "cast one"),
    ("coalesce(d, t)", "t", "coalesce of date and timestamp", "cast"),
    ("case when b then 1 else 'x' end", "'x'", "case gives both int64 and string", "cast one"),
    ("case when b then null end", "case when b then null end", "every branch is null", "cast"),
    ("if(i, 1, 2)", "i", "if takes bool, this is int64", ""),
    ("coalesce(null, null)", "coalesce(null, null)", "every argument is null", "cast"),
    ("greatest(s, u)", "greatest(s, u)", "greatest takes numbers or times, not string", ""),
    ("i in (1, j)", "j", "in takes literals that are not null", "x = a or x = b"),
    ("i in (1, null)", "null", "in takes literals that are not null", "is null"),
    ("s like u", "u", "like takes a literal pattern", ""),
    ("i like 'a'", "i", "like takes a string, this is int64", ""),
    ("s like 'a\\%'", "'a\\%'", "a pattern can't hold a backslash", "contains"),
    ("cast(x as string)", "cast(x as string)", "no cast from float64 to string", "int64 first"),
    ("cast(i as date)", "cast(i as date)", "no cast from int64 to date", "to_timestamp(x) as date"),
    ("t > cast('soon' as timestamp)", "cast('soon' as timestamp)", "'soon' is no timestamp", "2024-01-31 10:00:00"),
    ("cast('2023-02-' || '29' as date)", "cast('2023-02-' || '29' as date)", "'2023-02-29' is no date", "2024-01-31"),
    ("cast(i as timestamp)", "cast(i as timestamp)", "no cast from int64 to timestamp", "to_timestamp(x / 1000)"),
    ("cast(b as timestamp)", "cast(b as timestamp)", "no cast from bool to timestamp", "cast from a text"),
    ("cast(t - t as timestamp)", "cast(t - t as timestamp)", "no cast from duration to timestamp", "t + d"),
    ("extract(year from s)", "extract(year from s)", "no year of string", "cast(s as timestamp)"),
    ("date_trunc('day', s)", "s", "date_trunc takes timestamp, this is string", "cast(s as timestamp)"),
    ("cast(i as money)", "cast(i as money)", "no type 'money'", "types: "),
    ("cast(i as strin)", "cast(i as strin)", "no type 'strin'", 'did you mean "string"?'),
    ("extract(hour from d)", "extract(hour from d)", "no hour of date", "timestamp"),
    ("extract(yeer from t)", "extract(yeer from t)", "no part 'yeer'", 'did you mean "year"?'),
    ("date_trunc('eon', t)", "'eon'", "no unit 'eon'", "minute, hour"),
    ("date_trunc(s, t)", "s", "date_trunc takes a literal text here", "quotes"),
    ("date_trunc('day', d)", "d", "date_trunc takes timestamp, this is date", "timestamp"),
    ("round(x, i)", "i", "round takes a literal number here", "0 to 15"),
    ("round(x, 16)", "16", "round takes a number from 0 to 15 here, this is 16", ""),
    ("substr(s, 0)", "0", "substr takes a number from 1 to 10000 here, this is 0", ""),
    ("replace(s, '', 'a')", "''", "replace takes a text that is not empty here", ""),
    ("seconds_between(d, t)", "d", "seconds_between takes timestamp, this is date", "timestamp"),
    ("lower(i)", "i", "lower takes string, this is int64", "cast(x as string)"),
    ("abs(b)", "b", "abs takes int64 or float64, this is bool", "cast(b as int64)"),
    ("div(x, 2)", "x", "div takes int64, this is float64", "int64"),
    ("flor(x)", "flor", 'no function "flor"', 'did you mean "floor"?'),
    ("qqqqq(x)", "qqqqq", 'no function "qqqqq"', "functions: abs"),
    ("power(x)", "power(x)", "power takes 2 arguments, has 1", ""),
    ("round(x, 1, 2)", "round(x, 1, 2)", "round takes 1 or 2 arguments, has 3", ""),
    ("abs()", "abs()", "abs takes 1 argument, has 0", ""),
    ("greatest()", "greatest()", "greatest takes 1 or more arguments, has 0", ""),
    ("9223372036854775808", "9223372036854775808", "does not fit 64 bits", "float64"),
    ("1e309", "1e309", "does not fit a float64", ""),
    (
        "timestamp '2024-02-30'",
        "timestamp '2024-02-30'",
        "2024-02-30 does not exist: February has 29 days",
        "2024-01-31",
    ),
    ("date '2024-2-1'", "date '2024-2-1'", "not a date: '2024-2-1'", "2024-01-31"),
    ("t - t2", "t - t2", "a duration can't be a value", "seconds_between"),
    ("null", "null", "this is always null, of no type", "cast(null"),
    ('"*" + 1', '"*"', "a column can't be called '*' in an expression", "rename"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message", "hint"), ILL_TYPED)
def test_an_ill_typed_expression_names_place_types_and_a_way_out(text, place, message, hint):
    with pytest.raises(ExpressionError) as raised:
        type_expression(text, COLUMNS)
    error = raised.value
    assert (error.message, text[error.start : error.end]) == (message, place)
    assert hint in error.hint
