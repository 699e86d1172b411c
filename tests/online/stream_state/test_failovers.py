"""Masters of a real Cluster that fail over and lose their last writes: what is done is never missing in an answer."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.all_stores import open_stream_state
from featurectl.online.redis.slots import slot_of
from featurectl.online.stream_state.base import Generation, KnownStamps, ListAppend, ListsAsk
from tests.online.stream_state.test_histories import ON_FIRST_MASTER
from tests.servers.cluster import started_cluster
from tests.servers.redis import START_LIMIT_S

GENERATION = Generation(view="spend@1", id="a1")
KEYS = [b"i2:%02d" % number for number in range(12)]  # on all masters; each event goes to all
ASK = ListsAsk(view="spend@1", entities=KEYS)


class Writer:
    """Takes batches one after the other, and begins anew at the least mark whenever it is to."""

    def __init__(self, state, source) -> None:
        self._state, self._source = state, source
        self.is_over = threading.Event()
        self.began, self.done, self.voids = 0, 0, 0
        self.why = ""  # the last that failed

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                with closing(self._state.connect(self._source)) as connection:
                    self.began += 1
                    self._write(connection)
            except StoreError as error:
                self.why = error.message
            time.sleep(0.02)

    def _write(self, connection) -> None:
        number = connection.register.add_partition("p")
        marks = connection.lists.marks(number)
        [of] = connection.register.read_state().partitions
        if max(marks, default=0) > of.end:
            self.voids += 1
            connection.generations.void()
            rebuild(connection)
            return
        at = min([of.done, *marks])
        while not self.is_over.is_set():
            claim = connection.register.claim(number, at, at + 5, KnownStamps())
            if claim is None:
                return
            elements = [b"\x01%d" % offset for offset in range(at, at + 5) for _ in KEYS]
            generations = [each.generation for each in claim.generations]
            connection.lists.append(
                [ListAppend(generation=of, entities=KEYS * 5, elements=elements) for of in generations]
            )
            if not connection.lists.mark(number, at, at + 5, claim.generations):
                return
            if not connection.register.finish(number, at, at + 5, generations):
                return
            at += 5
            self.done = at


def rebuild(connection) -> None:
    """Begin with a generation that needs no heads; its lists have what comes from its cut on."""
    generation = Generation(view="spend@1", id=f"r{time.time_ns():x}")
    cuts = connection.generations.add(generation).cuts
    assert connection.lists.make_ready(generation, connection.lists.seed(generation, []), cuts)
    connection.generations.switch(generation)


class Checker:
    """Reads all lists again and again: an answer has every offset that was done when the register was asked."""

    def __init__(self, state, source) -> None:
        self._state, self._source = state, source
        self.is_over = threading.Event()
        self.answers, self.unanswered, self.wrong = 0, 0, list[str]()

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                poll = self._state.read_poll(self._source)
                [answer] = self._state.fetch(self._source, poll, [ASK])
            except StoreError:
                self.unanswered += 1
                continue
            for key, found in zip(KEYS, answer.lists or [None] * len(KEYS), strict=True):
                self._check(key, found, poll)

    def _check(self, key: bytes, found, poll) -> None:
        if found is None or poll.live.get("spend@1") != GENERATION.id:
            self.unanswered += 1
            return
        self.answers += 1
        there = {int(element[1:]) for element in found.elements}
        missing = {*range(poll.done.get(0, 0))} - there
        if missing:
            self.wrong.append(f"{key!r} lacks {sorted(missing)[:3]}... of {poll.done}, marks {found.marks}")


@pytest.mark.long
@pytest.mark.parametrize("lost", [(1, 2), (0,)], ids=["lists", "the register"])
def test_what_is_done_is_in_every_answer_while_masters_fail_over(source, monkeypatch, lost):
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", 4.0)
    source = type(source)(project=source.project, env="dev", source=ON_FIRST_MASTER)
    with ExitStack() as stack:
        cluster = stack.enter_context(started_cluster(3, 3, "--cluster-node-timeout", "2500"))
        states = [stack.enter_context(closing(open_stream_state(cluster.url))) for _ in range(2)]
        with closing(states[0].connect(source)) as connection:
            connection.register.add_partition("p")
            cuts = connection.generations.add(GENERATION).cuts
            assert connection.lists.make_ready(GENERATION, connection.lists.seed(GENERATION, []), cuts)
            assert connection.generations.switch(GENERATION)
        writer, checker = Writer(states[0], source), Checker(states[1], source)
        threads = [threading.Thread(target=each.run) for each in (writer, checker)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: checker.answers > 100, lambda: "nothing is answered")
            for m in lost:
                lose(cluster, m, writer)
            goes_on(writer)
        finally:
            writer.is_over.set()
            checker.is_over.set()
            for thread in threads:
                thread.join()
        assert checker.wrong == []
        assert writer.began > len(lost)
        assert (writer.voids > 0) == (0 in lost)  # the register lost what the other masters have
        assert {slot_of(key) * 3 // 16_384 for key in KEYS} == {0, 1, 2}


def lose(cluster, m: int, writer: Writer) -> None:
    """Kill a master whose replica has not heard of the last writes."""
    goes_on(writer)
    cluster.replicas[m].pause()
    with cluster.nodes[m].client() as client:
        client.client_kill_filter(_type="replica")  # what waits in the system's buffers would reach it
    goes_on(writer)
    cluster.nodes[m].kill()
    cluster.replicas[m].resume()
    cluster.wait_for_takeover(m)
    goes_on(writer)


def goes_on(writer: Writer) -> None:
    """Wait until the writer has taken 100 more events."""
    before = writer.done
    wait_until(lambda: writer.done >= before + 100, lambda: f"{writer.done} after {before} events: {writer.why}")


def wait_until(is_so, else_said) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while not is_so():
        assert time.monotonic() < limit, else_said()
        time.sleep(0.01)
