"""Lists that can't be compacted when they have grown long are compacted when they can be, and nobody waits for them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.core.errors import StoreError
from featurectl.core.units import from_us
from featurectl.online.stream_state.base import (
    EntityList,
    Generation,
    KnownStamps,
    ListAppend,
    ListReplacement,
    ListsAsk,
    RegisterState,
    StreamSource,
)
from featurectl.online.stream_state.layout import layout_of
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.streaming.compaction_queue import LONG, VERY_LONG, CompactionQueue
from featurectl.streaming.quiet_lists import QuietLists
from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.seeding import Seeding
from featurectl.streaming.topics.base import TakeLimits
from tests.streaming.conveyor import SOURCE, VIEWS
from tests.streaming.test_worker_failures import Stage

STORES = ["sqlite", *[pytest.param(name, marks=pytest.mark.long) for name in ("redis_cluster_url", "postgres_url")]]
ALL = TakeLimits(messages=20_000, timeout_s=0.0)


@pytest.fixture(params=["redis_url", *STORES])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    url = "" if request.param == "sqlite" else request.getfixturevalue(request.param)
    place = StreamSource(project=f"shop{time.time_ns()}", env="dev", source="swipes")
    made = Stage(folder=tmp_path, store_url=url, place=place)
    made.step()
    yield made
    made.worker.close()
    made.state.close()
    made.broker.close()


def send(stage: Stage, count: int, cards: Sequence[str] = ("c1",)) -> None:
    """Send some events of each of some cards."""
    at = from_us(stage.clock_us).isoformat()
    own = {"swipe": 1, "shop": "s1", "arr_delay": -1.0, "at": at}  # which the view of shops does not take
    events = [json.dumps({**own, "card": card, "swipe": number}).encode() for number in range(count) for card in cards]
    with closing(stage.broker.open_writer("swipes")) as writer:
        writer.send([(b"all", event) for event in events])
        writer.flush()


def turn(stage: Stage, seconds: int = 1) -> None:
    """Have the worker take all that there is, after some seconds."""
    stage.clock_us += seconds * 1_000_000
    stage.worker.step(ALL)


def named(stage: Stage, view: str = "spend@1") -> Seeding:
    """Name a generation that workers write from now on, and nobody reads."""
    return Seeding(SeededView(name=view, view=VIEWS[view], source=SOURCE), stage.worker.connection, stage.log)


def switch(stage: Stage, seeding: Seeding) -> None:
    """Have it read."""
    stage.worker.write_log()
    assert seeding.step(stage.worker.connection) == "done"


def lengths(stage: Stage, *cards: str, view: str = "spend@1") -> list[int]:
    """Return how many elements the lists of some cards have."""
    asks = [ListsAsk(view=view, entities=[b"s%d:%s" % (len(card), card.encode()) for card in cards or ("c1",)])]
    [answer] = stage.state.read(stage.place, asks)
    assert answer.lists is not None
    return [0 if found is None else len(found.elements) for found in answer.lists]


def beside(stage: Stage) -> QuietLists:
    """What goes on beside the worker; the test says when it looks."""
    return QuietLists(stage.worker.stream, stage.worker.compaction)


def counted_reads(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Return how many lists of each view a trip to compact some asks for, as it comes."""
    lists, asked = stage.worker.connection.lists, list[dict[str, int]]()
    read = lists.read

    def reading(asks: Sequence[ListsAsk]) -> tuple[RegisterState, list[list[EntityList | None]]]:
        asked.append({ask.view: len(ask.entities) for ask in asks})
        return read(asks)

    monkeypatch.setattr(lists, "read", reading)
    return asked


@pytest.mark.sample(1)
def test_lists_that_grew_before_they_are_read_are_compacted_then(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    seeding, quiet, cards = named(stage), beside(stage), [f"c{number}" for number in range(300)]
    asked = counted_reads(stage, monkeypatch)
    send(stage, LONG, cards)
    turn(stage)
    turn(stage)
    quiet.compact_long()
    turn(stage)
    assert asked == [{"spend@1": 200}]  # who has seen once that they are not read asks for them no more
    switch(stage, seeding)
    assert lengths(stage, *cards) == [LONG] * 300
    quiet.compact_long()
    del asked[:]
    turn(stage)
    turn(stage)
    turn(stage)
    assert (lengths(stage, *cards), asked) == ([1] * 300, [{"spend@1": 200}, {"spend@1": 100}])


@pytest.mark.sample(1)
def test_lists_of_a_worker_that_ends_once_they_are_read_are_compacted(stage: Stage):
    seeding, cards = named(stage), [f"c{number}" for number in range(300)]
    send(stage, LONG, cards)
    turn(stage)
    turn(stage)
    switch(stage, seeding)
    beside(stage).end_once(cleans_log=False)
    assert lengths(stage, *cards) == [1] * 300


@pytest.mark.sample(1)
def test_lists_that_are_not_read_hold_up_no_others(stage: Stage):
    seeding, others = named(stage, "newest@2"), named(stage)
    switch(stage, others)
    cards = [f"c{number}" for number in range(300)]
    for _ in range(2):
        send(stage, LONG, cards)
        turn(stage)
        turn(stage, 0)
    assert (lengths(stage, *cards), len(stage.worker.compaction)) == ([1] * 300, 0)
    switch(stage, seeding)
    beside(stage).end_once(cleans_log=False)
    assert max(lengths(stage, *cards, view="newest@2")) <= 2


def test_views_take_turns(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    for view in ("newest@2", "spend@1"):
        switch(stage, named(stage, view))
    connection, compaction = stage.worker.connection, stage.worker.compaction
    for generation in sorted(connection.register.read_state().named()):
        compaction.see(generation, {b"s4:c%03d" % number: LONG for number in range(300)})
    asked = counted_reads(stage, monkeypatch)
    while len(compaction):
        compaction.step(connection)
    assert asked == [{"newest@2": 200}, {"spend@1": 200}, {"newest@2": 100, "spend@1": 100}]


def test_new_lists_beside_those_that_are_read_are_compacted_later(stage: Stage):
    switch(stage, named(stage))
    seeding, quiet = named(stage), beside(stage)
    send(stage, LONG + 5)
    turn(stage)
    assert lengths(stage) == [1]
    send(stage, 1)
    turn(stage)
    switch(stage, seeding)
    assert lengths(stage) == [LONG + 6]
    quiet.compact_long()
    turn(stage)
    assert lengths(stage) == [1]


def test_a_list_that_is_long_with_its_new_head_is_compacted(stage: Stage):
    send(stage, 1)
    turn(stage)
    seeding = named(stage)
    send(stage, LONG - 1)
    turn(stage)
    switch(stage, seeding)
    assert lengths(stage) == [LONG]
    beside(stage).end_once(cleans_log=False)
    assert lengths(stage) == [1]


def test_lists_that_are_given_up_are_forgotten(stage: Stage):
    quiet, compaction = beside(stage), stage.worker.compaction
    for _ in range(2):
        seeding = named(stage)
        send(stage, LONG, ["c1", "c2"])
        turn(stage)
        assert (len(compaction), compaction.holds_some) == (0, True)
        stage.worker.connection.generations.drop(seeding.generation)
        quiet.compact_long()
        turn(stage)
        assert (len(compaction), compaction.holds_some) == (0, False)


def test_very_long_lists_that_are_not_read_yet_are_compacted_then(stage: Stage):
    seeding, quiet = named(stage), beside(stage)
    generation = seeding.generation
    send(stage, LONG, ["c2"])
    turn(stage)  # it waits, and gets very long then
    stage.worker.compaction.see(generation, {b"s2:c1": VERY_LONG, b"s2:c2": VERY_LONG})
    send(stage, 60)
    turn(stage)
    assert quiet.compact_long() == 0
    switch(stage, seeding)
    assert quiet.compact_long() == 2
    assert lengths(stage, "c1", "c2") == [1, 1]


def test_a_list_is_left_to_the_thread_as_soon_as_it_is_very_long(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    switch(stage, named(stage))
    asked = counted_reads(stage, monkeypatch)
    compaction = stage.worker.compaction
    [generation] = stage.worker.connection.register.read_state().named()
    compaction.see(generation, {b"s2:c1": LONG})
    compaction.see(generation, {b"s2:c1": VERY_LONG})
    turn(stage)
    assert asked == []


def test_a_turn_reads_so_few_lists_that_it_is_not_late(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    switch(stage, named(stage))
    asked = counted_reads(stage, monkeypatch)
    [generation] = stage.worker.connection.register.read_state().named()
    stage.worker.compaction.see(generation, {b"s3:c%02d" % number: VERY_LONG - 1 for number in range(10)})
    while len(stage.worker.compaction):
        turn(stage)
    assert asked == [{"spend@1": count} for count in (4, 4, 2)]  # as many elements as 200 lists of a hundred


def test_long_lists_of_events_that_are_not_all_taken_are_compacted_then(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    switch(stage, named(stage))
    stage.worker.compaction.long = 10
    send(stage, 30)
    connection, first = stage.worker.connection, stage.worker.readings[0].position
    assert connection.register.claim(0, first, first + 30, KnownStamps())  # by one that was killed: all have one stamp
    stage.worker.again.add(0)
    stage.step()
    asked = counted_reads(stage, monkeypatch)
    stage.step()
    assert lengths(stage) == [20]  # as long as others of that stamp are not there
    stage.worker.compaction.long = LONG  # the last events do not tell of it
    stage.step()
    for _ in range(3):
        beside(stage).compact_long()
        turn(stage)
    assert (lengths(stage), asked) == ([1], [{"spend@1": 1}] * 2)


def test_a_very_long_list_of_a_batch_that_is_not_done_is_compacted_then(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    switch(stage, named(stage))
    connection, quiet = stage.worker.connection, beside(stage)
    finish = connection.register.finish

    def finishing(*given: object) -> bool:
        stage.worker.compaction.see(generation, {b"s2:c1": VERY_LONG})
        assert quiet.compact_long() == 0  # all that it has was not done
        return finish(*given)  # type: ignore[arg-type]

    [generation] = connection.register.read_state().named()
    monkeypatch.setattr(connection.register, "finish", finishing)
    stage.worker.compaction.long = VERY_LONG
    send(stage, LONG)
    turn(stage)
    assert lengths(stage) == [LONG]
    turn(stage)
    assert (quiet.compact_long(), lengths(stage)) == (1, [1])


@pytest.mark.parametrize("ends", [False, True])
def test_a_list_that_others_replace_meanwhile_is_looked_at_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, ends: bool
):
    switch(stage, named(stage))
    send(stage, 2)
    turn(stage)
    [generation] = stage.worker.connection.register.read_state().named()
    with closing(stage.state.connect(stage.place)) as other:
        late = held_back(generation, other)
        mine = stage.worker.connection.lists.replace

        def after_another(wanted: Sequence[ListReplacement]) -> list[bool]:
            monkeypatch.undo()
            assert other.lists.replace(late) == [True]
            return mine(wanted)

        monkeypatch.setattr(stage.worker.connection.lists, "replace", after_another)
        send(stage, LONG)
        turn(stage)
    assert lengths(stage) == [1 + LONG]
    if ends:
        beside(stage).end_once(cleans_log=False)
    else:
        turn(stage)
        beside(stage).compact_long()
        turn(stage)
    assert lengths(stage) == [1]


def held_back(generation: Generation, other: StreamConnection) -> list[ListReplacement]:
    """What another compactor has read, and is to write."""
    wanted: list[ListReplacement] = []
    queue = CompactionQueue(lambda _: layout_of(VIEWS["spend@1"]))
    queue.add(generation, [b"s2:c1"])

    def replacing(found: Sequence[ListReplacement]) -> list[bool]:
        wanted.extend(found)
        return [True]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(other.lists, "replace", replacing)
        queue.step(other)
    return wanted


@pytest.mark.sample(1)
def test_lists_that_are_broken_keep_no_other_from_compaction_at_the_end(stage: Stage):
    seeding = named(stage)
    cards = [f"c{number}" for number in range(300)]
    broken = ListAppend(generation=seeding.generation, entities=[b"s2:c0", b"s2:c1"], elements=[b"\1broken"] * 2)
    stage.worker.connection.lists.append([broken])
    send(stage, LONG, cards)
    turn(stage)
    stage.worker.compaction.see(seeding.generation, {b"s2:c1": VERY_LONG, b"s2:c2": VERY_LONG})
    switch(stage, seeding)
    beside(stage).end_once(cleans_log=False)
    assert lengths(stage, *cards) == [LONG + 1] * 2 + [1] * 298


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_in_vain_at_the_end_is_left(stage: Stage, monkeypatch: pytest.MonkeyPatch, *, fails: bool):
    switch(stage, named(stage))
    send(stage, 5)
    turn(stage)
    [generation] = stage.worker.connection.register.read_state().named()
    stage.worker.compaction.see(generation, {b"s2:c1": LONG})
    tried = 0

    def trying(*given: object) -> list[bool]:
        nonlocal tried
        tried += 1
        if fails:
            raise StoreError("the store is away", code="FC602")
        return [False for _ in given]  # others are always first

    def connecting(place: StreamSource) -> StreamConnection:
        connection = connect(place)
        monkeypatch.setattr(connection.lists, "replace", trying)
        return connection

    connect = stage.state.connect
    monkeypatch.setattr(stage.state, "connect", connecting)
    beside(stage).end_once(cleans_log=False)
    assert tried == (1 if fails else 3)


def test_a_worker_ends_when_lists_that_somebody_makes_are_read(stage: Stage):
    quiet = beside(stage)
    assert quiet.can_end(0.0, 30.0)
    switch(stage, named(stage))
    seeding = named(stage)
    send(stage, LONG)
    turn(stage)
    assert [quiet.can_end(at_s, 30.0) for at_s in (0.0, 29.0, 30.0)] == [False, False, True]
    switch(stage, seeding)
    assert quiet.can_end(1.0, 30.0)
    quiet.end_once(cleans_log=False)
    assert lengths(stage) == [1]


@pytest.mark.parametrize("length", [LONG, VERY_LONG])
def test_a_worker_does_not_wait_for_lists_that_were_given_up(stage: Stage, length: int):
    seeding, quiet = named(stage), beside(stage)
    stage.worker.compaction.see(seeding.generation, {b"s2:c1": length})
    for _ in range(2):
        assert not quiet.can_end(0.0, 30.0)
        quiet.compact_long()
    stage.worker.connection.generations.drop(seeding.generation)
    assert quiet.can_end(0.0, 30.0)
