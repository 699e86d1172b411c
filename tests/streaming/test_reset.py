"""A topic that was made again: its partitions of before are retired, and hold nothing back; what was logged stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.offline.event_log import OFFSET, PARTITION, STAMP
from featurectl.online.stream_state.base import KnownStamps, ReadingPosition
from featurectl.streaming.reset import ResettableStream, StreamReset, reset_stream
from featurectl.streaming.retirement import check_before
from featurectl.streaming.seeding import can_seed
from featurectl.streaming.topics.base import TopicState
from featurectl.streaming.topics.faults import OtherTopicError, RetentionError, TopicRestartedError
from tests.streaming.conveyor import SECOND
from tests.streaming.test_worker_failures import Stage
from tests.streaming.topics.kinds import SqliteKind


def waited(_: float) -> None:
    """Wait not at all."""


class Remade(Stage):
    """A stage whose topic is made again, as another program does it."""

    def remake(self) -> None:
        SqliteKind(self.folder / "streams.db").remove("swipes")
        self.broker.create("swipes", self.partitions)

    def reset(self, wait: Callable[[float], None] = waited) -> StreamReset:
        stream = ResettableStream(
            place=self.place,
            state=self.state,
            log=self.log,
            topic=lambda: self.broker.state("swipes"),
            watermarks=lambda: self.broker.watermarks("swipes"),
        )
        return reset_stream(stream, wait=wait, patience_s=2.0)

    def again(self) -> Remade:
        """Another worker at the same place, which begins with what there is."""
        return Remade(folder=self.folder, clock_us=self.clock_us, partitions=self.partitions)

    def logged(self) -> list[tuple[str, int]]:
        rows = [row for frame in self.log.read_rows(self.log.open(), [PARTITION, OFFSET]) for row in frame.rows()]
        return sorted((name.split("#")[0], offset) for name, offset in rows)

    @property
    def asof(self) -> int:
        return self.worker.connection.register.read_state().asof


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Remade]]:
    made: list[Remade] = []

    def make(*, of: Remade | None = None, **changes: int) -> Remade:
        made.append(Remade(folder=tmp_path, **changes) if of is None else of.again())  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.worker.close()
        each.state.close()
        each.broker.close()


def test_a_topic_that_was_made_again_goes_on_after_a_reset(stage: Callable[..., Remade]):
    made = stage()
    made.step()
    made.seeded("spend@1")
    made.send(3)
    made.step()
    made.step(seconds=9)
    before = made.asof
    made.remake()
    with pytest.raises(TopicRestartedError):
        made.step()
    second = stage(of=made)
    with pytest.raises(TopicRestartedError, match="was read to position 3, and the topic was made again"):
        second.step()
    second.worker.close()
    found = made.reset()
    assert [(of.logged, of.lost) for of in found.retired] == [(3, 0)]
    assert (len(found.begun), found.rebuilds) == (1, False)
    other = stage(of=made)
    other.step()
    other.send(2)
    assert other.step(seconds=1) == 2
    other.step(seconds=9)
    assert other.logged() == [("swipes/0", 0), ("swipes/0", 0), ("swipes/0", 1), ("swipes/0", 1), ("swipes/0", 2)]
    assert other.elements("spend@1") == 5
    assert other.asof > before
    assert (other.log.open().state.asof_us or 0) > before
    other.seeded("shops@1")  # does not wait for what will never come


def test_what_was_in_lists_and_in_no_log_is_told_and_lists_are_made_anew(stage: Callable[..., Remade]):
    made = stage()
    made.step()
    made.seeded("spend@1")
    made.send(3)
    made.step()
    made.step(seconds=9)
    made.send(4)
    made.step(seconds=1)
    asof = made.asof
    made.remake()
    found = made.reset()
    assert [(of.logged, of.taken, of.lost) for of in found.retired] == [(3, 7, 4)]
    assert found.rebuilds
    gaps = made.log.open().state.gaps
    rows = [row for frame in made.log.read_rows(made.log.open(), [STAMP]) for row in frame.rows()]
    assert len(rows) == 3
    assert any(after < asof <= until for after, until in gaps)
    state = made.worker.connection.register.read_state()
    assert state.live("spend@1") is None
    made.worker.write_log()  # which has not heard of it
    assert len(made.logged()) == 3


def test_what_retention_removed_before_it_was_read_is_passed(stage: Callable[..., Remade]):
    made = stage()
    made.step()
    made.seeded("spend@1")
    made.send(3)
    made.step()
    made.step(seconds=9)
    made.send(4)
    made.broker.trim("swipes", {0: 5})
    with pytest.raises(RetentionError):
        made.step()
    found = made.reset()
    assert [(of.logged, of.lost) for of in found.retired] == [(3, 2)]
    with pytest.raises(UsageError, match="topic swipes is the one that is read"):
        made.reset()
    made.worker.close()
    other = stage(of=made)
    other.step()
    assert other.step(seconds=1) == 2
    other.step(seconds=9)
    assert [offset for _, offset in other.logged()] == [0, 1, 2, 5, 6]
    other.seeded("spend@1")
    other.send(1)
    assert (other.step(), other.elements("spend@1")) == (1, 2)


def test_a_topic_that_lacks_its_last_messages_is_to_be_made_anew(stage: Callable[..., Remade]):
    made = stage()
    made.step()
    made.send(3)
    made.step()
    made.step(seconds=9)
    with sqlite3.connect(made.folder / "streams.db") as connection:
        connection.execute("delete from messages where offset > 0")
        connection.execute("update partitions set next_offset = 1")
    with pytest.raises(UsageError, match="partition 0 ends at 1, and was read to 3"):
        made.reset()


def test_a_stream_that_is_another_topic_now_says_so(stage: Callable[..., Remade]):
    made = stage()
    made.step()
    [name] = made.log.open().state.partitions
    now = TopicState(topic="taps", partitions=1, incarnation="x")
    with pytest.raises(OtherTopicError, match="the stream was topic swipes, and is topic taps now"):
        check_before([name], made.log.open().state, now)


def test_a_reset_that_was_done_is_refused_and_changes_nothing(stage: Callable[..., Remade]):
    made = stage()
    with pytest.raises(UsageError, match="nothing of topic swipes was read yet"):
        made.reset()
    made.send(1)
    made.step()
    with pytest.raises(UsageError, match="topic swipes is the one that is read"):
        made.reset()
    made.worker.write_log()
    made.remake()
    made.reset()
    before = made.worker.connection.register.read_state(), made.log.open().version
    with pytest.raises(UsageError, match="topic swipes is the one that is read"):
        made.reset()
    state = made.worker.connection.register.read_state()
    assert (state.partitions, state.asof, made.log.open().version) == (before[0].partitions, before[0].asof, before[1])


@pytest.mark.parametrize("ended_by", ["the next reset", "the first worker"])
def test_a_reset_that_was_killed_is_ended_by(stage: Callable[..., Remade], ended_by: str, monkeypatch):
    made = stage()
    made.step()
    made.send(3)
    made.step()
    made.step(seconds=9)
    made.remake()
    with monkeypatch.context() as patched:
        patched.setattr("featurectl.streaming.reset.retire", killed)
        with pytest.raises(KeyboardInterrupt):
            made.reset()
    if ended_by == "the next reset":
        assert [of.logged for of in made.reset().retired] == [3]
    other = stage(of=made)
    other.step()
    other.send(2)
    assert other.step(seconds=1) == 2
    assert [of.is_retired for of in other.worker.connection.register.read_state().partitions] == [True, False]


def killed(*_: object) -> None:
    raise KeyboardInterrupt


@dataclass(kw_only=True)
class Steps:
    """What a reset writes, step by step: it is killed before or after one, and a worker takes events after the first.

    That worker has not heard of the reset: `stamp` is the last that it was given.
    """

    made: Remade
    kill_at: int
    seen: int = 0
    done: int = 0
    stamp: int = 0

    def watched(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: object, **named: object) -> object:
            self.may_be_killed()
            found = write(*given, **named)
            self.done += 1
            if self.done == 1:
                self.take()
            self.may_be_killed()
            return found

        return step

    def may_be_killed(self) -> None:
        self.seen += 1
        if self.seen == self.kill_at:
            raise KeyboardInterrupt

    def take(self) -> None:
        """Take two events more, and say that nothing else came."""
        self.made.clock_us += 20 * SECOND
        register = self.made.worker.connection.register
        claim = register.claim(0, 7, 9, KnownStamps())
        assert claim is not None
        self.stamp = claim.stamps[-1].stamp


@pytest.mark.sample(2)
@pytest.mark.parametrize("ended_by", ["the next reset", "the first worker"])
@pytest.mark.parametrize("kill_at", range(1, 9))
def test_what_answers_may_have_had_is_told_wherever_a_reset_is_killed(
    stage: Callable[..., Remade], kill_at: int, ended_by: str, monkeypatch: pytest.MonkeyPatch
):
    made = stage()
    made.step()
    made.seeded("spend@1")
    made.send(3)
    made.step()
    made.step(seconds=9)
    made.send(4)
    made.step(seconds=1)
    first = made.asof
    made.remake()
    steps = Steps(made=made, kill_at=kill_at)
    with monkeypatch.context() as patched:
        register = type(made.worker.connection.register)
        patched.setattr(register, "retire", steps.watched(register.retire))
        patched.setattr(register, "add_partition", steps.watched(register.add_partition))
        patched.setattr(type(made.log), "commit", steps.watched(type(made.log).commit))
        with suppress(KeyboardInterrupt):
            made.reset()
    made.clock_us += 60 * SECOND
    if ended_by == "the next reset" or steps.done == 0:
        with suppress(UsageError):  # all was done
            made.reset()
    stage(of=made).step()
    gaps = made.log.open().state.gaps
    for stamp in filter(None, (first, steps.stamp)):
        assert any(after < stamp <= until for after, until in gaps), (stamp, gaps)


def test_a_worker_that_has_not_heard_of_it_can_do_nothing(stage: Callable[..., Remade]):
    made = stage()
    made.step()
    made.send(3)
    made.step()
    made.step(seconds=9)
    made.remake()
    made.reset()
    register = made.worker.connection.register
    asof = made.asof
    assert register.claim(0, 3, 5, KnownStamps()) is None
    assert not register.finish(0, 0, 3, [])
    assert register.heartbeat([ReadingPosition(partition=0, position=3, at_end=True)]) == [False]
    made.clock_us += SECOND
    assert made.asof == asof


def test_a_worker_that_goes_on_is_waited_for(stage: Callable[..., Remade]):
    made = stage()
    made.step()
    made.send(3)
    made.step()
    made.remake()
    register = made.worker.connection.register

    def going_on(_: float) -> None:
        made.clock_us += SECOND
        register.heartbeat([ReadingPosition(partition=0, position=3, at_end=True)])

    with pytest.raises(TryAgainError, match="a worker goes on with topic swipes as it was"):
        made.reset(going_on)

    def logs(_: float) -> None:
        made.worker.write_log()

    assert [(of.logged, of.lost) for of in made.reset(logs).retired] == [(3, 0)]


def test_a_store_that_was_emptied_knows_nothing_of_before(stage: Callable[..., Remade]):
    made = stage(partitions=2)
    made.step()
    made.send(3)
    made.step()
    made.step(seconds=9)
    made.worker.close()
    made.state.close()
    for file in made.folder.glob("online.db*"):
        file.unlink()
    made.remake()
    other = stage(of=made)
    with pytest.raises(TopicRestartedError):
        other.step()
    other.worker.close()
    assert [(of.name[:8], of.lost) for of in other.reset().retired] == [("swipes/0", 0), ("swipes/1", 0)]
    third = stage(of=made)
    third.step()
    third.send(2)
    assert third.step(seconds=1) == 2
    third.step(seconds=9)
    assert len(third.logged()) == 5
    assert can_seed(third.worker.connection.register.read_state(), third.log.open(), third.worker.start.names)
    third.seeded("spend@1")
    assert third.elements("spend@1") == 1


@pytest.mark.long
@pytest.mark.parametrize("kill_at", range(1, 5))
def test_lists_are_given_up_wherever_what_passes_events_is_killed(
    stage: Callable[..., Remade], kill_at: int, monkeypatch: pytest.MonkeyPatch
):
    made = stage()
    made.step()
    made.seeded("spend@1")
    made.send(3)
    made.step()
    made.step(seconds=9)
    made.send(4)
    made.step(seconds=1)
    made.broker.trim("swipes", {0: 5})
    steps = Steps(made=made, kill_at=kill_at, done=1)
    with monkeypatch.context() as patched:
        generations = type(made.worker.connection.generations)
        patched.setattr(generations, "void", steps.watched(generations.void))
        patched.setattr(type(made.log), "commit", steps.watched(type(made.log).commit))
        with pytest.raises(KeyboardInterrupt):
            made.reset()
    with suppress(UsageError):  # all was done
        made.reset()
    state = made.worker.connection.register.read_state()
    assert ([of.end for of in made.log.open().state.partitions.values()], state.live("spend@1")) == ([5], None)
