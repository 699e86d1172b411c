"""Random expressions, whole and broken, deep, long and noise: a tree or an error with a place, in bounded time."""

import random
import time

import pytest

from featurectl.expressions.polars import to_polars
from featurectl.expressions.row import to_closure
from tests.expressions.agreement import SLOTS
from tests.expressions.random_expressions import random_expression, random_row
from tests.expressions.test_hostile import PIECES, mutant, soup, survives
from tests.seeds import seeds_from

MOST_SECONDS = 1.0  # of the processor, for one text
DEEP = [
    ("(", ")"), ("not (", ")"), ("-(", ")"), ("not ", ""), ("- ", ""), ("abs(", ")"), ("round(", ", 3)"),
    ("power(2.5, ", ")"),
    ("coalesce(i, ", ")"), ("if(b, i, ", ")"), ("case when b then i else ", " end"),
    ("case i when 1 then 2 else ", " end"),
    ("cast(", " as float64)"), ("nullif(1, ", ")"), ("greatest(1.5, ", ")"), ("lower(", ")"), ("'a' || (", ")"),
    ("", "::int64"), ("", " is null"), ("b and (", ")"), ("extract(year from ", ")"), ("date_trunc('day', ", ")"),
]  # fmt: skip
JOINTS = [
    "+", "-", " - ", "*", "/", "%", " || ", " and ", " or ", " = ", " < ", "::", ", ", " is distinct from ",
    " between ",
    " in (", " like ", " is not ", " then ", " ", "''", '""',
]  # fmt: skip
LENGTHS = (2, 5, 30, 60, 160, 400, 1_500)


def deep(rng, seed):
    text = rng.choice(["i", "x", "s", "b", "t", "'a'", random_expression(seed)[0]])
    pairs = rng.choice([[rng.choice(DEEP)], DEEP])
    for _ in range(rng.choice(LENGTHS)):
        opening, closing = rng.choice(pairs)
        text = f"{opening}{text}{closing}"
        if len(text) > 5_000:
            break
    return text


def chain(rng, seed):
    parts = ["i", "x", "1", "2.5", "b", "s", "'a'", "t", f"({random_expression(seed)[0]})"]
    joint, mixed = rng.choice(JOINTS), rng.random() < 0.3
    text = rng.choice(parts)
    same = rng.choice(parts)
    for _ in range(rng.choice(LENGTHS)):
        text += (rng.choice(JOINTS) if mixed else joint) + (rng.choice(parts) if mixed else same)
        if len(text) > 5_000:
            break
    return text


def noise(rng, _):
    data = bytes(rng.randrange(256) for _ in range(rng.choice([1, 3, 20, 300])))
    text = data.decode("utf-8", "surrogateescape") if rng.random() < 0.5 else data.decode("latin-1")
    return text + rng.choice(["", rng.choice(PIECES) * rng.choice(LENGTHS)])


def written(rng, seed):
    kind = rng.choice([
        lambda: random_expression(seed)[0], lambda: mutant(rng, seed), lambda: mutant(rng, seed), lambda: soup(rng),
        lambda: deep(rng, seed), lambda: chain(rng, seed), lambda: noise(rng, seed),
    ])  # fmt: skip
    return kind()


def check(seed):
    """Return whether the text of a seed is an expression; it must be a tree that runs, or an error inside of it."""
    rng = random.Random(seed)
    text = written(rng, seed)
    begin = time.process_time()
    node = survives(text)
    if node is not None:
        to_polars(node)
        to_closure(node, SLOTS)(random_row(rng))
    seconds = time.process_time() - begin
    assert seconds < MOST_SECONDS, f"seed {seed}: {seconds:.1f} s for {text[:200]!r}"
    return node is not None


@pytest.mark.long
def test_some_random_texts():
    assert 80 < sum(check(seed) for seed in range(600)) < 520


@pytest.mark.stress
@pytest.mark.parametrize("first", range(100_000, 200_000, 20_000))
def test_a_hundred_thousand_random_texts(first):
    assert sum(check(seed) for seed in seeds_from(first, first + 20_000)) > 2_000
