from __future__ import annotations

from dataclasses import replace

import pytest

from featurectl.core.errors import DataError
from featurectl.core.units import HOUR_US
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.online.read import read_features
from featurectl.online.row_places import online_view
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.push import push_view, read_offline
from tests.online.views import MemoryTable, add, at, event_view, latest, push_request, state_view, table, window

AMOUNT = {"amount": "int64"}


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "online.db")
    yield made
    made.close()


class CutOffError(Exception):
    """What a test raises in the middle of a push."""


class CutStore(SqliteStore):
    """A store whose process ends before the record of the push is written."""

    def write_push_record(self, view, record, none_after=None):  # noqa: ARG002  # of the protocol
        raise CutOffError


def push(store, view, rows, hours):
    return push_view(push_request(store, view, rows, hours))


def stored(store, view, *entities):
    rows = store.read(online_view(view, 1, "shop", "dev"), [[entity] for entity in entities])
    return [None if row is None else tuple(row.values.values()) for row in rows]


def sums(*hours: int | None, **more):
    return event_view([window(f"sum_{h}", "sum", h, "int64", **more) for h in hours])


PROFILE = state_view([latest("amount", "int64")])


def test_a_state_push_sends_the_latest_row_that_is_known_at_now(store):
    rows = table(
        PROFILE,
        [
            ("a", -3, None, {"amount": 1}),
            ("a", -2, None, {"amount": 2}),
            ("a", -1, 1, {"amount": 3}),  # true, not known yet
            ("b", 1, -5, {"amount": 4}),  # known, not true yet
            ("c", 0, 0, {"amount": None}),
        ],
        AMOUNT,
    )
    result = push(store, PROFILE, rows, 0)
    assert stored(store, PROFILE, "a", "b", "c") == [(2,), None, (None,)]
    assert (result.rows_sent, result.new_entities, result.entities, result.computed_at) == (2, 2, 2, at(0))


def test_a_state_row_is_sent_whatever_its_age(store):
    view = replace(PROFILE, ttl_us=HOUR_US)
    push(store, view, table(view, [("a", -9_000, None, {"amount": 1})], AMOUNT), 0)
    assert stored(store, view, "a") == [(1,)]


def test_a_later_state_push_sends_only_what_became_true_or_known_since(store):
    rows = table(
        PROFILE,
        [
            ("old", -3, None, {"amount": 1}),
            ("late", -2, 1, {"amount": 2}),
            ("ahead", 2, -1, {"amount": 3}),
            ("later", 9, 9, {"amount": 4}),
        ],
        AMOUNT,
    )
    assert push(store, PROFILE, rows, 0).rows_sent == 1
    result = push(store, PROFILE, rows, 2)
    assert (result.rows_sent, result.new_entities, result.entities) == (2, 2, 3)
    assert stored(store, PROFILE, "old", "late", "ahead", "later") == [(1,), (2,), (3,), None]


def test_nothing_new_reads_nothing_and_renews_the_record(store):
    rows = table(PROFILE, [("a", -3, None, {"amount": 1})], AMOUNT)
    push(store, PROFILE, rows, 0)
    before = rows.reads
    assert push(store, PROFILE, rows, 5).rows_sent == 0
    assert rows.reads == before
    record = store.read_push_record(online_view(PROFILE, 1, "shop", "dev"))
    assert (record.computed_at, record.watermark, record.newest_event, record.entities) == (at(5), at(-3), at(-3), 1)


def test_a_new_version_of_the_table_sends_every_state(store):
    rows = table(PROFILE, [("a", -3, None, {"amount": 1}), ("b", -3, None, {"amount": 2})], AMOUNT)
    push(store, PROFILE, rows, 0)
    add(rows, PROFILE, [("a", -2, None, {"amount": 5})], AMOUNT)
    assert push(store, PROFILE, rows, 0).rows_sent == 2
    assert stored(store, PROFILE, "a", "b") == [(5,), (2,)]


def test_a_new_feature_sends_every_state_of_an_unchanged_table(store):
    inputs = {"amount": "int64", "city": "string"}
    rows = table(PROFILE, [("a", -3, None, {"amount": 1, "city": "Oslo"})], inputs)
    push(store, PROFILE, rows, 0)
    wider = state_view([latest("amount", "int64"), latest("city", "string")])
    assert push(store, wider, rows, 1).rows_sent == 1
    assert stored(store, wider, "a") == [(1, "Oslo")]


def test_a_new_feature_reaches_those_whose_windows_are_empty(store):
    counts = [window("n_1h", "count", 1, "int64", None)]
    view, more = event_view(counts), event_view([*counts, window("n_2h", "count", 2, "int64", None)])
    rows = table(view, [("a", 0, None, {"amount": 1}), ("b", 9, None, {"amount": 1})], AMOUNT)
    push(store, view, rows, 0.5)
    push(store, view, rows, 8)
    assert push(store, more, rows, 10).rows_sent == 2
    found = read_features(store, more, online_view(more, 1, "shop", "dev"), [["a"], ["b"], ["nobody"]], at(10))
    assert [answer.values["n_2h"].value for answer in found] == [0, 1, 0]
    assert push(store, more, rows, 11).rows_sent == 1


def test_the_same_push_again_sends_nothing(store):
    view = sums(24)
    rows = table(view, [("a", -1, None, {"amount": 1})], AMOUNT)
    assert [push(store, view, rows, 0).rows_sent, push(store, view, rows, 0).rows_sent] == [1, 0]


def test_an_event_push_sends_who_has_a_row_in_a_window(store):
    view = sums(2, 4)
    rows = table(
        view,
        [
            ("both", -1, None, {"amount": 1}),
            ("long", -3, None, {"amount": 2}),
            ("none", -5, None, {"amount": 4}),
            ("later", 1, None, {"amount": 8}),
            ("unknown", -1, 1, {"amount": 16}),
        ],
        AMOUNT,
    )
    assert push(store, view, rows, 0).rows_sent == 2
    assert stored(store, view, "both", "long", "none", "later", "unknown") == [(1, 1), (None, 2), None, None, None]


def test_the_row_of_an_event_view_carries_its_newest_known_event_and_now(store):
    view = sums(4)
    rows = table(
        view, [("a", -3, -2, {"amount": 1}), ("a", -2, -1, {"amount": 2}), ("a", -1, 1, {"amount": 4})], AMOUNT
    )
    push(store, view, rows, 0)
    (row,) = store.read(online_view(view, 1, "shop", "dev"), [["a"]])
    assert (row.event_time, row.available_at, row.computed_at) == (at(-2), at(-1), at(0))


def test_time_alone_moves_a_row_out_of_its_window(store):
    view = event_view([window("n", "count", 2, "int64", None), window("sum", "sum", 2, "int64")])
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -9, None, {"amount": 1})], AMOUNT)
    push(store, view, rows, 0)
    assert push(store, view, rows, 5).rows_sent == 1
    assert stored(store, view, "a", "b") == [(0, None), None]
    assert push(store, view, rows, 10).rows_sent == 0


def test_an_offset_moves_the_window_that_decides_who_is_sent(store):
    view = sums(2, offset_us=4 * HOUR_US)
    rows = table(
        view,
        [(name, hours, None, {"amount": 1}) for name, hours in [("in", -5), ("too new", -1), ("too old", -7)]],
        AMOUNT,
    )
    assert push(store, view, rows, 0).rows_sent == 1
    assert stored(store, view, "in", "too new", "too old") == [(1,), None, None]


def test_a_lifetime_window_sends_everyone(store):
    view = sums(1, None)
    rows = table(view, [("a", -9_000, None, {"amount": 1}), ("b", -0.5, None, {"amount": 2})], AMOUNT)
    push(store, view, rows, 0)
    assert stored(store, view, "a", "b") == [(None, 1), (2, 2)]


def test_a_hop_lengthens_the_window_that_decides_who_is_sent(store):
    view = event_view([window("n", "count", 2, "int64", None)], hop_us=HOUR_US)
    rows = table(view, [("a", -1.9, None, {"amount": 1})], AMOUNT)
    assert push(store, view, rows, 0.5).rows_sent == 1  # [floor(-1.5), 0.5) begins at -2
    assert stored(store, view, "a") == [(1,)]


def test_a_push_as_of_an_earlier_instant_changes_nothing(store):
    view = sums(2)
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -4, None, {"amount": 2})], AMOUNT)
    push(store, view, rows, 0)
    result = push(store, view, rows, -3)
    assert (result.rows_sent, result.computed_at) == (0, at(0))
    assert stored(store, view, "a", "b") == [(1,), None]


@pytest.mark.parametrize(("outer_h", "inner_h"), [(8, 0.5), (0.5, 8)])
def test_two_first_pushes_at_once_leave_nothing_stale(store, monkeypatch, outer_h, inner_h):
    view = event_view([window("n_1h", "count", 1, "int64", None)])
    rows, write_all = table(view, [("a", 0, None, {}), ("b", 7.5, None, {})], AMOUNT), SqliteStore.write_all

    def after_the_other(*asked):
        monkeypatch.setattr(SqliteStore, "write_all", write_all)
        push(store, view, rows, inner_h)
        return write_all(*asked)

    monkeypatch.setattr(SqliteStore, "write_all", after_the_other)
    assert push(store, view, rows, outer_h).computed_at == at(8)
    found = read_features(store, view, online_view(view, 1, "shop", "dev"), [["a"], ["b"]], at(8))
    assert [(answer.values["n_1h"].value, answer.asof) for answer in found] == [(0, at(8)), (1, at(8))]


def test_the_push_after_one_that_was_cut_off_leaves_nothing_stale(tmp_path, store):
    """Entity `a` is in the window of the cut-off push alone, neither in that before it nor in that after it."""
    view = sums(2)
    rows = table(view, [("a", 1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    cut = CutStore(tmp_path / "online.db")
    push(store, view, rows, 0)
    with pytest.raises(CutOffError):
        push(cut, view, rows, 2)
    assert stored(store, view, "a", "b") == [(1,), (None,)]
    push(store, view, rows, 9)
    assert stored(store, view, "a", "b") == [(None,), (None,)]
    cut.close()


def test_the_push_after_a_first_one_that_was_cut_off_leaves_nothing_stale(tmp_path, store):
    view = sums(2)
    rows = table(view, [("a", -1, None, {"amount": 1})], AMOUNT)
    cut = CutStore(tmp_path / "online.db")
    with pytest.raises(CutOffError):
        push(cut, view, rows, 0)
    assert push(store, view, rows, 9).entities == 1
    assert stored(store, view, "a") == [(None,)]
    cut.close()


def test_a_view_without_an_entity_has_one_value(store):
    view = event_view([window("sum", "sum", 4, "int64")], entity=None)
    rows = table(view, [(None, -1, None, {"amount": 1}), (None, -2, None, {"amount": 2})], AMOUNT)
    assert push(store, view, rows, 0).entities == 1
    (row,) = store.read(online_view(view, 1, "shop", "dev"), [[]])
    assert row.values == {"sum": 3}


def test_an_empty_table_is_pushed_as_nothing(store):
    view = sums(2)
    result = push(store, view, table(view, [], AMOUNT), 0)
    assert (result.rows_sent, result.entities) == (0, 0)
    assert store.read_push_record(online_view(view, 1, "shop", "dev")).watermark is None


def test_a_view_that_was_never_materialized_says_so(store):
    with pytest.raises(DataError, match="profile has no offline table yet") as caught:
        push(store, PROFILE, MemoryTable(["customer"]), 0)
    assert caught.value.code == "FC510"


@pytest.mark.parametrize("hours", [-3, 0, 1, 7])
@pytest.mark.parametrize("view", [PROFILE, sums(2, 4, None)], ids=["state", "event"])
def test_what_offline_computes_for_an_entity_is_what_a_push_stores(store, view, hours):
    rows = table(
        view,
        [("a", -3, -2, {"amount": 1}), ("a", 0, 0, {"amount": 2}), ("b", -1, 3, {"amount": 4})],
        AMOUNT,
    )
    push(store, view, rows, hours)
    online = store.read(online_view(view, 1, "shop", "dev"), [["a"], ["b"], ["c"]])
    offline = [read_offline(PolarsEngine(), view, rows, {"customer": name}, at(hours)) for name in "abc"]
    assert online == offline


def test_a_filled_value_is_stored_with_the_time_of_its_row(store):
    view = state_view([latest("amount", "int64", fill_last=True)], ttl_h=4)
    rows = table(view, [("a", -3, None, {"amount": 1}), ("a", -1, None, {"amount": None})], AMOUNT)
    push(store, view, rows, 0)
    assert stored(store, view, "a") == [(1, at(-3))]
