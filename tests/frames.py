"""Random columns of every type that a Parquet file can have, those that the language lacks among them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import polars as pl
from hypothesis import strategies as st

_I64 = st.integers(-(2**63), 2**63 - 1)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_DAYS = st.dates(date(1600, 1, 1), date(2300, 1, 1))
_BITS = {8: (pl.Int8, pl.UInt8), 16: (pl.Int16, pl.UInt16), 32: (pl.Int32, pl.UInt32), 64: (pl.Int64, pl.UInt64)}
_ENUM = pl.Enum(["low", "high"])
_PAIR = pl.Struct({"x": pl.Int16, "y": pl.String, "took": pl.Duration("ms")})


def _floats(width: Literal[16, 32, 64]) -> st.SearchStrategy[float]:
    special = st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0])
    return st.floats(width=width) | special


# The values are those of `physical`, from which the column is cast; most of them are given as they are.
_KINDS: dict[str, tuple[pl.DataType, st.SearchStrategy[object]]] = {
    **{str(t): (t(), st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1)) for n, (t, _) in _BITS.items()},
    **{str(t): (t(), st.integers(0, 2**n - 1)) for n, (_, t) in _BITS.items()},
    "Int128": (pl.Int128(), st.integers(-(2**126), 2**126)),
    "Float32": (pl.Float32(), _floats(32)),
    "Float64": (pl.Float64(), _floats(64)),
    "Boolean": (pl.Boolean(), st.booleans()),
    "String": (pl.String(), _TEXTS),
    "Categorical": (pl.Categorical(), _TEXTS),
    "Enum": (_ENUM, st.sampled_from(["low", "high"])),
    "Date": (pl.Date(), _DAYS),
    "Decimal": (pl.Decimal(12, 3), st.decimals(-(10**8), 10**8, places=3)),
    "Binary": (pl.Binary(), st.binary(max_size=12)),
    "Null": (pl.Null(), st.none()),
    "List": (pl.List(pl.Float32()), st.lists(st.none() | _floats(32), max_size=3)),
    "List of texts": (pl.List(pl.List(pl.String())), st.lists(st.none() | st.lists(_TEXTS, max_size=2), max_size=2)),
    "Array": (pl.Array(pl.Int16(), 2), st.lists(st.integers(-5, 5), min_size=2, max_size=2)),
    "Struct": (
        _PAIR,
        st.fixed_dictionaries(
            {"x": st.none() | st.integers(-9, 9), "y": st.none() | _TEXTS, "took": st.none() | st.just(timedelta(1))}
        ),
    ),
    "List of structs": (
        pl.List(pl.Struct({"b": pl.Binary()})),
        st.lists(st.fixed_dictionaries({"b": st.none() | st.binary(max_size=3)}), max_size=2),
    ),
}
_CLOCKS: dict[str, pl.DataType] = {
    **{f"naive {unit}": pl.Datetime(unit) for unit in ("ms", "us", "ns")},
    **{f"UTC {unit}": pl.Datetime(unit, "UTC") for unit in ("ms", "us", "ns")},
    **{f"New York {unit}": pl.Datetime(unit, "America/New_York") for unit in ("ms", "us", "ns")},
    **{f"Duration {unit}": pl.Duration(unit) for unit in ("ms", "us", "ns")},
}
_MANY = {"ms": 10**13, "us": 10**16, "ns": 9 * 10**18}  # a few hundred years around 1970
KINDS = (*_KINDS, *_CLOCKS, "Time")


def columns(name: str, kind: str, height: int) -> st.SearchStrategy[pl.Series]:
    """Return a strategy of columns of one of KINDS, some of whose values are null."""
    if kind in _KINDS:
        dtype, values = _KINDS[kind]
        drawn = st.lists(st.none() | values, min_size=height, max_size=height)
        return drawn.map(lambda found: pl.Series(name, found, dtype=dtype, strict=True))
    dtype = _CLOCKS.get(kind, pl.Time())
    low, high = (0, 86_400 * 10**9 - 1) if kind == "Time" else (-_MANY[dtype.time_unit], _MANY[dtype.time_unit])  # type: ignore[attr-defined]
    counts = st.lists(st.none() | st.integers(low, high), min_size=height, max_size=height)
    return counts.map(lambda found: pl.Series(name, found, dtype=pl.Int64).cast(dtype))


@st.composite
def frames(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, rows: int = 8, width: int = 6) -> pl.DataFrame:
    """Return a frame of some kinds of columns, named `c0`, `c1` and so on."""
    height = draw(st.integers(0, rows))
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=width))
    return pl.DataFrame([draw(columns(f"c{i}", kind, height)) for i, kind in enumerate(chosen)])


def assert_same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Fail unless two frames have the same columns, types and values in order; -0.0 is not 0.0, NaN is NaN."""
    assert found.schema == expected.schema
    assert found.height == expected.height
    for name in expected.columns:
        assert found[name].equals(expected[name], null_equal=True), (found[name], expected[name])
        if expected.schema[name].is_float():
            assert [str(value) for value in found[name]] == [str(value) for value in expected[name]]
