"""The number of entities: right whoever was ended in the middle, and whoever writes at the same time."""

# ruff: noqa: SLF001  # looks at what writers leave

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from featurectl.online.all_stores import open_online
from featurectl.online.dynamodb import counting, writing
from featurectl.online.dynamodb.counting import EntityCounter
from tests.online.dynamodb.faults import Faults
from tests.online.dynamodb.test_failures import ENTITIES, numbers, of_ids, push, rows
from tests.online.rows import T0, view

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def few_a_turn(monkeypatch):
    monkeypatch.setattr(writing, "ROWS_A_TURN", 10)


def signs(store, of) -> list[bytes]:
    """Return the signs of those who write a view version, or were ended as they did."""
    return store.bytes._names(f"{of.project}/{of.env}", "writer/")


class EndedError(Exception):
    """What ends a writer of a test."""


def end_after(turns: int):
    heard = []

    def on_rows(count):
        heard.append(count)
        if len(heard) == turns:
            raise EndedError

    return on_rows


@pytest.mark.parametrize("counts", [True, False])
def test_after_a_writer_that_was_ended_the_next_one_counts_all(dynamodb_url, monkeypatch, counts):
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        with monkeypatch.context() as patch:
            if not counts:  # ended between the rows and their number
                patch.setattr(EntityCounter, "add", lambda *_: None)
            patch.setattr(writing.RowWriter, "write", _ending(writing.RowWriter.write, 2))
            with pytest.raises(EndedError):
                push(store, of, 1)
        assert (store.count(of), store.count_rows(of)) == (20 if counts else 0, 20)
        assert len(signs(store, of)) == 1
        push(store, of, 2)
        assert (store.count(of), store.count_rows(of)) == (ENTITIES, ENTITIES)
        assert len(signs(store, of)) == 1  # it may still be at work
        monkeypatch.setattr(counting, "_SIGN_S", -1)
        push(store, of, 3)
        assert store.count(of) == ENTITIES


def _ending(write, turns):
    left = [turns]

    def ended(self, items):
        if left[0] == 0:
            raise EndedError
        left[0] -= 1
        return write(self, items)

    return ended


def test_the_sign_of_one_that_is_gone_is_taken_away_by_who_counts(dynamodb_url, monkeypatch):
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        store.prepare(of)
        with monkeypatch.context() as patch:
            patch.setattr(counting, "_SIGN_S", -10)
            EntityCounter(store.bytes.link, of).begin()
        assert len(signs(store, of)) == 1
        push(store, of, 1)
        assert (signs(store, of), store.count(of)) == ([], ENTITIES)


def test_who_finds_its_rows_counted_by_another_counts_again(dynamodb_url, monkeypatch):
    """The first pushes some, the second all and counts, then the first goes on."""
    of = of_ids()
    met, gone_on = threading.Event(), threading.Event()
    write = writing.RowWriter.write
    first = threading.Event()

    def held(self, items):
        written = write(self, items)
        if not first.is_set():
            first.set()
            met.set()
            assert gone_on.wait(60)
        return written

    monkeypatch.setattr(writing.RowWriter, "write", held)
    with closing(open_online(dynamodb_url)) as store, closing(open_online(dynamodb_url)) as other:
        thread = threading.Thread(target=push, args=(store, of, 1))
        thread.start()
        assert met.wait(60)
        push(other, of, 2, ENTITIES - 5)
        assert other.count(of) == ENTITIES - 5
        gone_on.set()
        thread.join()
        assert numbers(store, of) == [2] * (ENTITIES - 5) + [1] * 5
        assert (store.count(of), store.count_rows(of), signs(store, of)) == (ENTITIES, ENTITIES, [])


@pytest.mark.parametrize("versioned_by", ["event", "computed"])
def test_a_request_that_was_under_way_never_replaces_what_came_meanwhile(dynamodb_url, versioned_by):
    """A writer is stopped just before it sends rows, and goes on when another has pushed newer ones."""
    of = view({"n": "int64"}, {"id": "int64"}, versioned_by=versioned_by)
    sent, gone_on = threading.Event(), threading.Event()

    def held(operation, number):
        if operation == "PutItem" and number > 1:  # the first one is its sign
            sent.set()
            assert gone_on.wait(60)

    with closing(open_online(dynamodb_url)) as store, closing(open_online(dynamodb_url)) as other:
        push(store, of, 1)
        Faults(store.bytes.link).refused = held
        thread = threading.Thread(target=push, args=(store, of, 2))
        thread.start()
        assert sent.wait(60)
        push(other, of, 3)
        gone_on.set()
        thread.join()
        assert numbers(other, of) == [3] * ENTITIES
        assert (other.count(of), other.count_rows(of)) == (ENTITIES, ENTITIES)


def test_a_removal_that_was_ended_is_counted_by_the_next_writer(dynamodb_url, monkeypatch):
    of = of_ids()
    with closing(open_online(dynamodb_url)) as store:
        push(store, of, 1)
        monkeypatch.setattr("featurectl.online.dynamodb.store._PAGE_ROWS", 1)
        with monkeypatch.context() as patch:
            patch.setattr(EntityCounter, "add", _raising)
            with pytest.raises(EndedError):
                store.keep_only(of, rows(of, 1, 5).select("id"), T0.replace(year=2030))
        assert store.count_rows(of) == ENTITIES - 1
        assert store.keep_only(of, rows(of, 1, 5).select("id"), T0.replace(year=2030)) == ENTITIES - 6
        assert store.count(of) == store.count_rows(of) == 5


def _raising(*_: object) -> None:
    raise EndedError
