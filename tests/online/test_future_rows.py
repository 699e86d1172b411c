"""The contract of online stores about clocks: whose time it is, what gives way, and how many rows are there."""

# ruff: noqa: SLF001  # what a writer knows of its store

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from featurectl.online.base import Origin, Writing
from featurectl.online.dynamodb.store import DynamoStore
from featurectl.online.postgres.store import PostgresStore
from featurectl.online.redis import store as redis_store
from featurectl.online.sqlite.store import SqliteStore
from tests.online.conftest import STORES
from tests.online.losses import lose_count, lose_row
from tests.online.rows import HOUR, T0, frame, view
from tests.online.test_stores import record

LATEST = T0 + HOUR
counting = pytest.mark.parametrize(  # the others have no number beside the rows
    "open_again", [name for name in STORES if name != "dictionary"], indirect=True
)


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """Rows are counted, however many other tests have left on a server."""
    monkeypatch.setattr(redis_store, "FEW_KEYS", 1 << 40)


def put(store, of, entity, number, hours, none_after=None, *, rebuilt=False):  # noqa: PLR0913, PLR0917  # most have a default
    rows = frame(of, [[entity]], [[number]], event_time=T0 - HOUR, computed_at=T0 + hours * HOUR)
    bound = None if none_after is None else lambda: none_after
    origin = Origin(at=T0 + hours * HOUR, table_version=0, rebuild_id="r")
    return store.write_all(of, [rows], Writing(rebuilt=rebuilt, none_after=bound, origin=origin))


def numbers(store, of, *entities):
    return [None if row is None else row.values["n"] for row in store.read(of, [[entity] for entity in entities])]


def test_the_clock_goes_on_and_is_about_that_of_this_machine(store):
    before = datetime.now(UTC)
    first, second = store.clock(), store.clock()
    assert first <= second
    assert abs(first - before) < timedelta(minutes=10)
    assert first.tzinfo is UTC


@pytest.mark.sample(6)
@pytest.mark.parametrize("versioned_by", ["event", "computed"])
def test_only_what_was_computed_later_than_the_bound_gives_way(store, versioned_by):
    of = view({"n": "int64"}, versioned_by=versioned_by)
    for entity, hours in (("before", -1), ("at", 1), ("after", 2), ("far", 50_000)):
        put(store, of, entity, 1, hours, rebuilt=True)
    for entity in ("before", "at", "after", "far", "new"):
        put(store, of, entity, 2, 0, LATEST, rebuilt=True)
    assert numbers(store, of, "before", "at", "after", "far", "new") == [2, 1, 2, 2, 2]
    assert store.count(of) == 5


def test_without_a_bound_what_was_computed_later_stays(store):
    of = view({"n": "int64"}, versioned_by="computed")
    put(store, of, "a", 1, 50_000)
    put(store, of, "a", 2, 0)
    assert numbers(store, of, "a") == [1]


def test_the_bound_is_asked_again_as_time_goes_on(store, monkeypatch):
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 1)
    of, asked = view({"n": "int64"}, versioned_by="computed"), []
    put(store, of, "b", 1, 3)

    def bound():
        asked.append(True)
        return T0 + len(asked) * HOUR

    rows = frame(of, [["a"], ["c"], ["b"]], [[2]] * 3, computed_at=T0)
    store.write_all(of, [rows], Writing(none_after=bound, origin=Origin(at=T0, table_version=0, rebuild_id="r")))
    assert numbers(store, of, "a", "b") == [2, 1]


def test_a_writer_after_a_full_push_need_not_compare_with_the_future(redis_url):
    from tests.online.test_two_writers import need_not_compare

    store, of = redis_store.RedisStore(redis_url), view({"n": "int64"}, versioned_by="computed")
    put(store, of, "a", 1, 50_000)
    later = Origin(at=T0 + HOUR, table_version=0, rebuild_id="r")
    assert not need_not_compare(store.bytes.commands.client, of, later)
    put(store, of, "a", 2, 0, LATEST, rebuilt=True)
    assert need_not_compare(store.bytes.commands.client, of, later)
    store.close()


def test_the_record_of_a_push_as_of_the_future_gives_way_to_the_bound(store):
    of = view({"n": "int64"})
    store.write_push_record(of, record(2))
    store.write_push_record(of, record(0), lambda: T0 + 2 * HOUR)
    assert store.read_push_record(of) == record(2)
    store.write_push_record(of, record(0), lambda: T0 + HOUR)
    assert store.read_push_record(of) == record(0)


def test_entities_computed_later_than_the_bound_are_let_go(store):
    of = view({"n": "int64"})
    for entity, hours in (("kept", 0), ("gone", 0), ("later", 1), ("future", 2)):
        put(store, of, entity, 1, hours)
    kept = frame(of, [["kept"]], [[1]]).select(list(of.keys))
    assert store.keep_only(of, kept, T0, lambda: LATEST) == 2
    assert (numbers(store, of, "kept", "gone", "later", "future"), store.count(of)) == ([1, None, 1, None], 2)


@counting
def test_rows_that_were_lost_are_seen_by_a_look_and_taken_off_the_count(store):
    of = view({"n": "int64"})
    store.write(of, frame(of, [["a"], ["b"], ["c"]], [[1]] * 3))
    assert (store.count(of), store.count_rows(of)) == (3, 3)
    lose_row(store, of, "b")
    assert (store.count(of), store.count_rows(of)) == (3, 2)
    kept = frame(of, [["a"], ["c"]], [[1]] * 2).select(list(of.keys))
    assert (store.keep_only(of, kept, T0), store.count(of)) == (0, 2)


@counting
def test_a_counter_that_was_lost_is_counted_anew(store):
    of = view({"n": "int64"})
    store.write(of, frame(of, [["a"], ["b"], ["c"]], [[1]] * 3))
    lose_count(store, of)
    assert (store.count(of), store.count_rows(of)) == (0, 3)
    kept = frame(of, [["a"], ["b"]], [[1]] * 2).select(list(of.keys))
    assert (store.keep_only(of, kept, T0), store.count(of)) == (1, 2)


def test_rows_of_a_view_that_was_never_written_are_none(store):
    assert store.count_rows(view({"n": "int64"})) == 0


@counting
def test_many_keys_are_not_looked_at_but_too_few_are_told(store, monkeypatch):
    of = view({"n": "int64"})
    store.write(of, frame(of, [["a"], ["b"], ["c"]], [[1]] * 3))
    if isinstance(store, SqliteStore):  # a file counts its rows however many there are
        assert store.count_rows(of) == 3
        return
    if isinstance(store, PostgresStore):  # those of the one view version, by a bounded look
        monkeypatch.setattr("featurectl.online.postgres.store.MOST_COUNTED", 2)
        assert store.count_rows(of) is None
        return
    if isinstance(store, DynamoStore):
        monkeypatch.setattr("featurectl.online.dynamodb.store.MOST_COUNTED", 2)
        assert store.count_rows(of) is None
        return
    monkeypatch.setattr(redis_store, "FEW_KEYS", 1)
    assert store.count_rows(of) is None
    monkeypatch.setattr(store.bytes, "count", lambda _: store.bytes._held() + 1)
    assert store.count_rows(of) == store.bytes._held()
