"""After a rebuild of the offline table the online store holds what the new rows say, and nothing else."""

from __future__ import annotations

import random
import uuid

import pytest

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.online.row_places import online_view
from featurectl.operations.push import push_view, read_offline
from tests.online.views import at, event_view, latest, push_request, rebuild, state_view, table, window
from tests.seeds import seeds_from

AMOUNT = {"amount": "int64"}
ENTITIES = ("a", "b", "c", "d")
VIEWS = {
    "state": state_view([latest("amount", "int64")]),
    "event": event_view([window("sum_2", "sum", 2, "int64"), window("sum_5", "sum", 5, "int64")]),
    "lifetime": event_view([window("sum", "sum", None, "int64")]),
}


@pytest.fixture
def project():
    return f"p{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=sorted(VIEWS))
def view(request):
    return VIEWS[request.param]


class CutOffError(Exception):
    """What a test raises in the middle of a push."""


def stored(project, store, view):
    rows = store.read(online_view(view, 1, project, "dev"), [[entity] for entity in ENTITIES])
    return [None if row is None else tuple(row.values.values()) for row in rows]


def offline(view, rows, hours):
    found = [read_offline(PolarsEngine(), view, rows, {"customer": entity}, at(hours)) for entity in ENTITIES]
    return [None if row is None else tuple(row.values.values()) for row in found]


def some_rows(chance):
    return [
        (chance.choice(ENTITIES), event := chance.randint(-9, 3), event + chance.choice([0, 0, 2]), {"amount": amount})
        for amount in range(chance.randint(0, 6))
    ]


@pytest.mark.sample(3)
def test_entities_that_are_gone_and_states_that_got_older_are_corrected(store, view, project):
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    push_view(push_request(store, view, rows, 0, project))
    rebuild(rows, view, [("a", -2, None, {"amount": 9})], AMOUNT, "second")
    result = push_view(push_request(store, view, rows, 0, project))
    assert stored(project, store, view) == [(9,) * len(view.features), None, None, None]
    assert result.entities == 1
    again = push_view(push_request(store, view, rows, 0, project))
    assert (again.rows_sent, again.entities) == (0, 1)


def test_a_rebuild_that_leaves_no_rows_empties_the_view(store, view, project):
    rows = table(view, [("a", -1, None, {"amount": 1})], AMOUNT)
    push_view(push_request(store, view, rows, 0, project))
    rebuild(rows, view, [], AMOUNT, "second")
    assert push_view(push_request(store, view, rows, 1, project)).entities == 0
    assert stored(project, store, view) == [None] * 4


def test_a_view_without_an_entity_that_lost_its_rows_has_no_value(store, project):
    view = event_view([window("sum", "sum", 4, "int64")], entity=None)
    rows = table(view, [(None, -1, None, {"amount": 1})], AMOUNT)
    push_view(push_request(store, view, rows, 0, project))
    rebuild(rows, view, [], AMOUNT, "second")
    push_view(push_request(store, view, rows, 0, project))
    assert store.read(online_view(view, 1, project, "dev"), [[]]) == [None]


@pytest.mark.sample(4)
def test_a_push_of_a_rebuilt_table_that_was_cut_off_is_made_up_for(store, view, project, monkeypatch):
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    push_view(push_request(store, view, rows, 0, project))
    rebuild(rows, view, [("a", -2, None, {"amount": 9})], AMOUNT, "second")
    for step in ("keep_only", "write_push_record"):
        with monkeypatch.context() as patch:
            patch.setattr(type(store), step, _cut_off)
            with pytest.raises(CutOffError):
                push_view(push_request(store, view, rows, 0, project))
    push_view(push_request(store, view, rows, 0, project))
    assert stored(project, store, view) == [(9,) * len(view.features), None, None, None]


@pytest.mark.sample(3)
def test_a_rebuild_after_a_cut_off_first_push_leaves_nothing_of_it(store, view, project, monkeypatch):
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "write_push_record", _cut_off)
        with pytest.raises(CutOffError):
            push_view(push_request(store, view, rows, 0, project))
    rebuild(rows, view, [("a", -2, None, {"amount": 9})], AMOUNT, "second")
    push_view(push_request(store, view, rows, 0, project))
    assert stored(project, store, view) == [(9,) * len(view.features), None, None, None]


def test_a_rebuild_once_the_table_was_looked_at_is_not_taken_for_sent(store, view, project, monkeypatch):
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    push_view(push_request(store, view, rows, 0, project))
    newest, begun = rows.newest, []

    def newest_before_the_other():
        found = newest()
        if not begun:
            begun.append(True)
            rebuild(rows, view, [("a", -2, None, {"amount": 9})], AMOUNT, "second")
        return found

    monkeypatch.setattr(rows, "newest", newest_before_the_other)
    push_view(push_request(store, view, rows, 0, project))
    assert begun
    push_view(push_request(store, view, rows, 0, project))
    assert stored(project, store, view) == [(9,) * len(view.features), None, None, None]


def _cut_off(*_):
    raise CutOffError


@pytest.mark.parametrize("later_h", [0, 1])
@pytest.mark.sample(4)
def test_a_push_during_which_the_table_is_rebuilt_starts_again(store, view, project, monkeypatch, later_h):
    """Another process rebuilds and pushes while this one is between its rows and its record."""
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    write, begun = type(store).write, []

    def write_after_the_other(self, *arguments, **options):
        if not begun:
            begun.append(True)
            rebuild(rows, view, [("a", -2, None, {"amount": 9})], AMOUNT, "second")
            push_view(push_request(store, view, rows, later_h, project))
        return write(self, *arguments, **options)

    push_view(push_request(store, view, table(view, [], AMOUNT), -5, project))
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "write", write_after_the_other)
        push_view(push_request(store, view, rows, 0, project))
    assert stored(project, store, view) == offline(view, rows, later_h)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.sample(1)
def test_many_histories_of_rebuilds(store, view, project, seed):
    check_history(store, view, project, seed)


@pytest.mark.stress
def test_very_many_histories_of_rebuilds(store, view, project):
    for seed in seeds_from(2, 400):
        check_history(store, view, f"{project}_{seed}", seed)


def check_history(store, view, project, seed):
    """Pushes between rebuilds, at the same or a later instant, each leave exactly the table's values."""
    chance = random.Random(seed)
    rows, hours = table(view, some_rows(chance), AMOUNT), 0
    for step in range(6):
        hours += chance.choice([0, 1, 3])
        push_view(push_request(store, view, rows, hours, project))
        found, right = stored(project, store, view), offline(view, rows, hours)
        for entity, have, want in zip(ENTITIES, found, right, strict=True):
            assert have == want or (have is None and want == _without_rows(view)), (seed, step, entity)
        if chance.random() < 0.7:
            rebuild(rows, view, some_rows(chance), AMOUNT, f"rebuild {step}")


def _without_rows(view):
    return (None,) * len(view.features) if view.kind == "event" else None
