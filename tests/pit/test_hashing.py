from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.pit import hashing
from featurectl.pit.hashing import bucket_of, hash_rows, hash_ties
from tests.seeds import examples

# These numbers must never change: the buckets of stored tables rest on them.
GOLDEN = [
    (pl.Series(["a", None, "", "a" * 8, "a" * 9, "ü", "ab"]),
     [944628418246899608, -6292596281846494688, 9048247064618004702, 6970319383656170895, 4893425252003981945,
      7573077390055056375, 4932669885702682284]),
    (pl.Series([1, None, 0, -1, 2**62, 5]),
     [3018708184346319059, -6292596281846494688, 9048247064618004702, -4027528187658364628, 7424275253255698479,
      5096416052724816411]),
    (pl.Series([0.0, -0.0, float("nan"), None, 1.5]),
     [9048247064618004702, 9048247064618004702, 7328889664616089424, -6292596281846494688, 6533435052956320493]),
    (pl.Series([["a", "b"], ["ab"], [], None, [None], ["b", "a"]]),
     [-6583366265569480842, 4146636510062997821, 5340111002213094958, -6292596281846494688, 2675274121591875094,
      578381774315845651]),
    (pl.Series([True, False]), [3018708184346319059, 9048247064618004702]),
    (pl.Series([date(2020, 1, 1)]), [-8453307000495589321]),
]  # fmt: skip
GOLDEN_TIES = [4814840378097537336, 3976088379768707096, -1348258194137783919, -4813286781826760002, 565664356342965970]


@pytest.mark.parametrize(("column", "numbers"), GOLDEN)
def test_hashes_never_change(column, numbers):
    assert hash_rows(column.to_frame()).to_list() == numbers


TIES = pl.DataFrame(
    {
        "n": [1, None, 0, -1, 2**62],
        "f": [1.5, 2.0, -0.0, float("nan"), 1e300],
        "t": ["a", "", None, "ab", "a" * 9],
        "b": [True, False, None, True, None],
        "d": [date(2020, 1, 1), None, date(1, 1, 1), None, None],
        "l": [["a"], [], None, [None], ["a", "b"]],
    }
)


def test_hashes_of_ties_never_change():
    """The order of equal rows in stored tables rests on them."""
    assert hash_ties(TIES).to_list() == GOLDEN_TIES


def test_a_hash_of_ties_is_a_sum_over_the_columns_that_have_a_value():
    name, text = _mix(1) ^ ord("n"), _mix(1) ^ ord("t")
    number = _mix(5 ^ _mix(name))
    row = _mix((number + _mix(_mix(_mix(1) ^ ord("a")) ^ _mix(text))) % 2**64)
    assert hash_ties(pl.DataFrame({"n": [5], "t": ["a"]})).item() % 2**64 == row
    assert hash_ties(pl.DataFrame({"n": [5]})).item() % 2**64 == _mix(number)
    assert hash_ties(pl.DataFrame({"q": [None]})).item() % 2**64 == _mix(0)


@given(st.permutations(TIES.columns), st.integers(0, 5))
@settings(max_examples=examples(12))
def test_neither_order_of_columns_nor_an_empty_one_moves_a_hash_of_ties(columns, more):
    frame = TIES.select(columns)
    wider = frame.insert_column(more, pl.Series("more", [None] * 5, dtype=pl.Int64))
    assert hash_ties(wider).to_list() == GOLDEN_TIES
    assert hash_ties(frame.with_columns(pl.col("b").cast(pl.Float64))).to_list() == GOLDEN_TIES
    assert not set(hash_ties(TIES.rename({"n": "m"})).to_list()[2:]) & set(GOLDEN_TIES)


def _mix(value: int) -> int:
    mask = 2**64 - 1
    value = (value + 0x9E3779B97F4A7C15) & mask
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & mask
    return value ^ value >> 31


@given(st.text(max_size=40))
@settings(max_examples=examples(40))
def test_a_text_hashes_as_its_bytes_in_words_do(text):
    data = text.encode()
    number = _mix(len(data))
    for start in range(0, len(data), 8):
        number = _mix(number ^ int.from_bytes(data[start : start + 8], "little"))
    row = _mix(0x9E3779B97F4A7C15 ^ number)
    assert hash_rows(pl.DataFrame({"t": [text]})).item() % 2**64 == row


@given(st.lists(st.text(max_size=20) | st.none(), max_size=20), st.integers(1, 4))
@settings(max_examples=examples(40))
def test_texts_hash_alike_in_blocks_of_any_size(texts, block):
    column = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashing, "_BLOCK", block)
        hashes = hash_rows(column).to_list()
    assert hashes == [hash_rows(column.slice(i, 1)).item() for i in range(len(texts))]


def test_a_row_of_all_types_has_its_golden_hash():
    row = pl.DataFrame(
        {
            "s": ["carrier"],
            "i": [7],
            "t": [datetime(2013, 1, 1, 5, tzinfo=UTC)],
            "n": pl.Series([None], dtype=pl.String),
            "d": pl.Series([Decimal("1.50")], dtype=pl.Decimal(10, 2)),
        }
    )
    assert hash_rows(row).to_list() == [3466853773948924517]


def test_columns_and_their_order_count_and_names_do_not():
    frame = pl.DataFrame({"a": ["x", "xy"], "b": ["yz", "z"]})
    hashes = hash_rows(frame)
    assert hashes[0] != hashes[1]
    assert (hash_rows(frame.select("b", "a")) != hashes).all()
    assert (hash_rows(frame.rename({"a": "c"})) == hashes).all()


@given(st.lists(st.text(max_size=40), min_size=1, max_size=30))
@settings(max_examples=examples(40))
def test_a_text_hashes_alike_wherever_it_stands(texts):
    together = hash_rows(pl.DataFrame({"t": texts}, schema={"t": pl.String})).to_list()
    alone = [hash_rows(pl.DataFrame({"t": [text]}, schema={"t": pl.String})).item() for text in texts]
    assert together == alone
    assert len(set(together)) == len(set(texts))


def test_chunks_do_not_move_the_hashes(monkeypatch):
    texts = pl.DataFrame({"t": [None if i % 7 == 0 else "key" * (i % 11) for i in range(100)]})
    whole = hash_rows(texts)
    monkeypatch.setattr(hashing, "_CHUNK_ROWS", 9)
    assert (hash_rows(texts) == whole).all()


def test_lists_differ_by_their_items_order_and_nulls():
    lists = [["a", "b"], ["b", "a"], ["ab"], ["a"], [], [None], [None, None], None, ["a", None]]
    assert hash_rows(pl.DataFrame({"l": lists})).n_unique() == len(lists)


def test_buckets_spread_evenly_and_fit_their_number():
    keys = pl.DataFrame({"origin": [f"k{i % 100}" for i in range(8_000)], "n": list(range(8_000))})
    buckets = bucket_of(keys, 8)
    assert buckets.dtype == pl.Int32
    counts = buckets.value_counts()
    assert sorted(counts["bucket"].to_list()) == list(range(8))
    assert counts["count"].min() > 800


def test_one_bucket_and_no_keys_give_bucket_zero():
    assert bucket_of(pl.DataFrame({"k": ["a", "b"]}), 1).to_list() == [0, 0]
    assert bucket_of(pl.DataFrame({"k": []}, schema={"k": pl.String}), 4).to_list() == []


TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(TEXT, min_size=1, max_size=40), st.integers(1, 900), st.booleans())
@settings(max_examples=examples(25), deadline=None)
def test_texts_that_are_repeated_have_the_hashes_that_each_has_alone(texts, times, late):
    """Few texts, many times: hashed once each, unless others come behind those that were looked at."""
    more = [f"{i} of many" for i in range(12_000)] if late else []
    column = pl.Series(texts * max(times, 12_000 // len(texts)) + more, dtype=pl.String)
    alone = dict(zip(texts, hash_rows(pl.DataFrame({"t": pl.Series(texts, dtype=pl.String)})), strict=True))
    found = hash_rows(column.to_frame())
    assert found.head(len(column) - len(more)).to_list() == [
        alone[text] for text in column.head(len(column) - len(more))
    ]
    assert found.tail(len(more)).to_list() == hash_rows(pl.DataFrame({"t": pl.Series(more, dtype=pl.String)})).to_list()


def test_few_texts_that_are_repeated_are_hashed_once_each(monkeypatch):
    hashed, each = [], hashing._hash_each  # noqa: SLF001  # how many are hashed
    monkeypatch.setattr(hashing, "_hash_each", lambda column: hashed.append(len(column)) or each(column))
    column = pl.Series(["a", "", None, "ü" * 9] * 5_000)
    hash_rows(column.to_frame())
    assert hashed == [3]
