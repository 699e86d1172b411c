"""The total order of rows: keys, event time, availability, tiebreak columns with nulls last, hash."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.pit.keys import arrange
from featurectl.pit.order import is_ordered, key_codes, places_in_order, row_order, sort_rows
from tests.seeds import examples

INSTANT = pl.Datetime("us", "UTC")
SCHEMA = {
    "k": pl.String, "event_time": INSTANT, "available_at": INSTANT, "tie_0": pl.Int64, "tie_1": pl.String,
    "tie_order": pl.Int64,
}  # fmt: skip
ROW = st.tuples(
    st.sampled_from("ab"), st.integers(1, 2), st.integers(2, 3), st.sampled_from([None, 1, 2]),
    st.sampled_from([None, "", "x"]), st.integers(0, 3),
)  # fmt: skip


def frame(rows):
    days = [(k, datetime(2026, 1, e, tzinfo=UTC), datetime(2026, 1, a, tzinfo=UTC), *rest) for k, e, a, *rest in rows]
    return pl.DataFrame(days, schema=SCHEMA, orient="row")


def place(row):
    """The order as plain Python has it: a null is after every value."""
    return tuple((value is None, value) if value is not None else (True, 0) for value in row)


@given(st.lists(ROW, max_size=8))
@settings(max_examples=examples(12))
def test_rows_are_in_the_order_of_plain_python_with_nulls_last(rows):
    order = row_order(["k"], list(SCHEMA))
    expected = frame(sorted(rows, key=place))
    assert sort_rows(frame(rows), order).equals(expected)
    assert is_ordered(frame(rows), order) == (rows == sorted(rows, key=place))


@given(st.lists(ROW, max_size=8))
def test_a_table_is_arranged_by_tiebreak_columns_before_the_hash(rows):
    arranged = arrange(frame(rows), ["k"]).frame
    assert arranged.sort("k", maintain_order=True).equals(frame(sorted(rows, key=place)))


@given(st.lists(ROW, max_size=8), st.permutations("ab"))
def test_keys_may_lie_in_any_order_when_each_is_one_run(rows, keys):
    runs = sorted(rows, key=lambda row: (keys.index(row[0]), place(row)))
    assert arrange(frame(runs), ["k"]).frame.equals(frame(runs))


FAR = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), -(2**62), 2**62, 2**63 - 1])
NUMBER = FAR | st.integers(0, 9) | st.none()
KEY = st.tuples(NUMBER, st.sampled_from(["", "a", "ä", "ab", None]), st.sampled_from([True, False, None]))
# Years 1 to 9999 of microseconds; 63 bits hold them under 29 keys.
EVENT = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999) | st.integers(0, 3) | st.none()
COMPOSITE = st.tuples(KEY, EVENT, st.integers(0, 2), st.integers(0, 9))


@given(st.lists(COMPOSITE, max_size=60), st.integers(0, 3), st.sampled_from([pl.Int64, pl.UInt64]))
@settings(max_examples=examples(30))
def test_one_number_for_key_and_time_orders_rows_as_their_columns_do(drawn, count, number):
    keys = ["n", "s", "b"][:count]
    columns = {"n": number, "s": pl.String, "b": pl.Boolean, "event_time": pl.Int64, "available_at": pl.Int64}
    signs = 2**63 if number == pl.UInt64 else 0
    rows = pl.DataFrame(
        [(None if n is None else n + signs, *key, event, late, tie) for (n, *key), event, late, tie in drawn],
        schema={**columns, "tie_order": pl.Int64},
        orient="row",
    ).with_columns(pl.col("event_time", "available_at").cast(INSTANT))
    order = row_order(keys, rows.columns)
    rest = [name for name in rows.columns if name not in order]
    expected = rows.sort(order, nulls_last=True)
    made = sort_rows(rows, order)
    assert made.select(order).equals(expected.select(order))
    assert made.sort(order + rest).equals(expected.sort(order + rest))


@pytest.mark.parametrize("bits", [14, 18, 30, 63])
@pytest.mark.parametrize("spread", [0, 3, 10**6, 2**62])
def test_places_are_in_order_however_few_bits_a_number_has(bits, spread, monkeypatch):
    """Of 14 bits 7 are of the place, so that the keys take all others, and steps of time become shorter by halves."""
    monkeypatch.setattr("featurectl.pit.order._BITS", bits)
    random = np.random.default_rng(bits)
    for rows in (0, 1, 2, 90, 128):
        code, time = random.integers(0, 64, rows), random.integers(-spread, spread + 1, rows)
        time[rows // 2 :] = time[rows // 2 :] // 3 + 2**62 - spread // 3 - 1  # two crowds far apart
        assert places_in_order(code, 63, time).tolist() == np.lexsort((np.arange(rows), time, code)).tolist()


@pytest.mark.parametrize("greatest", [0, 1, 8_000, 2**40])
@pytest.mark.parametrize("more", [-1, 0, 1, 2**20])
@pytest.mark.parametrize("least", [-(2**63), -62_135_596_800_000_000, 0])
def test_places_are_in_order_just_below_at_and_beyond_63_bits(greatest, more, least):
    """With 1,000 rows 53 bits are left for codes and times."""
    span = 2**53 // (greatest + 1) + more  # of as many times as a code has numbers for, or more
    random = np.random.default_rng(span % 97)
    code = random.choice([0, greatest // 2, greatest], 1000)
    ends = random.choice([least, least + 1, least + span - 2, least + span - 1], 1000)
    time = np.where(random.random(1000) < 0.6, ends, random.integers(least, least + span, 1000))
    assert places_in_order(code, greatest, time).tolist() == np.lexsort((np.arange(1000), time, code)).tolist()


def test_codes_of_several_keys_are_few():
    random = np.random.default_rng(1)
    rows = pl.DataFrame(
        {
            "a": random.integers(-(2**63), 2**63 - 1, 100),
            "b": [f"text {n % 90}" for n in range(100)],
            "c": pl.Series([None, *random.integers(0, 2**63, 99).tolist()], dtype=pl.UInt64),
        }
    )
    code, greatest = key_codes(rows, ["a", "b", "c"])
    assert greatest < 8 * rows.height
    assert rows[np.argsort(code, kind="stable")].equals(rows.sort("a", "b", "c", nulls_last=True))


@given(st.integers(0, 2**45), st.integers(1, 2**62), st.integers(0, 99))
@settings(max_examples=examples(60))
def test_the_last_rows_of_the_last_code_stay_last(greatest, spread, seed):
    """The last step of the last code is the greatest number of all: one step too many, and it is less than none."""
    random = np.random.default_rng(seed)
    code = random.choice([0, greatest // 2, greatest], 1000)
    time = np.where(
        random.random(1000) < 0.5, random.choice([-spread, spread], 1000), random.integers(-spread, spread, 1000)
    )
    assert places_in_order(code, greatest, time).tolist() == np.lexsort((time, code)).tolist()


@given(st.lists(COMPOSITE, min_size=1, max_size=5), st.integers(5, 8))
@settings(max_examples=examples(12))
def test_texts_that_return_often_are_ordered_as_their_columns_are(drawn, times):
    columns = {"s": pl.String, "n": pl.Int64, "event_time": pl.Int64, "tie_order": pl.Int64}
    rows = pl.DataFrame(
        [(key[1], key[0], event and event + i % 3, tie) for i in range(times) for key, event, _, tie in drawn],
        schema=columns,
        orient="row",
    ).with_columns(pl.col("event_time").cast(INSTANT), available_at=pl.lit(0).cast(INSTANT))
    order = row_order(["s", "n"], rows.columns)
    pieces = pl.concat([rows.slice(i, 2) for i in range(0, rows.height, 2)], rechunk=False)
    assert sort_rows(pieces, order).equals(rows.sort(order, nulls_last=True))


def test_a_disorder_that_comes_late_is_seen():
    rows = pl.DataFrame({"n": [*range(20_000), 5]})
    assert is_ordered(rows.head(20_000), ["n"])
    assert not is_ordered(rows, ["n"])
