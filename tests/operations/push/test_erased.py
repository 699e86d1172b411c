"""A push brings no erased row back, whenever it began and whatever ended it, and removes what is there of one."""

from __future__ import annotations

import random
import uuid
from contextlib import suppress
from dataclasses import replace

import pytest

from featurectl.core.erasures import NOTHING_ERASED
from featurectl.online.row_places import online_view
from featurectl.operations.push import push_view
from tests.online.views import add, at, event_view, latest, push_request, rebuild, state_view, table, window
from tests.seeds import seeds_from
from tests.tombstones import erased, tombstone

AMOUNT = {"amount": "int64"}
ENTITIES = ("a", "b", "c", "d")
VIEWS = {
    "state": state_view([latest("amount", "int64")]),
    "event": event_view([window("sum_2", "sum", 2, "int64"), window("sum_5", "sum", 5, "int64")]),
    "lifetime": event_view([window("sum", "sum", None, "int64")]),
}


class KilledError(Exception):
    """What a test raises where a push is killed."""


@pytest.fixture
def project():
    return f"p{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=sorted(VIEWS))
def view(request):
    return VIEWS[request.param]


def tomb(key, hours):
    return tombstone("customer", ["customer"], [key], at(hours))


def push(*request, erasures=lambda: NOTHING_ERASED):
    return push_view(replace(push_request(*request), erasures=erasures))


def stored(project, store, view):
    rows = store.read(online_view(view, 1, project, "dev"), [[entity] for entity in ENTITIES])
    return [None if row is None else tuple(row.values.values()) for row in rows]


def test_a_push_removes_who_was_erased_since_the_last_one(store, view, project):
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    push(store, view, rows, 0, project)
    gone = erased(tomb("a", 0))
    for _ in range(2):
        result = push(store, view, rows, 0, project, erasures=lambda: gone)  # the table has the row still
        found = stored(project, store, view)
        assert (found[0], found[1] is None, result.entities, result.lost) == (None, False, 1, 0)
    assert store.read_push_record(online_view(view, 1, project, "dev")).erased == 1


@pytest.mark.sample(3)
def test_a_push_that_began_before_an_erasure_brings_nothing_back(store, view, project):
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    answers = iter([NOTHING_ERASED, erased(tomb("a", 0))])
    result = push(store, view, rows, 0, project, erasures=lambda: next(answers))
    assert (stored(project, store, view)[0], result.entities) == (None, 1)


@pytest.mark.sample(3)
def test_what_a_killed_push_has_brought_back_the_next_one_removes(store, view, project):
    rows = table(view, [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})], AMOUNT)
    push(store, view, rows, 0, project)
    add(rows, view, [("a", 0.5, None, {"amount": 5})], AMOUNT)
    gone = erased(tomb("a", 0.7))

    def killed():
        answers = iter([NOTHING_ERASED])

        def load():
            for answer in answers:
                return answer
            raise KilledError

        return load

    with pytest.raises(KilledError):
        push(store, view, rows, 1, project, erasures=killed())
    assert stored(project, store, view)[0] is not None
    rebuild(rows, view, [("b", -1, None, {"amount": 2})], AMOUNT, "")
    push(store, view, rows, 1, project, erasures=lambda: gone)
    assert stored(project, store, view)[0] is None


@pytest.mark.sample(3)
def test_who_came_back_has_only_rows_of_later(store, view, project):
    before = [("a", -1, None, {"amount": 1}), ("b", -1, None, {"amount": 2})]
    rows = table(view, before, AMOUNT)
    push(store, view, rows, 0, project)
    gone = erased(tomb("a", 0))
    add(rows, view, [("a", 0.5, None, {"amount": 10})], AMOUNT)
    push(store, view, rows, 1, project)  # by who does not know of the erasure yet
    push(store, view, rows, 1, project, erasures=lambda: gone)
    assert {*stored(project, store, view)[0]} == {10}


@pytest.mark.parametrize("seed", seeds_from(0, 10))
@pytest.mark.sample(1)
def test_random_histories_of_pushes_and_erasures_end_as_without_the_rows(store, view, project, seed):
    """The oracle is a store to which the rows that are left are pushed once."""
    chance = random.Random(seed)
    rows, all_rows, tombs = table(view, [], AMOUNT), [], []
    for hour in range(1, 7):
        new = [(chance.choice(ENTITIES), hour - chance.choice([0, 0.5, 2]), None, {"amount": chance.randint(0, 99)})
               for _ in range(chance.randint(0, 3))]  # fmt: skip
        new = [row for row in new if not is_erased(row, tombs)]
        all_rows += new
        add(rows, view, new, AMOUNT)
        before = erased(*tombs)
        if chance.random() < 0.5:
            tombs.append(tomb(chance.choice(ENTITIES), hour))
        now = erased(*tombs)
        answers = iter(chance.choice([(before, now), (now, now), (before, None)]))

        def load(answers=answers):
            if (answer := next(answers)) is None:
                raise KilledError
            return answer

        with suppress(KilledError):
            push(store, view, rows, hour, project, erasures=load)
    end = erased(*tombs)
    push(store, view, rows, 7, project, erasures=lambda: end)
    left = [row for row in all_rows if not is_erased(row, tombs)]
    push(store, view, table(view, left, AMOUNT), 7, f"{project}-oracle")
    assert known(stored(project, store, view)) == known(stored(f"{project}-oracle", store, view))


def known(rows):
    """Rows without those of entities whose windows have run empty: a first push sends none of these."""
    return [None if row is None or {*row} == {None} else row for row in rows]


def is_erased(row, tombs):
    return any(item.digest == tomb(row[0], 0).digest and at(row[1]) <= item.at for item in tombs)
