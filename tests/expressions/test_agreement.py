"""Both engines give the same value for every expression on every row: floats bit for bit, libm's to 4 ulp."""

import random

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.expressions.check import type_expression
from featurectl.expressions.polars import DTYPES, to_polars
from featurectl.expressions.tree import ExpressionError
from tests.expressions.agreement import PHYSICAL, SLOTS, differences, frame
from tests.expressions.random_expressions import COLUMNS, random_expression, random_row
from tests.seeds import examples, seeds_from

ROWS = [random_row(random.Random(seed)) for seed in range(200)]


def typed_unless_too_large(text, dtype):
    try:
        return type_expression(text, COLUMNS, dtype).tree
    except ExpressionError as error:
        if error.message == "too large for the engines":
            return None
        raise


def disagreements(seeds):
    data = frame(ROWS)
    found = []
    for seed in seeds:
        text, dtype = random_expression(seed)
        node = typed_unless_too_large(text, dtype)
        if node is None:
            continue
        assert node.dtype == dtype
        found += [(text, *difference) for difference in differences(node, ROWS, data)[:1]]
    return found


@pytest.mark.long
def test_150_random_expressions_agree_on_hostile_rows():
    assert disagreements(range(150)) == []


@pytest.mark.stress
def test_18000_random_expressions_agree_on_hostile_rows():
    assert disagreements(seeds_from(150, 18_150)) == []


@pytest.mark.long
@pytest.mark.parametrize("height", [1, 3])
@pytest.mark.sample(1)
def test_constant_columns_agree_too(height):
    """Polars knows a column that is one literal to be constant, and takes short cuts with it."""
    for seed in range(1_000, 1_150):
        text, dtype = random_expression(seed)
        row = random_row(random.Random(seed))
        constants = {
            name: pl.lit(value, PHYSICAL.get(other, DTYPES[other])).cast(DTYPES[other])
            for (name, other), value in zip(COLUMNS.items(), row, strict=True)
        }
        data = pl.DataFrame({"other": range(height)}).with_columns(**constants)
        assert differences(type_expression(text, COLUMNS, dtype).tree, [row] * height, data) == [], text


@st.composite
def texts_of_times(draw):
    """Return texts that are timestamps, or nearly."""
    year, month, day, hour, minute, second = (
        draw(st.sampled_from(words))
        for words in (
            ["2024", "2023", "1900", "1969", "0000", "0001", "9999", "10000", "24", "-001", "٢٠٢٤"],
            ["02", "12", "01", "13", "00", "2"],
            ["29", "01", "31", "30", "00", "1", "0٣"],
            ["00", "09", "23", "24", "9", "0٥"],
            ["00", "59", "60", "5", ""],
            ["", ":00", ":59", ":60", ":0", ":"],
        )
    )
    fraction = draw(st.sampled_from(["", ".", ",5", ".000001", ".123456789", ".1234567890"]))
    zone = draw(
        st.sampled_from(["", "Z", "z", "+02:00", "-0330", "+14", "+24:00", "+02:60", " Z", "UTC", "-00:00", "+2"])
    )
    mark = draw(st.sampled_from(["T", " ", "t", "  ", ""]))
    text = f"{year}-{month}-{day}" + draw(st.sampled_from(["", f"{mark}{hour}:{minute}{second}{fraction}{zone}"]))
    return (
        draw(st.sampled_from(["", "", "", " ", "\n"])) + text + draw(st.sampled_from(["", "", "", " ", "\n", "\x00"]))
    )


@pytest.mark.long
@settings(max_examples=examples(25, 1_000))
@given(st.lists(texts_of_times(), min_size=20, max_size=20))
def test_texts_of_times_agree_on_odd_ones(texts):
    rows = [[*[None] * SLOTS["s"], text, *[None] * (len(COLUMNS) - SLOTS["s"] - 1)] for text in texts]
    data = frame(rows)
    for dtype in ("timestamp", "date"):
        assert differences(type_expression(f"cast(s as {dtype})", COLUMNS).tree, rows, data) == []


VALUES = {
    "int64": st.none() | st.integers(-(2**63), 2**63 - 1),
    "float64": st.none() | st.floats(),
    "string": st.none() | st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=8) | texts_of_times(),
    "bool": st.none() | st.booleans(),
    "timestamp": st.none() | st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    "date": st.none() | st.integers(-719_162, 2_932_896),
}


@settings(max_examples=examples(25, 150), suppress_health_check=list(HealthCheck))
@given(st.sampled_from(range(400)), st.lists(st.tuples(*map(VALUES.get, COLUMNS.values())), min_size=1, max_size=4))
def test_any_values_agree(seed, rows):
    text, dtype = random_expression(seed)
    assert differences(type_expression(text, COLUMNS, dtype).tree, rows, frame(rows)) == []


@pytest.mark.parametrize(
    ("text", "values"),
    [("x / 49", [49.0, 147.0, 98.0]), ("x / y", [49.0, 147.0, 98.0]), ("x / if(b, 49.0, y)", [49.0, 147.0, 98.0])],
)
def test_a_division_by_a_constant_is_exact(text, values):
    rows = [[None] * len(COLUMNS) for _ in values]
    for row, value in zip(rows, values, strict=True):
        row[SLOTS["x"]], row[SLOTS["y"]], row[SLOTS["b"]] = value, 49.0, True
    data = frame(rows).with_columns(y=pl.lit(49.0))
    node = type_expression(text, COLUMNS).tree
    assert differences(node, rows, data) == []
    assert [to / 49.0 for to in values] == [1.0, 3.0, 2.0]


@pytest.mark.parametrize("operator", ["=", "<>", "<", "<=", ">", ">="])
def test_a_literal_before_nothing_but_nulls_is_compared_in_each_row(operator):
    rows = [[7, *[None] * (len(COLUMNS) - 1)]] * 3
    node = type_expression(f"timestamp '2024-01-01' {operator} case i when 1 then t end", COLUMNS).tree
    assert differences(node, rows, frame(rows)) == []


def test_a_power_does_not_depend_on_the_other_rows():
    data = pl.DataFrame({"x": [number / 7 for number in range(1, 2_000)]})
    mixed = data.with_columns(y=pl.when(pl.int_range(pl.len()) == 0).then(2.0).otherwise(3.0))
    by_column = to_polars(type_expression("power(x, y)", {"x": "float64", "y": "float64"}).tree)
    by_literal = to_polars(type_expression("power(x, 3)", {"x": "float64"}).tree)
    expected = mixed.select(v=by_column)["v"].to_list()[1:]
    assert data.with_columns(y=pl.lit(3.0)).select(v=by_column)["v"].to_list()[1:] == expected
    assert data.select(v=by_literal)["v"].to_list()[1:] == expected


def test_a_filter_keeps_the_rows_whose_condition_is_true():
    data = pl.DataFrame({"x": [49.0, None, 98.0, 7.0]})
    node = type_expression("x / 49 = 1", {"x": "float64"}).tree
    assert data.lazy().filter(to_polars(node)).collect()["x"].to_list() == [49.0]
    assert data.lazy().filter(to_polars(node)).collect(engine="streaming")["x"].to_list() == [49.0]
