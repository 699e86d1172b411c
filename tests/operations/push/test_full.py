"""A push of everything: it mends a store that has lost rows, or holds values that were pushed as of the future."""

# injures a store as no caller can

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.online.corrupt_rows import BrokenCountError, BrokenRecordError
from featurectl.online.read import read_features
from featurectl.online.redis import store as redis_store
from featurectl.online.redis.keys import home_of
from featurectl.online.row_places import online_view
from featurectl.online.row_schema import field_name
from featurectl.operations.push import plan_push, push_view
from tests.online.losses import lose_row, spoil_record, spoil_row, spoil_schemas
from tests.online.views import add, at, event_view, latest, push_request, rebuild, state_view, table, window

AMOUNT = {"amount": "int64"}
YEARS = 24 * 365 * 5
VIEWS = {
    "state": state_view([latest("amount", "int64")]),
    "event": event_view([window("sum_9", "sum", 9, "int64"), window("n_9", "count", 9, "int64", None)]),
}
ROWS = [("a", -1, None, {"amount": 1}), ("b", -2, None, {"amount": 2}), ("c", -3, None, {"amount": 3})]


@pytest.fixture
def project():
    return f"p{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """Rows are counted, however many other tests have left on a server."""
    monkeypatch.setattr(redis_store, "FEW_KEYS", 1 << 40)


@pytest.fixture(params=sorted(VIEWS))
def view(request):
    return VIEWS[request.param]


@pytest.fixture
def rows(view):
    return table(view, ROWS, AMOUNT)


@pytest.fixture
def push(store, view, rows, project):
    def push_at(hours, clock_h=0, *, full=False, as_of=False):
        """Push by a machine whose clock says `hours` where the store's says `clock_h`."""
        request = push_request(store, view, rows, hours, project)
        latest_push = at(clock_h) + timedelta(seconds=60)
        return push_view(replace(request, clock=None if as_of else at(hours), latest=lambda: latest_push, full=full))

    return push_at


@pytest.fixture
def values(store, view, project):
    def values_at(hours, *entities):
        found = read_features(
            store, view, online_view(view, 1, project, "dev"), [[entity] for entity in entities or "abc"], at(hours)
        )
        return [answer.values[view.features[0].name].value for answer in found]

    return values_at


def record(store, view, project):
    return store.read_push_record(online_view(view, 1, project, "dev"))


@pytest.mark.parametrize("of", ["state", "event"])
def test_a_full_push_keeps_the_row_of_a_view_without_an_entity(store, project, of):
    view = replace(VIEWS[of], entity=None, join={})
    rows = table(view, [(None, -1, None, {"amount": 1})], AMOUNT)
    request = push_request(store, view, rows, 0, project)
    push_view(request)
    full = push_view(replace(request, full=True))
    assert (full.rows_sent, full.entities) == (1, 1)
    lose_row(store, online_view(view, 1, project, "dev"))
    assert (push_view(replace(request, full=True)).entities, push_view(request).entities) == (1, 1)
    assert store.read(online_view(view, 1, project, "dev"), [[]]) != [None]


def test_a_push_after_one_as_of_the_future_says_what_ends_it(push, view, store, project):
    push(0)
    push(YEARS)
    with pytest.raises(DataError, match=r"was pushed as of .* its values are not found before") as caught:
        push(0)
    assert caught.value.code == "FC527"
    assert caught.value.hint.startswith(f"featurectl push --full {view.name} ")
    assert record(store, view, project).computed_at == at(YEARS)


@pytest.mark.sample(3)
def test_a_push_of_everything_replaces_what_is_of_the_future(push, values, store, view, project):
    push(0)
    push(YEARS)
    result = push(0, full=True)
    assert (result.rows_sent, result.new_entities, result.entities, result.computed_at) == (3, 0, 3, at(0))
    assert values(0) == [1, 2, 3]
    assert record(store, view, project).computed_at == at(0)
    again = push(1, 1)
    assert (again.computed_at, values(1)) == (at(1), [1, 2, 3])


@pytest.mark.sample(3)
def test_entities_that_only_the_future_has_are_removed(push, values, rows, view):
    push(0)
    add(rows, view, [("d", YEARS - 1, None, {"amount": 4})], AMOUNT)
    assert push(YEARS).entities == 4
    assert push(0, full=True).entities == 3
    assert values(0, "a", "d") == [1, None]


@pytest.mark.sample(3)
def test_a_rebuild_replaces_what_is_of_the_future_too(push, values, rows, view):
    push(0)
    push(YEARS)
    rebuild(rows, view, ROWS[:2], AMOUNT, "second")
    result = push(0)
    assert (result.rows_sent, result.entities, result.computed_at) == (2, 2, at(0))
    assert values(0) == [1, 2, None]


@pytest.mark.sample(3)
def test_a_push_as_of_an_instant_replaces_what_is_later_than_it(push, values, store, view, project):
    push(0)
    assert push(-1.5, full=True, as_of=True).computed_at == at(-1.5)
    assert values(-1.5) == [None, 2, 3]
    assert record(store, view, project).computed_at == at(-1.5)
    push(0)
    assert values(0) == [1, 2, 3]


def test_a_push_of_everything_of_a_store_that_is_right_changes_nothing(push, values):
    push(0)
    result = push(0, full=True)
    assert (result.rows_sent, result.new_entities, result.entities, values(0)) == (3, 0, 3, [1, 2, 3])


def test_a_push_of_everything_is_as_of_no_earlier_than_a_push_of_a_minute(push):
    push(0.01)
    assert push(0, full=True).computed_at == at(0.01)


@pytest.mark.sample(2)
def test_a_push_makes_up_for_rows_that_were_lost(push, values, store, view, project):
    push(0)
    lose_row(store, online_view(view, 1, project, "dev"), "b")
    result = push(0)
    assert (result.lost, result.rows_sent, result.new_entities, result.entities) == (1, 3, 1, 3)
    assert values(0) == [1, 2, 3]
    assert store.count(online_view(view, 1, project, "dev")) == 3
    assert [push(0).rows_sent, push(0).lost] == [0, 0]


def test_a_record_that_counts_too_many_is_put_right_once(push, store, view, project):
    """As older pushes left it, which counted a row twice when it was lost and came again."""
    push(0)
    where = online_view(view, 1, project, "dev")
    store.write_push_record(where, replace(record(store, view, project), entities=5))
    assert [push(0).rows_sent, push(0).rows_sent, record(store, view, project).entities] == [3, 0, 3]


def test_what_a_push_of_everything_would_send_is_told(store, view, rows, project, push):
    push(0)
    push(YEARS)
    request = push_request(store, view, rows, 0, project)
    assert (plan_push(request).rows, plan_push(replace(request, full=True)).rows) == (0, 3)


@pytest.mark.sample(3)
def test_what_others_push_during_a_push_of_everything_stays(store, view, rows, push, values, monkeypatch):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    push(0)
    write_all = type(store).write_all

    def after_the_other(*asked):
        monkeypatch.setattr(type(store), "write_all", write_all)
        add(rows, view, [("a", 0.005, None, {"amount": 8}), ("d", 0.005, None, {"amount": 9})], AMOUNT)
        push(0.01)
        return write_all(*asked)

    monkeypatch.setattr(type(store), "write_all", after_the_other)
    push(0, full=True)
    assert values(0.01, "a", "b", "c", "d") == [8 if view.kind == "state" else 9, 2, 3, 9]


@pytest.mark.sample(1)
def test_a_push_that_everything_was_put_under_meanwhile_sends_all(store, view, rows, push, values, monkeypatch):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    """Another has pushed everything as of an earlier instant between what this one sent and its record."""
    push(0)
    look, seen = type(store).read_push_record, []

    def after_the_other(*asked):
        seen.append(True)
        if len(seen) == 2:
            push(-2.5, full=True, as_of=True)
        return look(*asked)

    monkeypatch.setattr(type(store), "read_push_record", after_the_other)
    add(rows, view, [("a", 1, None, {"amount": 8})], AMOUNT)
    push(2, 2)
    assert values(2) == [8 if view.kind == "state" else 9, 2, 3]


@pytest.fixture
def where(view, project):
    return online_view(view, 1, project, "dev")


BROKEN = [b"", b"abc", b"\x00" * 7 + b"{}", b"\xff" * 23, b"\xff" * 24]
OFTEN = {b"abc", b"\xff" * 24}


@pytest.mark.parametrize(  # rows are compared with those that are there, or not
    ("last", "broken"),
    [
        pytest.param(last, broken, marks=[] if last == 0 or broken in OFTEN else pytest.mark.stress)
        for last in (0, YEARS)
        for broken in BROKEN
    ],
)
@pytest.mark.usefixtures("view")
@pytest.mark.sample(6)
def test_a_full_push_puts_a_row_in_the_place_of_one_that_is_none(push, store, where, values, broken, last):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    push(0)
    push(last)
    spoil_row(store, where, broken, "a")
    with pytest.raises(StoreError, match=r"broken row|format"):
        store.read(where, [["a"]])
    push(1, 1, full=True)
    assert None not in values(1)
    assert store.count(where) == 3


@pytest.mark.parametrize(
    "broken", [b"abc", b"\x00" * 7 + b"{}", b"\x01" * 7 + b'{"watermark":', b"\xff" * 7, b"\x01" * 7]
)
@pytest.mark.usefixtures("view", "rows")
@pytest.mark.sample(2)
def test_a_broken_record_is_told_and_a_full_push_writes_it_again(push, store, where, values, broken):
    push(0)
    spoil_record(store, where, broken)
    for ask in (lambda: store.read_push_record(where), lambda: push(1, 1)):
        with pytest.raises(BrokenRecordError) as caught:
            ask()
        assert (caught.value.code, where.view in caught.value.hint) == ("FC610", True)
    push(1, 1, full=True)
    assert store.read_push_record(where).computed_at == at(1)
    assert None not in values(1)


@pytest.mark.sample(4)
@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.parametrize("broken", ["abc", "", "1.5", "9" * 30])
def test_a_broken_count_is_told_and_a_full_push_counts_again(push, store, where, values, broken):
    push(0)
    store.bytes.commands.ask("HSET", home_of(where), f"count/{field_name(where)}", broken)
    with pytest.raises(BrokenCountError) as caught:
        store.count(where)
    assert (caught.value.code, where.view in caught.value.hint) == ("FC610", True)
    push(1, 1, full=True)
    assert store.count(where) == 3
    assert None not in values(1)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_what_another_program_keeps_beside_the_rows_is_left_alone(push, store, where, values):
    push(0)
    for name in (b"schema/abc", b"schema/\xff@1/3", b"schema/x@y/z", f"schema/{field_name(where)}"):
        store.bytes.commands.ask("HSET", home_of(where), name, "theirs")
    store.bytes.commands.ask("HSET", home_of(where), f"writer/{field_name(where)}", "theirs")
    assert store.prepared(where.project, where.env) == {(where.view, where.version)}
    push(1, 1)
    assert None not in values(1)
    store.remove(where)
    assert store.prepared(where.project, where.env) == frozenset()


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"format": 1}', '{"format": 1, "features": 7}'])
@pytest.mark.usefixtures("view")
@pytest.mark.sample(5)
def test_a_broken_schema_is_told_and_a_full_push_writes_another(push, store, where, values, broken):
    push(0)
    spoil_schemas(store, where, broken)
    with pytest.raises(StoreError) as caught:
        values(0)
    assert caught.value.code == "FC610"
    push(1, 1, full=True)
    assert None not in values(1)
