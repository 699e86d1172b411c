"""Names, types, constants and limits."""

import json

import pytest

from featurectl.expressions.check import expression_columns, type_expression, untyped_canonical
from featurectl.expressions.names import check_names
from featurectl.expressions.parse import parse
from featurectl.expressions.row import to_closure
from featurectl.expressions.tree import ExpressionError, ExpressionNode
from tests.expressions.agreement import differences, frame
from tests.expressions.random_expressions import COLUMNS

FLIGHTS = {"arr_delay_mean_1d": "float64", "arr_delay_mean_7d": "float64", "carrier": "string"}


def tree(text, want=None):
    return type_expression(text, COLUMNS, want).tree


def error(text, columns=COLUMNS, want=None):
    with pytest.raises(ExpressionError) as raised:
        type_expression(text, columns, want)
    return raised.value


def test_an_unknown_column_has_a_place_a_name_and_a_suggestion():
    text = "arr_delay_mean_1d - arr_dealy_mean_7d"
    found = error(text, FLIGHTS)
    assert found.message == 'no column "arr_dealy_mean_7d"'
    assert found.hint == 'did you mean "arr_delay_mean_7d"?'
    assert found.unknown_column == "arr_dealy_mean_7d"
    assert text[found.start : found.end] == "arr_dealy_mean_7d"
    assert error("(arr_dealy_mean_7d)", FLIGHTS).start == 1
    assert error("floor(qqqq)", FLIGHTS).hint == "columns: arr_delay_mean_1d, arr_delay_mean_7d, carrier"


def test_a_hint_names_at_most_twelve_columns_and_finds_another_case():
    many = {f"column_{number:02d}": "int64" for number in range(40)}
    assert error("qqqq", many).hint == "columns: " + ", ".join(sorted(many)[:12])
    assert error("Carrier", FLIGHTS).hint == 'did you mean "carrier"?'
    assert error("qqqq", {}).hint == "columns: "


def test_other_errors_name_no_unknown_column():
    assert error("i + s").unknown_column == ""


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [("decimal(10,2)", "declare it float64 under the source's columns:"), ("list(string)", "cast it in the source"),
     ("list(int64)", "cast it in the source")],
)  # fmt: skip
def test_a_column_of_another_type_must_be_cast_in_the_source(dtype, hint):
    found = error("n is null", {"n": dtype})
    assert found.message == f'column "n" is {dtype}: no expression can read it'
    assert found.hint == hint
    assert type_expression("m + 1", {"n": dtype, "m": "int64"}).tree.dtype == "int64"


def test_a_column_of_unknown_type_is_named_but_not_typed():
    found = error("n + 1", {"n": "unknown"})
    assert (found.message, found.start, found.end) == ('the type of column "n" is not known', 0, 1)
    assert "columns:" in found.hint


def test_names_are_checked_only_when_given():
    check_names(parse("foo + 1"), None)
    check_names(parse("count = 0"), ["count"])
    with pytest.raises(ExpressionError, match='no column "foo"') as raised:
        check_names(parse("foo + 1"), ["food"])
    assert raised.value.hint == 'did you mean "food"?'


@pytest.mark.parametrize("text", ["flor(1)", "power(a)", "a::money", "extract(yeer from a)", "date '1'", "1e999"])
def test_what_needs_no_types_is_checked_without_them(text):
    with pytest.raises(ExpressionError):
        check_names(parse(text), None)
    with pytest.raises(ExpressionError):
        untyped_canonical(text)


@pytest.mark.parametrize(
    ("text", "want", "dtype"),
    [("i", "float64", "float64"), ("i + 1", "float64", "float64"), ("x", "float64", "float64"),
     ("null", "bool", "bool"),
     ("null", "timestamp", "timestamp"), ("i > 1", "bool", "bool"), ("1", "float64", "float64"),
     ("i + null", None, "int64"),
     ("null / 2", None, "float64"), ("if(b, i, 1.5)", None, "float64"), ("if(b, null, d)", None, "date")],
)  # fmt: skip
def test_the_wanted_type_is_what_comes_back(text, want, dtype):
    assert tree(text, want).dtype == dtype


@pytest.mark.parametrize(
    ("text", "want", "message"),
    [("x", "int64", "this is float64, must be int64"), ("x", "bool", "this is float64, must be bool"),
     ("s", "float64", "this is string, must be float64"), ("t - t2", "float64", "this is duration, must be float64"),
     ("null", "list(int64)", "this is null, must be list(int64)"), ("b", "int64", "this is bool, must be int64")],
)  # fmt: skip
def test_another_type_than_the_wanted_one_is_refused(text, want, message):
    found = error(text, want=want)
    assert (found.message, found.start) == (message, 0)


def test_a_seconds_feature_over_asof_is_typed():
    node = type_expression("seconds_between(last_at, asof)", {"last_at": "timestamp", "asof": "timestamp"}).tree
    assert node.dtype == "float64"
    assert to_closure(node, {"last_at": 0, "asof": 1})([1_000_000, 3_500_000]) == 2.5


@pytest.mark.parametrize(
    ("text", "dtype", "value"),
    [("1 + 2 * 3", "int64", 7), ("1 / 0", "float64", None), ("10 / 4", "float64", 2.5), ("'a' || 'b'", "string", "ab"),
     ("9223372036854775807 + 1", "int64", None), ("1e308 * 10", "float64", None), ("1e308 * 10 / 10", "float64", None),
     ("upper('ß')", "string", "SS"), ("timestamp '1970-01-01' + interval '1 day'", "timestamp", 86_400_000_000),
     ("case 2 when 1 then 'a' when 2 then 'b' end", "string", "b"), ("cast('12' as int64)", "int64", 12),
     ("null = 1", "bool", None),
     ("seconds_between(timestamp '2024-01-01', timestamp '2024-01-02')", "float64", 86_400.0),
     ("2 in (1, 2)", "bool", True)],
)  # fmt: skip
def test_constants_are_folded(text, dtype, value):
    assert tree(text) == ExpressionNode("lit", dtype, (), value)
    assert type(tree(text).value) is type(value)


def test_a_constant_part_is_folded_inside_an_expression():
    assert tree("x * (2 + 3)") == tree("x * 5")
    assert tree("i between 2 * 2 and 3 * 3") == tree("i between 4 and 9")


@pytest.mark.parametrize(
    ("text", "settled"),
    [("coalesce(null, i)", "i"), ("coalesce(i, 1, j)", "coalesce(i, 1)"), ("coalesce(1, i)", "1"), ("b and true", "b"),
     ("false and b", "false"), ("b or 1 = 1", "true"), ("false or b", "b"), ("if(true, i, j)", "i"),
     ("if(null, i, j)", "j"),
     ("case when false then 1 when b then i when true then 2 else 3 end", "if(b, i, 2)"),
     ("case 1 when 2 then i when 1 then j end", "j")],
)  # fmt: skip
def test_what_a_literal_decides_is_settled(text, settled):
    assert tree(text) == tree(settled)


def test_a_null_in_logic_decides_nothing():
    assert tree("b and null").op == "and"
    assert tree("null or b").op == "or"


def test_a_constant_can_not_grow_without_end():
    text = "'aaaaaaaaaa'"
    for _ in range(30):
        text = f"replace({text}, 'a', 'aaaaaaaaaa')"
    assert error(text).message == "a constant text of more than 4,000 characters"


def test_the_typed_canonical_form_is_blind_to_formatting_and_json_ready():
    canonical = tree("IF(b , x+1,\n i)").canonical()
    assert canonical == tree("iff((b),(x + 1), (i))").canonical()
    assert canonical == tree("case when b then x + 1 else i end").canonical()
    assert json.loads(json.dumps(canonical)) == canonical
    assert json.loads(json.dumps(untyped_canonical("b in (1, 2)"))) == untyped_canonical("b in (1, 2)")


def test_the_typed_canonical_form_keeps_types_and_order():
    as_float = type_expression("n + 1", {"n": "float64"}).tree.canonical()
    assert as_float != type_expression("n + 1", {"n": "int64"}).tree.canonical()
    assert tree("i - j").canonical() != tree("j - i").canonical()
    assert tree("round(x)") == tree("round(x, 0)") != tree("round(x, 1)")


def test_columns_are_those_that_are_read():
    assert expression_columns("if(b, \"x y\", x) > 1 and 'q' = s") == {"b", "x y", "x", "s"}
    assert tree("if(b, i, j) > 1").columns() == {"b", "i", "j"}
    assert expression_columns("1 + 1") == frozenset()


def test_infinite_and_not_a_number_never_leave_an_operation():
    rows = [[float("inf")], [float("-inf")], [float("nan")], [1.0]]
    closure = to_closure(type_expression("x - x", {"x": "float64"}).tree, {"x": 0})
    assert [closure(row) for row in rows] == [None, None, None, 0.0]
    closure = to_closure(type_expression("floor(x) is null", {"x": "float64"}).tree, {"x": 0})
    assert [closure(row) for row in rows] == [True, True, True, False]


def test_weight_is_limited_where_forms_repeat_their_operands():
    assert error("round(round(round(x)))").message == "too large for the engines"
    nested = "x"
    for _ in range(12):
        nested = f"case {nested} when 1.0 then 2.0 when 2.0 then 3.0 end"
    assert error(nested).message == "too large for the engines"
    assert tree("round(round(x))").dtype == "float64"


def test_a_hostile_nest_of_cases_is_refused_at_once():
    nested = "x"
    for _ in range(38):
        nested = f"case {nested} when 1 then 1.0 when 2 then 2.0 end"
    assert error(nested).message == "too large for the engines"
    assert error("b" + " between b and b" * 40).message == "too large for the engines"


def test_the_longest_chains_that_are_allowed_run_on_both_engines():
    row = [1] * 3 + [0.5] * 3 + ["a", "b", True, False, 0, 0, 0, 0]
    for text in ("x" + " + x" * 149, "b" + " and c or b" * 74, "i" + " is null" * 149, "s" + " || u" * 149):
        node = tree(text)
        assert differences(node, [row], frame([row])) == []
        assert json.dumps(node.canonical())
        assert json.dumps(untyped_canonical(text))
        assert node.columns()
