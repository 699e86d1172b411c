"""The digest of a spine tells its names, types, values and their order, and nothing of how they lie in memory."""

import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featurectl.operations.training.digest import digest_rows
from tests.frames import KINDS, columns, frames
from tests.seeds import examples


@settings(max_examples=examples(20), deadline=None)
@given(frames(), st.integers(0, 8), st.randoms(use_true_random=False))
def test_equal_rows_have_equal_digests_however_they_lie_in_memory(frame, cut, chance):
    digest = digest_rows(frame)
    pieces = pl.concat([frame.head(cut), frame.slice(cut)], rechunk=False)
    inside = pl.concat([frame, frame, frame]).slice(frame.height, frame.height)
    order = list(frame.columns)
    chance.shuffle(order)
    rows = frame.with_row_index("\x00row").gather(list(range(frame.height))).drop("\x00row")
    assert {digest_rows(other) for other in (pieces, inside, frame.select(order), rows)} == {digest}


@settings(max_examples=examples(20), deadline=None)
@given(st.data(), st.sampled_from([kind for kind in KINDS if kind != "Null"]))
def test_another_value_order_name_or_type_is_another_digest(data, kind):
    first, second = (data.draw(columns("a", kind, 3)) for _ in range(2))
    assume(not first.equals(second, null_equal=True))
    one = first.to_frame()
    others = [second.to_frame(), one.rename({"a": "b"}), one.head(2), pl.concat([one, one])]
    assert digest_rows(one) not in {digest_rows(other) for other in others}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["a", None], ["a", ""]),
        ([b"\x01", b""], [b"\x01\x00", b""]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([[None], []], [[], [None]]),
        ([None, []], [[], None]),
        ([{"a": None}, {"a": 1}], [None, {"a": 1}]),
        ([1, None], [None, 1]),
        ([float("nan"), 1.0], [None, 1.0]),
        (pl.Series([1, 2], dtype=pl.Int8), pl.Series([1, 2], dtype=pl.Int16)),
        (pl.Series([1], dtype=pl.Datetime("us")), pl.Series([1], dtype=pl.Datetime("us", "UTC"))),
    ],
)
def test_values_that_look_alike_are_told_apart(one, other):
    assert digest_rows(pl.DataFrame({"a": one})) != digest_rows(pl.DataFrame({"a": other}))


def test_every_nan_is_one_value_and_so_is_every_zero():
    other_nan = np.array(struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0001)))
    assert np.isnan(other_nan)
    one = pl.DataFrame({"a": [float("nan"), 0.0]})
    assert digest_rows(one) == digest_rows(pl.DataFrame({"a": np.array([other_nan.item(), -0.0])}))


def test_what_lies_beneath_a_null_is_not_seen():
    frame = pl.DataFrame({"s": [{"x": [1]}, {"x": [2]}], "keep": [True, False]})
    hidden = frame.select(pl.when("keep").then("s").alias("s"))
    assert digest_rows(hidden) == digest_rows(pl.DataFrame({"s": [{"x": [1]}, None]}))


def test_many_rows_are_digested_in_pieces():
    many = pl.DataFrame({"a": range(250_001), "t": ["x"] * 250_001})
    assert digest_rows(many) == digest_rows(pl.concat([many.head(99_999), many.slice(99_999)], rechunk=False))
    assert digest_rows(many) != digest_rows(many.with_columns(pl.col("a").shift(1)))


def test_a_digest_never_changes():
    rows = pl.DataFrame(
        {"n": pl.Series([1, None], dtype=pl.Int16), "t": ["ä", ""], "s": [{"x": 0.5}, None], "l": [[b"\x00"], []]}
    )
    assert digest_rows(rows) == "8da2a7b0868475859473d8e793cba8770542bcc1fa629ceab80ae4c3344d15ce"
    assert digest_rows(pl.DataFrame()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
