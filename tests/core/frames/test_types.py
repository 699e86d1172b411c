from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from featurectl.core import dtypes
from featurectl.core.frames.types import language_dtype, polars_dtype, widen


@pytest.mark.parametrize(
    "dtype", [*dtypes.SCALARS, "decimal(10,2)", "decimal(38,0)", "list(string)", "list(timestamp)"]
)
def test_a_type_of_the_language_survives_the_way_to_polars_and_back(dtype):
    assert language_dtype(polars_dtype(dtype)) == dtype


def test_a_type_that_does_not_exist_has_no_polars_type():
    with pytest.raises(ValueError, match="no type varchar"):
        polars_dtype("varchar")


def test_types_the_language_lacks_have_none():
    lacking = [pl.Time(), pl.Duration("us"), pl.Struct({"a": pl.Int8}), pl.Binary(), pl.Object(), pl.Int128(),
               pl.List(pl.Time()), pl.List(pl.List(pl.Int8)), pl.Array(pl.Struct({"a": pl.Int8}), 1)]  # fmt: skip
    assert [language_dtype(dtype) for dtype in lacking] == [None] * len(lacking)


NARROW = {
    "i8": (pl.Series([1, None], dtype=pl.Int8), [1, None]),
    "u32": (pl.Series([1, 2**32 - 1], dtype=pl.UInt32), [1, 2**32 - 1]),
    "u64": (pl.Series([1, 2**63 - 1], dtype=pl.UInt64), [1, 2**63 - 1]),
    "f32": (pl.Series([0.5, float("nan")], dtype=pl.Float32), [0.5, None]),
    "cat": (pl.Series(["a", None], dtype=pl.Categorical), ["a", None]),
    "enum": (pl.Series(["b", "a"], dtype=pl.Enum(["a", "b"])), ["b", "a"]),
    "null": (pl.Series([None, None]), [None, None]),
    "day": (pl.Series([date(2020, 1, 1), None]), [date(2020, 1, 1), None]),
    "money": (pl.Series([Decimal("1.50"), None], dtype=pl.Decimal(10, 2)), [Decimal("1.50"), None]),
    "items": (pl.Series([[1, None], []], dtype=pl.List(pl.Int16)), [[1, None], []]),
    "pair": (pl.Series([[1.0, float("nan")], None], dtype=pl.Array(pl.Float32, 2)), [[1.0, None], None]),
    "at": (pl.Series([datetime(2020, 7, 1), None], dtype=pl.Datetime("ms")),  # noqa: DTZ001  # a time without a zone is meant
           [datetime(2020, 6, 30, 22, tzinfo=UTC), None]),
}  # fmt: skip


def test_every_column_is_widened_and_keeps_its_values_order_and_place():
    frame = pl.DataFrame({name: column for name, (column, _) in NARROW.items()})
    wide = widen(frame.lazy(), timezone="Europe/Berlin").collect()
    assert wide.columns == list(NARROW)
    for name, (column, values) in NARROW.items():
        assert wide[name].to_list() == values, name
        assert wide.schema[name] == polars_dtype(language_dtype(column.dtype)), name


def test_columns_without_a_type_are_left_out():
    frame = pl.LazyFrame({"a": [1], "took": pl.Series([1]).cast(pl.Duration), "s": [{"x": 1}], "b": ["x"]})
    assert widen(frame).collect().columns == ["a", "b"]


def test_nan_is_kept_on_demand():
    assert widen(pl.LazyFrame({"x": [float("nan")]}), nan="keep").collect()["x"].is_nan().all()
