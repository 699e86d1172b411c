"""The contract of online stores, over every store that there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from featurectl.online.base import Ask, PushRecord
from featurectl.online.codec import pack_key
from tests.online.rows import ALL_TYPES, FULL, HOUR, T0, frame, view


def values_of(store, of, *key):
    (row,) = store.read(of, [key])
    return None if row is None else tuple(row.values.values())


def test_what_is_prepared_can_be_told_without_creating_anything(store, tmp_path):
    first = view({"n": "int64"})
    assert store.prepared(first.project, "dev") == frozenset()
    assert not (tmp_path / "deep").exists()
    store.prepare(first)
    store.prepare(replace(first, version=2), replace(first, view="other", env="prod"))
    assert store.prepared(first.project, "dev") == {("spend", 1), ("spend", 2)}
    assert store.prepared(first.project, "prod") == {("other", 1)}
    store.remove(first)
    assert store.prepared(first.project, "dev") == {("spend", 2)}


def test_a_value_stored_under_another_meaning_of_its_name_is_not_read(store):
    unmarked = view({"a": "int64", "b": "int64"})
    first = replace(unmarked, meanings={"a": "1", "b": "1"})
    second = replace(unmarked, meanings={"a": "1", "b": "2"})
    store.write(first, frame(first, [["ana"]], [(5, 6)]))
    assert values_of(store, first, "ana") == values_of(store, unmarked, "ana") == (5, 6)
    assert store.read(second, [["ana"]])[0].values == {"a": 5}
    store.write(second, frame(second, [["ana"]], [(5, 7)]))
    assert values_of(store, second, "ana") == (5, 7)
    assert store.read(first, [["ana"]])[0].values == {"a": 5}
    store.write(unmarked, frame(unmarked, [["ana"]], [(5, 8)]))  # as rows were before meanings were kept
    assert values_of(store, second, "ana") == (5, 8)


def test_every_type_comes_back_as_it_went_in(store):
    of = view(ALL_TYPES)
    nulls, empty = (None,) * len(ALL_TYPES), (*FULL[:7], [], [], [], [])
    assert store.write(of, frame(of, [["a"], ["b"], ["c"]], [FULL, nulls, empty])) == 3
    rows = store.read(of, [["c"], ["nobody"], ["a"], ["b"]])
    assert rows[1] is None
    assert [tuple(row.values.values()) for row in rows if row] == [empty, FULL, nulls]
    assert [type(v) for v in rows[2].values.values()] == [type(v) for v in FULL]


def test_the_instants_come_back_to_the_microsecond(store):
    of = view({"n": "int64"})
    event, available = T0 + timedelta(microseconds=1), T0 + timedelta(microseconds=2)
    computed = T0 + timedelta(microseconds=3)
    store.write(of, frame(of, [["a"]], [[1]], event_time=event, available_at=available, computed_at=computed))
    (row,) = store.read(of, [["a"]])
    assert (row.event_time, row.available_at, row.computed_at) == (event, available, computed)


def test_a_row_without_an_event_has_no_event_time(store):
    of = view({"n": "int64"}, versioned_by="computed")
    store.write(of, frame(of, [["a"]], [[0]], event_time=None, available_at=None))
    (row,) = store.read(of, [["a"]])
    assert (row.event_time, row.available_at, row.computed_at) == (None, None, T0)


def test_composite_keys_of_every_type_are_told_apart(store):
    of = view({"n": "int64"}, {"a": "string", "b": "string", "i": "int64", "y": "bool", "d": "date"})
    days = (date(2020, 1, 1) - date(1970, 1, 1)).days
    keys = [
        ["x", "yz", 1, True, date(2020, 1, 1)],
        ["xy", "z", 1, True, date(2020, 1, 1)],
        ["xy", "z", -1, True, date(2020, 1, 1)],
        ["xy", "z", -1, False, date(1969, 12, 31)],
        ["é}{", "", 0, False, date(1970, 1, 1)],
    ]
    assert store.write(of, frame(of, keys, [[n] for n in range(5)])) == 5
    asked = [
        ["xy", "z", 1, True, days],
        ["xy", "z", -1, False, -1],
        ["é}{", "", 0, False, 0],
        ["x", "yz", 1, True, days],
    ]
    assert [row.values["n"] for row in store.read(of, asked) if row] == [1, 3, 4, 0]


def test_a_view_without_an_entity_has_one_row(store):
    of = view({"rate": "float64"}, {})
    rows = frame(of, [], [[0.5]])
    assert store.write(of, rows) == 1
    assert values_of(store, of) == (0.5,)


@pytest.mark.parametrize(
    ("event_h", "available_h", "computed_h", "wins"),
    [(1, 0, 0, True), (-1, 5, 5, False), (0, 1, -5, True), (0, -1, 5, False), (0, 0, 1, True), (0, 0, -1, False)],
)
@pytest.mark.sample(10)
def test_of_two_states_the_one_that_was_true_last_then_known_last_stays(store, event_h, available_h, computed_h, wins):
    of = view({"n": "int64"})
    store.write(of, frame(of, [["a"]], [[1]]))
    times = {
        "event_time": T0 + event_h * HOUR,
        "available_at": T0 + available_h * HOUR,
        "computed_at": T0 + computed_h * HOUR,
    }
    assert store.write(of, frame(of, [["a"]], [[2]], **times)) == 0
    assert values_of(store, of, "a") == ((2,) if wins else (1,))


@pytest.mark.parametrize(("event_h", "computed_h", "wins"), [(-9, 1, True), (9, -1, False), (0, 0, True)])
def test_of_two_windows_the_one_computed_last_stays(store, event_h, computed_h, wins):
    of = view({"n": "int64"}, versioned_by="computed")
    store.write(of, frame(of, [["a"]], [[1]]))
    later = frame(of, [["a"]], [[2]], event_time=T0 + event_h * HOUR, computed_at=T0 + computed_h * HOUR)
    store.write(of, later)
    assert values_of(store, of, "a") == ((2,) if wins else (1,))


@pytest.mark.long
@pytest.mark.sample(2)
def test_instants_are_ordered_as_numbers_whatever_their_bytes(store):
    """Bytes above 127 and line ends are where text order differs from byte order."""
    of = view({"n": "int64"})
    first = datetime(2026, 1, 1, tzinfo=UTC)
    steps = [first + timedelta(microseconds=2**power) for power in range(46)]
    for number, instant in enumerate(steps):
        store.write(of, frame(of, [["a"]], [[number]], event_time=instant))
        assert values_of(store, of, "a") == (number,)
    for number, instant in enumerate(steps[:-1]):
        store.write(of, frame(of, [["a"]], [[number]], event_time=instant))
    assert values_of(store, of, "a") == (len(steps) - 1,)


@pytest.mark.parametrize("versioned_by", ["event", "computed"])
@pytest.mark.parametrize(("event_h", "computed_h", "wins"), [(-9, 1, True), (-9, 0, True), (9, -1, False)])
@pytest.mark.sample(10)
def test_a_row_of_a_rebuilt_table_replaces_what_was_computed_before(store, versioned_by, event_h, computed_h, wins):
    of = view({"n": "int64"}, versioned_by=versioned_by)
    store.write(of, frame(of, [["a"]], [[1]]))
    later = frame(of, [["a"]], [[2]], event_time=T0 + event_h * HOUR, computed_at=T0 + computed_h * HOUR)
    assert store.write(of, later, rebuilt=True) == 0
    assert values_of(store, of, "a") == ((2,) if wins else (1,))


def test_only_the_named_entities_are_kept_and_what_was_computed_later(store):
    of, other = view({"n": "int64"}, {"n": "int64", "s": "string"}), view({"n": "int64"})
    keys = [[1, "Zoë }"], [2, ""], [3, "later"]]
    store.write(of, frame(of, keys[:2], [[1], [2]]))
    store.write(of, frame(of, keys[2:], [[3]], computed_at=T0 + timedelta(microseconds=1)))
    store.write(other, frame(other, [["a"]], [[1]]))
    kept = pl.DataFrame({"n": [2], "s": [""]})
    assert (store.keep_only(of, kept, T0), store.count(of), store.count(other)) == (1, 2, 1)
    assert [values_of(store, of, *key) for key in keys] == [None, (2,), (3,)]
    assert (store.keep_only(of, kept, T0 + HOUR), store.count(of)) == (1, 1)
    assert (store.keep_only(of, kept.clear(), T0 + HOUR), store.count(of)) == (1, 0)
    assert values_of(store, other, "a") == (1,)


def test_the_row_of_a_view_without_an_entity_is_kept_or_let_go(store):
    of = view({"n": "int64"}, {})
    store.write(of, frame(of, [], [[1]]))
    assert (store.keep_only(of, pl.DataFrame(height=1), T0), values_of(store, of), store.count(of)) == (0, (1,), 1)
    assert store.keep_only(of, pl.DataFrame(), T0) == 1
    assert (values_of(store, of), store.count(of)) == (None, 0)


def test_more_entities_than_a_page_are_let_go(store, monkeypatch):
    monkeypatch.setattr("featurectl.online.sqlite.store._REMOVE_ROWS", 10)
    monkeypatch.setattr("featurectl.online.postgres.store._REMOVE_ROWS", 10)
    monkeypatch.setattr("featurectl.online.dynamodb.store._PAGE_ROWS", 2)
    monkeypatch.setattr("featurectl.online.redis.store._SCAN_COUNT", 10)
    of = view({"n": "int64"}, {"id": "int64"})
    store.write(of, frame(of, [[n] for n in range(95)], [[n] for n in range(95)]))
    assert store.keep_only(of, pl.DataFrame({"id": range(0, 95, 2)}), T0) == 47
    assert [values_of(store, of, n) for n in (0, 1, 93, 94)] == [(0,), None, None, (94,)]


def test_a_walk_meets_every_row_of_a_view_version_and_none_of_another(store, monkeypatch):
    monkeypatch.setattr("featurectl.online.sqlite.store._WALK_ROWS", 2)
    monkeypatch.setattr("featurectl.online.postgres.store._WALK_ROWS", 2)
    monkeypatch.setattr("featurectl.online.dynamodb.store._PAGE_ROWS", 1)
    of = view({"n": "int64"})
    keys = [[f"k{i}"] for i in range(7)]
    store.write(of, frame(of, keys, [[i] for i in range(7)]))
    store.write(replace(of, version=2), frame(of, [["other"]], [[9]]))
    packed = [pack_key(key, ["string"]) for key in keys]
    (found,) = store.fetch([Ask(project=of.project, env=of.env, fields=("spend@1",), keys=packed)])
    rows = {key: row for key, (row,) in zip(packed, found, strict=True)}
    assert dict(pair for page in store.walk(of) for pair in page) == rows
    some = packed[2:4]
    assert {pair[0] for page in store.walk(of, some.__contains__) for pair in page} == set(some)
    assert [pair for page in store.walk(replace(of, version=3)) for pair in page] == []


def test_writing_again_changes_nothing(store):
    of = view({"n": "int64"})
    rows = frame(of, [["a"], ["b"]], [[1], [2]])
    assert [store.write(of, rows), store.write(of, rows), store.count(of)] == [2, 0, 2]
    assert values_of(store, of, "b") == (2,)


def test_new_entities_are_counted_among_known_ones(store):
    of = view({"n": "int64"})
    store.write(of, frame(of, [["a"], ["b"]], [[1], [2]]))
    assert store.write(of, frame(of, [["b"], ["c"]], [[3], [4]], event_time=T0 + HOUR)) == 1
    assert store.count(of) == 3


def test_one_frame_may_hold_an_entity_twice(store):
    of = view({"n": "int64"})
    rows = pl.concat([frame(of, [["a"]], [[2]], event_time=T0 + HOUR), frame(of, [["a"]], [[1]])])
    assert store.write(of, rows) == 1
    assert values_of(store, of, "a") == (2,)


def test_more_rows_than_a_chunk_are_written(store, monkeypatch):
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 100)
    of = view({"n": "int64"}, {"id": "int64"})
    count = 345
    assert store.write(of, frame(of, [[i] for i in range(count)], [[i * 2] for i in range(count)])) == count
    rows = store.read(of, [[i] for i in range(count)])
    assert [row.values["n"] for row in rows if row] == [i * 2 for i in range(count)]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 600])
@pytest.mark.sample(5)
def test_many_keys_at_once_find_what_each_finds_by_itself(store, count):
    one, other = view({"n": "int64"}, project="p-many"), view({"n": "int64"}, project="p-many", name="other")
    for of, entities in ((one, range(0, 40, 2)), (other, range(0, 40, 3))):
        store.write(of, frame(of, [[str(i)] for i in entities], [[i] for i in entities]))
    fields = ("spend@1", "other@1", "never@1")
    keys = [pack_key([str(i * 7 % 50)], ["string"]) for i in range(count)]  # some twice, some of nobody

    def ask(keys):
        return store.fetch([Ask(project="p-many", env="dev", fields=fields, keys=keys)])[0]

    assert [tuple(row) for row in ask(keys)] == [tuple(ask([key])[0]) for key in keys]
    for of in (one, other):
        store.remove(of)


def test_no_rows_are_no_work(store):
    of = view({"n": "int64"})
    assert store.write(of, frame(of, [["a"]], [[1]]).clear()) == 0
    assert (store.read(of, []), store.read(of, [["a"]]), store.count(of)) == ([], [None], 0)


def test_versions_views_environments_and_projects_stand_side_by_side(store):
    one = view({"n": "int64"})
    others = [
        view({"n": "int64"}, project=one.project, version=2),
        view({"n": "int64"}, project=one.project, name="visits"),
        view({"n": "int64"}, project=one.project, env="prod"),
        view({"n": "int64"}),
    ]
    for number, of in enumerate([one, *others]):
        store.write(of, frame(of, [["a"]], [[number]]))
    assert [values_of(store, of, "a") for of in [one, *others]] == [(n,) for n in range(5)]
    store.remove(one)
    assert [values_of(store, of, "a") for of in [one, *others]] == [None, *[(n,) for n in range(1, 5)]]


def test_removing_a_version_removes_its_record_and_count(store):
    of = view({"n": "int64"}, {"id": "int64"})
    store.write(of, frame(of, [[i] for i in range(2_500)], [[i] for i in range(2_500)]))
    store.write_push_record(of, record())
    store.remove(of)
    assert (store.read(of, [[7]]), store.count(of), store.read_push_record(of)) == ([None], 0, None)
    assert store.write(of, frame(of, [[7]], [[1]])) == 1


def test_removing_what_is_not_there_is_no_error(store):
    store.remove(view({"n": "int64"}))
    store.remove_record(view({"n": "int64"}))


def test_a_record_is_removed_alone_and_written_again(store):
    of, other = view({"n": "int64"}), view({"n": "int64"})
    store.write(of, frame(of, [["a"]], [[1]]))
    for each in (of, other):
        store.write_push_record(each, record(2))
        store.remove_record(each)
        assert store.read_push_record(each) is None
    assert (values_of(store, of, "a"), store.count(of), store.count(other)) == ((1,), 1, 0)
    for each in (of, other):
        store.write_push_record(each, record(1))
        assert store.read_push_record(each) == record(1)


def test_a_row_written_before_a_feature_was_added_stays_readable(store):
    old = view({"n": "int64"})
    new = view({"n": "int64", "x": "float64"}, project=old.project)
    store.write(old, frame(old, [["a"], ["b"]], [[1], [2]]))
    store.write(new, frame(new, [["b"]], [[3, 0.5]]))
    assert [row.values for row in store.read(new, [["a"], ["b"]]) if row] == [{"n": 1}, {"n": 3, "x": 0.5}]


def record(hours: int = 0) -> PushRecord:
    return PushRecord(
        computed_at=T0 + hours * HOUR,
        watermark=T0 - HOUR,
        newest_event=None,
        table_version=hours + 3,
        entities=7,
        schema="abc1" * 16,
    )


def test_the_record_of_the_newest_push_is_kept(store):
    of = view({"n": "int64"})
    store.prepare(of)
    assert store.read_push_record(of) is None
    for hours in (1, 0, 2, 1):
        store.write_push_record(of, record(hours))
    assert store.read_push_record(of) == record(2)


def test_preparing_twice_is_harmless(store):
    of = view({"n": "int64"})
    store.prepare(of)
    store.prepare(of)
    assert values_of(store, of, "a") is None
