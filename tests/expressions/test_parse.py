"""The grammar: precedence, places, limits."""

import pytest

from featurectl.expressions.check import untyped_canonical
from featurectl.expressions.parse import parse
from featurectl.expressions.syntax import MAX_HEIGHT
from featurectl.expressions.tokens import tokenize
from featurectl.expressions.tree import ExpressionError


def same(left, right):
    return untyped_canonical(left) == untyped_canonical(right)


def error(text):
    with pytest.raises(ExpressionError) as raised:
        parse(text)
    return raised.value


@pytest.mark.parametrize(
    ("short", "bracketed"),
    [
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a / b / c", "(a / b) / c"),
        ("-a * b", "(-a) * b"),
        ("-a::int64", "-(a::int64)"),
        ("a + b::int64", "a + (b::int64)"),
        ("a + b || c", "(a + b) || c"),
        ("a || b = c", "(a || b) = c"),
        ("a = b and c = d or e", "((a = b) and (c = d)) or e"),
        ("a or b and c", "a or (b and c)"),
        ("not a = b", "not (a = b)"),
        ("not a and b", "(not a) and b"),
        ("a between 1 and 2 and b", "(a between 1 and 2) and b"),
        ("a between b + 1 and c * 2", "a between (b + 1) and (c * 2)"),
        ("a not in (1, 2) and b", "(not (a in (1, 2))) and b"),
        ("a + 1 in (1, 2)", "(a + 1) in (1, 2)"),
        ("a like 'x' || '%'", "a like ('x' || '%')"),
        ("a is not null and b", "(not (a is null)) and b"),
        ("a = b is true", "(a = b) is true"),
        ("a is distinct from b + 1", "not (a is not distinct from (b + 1))"),
        ("case when a then b end", "case when a then b else null end"),
        ("+a", "a"),
        ("- - 1", "1"),
    ],
)
def test_operators_bind_as_in_sql(short, bracketed):
    assert same(short, bracketed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("COALESCE(a,B)", "coalesce ( a , B )"),
        ("a!=1", "a <> 1"),
        ("ifnull(a, 1)", "coalesce(a, 1)"),
        ("nvl(a, 1)", "coalesce(a, 1)"),
        ("substring(a, 1)", "substr(a, 1)"),
        ("pow(a, 2)", "power(a, 2)"),
        ("char_length(a)", "length(a)"),
        ("cast(a as double)", "a::FLOAT64"),
        ("cast(a as varchar)", "cast(a as string)"),
        ("a % b", "mod(a, b)"),
        ("((a))", "a"),
        ("1.50", "1.5e0"),
        ("timestamp '2024-01-01'", "timestamp '2024-01-01T01:00:00+01:00'"),
        ("interval '60 minutes'", "INTERVAL 1 hour"),
        ('"a" + 1', "a + 1"),
        ("extract(YEAR from t)", "extract(year FROM t)"),
        ("a\n+\tb", "a + b"),
    ],
)
def test_the_canonical_form_is_blind_to_case_brackets_space_and_aliases(one, other):
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "A"), ("a - b", "b - a"), ("'a'", "'A'"), ("1", "1.0"), ("a and b", "a or b"), ("'1'", "1"), ("a", "'a'")],
)
def test_the_canonical_form_keeps_what_matters(one, other):
    assert not same(one, other)


def test_a_keyword_is_written_in_plain_letters():
    assert parse("li\u212ae").kind == "column"  # the Kelvin sign is no k
    assert parse("NULL").kind == "null"


def test_quotes_are_doubled_inside_quotes():
    assert parse("'it''s'").value == "it's"
    assert parse('"a ""b"""').value == 'a "b"'


def test_a_keyword_that_no_bracket_follows_is_a_column():
    assert parse("date + interval").args[1].value == "interval"
    assert parse('"case"').kind == "column"
    assert parse("select + count").args[0].kind == "column"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a + + )", ")"),
        ("a b", "b"),
        ("a +", ""),
        ("floor(a", "("),
        ("case a end", "end"),
        ("a is maybe", "maybe"),
        ("a not b", "b"),
        ("'open", "'open"),
        ("a + 12ab", "12ab"),
        ("from", "from"),
        ("a in ()", "in ()"),
        ("(a, b)", ","),
    ],
)
def test_a_syntax_error_points_at_its_token(text, place):
    found = error(text)
    assert text[found.start : found.end] == place
    assert found.end > found.start


def test_places_are_those_of_the_text():
    raw = parse("a + ( b * c )")
    assert (raw.start, raw.end) == (0, 13)
    assert (raw.args[1].start, raw.args[1].end) == (4, 13)
    assert (raw.args[1].args[1].start, raw.args[1].args[1].end) == (10, 11)


def test_limits_are_errors_of_their_own():
    assert error("a" * 4_001).message == "longer than 4,000 characters"
    assert error("(" * 41 + "a" + ")" * 41).message == "nested more than 40 deep"
    assert error("coalesce(" + ",".join("a" * 501) + ")").message == "more than 500 parts"
    assert error("a" + "+a" * MAX_HEIGHT).message == f"a chain of more than {MAX_HEIGHT} parts"
    assert error("not " * 41 + "a").message == "nested more than 40 deep"
    assert error("a" + " is null" * MAX_HEIGHT).message.startswith("a chain of more than")


def test_the_limits_themselves_are_allowed():
    assert parse("(" * 39 + "a" + ")" * 39).kind == "column"
    assert parse("a" + "+a" * (MAX_HEIGHT - 1)).height == MAX_HEIGHT
    assert len(parse("coalesce(" + ",".join("a" * 499) + ")").args) == 499
    assert parse("a" * 4_000).value == "a" * 4_000


def test_tokens_know_where_they_stand():
    text = "x1 >= 'a''b' || \"q\""
    assert [text[token.start : token.end] for token in tokenize(text)[:-1]] == ["x1", ">=", "'a''b'", "||", '"q"']
