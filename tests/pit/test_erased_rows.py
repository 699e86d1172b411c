"""Rows of erased keys are found by hashes of many rows, as a loop over the rows says."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.erasures import Erasures
from featurectl.core.frames.timestamps import INSTANT
from featurectl.pit.erased_rows import ErasedRows
from tests.seeds import examples
from tests.tombstones import SECRET, erased, tombstone

T0 = datetime(2026, 11, 29, tzinfo=UTC)
TYPES = {"text": pl.String(), "number": pl.Int64(), "flag": pl.Boolean(), "day": pl.Date()}
PARTS = {
    "text": st.sampled_from(["", "a", "ä", "42", "true", "a\x00b", "x" * 40, "\ud7ff"]),
    "number": st.sampled_from([0, 42, -1, 2**63 - 1, -(2**63)]),
    "flag": st.booleans(),
    "day": st.sampled_from([date(1, 1, 1), date(2026, 11, 29)]),
}
HOURS = st.integers(0, 4).map(lambda hour: T0 + timedelta(hours=hour))


def found(keys: list[str]) -> st.SearchStrategy[tuple[list[str], list[tuple[object, ...]], list[tuple[object, ...]]]]:
    """Names of keys, rows of a table (keys, event time, availability) and erased keys (which, their values, when)."""
    row = st.tuples(*(PARTS[key] | st.none() for key in keys), HOURS | st.none(), HOURS | st.none())
    some = st.sets(st.sampled_from(keys), min_size=1).map(lambda chosen: [key for key in keys if key in chosen])
    gone = some.flatmap(lambda of: st.tuples(st.just(of), st.tuples(*(PARTS[key] for key in of)), HOURS))
    return st.tuples(st.just(keys), st.lists(row, max_size=12), st.lists(gone, max_size=4))


@settings(deadline=None, max_examples=examples(60, 1000))
@given(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, unique=True).flatmap(found))
def test_they_are_those_that_a_loop_over_rows_finds(case):
    keys, rows, gone = case
    erasures = erased(*(tombstone("customer", of, parts, at) for of, parts, at in gone))
    schema = {**{f"c_{key}": TYPES[key] for key in keys}, "event_time": INSTANT, "available_at": INSTANT}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    rows_of = ErasedRows(erasures=erasures, entity="customer", columns={key: f"c_{key}" for key in keys})
    asked = rows_of.are(frame, "event_time", "available_at").to_list()
    for row, is_erased in zip(rows, asked, strict=True):
        values = dict(zip(keys, row[:-2], strict=True))
        until = [at for of, parts, at in gone if [values[key] for key in of] == list(parts)]
        assert is_erased == any(time is None or time <= at for time in row[-2:] for at in until)
        assert erasures.erased_until("customer", values) == max(until, default=None)


def test_a_number_and_its_text_are_one_key():
    erasures = erased(tombstone("customer", ["id"], [42], T0))
    rows_of = ErasedRows(erasures=erasures, entity="customer", columns={"id": "id"})
    assert rows_of.are(pl.DataFrame({"id": ["42", "042"]})).to_list() == [True, False]
    assert rows_of.are(pl.DataFrame({"id": [42, 43]})).to_list() == [True, False]


def test_the_same_quick_hash_alone_erases_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        "featurectl.pit.erased_rows.quick_hashes", lambda _, texts: pl.zeros(texts.height, pl.Int64, eager=True)
    )
    erasures = erased(tombstone("customer", ["id"], ["a"], T0))
    rows_of = ErasedRows(erasures=erasures, entity="customer", columns={"id": "id"})
    assert rows_of.are(pl.DataFrame({"id": ["b", "a", None]})).to_list() == [False, True, False]


def test_another_secret_gives_other_hashes():
    other = tombstone("customer", ["id"], ["a"], T0, secret=bytes(32))
    same = tombstone("customer", ["id"], ["a"], T0)
    assert (other.digest, other.quick) != (same.digest, same.quick)
    assert "secret" not in repr(Erasures(secret=b"secret", tombstones=()))
    assert SECRET.hex() not in repr(erased(same))


def test_keys_of_another_entity_stay():
    erasures = erased(tombstone("customer", ["id"], ["a"], T0))
    rows_of = ErasedRows(erasures=erasures, entity="shop", columns={"id": "id"})
    assert not rows_of
    frame = pl.DataFrame({"id": ["a"], "event_time": [T0], "available_at": [T0]})
    assert rows_of.without(frame).height == 1
