"""A request's values become the same numbers as a table's, bit for bit."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.models.golden_rows import choose_rows, dump_golden, load_golden
from featurectl.models.matrix import MatrixForm, fit_form
from featurectl.models.request_matrix import RowEncoder, category_text
from featurectl.registry.state import BoundFeature
from tests.seeds import examples

DTYPES = {
    "float64": (pl.Float64, st.floats(width=64) | st.sampled_from([1e300, 3.4028235677973366e38, 1e-46, -0.0])),
    "int64": (pl.Int64, st.integers(-(2**63), 2**63 - 1) | st.integers(2**53 - 9, 2**54)),
    "bool": (pl.Boolean, st.booleans()),
    "decimal(38,4)": (pl.Decimal(38, 4), st.decimals("-1e30", "1e30", places=4)),
    "string": (pl.String, st.sampled_from(["a", "b", "é", ""])),
    "date": (pl.Date, st.dates()),
    "timestamp": (
        pl.Datetime("us", "UTC"),
        st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # a time without a zone is meant
    ),
}
NUMBERS = ("float64", "int64", "bool", "decimal(38,4)")


@st.composite
def tables(draw):
    count = draw(st.integers(0, 4) | st.just(1))
    inputs, columns, schema = [], {}, {}
    for i, dtype in enumerate(draw(st.lists(st.sampled_from(list(DTYPES)), min_size=1, max_size=6))):
        kind, values = DTYPES[dtype]
        name = f"c{i}"
        columns[name] = draw(st.lists(st.none() | values, min_size=count, max_size=count))
        schema[name] = kind
        is_category = dtype not in NUMBERS or draw(st.booleans())
        texts = (
            pl.Series([*columns[name], *draw(st.lists(values, max_size=2))], dtype=kind)
            .cast(pl.String)
            .drop_nulls()
            .unique()
            .to_list()
        )
        listed = tuple(draw(st.permutations(texts))[: draw(st.integers(0, 4))])
        inputs.append(BoundFeature(name=name, dtype=dtype, model_dtype="category" if is_category else dtype,
                                   categories=listed if is_category else None))  # fmt: skip
    return inputs, pl.DataFrame(columns, schema=schema)


def same_bits(one, other):
    assert one.dtype == other.dtype == np.float32
    assert one.shape == other.shape
    nan = np.isnan(one)
    assert (nan == np.isnan(other)).all()
    assert one[~nan].tobytes() == other[~nan].tobytes()


@settings(max_examples=examples(40, 100))
@given(tables())
def test_rows_of_a_request_are_encoded_as_those_of_a_table(table):
    inputs, rows = table
    encoded = RowEncoder(inputs).encode(rows.to_dict(as_series=False), rows.height)
    same_bits(encoded, MatrixForm(inputs=tuple(inputs)).encode(rows))


@settings(max_examples=examples(40, 100))
@given(tables())
def test_rows_through_json_are_encoded_as_they_were(table):
    inputs, rows = table
    columns = load_golden(dump_golden(rows.to_dict(as_series=False), np.zeros(rows.height))).columns
    same_bits(RowEncoder(inputs).encode(columns, rows.height), MatrixForm(inputs=tuple(inputs)).encode(rows))


def test_a_nan_is_no_category_of_its_own():
    item = BoundFeature(name="c", dtype="float64", model_dtype="category", categories=("NaN", "1.0"))
    rows = pl.DataFrame({"c": [math.nan, 1.0, None]})
    for matrix in (MatrixForm(inputs=(item,)).encode(rows), RowEncoder([item]).encode({"c": [math.nan, 1.0, None]}, 3)):
        assert np.isnan(matrix[:, 0]).tolist() == [True, False, True]
    fitted = fit_form([replace(item, categories=None)], rows)
    assert fitted.inputs[0].categories == ("1.0",)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (7, "7"), (1.0, "1.0"), (0.00002, "0.00002"), (1e-6, "1e-6"), (1e22, "1e+22"), (math.nan, "NaN"),
     (date(2024, 1, 2), "2024-01-02"), (Decimal("1.50"), "1.50"), (None, None)],
)  # fmt: skip
def test_a_category_is_told_by_its_text(value, text):
    assert category_text(value) == text


@given(st.floats())
def test_a_float_as_a_category_is_written_as_polars_writes_it(value):
    assert category_text(value) == pl.Series([value]).cast(pl.String).item()


def test_golden_rows_are_spread_over_all_rows():
    assert choose_rows(0).tolist() == []
    assert choose_rows(1).tolist() == [0]
    places = choose_rows(100_001)
    assert (places[0], places[-1], len(set(places.tolist()))) == (0, 100_000, 100)


def test_golden_rows_are_strict_json():
    content = dump_golden({"a": [1.5, math.nan, math.inf, None], "b": [True, 2**60, Decimal("0.10"), date(2024, 1, 2)]},
                          np.array([0.5, math.nan, 1.0, 2.0]))  # fmt: skip
    golden = load_golden(content)
    assert golden.columns == {"a": [1.5, None, "inf", None], "b": [True, 2**60, "0.10", "2024-01-02"]}
    assert golden.scores.tolist()[2:] == [1.0, 2.0]
    assert b"NaN" not in content
