"""The types that the texts of a CSV column spell, and the digits that keep it a text."""

import polars as pl
import pytest

from featurectl.core.dtypes import valueless_columns
from featurectl.sources.casts import CastRules
from featurectl.sources.infer import infer_types


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        (["1", "-2", None], "int64"),
        (["1", "2.5"], "float64"),
        ([".5", "1e3", "-1E-3", "NaN", "inf", "-inf"], "float64"),
        (["9007199254740991", "1.5"], "float64"),
        (["9007199254740993", "1.5"], "string"),
        (["9007199254740993", "1"], "int64"),
        (["9223372036854775808", "1"], "string"),
        (["+4917012345678901234", "1"], "string"),
        (["+1.5"], "string"),
        (["1e400"], "string"),
        (["0.1234567890123456789"], "float64"),
        (["00501"], "string"),
        (["true", "false"], "bool"),
        (["2024-01-01"], "date"),
        (["2024-01-01T00:00:00Z"], "timestamp"),
        ([None, None], "string"),
    ],
)
def test_a_column_has_the_narrowest_type_that_keeps_its_integer_digits(texts, dtype):
    assert infer_types(pl.LazyFrame({"x": texts}, schema={"x": pl.String}), CastRules()) == {"x": dtype}


def test_columns_without_values_are_told_apart():
    texts = pl.LazyFrame({"x": ["1", None], "y": [None, None]}, schema={"x": pl.String, "y": pl.String})
    found = infer_types(texts, CastRules())
    assert (found, valueless_columns(found)) == ({"x": "int64", "y": "string"}, {"y"})
    assert valueless_columns(infer_types(texts.head(0), CastRules())) == {"x", "y"}
