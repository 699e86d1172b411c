"""A label over a horizon that counts its own row is told, with what leaves it out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.model import Label, Spine
from featurectl.language.typing.own_row import describe_own_row
from tests.definitions import ARRIVALS

OWN = Label(name="y", expression=None, dtype=None, source=ARRIVALS, op="count", horizon_us=7)
SPINE = Spine(source=ARRIVALS, time=ARRIVALS.event_time or "", label=OWN)


def said(expression=None, *, where=None, **changes) -> str:
    label = replace(OWN, expression=None if expression is None else Expression(expression), **changes)
    return describe_own_row(replace(SPINE, label=label, where=None if where is None else Expression(where)))


@pytest.mark.parametrize(
    ("expression", "words"),
    [(None, "`expr: count - 1` leaves it out"), ("count * 2", "count - 1 leaves it out"),
     ("count > 0", "`count > 0` is always true: `count > 1` asks for another row"),
     ("count = 0", "`count = 0` is always false: `count > 1` asks for another row")],
)  # fmt: skip
def test_a_label_that_forgets_its_own_row_is_told_of(expression, words):
    assert said(expression).endswith(words)
    assert said(expression, where="late") == said(expression)


@pytest.mark.parametrize("expression", ["count > 1", "count = 1", "count - 1", "count >= 3", "nonsense > 0"])
def test_a_label_that_tells_one_row_from_more_is_right(expression):
    assert said(expression) == ""


@pytest.mark.parametrize(
    "changes",
    [{"source": replace(ARRIVALS, name="others")}, {"op": "sum", "column": "v"}, {"op": "count", "column": "v"},
     {"source": None, "op": None}],
)  # fmt: skip
def test_labels_of_other_rows_or_of_values_are_left_alone(changes):
    assert said("count > 0", **changes) == ""
    assert describe_own_row(replace(SPINE, time="later")) == ""


@pytest.mark.parametrize(
    ("op", "words"), [("first", "is the row's own value:"), ("last", "where no other row follows")]
)
def test_a_label_that_is_the_value_of_the_row_itself_is_told_of(op, words):
    assert words in said(op=op, column="v")
    assert said(op=op, column="v", source=replace(ARRIVALS, name="others")) == ""


def test_a_condition_may_leave_the_row_out_unless_the_spine_has_the_same():
    late = replace(OWN, expression=Expression("count > 0"), where=Expression("late"))
    assert describe_own_row(replace(SPINE, label=late)) == ""
    assert describe_own_row(replace(SPINE, label=late, where=Expression("late"))) != ""
