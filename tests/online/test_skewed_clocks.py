"""Any story of pushers whose clocks differ, of lost rows and of pushes of everything, against a naive model.

The model knows one instant: that of the last push that counted. Whoever reads as of it finds what the offline table
says of it, unless rows were lost since.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from featurectl.core.errors import DataError
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.online.read import ViewReader, read_features
from featurectl.online.redis import store as redis_store
from featurectl.online.row_places import online_view
from featurectl.operations.push import push_view, read_offline
from tests.online.conftest import SLOW, STORES
from tests.online.losses import lose_row
from tests.online.views import (
    T0,
    add,
    event_view,
    latest,
    push_request,
    rebuild,
    state_view,
    table,
    window,
)

AMOUNT = {"amount": "int64"}
ENTITIES = ("a", "b", "c", "d")
VIEWS = {
    "state": state_view([latest("amount", "int64")]),
    "event": event_view([window("sum_2", "sum", 2, "int64"), window("n_5", "count", 5, "int64", None)]),
}
SKEWS_S = (0, 0, 0, 20, 55, -20, -400, 400, 86_400 * 900)
MINUTE = timedelta(seconds=60)


@dataclass(slots=True)
class Model:
    """What must be true of the store: as of when it is, of which rebuild, and whether rows are gone."""

    time: datetime = T0
    pushed: datetime | None = None
    rebuilt: str = ""
    table_of: str = ""
    lost: bool = False
    seen: list[str] = field(default_factory=list)

    def expect(self, now: datetime, bound: datetime, *, full: bool, as_of: bool) -> str:
        """Return what a push must do: "send", "stay" or "refuse", and take note of it."""
        latest_push = max(now, self.time + MINUTE)
        future = self.pushed is not None and self.pushed > latest_push
        replaces = full or (future and self.table_of != self.rebuilt)
        if self.pushed is not None and self.pushed > now and not replaces:
            return "refuse" if future else "stay"
        now = max(now, self.time) if replaces and not as_of else now
        keeps = self.pushed is not None and now < self.pushed and not (replaces and self.pushed > bound)
        self.pushed = self.pushed if keeps else now
        self.rebuilt, self.lost = self.table_of, False
        return "send"


class Story:
    """One store, one view, and everything that happens to them."""

    def __init__(self, store, view, seed):
        self.store, self.view, self.chance = store, view, random.Random(seed)
        self.project, self.model, self.rows = (
            f"p{uuid.uuid4().hex[:12]}",
            Model(),
            table(view, self.some_rows(T0), AMOUNT),
        )
        self.where = online_view(view, 1, self.project, "dev")

    def some_rows(self, now):
        hours = (now - T0) / timedelta(hours=1)
        return [
            (self.chance.choice(ENTITIES), event := hours + self.chance.uniform(-3, 0.5),
             event + self.chance.choice([0, 0, 1]), {"amount": self.chance.randint(0, 99)})
            for _ in range(self.chance.randint(0, 3))
        ]  # fmt: skip

    def step(self):
        steps = (self.push, self.push, self.push, self.push_everything, self.lose, self.add, self.rebuild, self.wait)
        self.chance.choice(steps)()

    def wait(self):
        self.model.time += timedelta(seconds=self.chance.choice([1, 30, 90, 3_600, 9_000]))

    def add(self):
        add(self.rows, self.view, self.some_rows(self.model.time), AMOUNT)
        # `add` keeps no rebuild: the rows descend from the one before
        number, (frame, coverage) = len(self.rows.versions) - 1, self.rows.versions[-1]
        self.rows.versions[number] = (frame, replace(coverage, rebuild_id=self.model.table_of))

    def rebuild(self):
        self.model.table_of = uuid.uuid4().hex
        rebuild(self.rows, self.view, self.some_rows(self.model.time), AMOUNT, self.model.table_of)

    def lose(self):
        entity = self.chance.choice(ENTITIES)
        if self.store.read(self.where, [[entity]]) != [None]:
            lose_row(self.store, self.where, entity)
            self.model.lost = True

    def push(self):
        self.pushed_as(full=False)

    def push_everything(self):
        self.pushed_as(full=True)

    def pushed_as(self, *, full):
        model, as_of = self.model, self.chance.random() < 0.15
        skew = timedelta(seconds=self.chance.choice(SKEWS_S))
        now = model.time - timedelta(hours=1) if as_of else model.time + skew
        if not as_of and timedelta() < skew <= MINUTE:
            now = model.time  # as commands do: the store's time
        hours = (now - T0) / timedelta(hours=1)
        request = replace(
            push_request(self.store, self.view, self.rows, hours, self.project),
            now=now,
            clock=None if as_of else now,
            latest=lambda: model.time + MINUTE,
            full=full,
        )
        before = self.look() if model.pushed else None
        expected = model.expect(now, request.none_after(), full=full, as_of=as_of)
        model.seen.append(expected)
        if expected == "refuse":
            with pytest.raises(DataError) as caught:
                push_view(request)
            assert caught.value.code == "FC527"
        else:
            result = push_view(request)
            assert result.computed_at == model.pushed
        if expected == "send":
            self.check()
        else:
            assert self.look() == before

    def look(self):
        found = read_features(self.store, self.view, self.where, [[name] for name in ENTITIES], self.model.pushed)
        return [{name: value.value for name, value in answer.values.items()} for answer in found]

    def check(self):
        at, engine, reader = self.model.pushed, PolarsEngine(), ViewReader(self.view, self.where)
        offline = [read_offline(engine, self.view, self.rows, {"customer": name}, at) for name in ENTITIES]
        answers = [reader.answer(row, at, pushed=at) for row in offline]
        assert self.look() == [{name: value.value for name, value in answer.values.items()} for answer in answers]
        there = self.store.count_rows(self.where)
        record = self.store.read_push_record(self.where)
        assert (record.computed_at, record.entities, self.store.count(self.where)) == (at, there, there)


def run(store, view, seeds, steps):
    seen = set()
    for seed in seeds:
        story = Story(store, view, seed)
        for _ in range(steps):
            story.step()
        seen |= set(story.model.seen)
        if hasattr(store, "remove"):
            store.remove(story.where)
    return seen


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """Rows are counted, however many other tests have left on a server."""
    monkeypatch.setattr(redis_store, "FEW_KEYS", 1 << 40)


@pytest.mark.long
@pytest.mark.parametrize(
    ("open_again", "kind"), [("sqlite", "event"), ("redis_url", "state"), (SLOW, "event")], indirect=["open_again"]
)
@pytest.mark.sample(1)
def test_who_reads_as_of_the_last_push_finds_what_the_table_says(store, kind):
    assert run(store, VIEWS[kind], range(2), 25) == {"send", "stay", "refuse"}


@pytest.mark.stress
@pytest.mark.parametrize("kind", sorted(VIEWS))
@pytest.mark.parametrize("open_again", [name for name in STORES if name != SLOW], indirect=True)
def test_so_it_is_in_many_long_stories(store, kind):
    assert run(store, VIEWS[kind], range(1_000, 1_060), 60) == {"send", "stay", "refuse"}


class AtOnce:
    """Pushers that work at the same time, each with a connection of its own, while rows are added."""

    def __init__(self, open_again, view, seed):
        self.open_again, self.view, self.chance = open_again, view, random.Random(seed)
        self.project, self.begun_s, self.problems = f"p{uuid.uuid4().hex[:12]}", time.monotonic(), []
        self.rows = table(view, [(name, -1, None, {"amount": 0}) for name in ENTITIES], AMOUNT)
        self.where = online_view(view, 1, self.project, "dev")

    def now(self):
        return T0 + timedelta(seconds=time.monotonic() - self.begun_s)

    def push(self, made, *, full):
        now = self.now()
        request = push_request(made, self.view, self.rows, 0, self.project)
        return push_view(
            replace(request, now=now, clock=now, latest=lambda: self.now() + MINUTE, full=full)
        ).computed_at

    def push_some(self, *, full):
        try:
            with closing(self.open_again()) as made:
                for _ in range(6):
                    self.push(made, full=full)
        except Exception as error:  # noqa: BLE001  # of a thread: the test raises it
            self.problems.append(error)

    def run(self):
        threads = [threading.Thread(target=self.push_some, kwargs={"full": number < 2}) for number in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            hours = (self.now() + timedelta(seconds=0.2) - T0) / timedelta(hours=1)  # it is there before it is known
            add(
                self.rows,
                self.view,
                [(self.chance.choice(ENTITIES), hours, None, {"amount": self.chance.randint(1, 99)})],
                AMOUNT,
            )
            time.sleep(0.005)
        for thread in threads:
            thread.join()
        assert self.problems == []
        with closing(self.open_again()) as made:
            at = made.read_push_record(self.where).computed_at
            found = read_features(made, self.view, self.where, [[name] for name in ENTITIES], at)
            made.remove(self.where)
        offline = [read_offline(PolarsEngine(), self.view, self.rows, {"customer": name}, at) for name in ENTITIES]
        wanted = [ViewReader(self.view, self.where).answer(row, at, pushed=at) for row in offline]
        assert [answer.values for answer in found] == [answer.values for answer in wanted]


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(VIEWS))
@pytest.mark.parametrize("open_again", ["redis_url"], indirect=True)
@pytest.mark.sample(1)
def test_pushes_of_everything_among_others_leave_nothing_stale(open_again, kind):
    AtOnce(open_again, VIEWS[kind], 5).run()


@pytest.mark.stress
@pytest.mark.parametrize("kind", sorted(VIEWS))
@pytest.mark.parametrize("open_again", [name for name in STORES if name != SLOW], indirect=True)
def test_so_they_do_again_and_again(open_again, kind):
    for seed in range(25):
        AtOnce(open_again, VIEWS[kind], seed).run()
