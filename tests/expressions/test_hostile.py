"""Whatever the text is, the answer is an expression or an ExpressionError with a place inside the text."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.expressions.check import expression_columns, type_expression, untyped_canonical
from featurectl.expressions.polars import to_polars
from featurectl.expressions.row import to_closure
from featurectl.expressions.tree import ExpressionError
from tests.expressions.agreement import SLOTS
from tests.expressions.random_expressions import COLUMNS, random_expression, random_row
from tests.seeds import examples, seeds_from

PIECES = [
    *"ijkxyzsubctde", *"()+-*/%=<>,.;[]^!'\"~|", "::", "||", "<=", "<>", " ", "  ", "\n", "and", "or", "not", "is",
    "null",
    "true", "false", "in", "between", "like", "case", "when", "then", "else", "end", "cast", "as", "distinct", "from",
    "extract", "interval", "timestamp", "date", "select", "over", "'a'", "'2024-01-01'", "'1 day'", "1", "0", "1.5",
    "1e308",
    "9223372036854775807", "99999999999999999999", "-", "float64", "int64", "string", "year", "abs", "round", "if",
    "coalesce", "substr", "replace", "date_trunc", "greatest", "power", "sum", "now", "\u00b2", "\u0663", "\ud800", "é",
    "\x00",
]  # fmt: skip


def points_into(error, text):
    return bool(error.message) and 0 <= error.start < error.end and error.start <= len(text)


def survives(text):
    """Return the typed tree, or None after an error whose place makes sense."""
    node, errors = None, []
    for function in (expression_columns, untyped_canonical):
        try:
            function(text)
        except ExpressionError as error:
            errors.append(error)
    try:
        node = type_expression(text, COLUMNS).tree
    except ExpressionError as error:
        errors.append(error)
    assert [error for error in errors if not points_into(error, text)] == []
    return node


@settings(max_examples=examples(100, 300))
@given(st.text(max_size=60))
def test_any_text(text):
    survives(text)


@settings(max_examples=examples(100, 300))
@given(st.binary(max_size=60))
def test_any_bytes(data):
    survives(data.decode("latin-1"))
    survives(data.decode("utf-8", "surrogateescape"))


def soup(rng):
    return rng.choice(["", " "]).join(rng.choice(PIECES) for _ in range(rng.randint(1, 14)))


def mutant(rng, seed):
    text = random_expression(seed)[0]
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(text) + 1)
        text = text[:place] + rng.choice([*PIECES, ""]) + text[place + rng.choice([0, 0, 1, 5]) :]
    return text


def campaign(seeds):
    typed = 0
    for seed in seeds:
        rng = random.Random(seed)
        for text in (soup(rng), mutant(rng, seed)):
            node = survives(text)
            if node is not None:
                to_polars(node)
                to_closure(node, SLOTS)(random_row(rng))
                typed += 1
    return typed


def test_a_soup_of_tokens_and_broken_expressions():
    assert campaign(range(500)) > 10


@pytest.mark.stress
def test_a_larger_soup():
    assert campaign(seeds_from(500, 60_000)) > 1_000


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3_999, ")" * 3_999, "-" * 3_999, "- " * 1_999, "not " * 999, "case " * 799, "a" + "::int64" * 500,
        "'" * 3_999,
        '"' * 3_999, "9" * 3_999, "." * 3_999, "1" + "e9" * 999, "i" + " is null" * 499, "i" + "+i" * 1_900,
        "if(" * 1_300,
        "i in (" + ",".join(["1"] * 1_900) + ")", "timestamp '" + "9" * 3_900 + "'",
        "interval '" + "9" * 3_000 + " days'",
        "interval 1.5 days", "interval '1'", "interval 9", "date '" + "0" * 3_000 + "'", "cast(" * 700,
        "extract(" * 400,
        "timestamp '0001-01-01 00:00:00+23:59'", "timestamp '9999-12-31T23:59:59-23:59'",
        "'a' like '" + "%_" * 1_900 + "'",
        "b" + " between b and b" * 120, "x" + " not in (1)" * 200, "\ud800", "'\ud800'", '"\ud800"', "\u212aelvin",
        "SELECT", "",
    ],
)  # fmt: skip
def test_monstrous_texts(text):
    survives(text)


def test_a_pattern_can_not_make_a_row_slow():
    node = type_expression(f"s like '{'%a' * 60}%b'", COLUMNS).tree
    row = random_row(random.Random(0))
    row[SLOTS["s"]] = "a" * 20_000
    assert to_closure(node, SLOTS)(row) is False
