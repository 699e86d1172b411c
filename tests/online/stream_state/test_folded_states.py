"""TileStates of parts of a column, merged in any order of parts, give the aggregate of the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from featurectl.core.errors import DataError
from featurectl.language.definitions.aggregates import result_type
from featurectl.language.definitions.view import Feature
from featurectl.online.decode.values import decoder
from featurectl.online.stream_state.columns import column_of, pack_column, unpack_column
from featurectl.online.stream_state.folded_states import ANSWERS, ColumnValues, FoldedKind, StateValues, kind_of
from featurectl.online.stream_state.head import no_head
from featurectl.online.stream_state.layout import ListLayout, state_of
from featurectl.online.stream_state.list_values import ListReader, stored
from featurectl.online.stream_state.parsed_list import ParsedList
from featurectl.online.stream_state.record import EventRecord
from featurectl.pit.naive import aggregate_naively
from featurectl.pit.questions import WindowQuestion
from tests.online.stream_state.events import COLUMNS, packed, random_values

MANY = 5_000


def state_of_values(kind: FoldedKind, dtype: str, values: Sequence[object], begin: int) -> StateValues:
    column = column_of(dtype, [packed(value) for value in values])
    instants = np.arange(begin, begin + len(values))
    return kind.of(ColumnValues(column.values, instants, instants))


def merged(kind: FoldedKind, dtype: str, values: Sequence[object], cuts: Sequence[int]) -> StateValues:
    """The state of values whose parts were folded one by one, the first half of the parts as columns."""
    ends = [0, *cuts, len(values)]
    parts = [state_of_values(kind, dtype, values[lo:hi], lo) for lo, hi in pairwise(ends) if lo < hi]
    half = (len(parts) + 1) // 2
    rows = [tuple(part or ()) for part in parts[:half]]
    columns = [
        column_of(kind_dtype, cells) for kind_dtype, cells in zip(kind.parts, zip(*rows, strict=True), strict=True)
    ]
    columns = [
        unpack_column(pack_column(column), kind_dtype, half)
        for column, kind_dtype in zip(columns, kind.parts, strict=True)
    ]
    found = kind.fold(columns)
    for part in parts[half:]:
        found = kind.merge(found, part)
    return found


@pytest.mark.sample(43)
@pytest.mark.parametrize("dtype", COLUMNS.values())
@pytest.mark.parametrize("op", ANSWERS)
def test_states_of_parts_give_the_aggregate_of_the_whole(op: str, dtype: str):
    result = result_type(op, dtype)
    if result is None:
        return
    random = Random(f"{op} {dtype}")
    name = next(name for name, other in COLUMNS.items() if other == dtype)
    for _ in range(5):
        drawn = [random_values(random)[name] for _ in range(random.randrange(1, 60))]
        values = [value for value in drawn if value is not None] or [decoder(dtype)(_zero(dtype))]
        feature = Feature(name="f", op=op, column=name, dtype=result, n=2 if op.endswith("_n") else None)
        kept = state_of(feature)
        assert kept is not None
        cuts = sorted(random.sample(range(len(values)), min(3, len(values))))
        state = merged(kind_of(kept.name, dtype, kept.n), dtype, values, cuts)
        found = (
            decoder(result)(value)
            if (value := stored(ANSWERS[op](state or (), dtype, 2), result)) is not None
            else None
        )
        question = WindowQuestion(name="f", op=op, column=name, window_us=None, n=feature.n)
        wanted = aggregate_naively(question, values)
        if isinstance(wanted, float) and isinstance(found, float):
            assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-6)
        else:
            assert found == wanted


def _zero(dtype: str) -> object:
    return {"string": "", "float64": 0.0, "decimal(10,2)": "0.00"}.get(dtype, 0)


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("int64", range(MANY)),
        ("float64", [i / 7 for i in range(MANY)]),
        ("string", [f"text {i}" for i in range(MANY)]),
    ],
)
def test_many_different_values_are_estimated_as_everywhere(dtype: str, values: Sequence[object]):
    kind = kind_of("distinct", dtype, 0)
    state = merged(kind, dtype, values, [400, 1_000, 1_001, 3_000])
    question = WindowQuestion(name="f", op="approx_count_distinct", column="c", window_us=None)
    assert ANSWERS["approx_count_distinct"](state or (), dtype, 0) == aggregate_naively(question, values)


def test_nan_is_a_number_of_its_own():
    values = [1.0, math.nan, -3.0]
    for op in ("min", "max", "sum", "mean", "stddev"):
        kept = state_of(Feature(name="f", op=op, column="amount", dtype="float64"))
        assert kept is not None
        state = merged(kind_of(kept.name, "float64", 0), "float64", values, [1])
        assert math.isnan(float(str(ANSWERS[op](state or (), "float64", 0))))


@pytest.mark.parametrize(
    ("dtype", "result", "great"),
    [
        ("int64", "int64", 2**62),
        ("decimal(38,0)", "decimal(38,0)", "9" * 38),
    ],
)
def test_a_sum_that_its_type_does_not_hold_is_an_error(dtype: str, result: str, great: object):
    layout = ListLayout(kind="event", inputs={"units": dtype}, span_us=10)
    reader = ListReader([Feature(name="total", op="sum", column="units", dtype=result, window_us=10)], layout)
    records = [EventRecord(0, i, i, i, 0, (), (great,)) for i in range(2)]
    assert reader.answer(ParsedList(no_head(layout), records[:1]), 5).values == {"total": great}
    with pytest.raises(DataError, match='the sum of "units" for feature "total" is outside'):
        reader.answer(ParsedList(no_head(layout), records), 5)
