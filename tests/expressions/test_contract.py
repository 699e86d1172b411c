"""Every line of the allow-list has a form on every engine, a sample, and the value that it promises."""

import pytest

from featurectl.expressions.check import type_expression
from featurectl.expressions.functions import ALIASES, CASTS, FUNCTIONS, OPERATIONS, PARTS_OF, TRUNCATIONS
from featurectl.expressions.polars import TRANSLATORS
from featurectl.expressions.row import BUILDERS
from tests.expressions.agreement import differences, frame, row_values
from tests.expressions.random_expressions import COLUMNS

# i 7, j -2, k null, x 2.5, y -0.5, z null, s ' Abc ', u 'a', b true, c null,
# t 2024-02-29 12:30:45.5, t2 2024-02-28 12:30:45.5, d 2024-02-29, e null
ROW = [
    7,
    -2,
    None,
    2.5,
    -0.5,
    None,
    " Abc ",
    "a",
    True,
    None,
    1_709_209_845_500_000,
    1_709_123_445_500_000,
    19_782,
    None,
]
GREATEST, LEAST = 2**63 - 1, -(2**63)

SAMPLES = [
    # whole numbers: exact, or null
    ("i + j", 5), ("i - j", 9), ("i * j", -14), ("- i", -7), ("i + k", None),
    (f"i + {GREATEST}", None), (f"j - {GREATEST} - 1", None), (f"i * {GREATEST}", None), (f"-({LEAST} + i - 7)", None),
    (str(LEAST), LEAST), ("div(i, j)", -3), ("i % j", 1), ("mod(-i, 2)", -1), ("div(i, 0)", None), ("i % 0", None),
    (f"div({LEAST} + i - 7, j + 1)", None), (f"({LEAST} + i - 7) % (j + 1)", 0), ("abs(j)", 2), ("sign(j)", -1),
    (f"abs({LEAST} + i - 7)", None), ("greatest(i, j, k)", 7), ("least(i, j, k)", -2), ("greatest(k)", None),
    # floats: IEEE, at the end of a chain finite or null
    ("x + i", 9.5), ("x - 1", 1.5), ("x * x", 6.25), ("-x", -2.5), ("i / j", -3.5), ("i / 0", None), ("x / 0.0", None),
    ("x * 1e308 * 10", None), ("x * 1e308 * 10 * 0", None), ("(x + 1e308 * 10) is null", True), ("z + 1", None),
    ("abs(y)", 0.5), ("sign(y)", -1.0), ("floor(y)", -1.0), ("ceil(x)", 3.0), ("ceiling(x)", 3.0), ("round(x)", 3.0),
    ("round(y)", -1.0), ("round(x + 0.175, 2)", 2.68), ("round(1e300 * x, 2)", 2.5e300), ("floor(i)", 7.0),
    ("sqrt(x * 10)", 5.0), ("sqrt(y)", None), ("ln(y)", None), ("ln(x - 1.5)", 0.0), ("log1p(x - 2.5)", 0.0),
    ("log1p(-x)", None), ("exp(x - 2.5)", 1.0), ("exp(x * 1000)", None), ("power(x, 2)", 6.25), ("pow(i, 0.0)", 1.0),
    ("power(y, 0.5)", None), ("power(x, 100000)", None), ("power(x - 2.5, -1)", None), ("greatest(i, x)", 7.0),
    # comparisons: null in, null out
    ("i = 7", True), ("i <> 7", False), ("i != 8", True), ("i < 8", True), ("i <= 7", True), ("i > x", True),
    ("i >= 8", False), ("i = k", None), ("s < u", True), ("d = date '2024-02-29'", True), ("b > false", True),
    ("t > t2", True), ("t - t2 = interval '1 day'", True), ("i between 7 and 8", True),
    ("i not between 7 and 8", False),
    ("i in (1, 7)", True), ("i in (2.5, 7)", True), ("k in (1)", None), ("i not in (1, 2)", True), ("u in ('a')", True),
    ("k is distinct from 1", True), ("k is not distinct from null", True), ("i is distinct from 7", False),
    ("k is null", True), ("i is not null", True), ("b is true", True), ("c is true", False), ("c is not true", True),
    ("c is false", False), ("c is not false", True), ("b is false", False),
    # three-valued logic
    ("b and c", None), ("b or c", True), ("not b", False), ("not c", None), ("c and false", False),
    ("c or false", None),
    # choices
    ("case when i > 5 then 'much' else 'few' end", "much"), ("case when c then 1 end", None),
    ("case i when 7 then x else i end", 2.5), ("case when c then 1 when b then 2 else 3 end", 2), ("if(c, 1, 2)", 2),
    ("iff(b, i, x)", 7.0), ("coalesce(k, j, i)", -2), ("ifnull(z, i)", 7.0), ("nvl(c, true)", True),
    ("nullif(i, 7)", None),
    ("nullif(i, j)", 7), ("nullif(u, 'b')", "a"), ("nullif(x, 2.5)", None), ("nullif(i, k)", 7),
    ("greatest(d, e)", 19_782),
    # texts
    ("s || u", " Abc a"), ("s || null", None), ("lower(s)", " abc "), ("upper(s)", " ABC "), ("length(s)", 5),
    ("char_length('日本')", 2), ("trim(s)", "Abc"), ("ltrim(s)", "Abc "), ("rtrim(s)", " Abc"),
    ("substr(s, 2)", "Abc "),
    ("substring(s, 2, 2)", "Ab"), ("substr(s, 9)", ""), ("left(s, 2)", " A"), ("right(s, 2)", "c "),
    ("right(s, 0)", ""),
    ("replace(s, 'A', '$1')", " $1bc "), ("starts_with(s, ' A')", True), ("ends_with(s, 'c')", False),
    ("contains(s, 'b')", True), ("s like '%b_ %'", True), ("s not like '_bc'", True), ("u like 'a'", True),
    ("u || 'b.c' like 'ab_c'", True),
    ("u || 'ba' like '%a%ba'", True), ("u || 'xbxc' like 'a%b%c'", True), ("u || 'xc' like 'a%b%c'", False),
    ("u || 'bxc' like 'ab.c'", False),
    # casts: a failure is null
    ("cast(i as float64)", 7.0), ("x::int64", 2), ("cast(x * 1e300 as bigint)", None), ("b::int", 1),
    ("cast(j as bool)", True),
    ("i::string", "7"), ("b::text", "true"), ("d::string", "2024-02-29"), ("cast('12' || trim(' ') as int64)", 12),
    ("(u || '1')::int64", None), ("cast(' 1' as float64)", None), ("('+1.5e1')::double", 15.0),
    ("'1e400'::float64", None),
    ("cast(u || '2024-02-29' as timestamp)", None), ("(d::string || ' 12:30:45.5')::timestamp = t", True),
    ("cast('2024-02-29T12:30:45.5Z' as timestamptz) = t", True), ("cast(u || '2024-02-29' as date)", None),
    ("cast(d::string as date) = d", True), ("cast(replace(u, 'a', '2023-02-29') as date)", None),
    ("cast(null::text as date)", None),
    ("cast(t as date)", 19_782), ("cast(d as timestamp)", 1_709_164_800_000_000), ("cast('1_0' as int64)", None),
    # times
    ("extract(year from t)", 2024), ("extract(quarter from d)", 1), ("extract(month from t)", 2),
    ("extract(week from t)", 9),
    ("extract(day from t)", 29), ("extract(doy from d)", 60), ("extract(isodow from t)", 4),
    ("extract(hour from t)", 12),
    ("extract(minute from t)", 30), ("extract(second from t)", 45), ("extract(epoch from t)", 1_709_209_845.5),
    ("extract(epoch from t - t2)", 86_400.0), ("seconds_between(t2, t)", 86_400.0),
    ("seconds_between(t, t2)", -86_400.0),
    ("to_timestamp(1709209845.5)", 1_709_209_845_500_000), ("to_timestamp(extract(epoch from t)) = t", True),
    ("to_timestamp(-1)", -1_000_000), ("to_timestamp(0.0000005)", 1), ("to_timestamp(-0.0000006)", -1),
    ("to_timestamp(253402300800)", None), ("to_timestamp(253402300799)", 253_402_300_799_000_000),
    ("to_timestamp(-62135596800)", -62_135_596_800_000_000), ("to_timestamp(-62135596801)", None),
    ("to_timestamp(1e300 * 1e300)", None), ("to_timestamp(null)", None), ("to_timestamp(i / 1000)", 7_000),
    ("seconds_between(t, null)", None), ("date_trunc('minute', t)", 1_709_209_800_000_000),
    ("date_trunc('hour', t)", 1_709_208_000_000_000), ("date_trunc('DAY', t)", 1_709_164_800_000_000),
    ("date_trunc('week', t)", 1_708_905_600_000_000), ("date_trunc('month', t)", 1_706_745_600_000_000),
    ("date_trunc('quarter', t)", 1_704_067_200_000_000), ("date_trunc('year', t)", 1_704_067_200_000_000),
    ("t2 + interval '1 day' = t", True), ("t - interval '90 minutes' = t2", False),
    ("t - interval 24 hours = t2", True),
    ("t + (t - t2) > t", True), ("timestamp '9999-12-31 00:00:00' + (t - t2) > t", None),
    ("(t - t2) - interval '1 day' < interval '1 second'", True), ("t2 < timestamp '2024-02-28T13:30:46+01:00'", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SAMPLES, ids=[text for text, _ in SAMPLES])
def test_the_allow_list_means_what_it_says(text, value):
    node = type_expression(text, COLUMNS).tree
    assert differences(node, [ROW], frame([ROW])) == []
    result = row_values([ROW], node)[0]
    assert (type(result), result) == (type(value), value)


def operations(node):
    return {node.op}.union(*map(operations, node.args))


def test_every_operation_has_a_form_on_each_engine():
    assert set(TRANSLATORS) == set(OPERATIONS)
    assert set(BUILDERS) == set(OPERATIONS)


def test_the_samples_reach_every_operation_function_and_cast():
    nodes = [type_expression(text, COLUMNS).tree for text, _ in SAMPLES]
    assert set().union(*map(operations, nodes)) - {"col", "lit"} == set(OPERATIONS)
    texts = " ".join(text for text, _ in SAMPLES)
    assert [name for name in (*FUNCTIONS, *ALIASES) if f"{name}(" not in texts] == []


def test_every_function_gives_an_operation_that_engines_know():
    assert {function.op for function in FUNCTIONS.values()} <= set(OPERATIONS)
    assert set(ALIASES.values()) <= set(FUNCTIONS)


@pytest.mark.parametrize(("source", "target"), sorted(CASTS))
def test_every_cast_runs_on_each_engine(source, target):
    column = next(name for name, dtype in COLUMNS.items() if dtype == source)
    node = type_expression(f"cast({column} as {target})", COLUMNS).tree
    assert node.dtype == target
    assert differences(node, [ROW], frame([ROW])) == []


@pytest.mark.sample(50)
@pytest.mark.parametrize(
    "text",
    [f"extract({part} from {column})" for column, dtype in (("t", "timestamp"), ("d", "date"))
     for part in sorted(PARTS_OF[dtype])]
    + [f"date_trunc('{unit}', t)" for unit in TRUNCATIONS],
)  # fmt: skip
@pytest.mark.parametrize("year", [1, 1600, 1899, 1900, 1970, 2000, 2020, 2024, 2100, 9999])
def test_the_calendar_agrees_around_the_ends_of_years(text, year):
    from datetime import date

    first = date(year, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
    last = date(year, 12, 31).toordinal() - date(1970, 1, 1).toordinal()
    days = [*range(first, first + 8), *range(first + 56, first + 64), *range(last - 7, last + 1)]
    rows = [[*ROW[:10], day * 86_400_000_000 + 86_399_999_999, 0, day, day] for day in days]
    assert differences(type_expression(text, COLUMNS).tree, rows, frame(rows)) == []
