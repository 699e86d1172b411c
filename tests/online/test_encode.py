"""Packing by columns gives the very bytes of packing row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.frames.types import polars_dtype
from featurectl.online.encode.cells import FixedCells, Ragged, join_pieces, literal
from featurectl.online.encode.digits import digits
from featurectl.online.encode.rows import encode_chunks
from tests.online.packer import pack_rows
from tests.online.rows import frame, view
from tests.seeds import examples

EDGES = [0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63 - 1]
EDGES += [-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**63)]
LENGTHS = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]
SCALARS = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.builds(lambda char, n: char * n, st.sampled_from(["a", "é", "✈", "\x00"]), st.sampled_from(LENGTHS[:-2])),
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300) | st.sampled_from(EDGES),
    "float64": st.floats(),
    "bool": st.booleans(),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
    "decimal(38,3)": st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}e-3")),
    "decimal(9,0)": st.integers(-(10**9) + 1, 10**9 - 1).map(Decimal),
}
TYPES = st.sampled_from([*SCALARS, *(f"list({dtype})" for dtype in SCALARS)])


def values(dtype):
    if dtype in SCALARS:
        return st.none() | SCALARS[dtype]
    return st.none() | st.lists(st.none() | SCALARS[dtype.removeprefix("list(").removesuffix(")")], max_size=20)


@st.composite
def typed_rows(draw):
    """Return features with types, and rows of their values; one time in two all rows of a column are whole."""
    dtypes = draw(st.lists(TYPES, max_size=20))
    columns = [
        values(dtype) if draw(st.booleans()) else values(dtype).filter(lambda v: v is not None) for dtype in dtypes
    ]
    rows = draw(st.lists(st.tuples(*columns), max_size=6))
    return {f"f{i}": dtype for i, dtype in enumerate(dtypes)}, rows


def packed(of, rows, schema_id=7, *, is_compact=False):
    return [row for chunk in encode_chunks(of, rows, schema_id, is_compact=is_compact) for row in chunk.rows().parts()]


def columns(of, number, **named):
    """Return a frame of a view's rows with these columns."""
    made = pl.DataFrame({"id": range(number)}).with_columns(
        pl.Series(name, column, dtype=polars_dtype(of.features[name]), strict=True) for name, column in named.items()
    )
    instant = pl.lit(datetime(2026, 1, 1, tzinfo=UTC), pl.Datetime("us", "UTC"))
    return made.with_columns(instant.alias(name) for name in ("event_time", "available_at", "computed_at"))


@settings(max_examples=examples(20, 150), deadline=None)
@given(typed_rows(), st.integers(0, 65_535))
def test_rows_of_every_type_are_packed_as_one_by_one(drawn, schema_id):
    features, rows = drawn
    of = view(features, {"id": "int64"}, project="p")
    made = (
        frame(of, [[i] for i in range(len(rows))], rows)
        if rows
        else frame(of, [[0]], [(None,) * len(features)]).clear()
    )
    assert packed(of, made, schema_id) == pack_rows(of, made, schema_id)


@pytest.mark.parametrize("dtype", ["int64", "list(int64)"])
def test_integers_at_every_edge_of_a_form_take_the_shortest(dtype):
    of = view({"n": dtype}, {"id": "int64"}, project="p")
    numbers = [n + d for n in EDGES for d in (-1, 0, 1) if -(2**63) <= n + d < 2**63]
    rows = columns(of, len(numbers), n=[[n] for n in numbers] if dtype.startswith("list") else numbers)
    assert packed(of, rows) == pack_rows(of, rows, 7)


@pytest.mark.parametrize("length", LENGTHS)
def test_texts_and_lists_of_every_length_are_packed_as_one_by_one(length):
    of = view({"s": "string", "l": "list(bool)", "n": "int64"}, {"id": "int64"}, project="p")
    rows = columns(of, 3, s=["x" * length, None, "é"], l=[None, [True] * length, []], n=[1, 2, 3])
    assert packed(of, rows) == pack_rows(of, rows, 7)


@pytest.mark.parametrize("count", [0, 15, 16, 300])
def test_views_of_few_and_of_many_features_are_packed_as_one_by_one(count):
    features = {f"f{i}": "string" if i % 3 else "float64" for i in range(count)}
    of = view(features, {"id": "int64"}, project="p")
    rows = frame(of, [[1], [2]], [tuple(f"{i}" if i % 3 else i / 7 for i in range(count)), (None,) * count])
    assert packed(of, rows) == pack_rows(of, rows, 7)


def test_sliced_columns_are_packed_from_where_they_begin():
    of = view({"s": "string", "l": "list(date)", "b": "bool", "x": "float64"}, {"id": "int64"}, project="p")
    rows = columns(
        of,
        9,
        s=[*"abcdefghi"],
        l=[[date(2020, 1, i)] * i for i in range(1, 10)],
        b=[None, True, False] * 3,
        x=[None, 1.5, 2.5] * 3,
    )
    assert packed(of, rows[4:8]) == pack_rows(of, rows, 7)[4:8]
    chunked = pl.concat([rows[:2], rows[5:]], rechunk=False)
    assert packed(of, chunked) == pack_rows(of, chunked, 7)


@given(st.lists(st.integers(0, 2**63 - 1)))
def test_digits_are_decimal_text(numbers):
    made = join_pieces([digits(np.array(numbers, dtype=np.int64))], len(numbers))
    assert made.parts() == [str(n).encode() for n in numbers]


@given(st.lists(st.tuples(st.binary(max_size=5), st.binary(max_size=3), st.binary(max_size=9)), max_size=9))
def test_pieces_are_joined_row_by_row(rows):
    first, second, third = ([row[i] for row in rows] for i in range(3))

    def ragged(parts):
        return Ragged(np.frombuffer(b"".join(parts), np.uint8), np.array([*map(len, parts)], np.int64))

    def cells(parts):
        padded = b"".join(part.ljust(3, b"?") for part in parts)
        return FixedCells(np.frombuffer(padded, np.uint8).reshape(-1, 3), np.array([*map(len, parts)], np.int64))

    made = join_pieces([ragged(first), cells(second), literal(b";"), ragged(third)], len(rows))
    assert made.parts() == [a + b + b";" + c for a, b, c in rows]


@given(
    st.integers(0, 12).flatmap(
        lambda width: st.lists(st.lists(st.binary(max_size=width), min_size=4, max_size=4), max_size=9)
    ),
    st.integers(0, 15),
    st.integers(0, 15),
)
def test_short_cells_beside_long_ones_are_joined_as_they_are(rows, before, behind):
    """Of some widths the cells of a short row reach over the beginning of the next, or over all of it."""
    pieces = []
    for parts in zip(*rows, strict=True):
        width = max(map(len, parts))
        padded = np.frombuffer(b"".join(part.ljust(width, b"?") for part in parts), np.uint8)
        pieces.append(FixedCells(padded.reshape(len(parts), width), np.array([*map(len, parts)], np.int64)))
    first, last = b"<" * before, b">" * behind
    made = join_pieces([literal(first), *pieces, literal(last)], len(rows))
    assert made.parts() == [first + b"".join(row) + last for row in rows]


def test_cells_of_many_rows_are_joined_as_those_of_few(monkeypatch):
    numbers = np.arange(5_000)
    pieces = [literal(b"<"), digits(numbers), literal(b":"), digits(numbers % 1_001)]
    made = join_pieces(pieces, len(numbers))
    assert made.parts() == [b"<%d:%d" % (n, n % 1_001) for n in numbers.tolist()]
    monkeypatch.setattr("featurectl.online.encode.cells._JOINED_ROWS", 7)
    assert np.array_equal(join_pieces(pieces, len(numbers)).data, made.data)
