"""What a push would do is known before it, to the row where every entity has values; it writes nothing."""

from __future__ import annotations

import pytest

from featurectl.core.errors import DataError
from featurectl.identity.fingerprint import feature_fingerprints
from featurectl.online import row_places
from featurectl.operations.push import plan_push, push_view
from tests.online.views import (
    MemoryTable,
    add,
    at,
    event_view,
    latest,
    push_request,
    rebuild,
    state_view,
    table,
    window,
)

AMOUNT = {"amount": "int64"}
PROFILE = state_view([latest("amount", "int64")])
ROWS = [("a", -3, None, {"amount": 1}), ("b", -2, None, {"amount": 2}), ("late", -1, 9, {"amount": 3})]


@pytest.fixture
def request_of(store, tmp_path):
    """Return a function that makes a request of a project of its own."""
    return lambda view, rows, hours: push_request(store, view, rows, hours, tmp_path.name)


def shown(plan):
    return plan.rows, plan.entities, plan.entities_after, plan.computed_at


def test_a_first_push_is_planned_without_preparing_the_store(request_of, store, tmp_path):
    request = request_of(PROFILE, table(PROFILE, ROWS, AMOUNT), 0)
    assert shown(plan_push(request)) == (2, 0, 2, None)
    assert store.prepared(tmp_path.name, "dev") == frozenset()
    assert not (tmp_path / "online.db").exists()
    assert push_view(request).rows_sent == 2


def test_a_later_push_is_planned_by_what_has_changed(request_of):
    rows = table(PROFILE, ROWS, AMOUNT)
    push_view(request_of(PROFILE, rows, 0))
    assert shown(plan_push(request_of(PROFILE, rows, 0))) == (0, 2, 2, at(0))
    assert shown(plan_push(request_of(PROFILE, rows, 9))) == (1, 2, 3, at(0))
    assert shown(plan_push(request_of(PROFILE, rows, -1))) == (0, 2, 2, at(0))
    add(rows, PROFILE, [("a", -2, None, {"amount": 5})], AMOUNT)
    assert shown(plan_push(request_of(PROFILE, rows, 0))) == (2, 2, 4, at(0))


def test_after_a_rebuild_only_what_the_table_has_stays(request_of):
    rows = table(PROFILE, ROWS, AMOUNT)
    push_view(request_of(PROFILE, rows, 0))
    rebuild(rows, PROFILE, ROWS[:1], AMOUNT, "second")
    assert shown(plan_push(request_of(PROFILE, rows, 0))) == (1, 2, 1, at(0))
    assert push_view(request_of(PROFILE, rows, 0)).entities == 1


def test_a_view_without_an_entity_is_one_row_at_most(request_of):
    view = event_view([window("sum_9", "sum", 9, "int64")], entity=None)
    rows = MemoryTable(())
    add(rows, view, [("", -3, None, {"amount": 1}), ("", -2, None, {"amount": 1})], AMOUNT)
    assert shown(plan_push(request_of(view, rows, 0))) == (1, 0, 1, None)
    assert push_view(request_of(view, rows, 0)).rows_sent == 1
    assert shown(plan_push(request_of(view, rows, -20))) == (0, 1, 1, at(0))


def test_a_view_without_a_table_can_not_be_planned(request_of):
    with pytest.raises(DataError, match="has no offline table yet"):
        plan_push(request_of(PROFILE, MemoryTable(["customer"]), 0))


class Told:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.far = []

    def start(self, label):  # noqa: ARG002  # of the protocol
        self.far.clear()

    def advance(self, done, total, what):
        self.far.append((done, total, what))

    def done(self, text):
        self.text = text


def test_progress_tells_the_rows_that_are_there_and_how_many_there_will_be(request_of, monkeypatch):
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 10)
    rows = table(PROFILE, [(f"c{i}", -1, None, {"amount": i}) for i in range(300)], AMOUNT, buckets=4)
    told = Told()
    push_view(request_of(PROFILE, rows, 0), told)
    assert {what for _, _, what in told.far} == {"rows"}
    assert told.far[-1] == (300, 300, "rows")
    done = [done for done, _, _ in told.far]
    assert done == sorted(done)
    assert len(set(done)) > 5  # of thirty chunks no more than five are ever on their way
    assert all(200 <= total <= 400 for _, total, _ in told.far)
    assert told.text == "pushed profile@1: 300 rows, 300 new"


@pytest.mark.parametrize("act", [push_view, plan_push])
def test_a_push_fingerprints_the_expressions_of_its_view_once(request_of, monkeypatch, act):
    counted = []

    def count(view):
        counted.append(view.name)
        return feature_fingerprints(view)

    monkeypatch.setattr(row_places, "feature_fingerprints", count)
    act(request_of(PROFILE, table(PROFILE, ROWS, AMOUNT), 0))
    assert counted == [PROFILE.name]
