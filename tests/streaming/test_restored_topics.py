"""A topic that came back from a copy older than the log, and went on: new messages have offsets that were logged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from featurectl.offline.event_log import OFFSET
from featurectl.streaming.partition_start import PartitionStart
from featurectl.streaming.topics.base import Watermarks
from featurectl.streaming.topics.faults import OtherMessageError, TopicRestartedError
from tests.streaming.test_worker_failures import Stage


class Restored(Stage):
    """A stage whose topic comes back from a copy."""

    def copy(self, source: str, target: str) -> None:
        paths = (self.folder / name for name in (source, target))
        with closing(sqlite3.connect(next(paths))) as one, closing(sqlite3.connect(next(paths))) as other:
            one.backup(other)
            if target == "streams.db":
                other.execute("update readers set leases = ''")  # whoever had partitions then has ended
                other.commit()

    def logs(self, count: int) -> None:
        """Send some events, and have them logged."""
        self.send(count)
        self.step()
        self.step(seconds=9)

    def again(self) -> Restored:
        """Another worker at the same place, which begins with what there is."""
        return Restored(folder=self.folder, clock_us=self.clock_us, partitions=self.partitions, reader="two")

    def logged(self) -> list[int]:
        rows = self.log.read_rows(self.log.open(), [OFFSET])
        return sorted(offset for frame in rows for offset in frame[OFFSET])


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Restored]]:
    made: list[Restored] = []

    def make(of: Restored | None = None) -> Restored:
        if of is not None:
            of.worker.close()
        made.append(Restored(folder=tmp_path) if of is None else of.again())
        return made[-1]

    yield make
    for each in made:
        each.worker.close()
        each.state.close()
        each.broker.close()


def lagging(made: Restored) -> None:
    """Log 5 events, of which the copy of the topic has 3."""
    made.logs(3)
    made.copy("streams.db", "copy.db")
    made.logs(2)


@pytest.mark.parametrize("count", [2, 3, 9])
def test_a_restored_topic_that_went_on_is_no_topic_to_go_on_with(stage: Callable[..., Restored], count: int):
    made = stage()
    lagging(made)
    other = stage(of=made)
    other.copy("copy.db", "streams.db")
    other.clock_us += 7
    other.send(count)
    assert other.step() == 0  # it has the partition from then on
    for _ in range(2):
        with pytest.raises(OtherMessageError, match=r"partition 0 has another event at offset 3 .*: at differ"):
            other.step()
    assert other.logged() == [0, 1, 2, 3, 4]


def test_a_restored_topic_is_seen_by_a_worker_that_goes_on(stage: Callable[..., Restored]):
    made = stage()
    lagging(made)
    made.copy("copy.db", "streams.db")
    made.clock_us += 7
    made.send(4)
    made.worker.again.add(0)  # as after any trouble with the store or the broker
    with pytest.raises(OtherMessageError):
        made.step()


def test_a_restored_topic_that_has_not_gone_on_ends_too_early(stage: Callable[..., Restored]):
    made = stage()
    lagging(made)
    other = stage(of=made)
    other.copy("copy.db", "streams.db")
    assert other.step() == 0
    with pytest.raises(TopicRestartedError, match="was read to position 5, and now ends at 3") as caught:
        other.step()
    assert caught.value.hint.startswith(
        "it came back from an older copy, or its broker has lost messages: make it anew"
    )


def test_a_restored_topic_that_has_all_again_is_gone_on_with(stage: Callable[..., Restored]):
    made = stage()
    made.logs(3)
    made.copy("streams.db", "copy.db")
    sent_us = made.clock_us
    made.logs(2)
    other = stage(of=made)
    other.copy("copy.db", "streams.db")
    now_us, other.clock_us = other.clock_us, sent_us
    other.send(2)
    other.clock_us = now_us
    other.send(3)
    assert [other.step() for _ in range(3)] == [0, 3, 0]
    other.step(seconds=9)
    assert other.logged() == [*range(8)]


def test_messages_that_were_seen_before_are_not_taken_again(stage: Callable[..., Restored]):
    made = stage()
    made.logs(5)
    made.seeded("spend@1")
    asof = made.worker.connection.register.read_state().asof
    other = stage(of=made)
    assert [other.step(), other.step(), other.step(seconds=1)] == [0, 0, 0]
    assert (other.worker.counts.events, other.elements("spend@1")) == (0, 1)
    assert other.worker.connection.register.read_state().asof > asof
    other.send(2)
    assert (other.step(), other.worker.counts.events, other.elements("spend@1")) == (2, 2, 3)


def test_a_store_that_is_behind_gets_all_after_the_comparison(stage: Callable[..., Restored]):
    made = stage()
    made.logs(9)
    made.copy("online.db", "copy.db")
    made.logs(9)
    made.worker.close()
    other = stage(of=made)
    other.copy("copy.db", "online.db")
    assert sum(other.step() for _ in range(6)) == 9
    other.send(1)
    assert (other.step(), other.logged()) == (1, [*range(18)])


@pytest.mark.parametrize("gone", ["the last", "all"])
def test_messages_that_were_removed_tell_nothing(stage: Callable[..., Restored], gone: str):
    made = stage()
    made.logs(5)
    other = stage(of=made)
    if gone == "all":
        other.broker.trim("swipes", {0: 5})
    else:
        last = iter(range(5))
        assert other.broker.remove_messages("swipes", lambda *_: next(last) == 4) == 1
    assert [other.step(), other.step()] == [0, 0]
    other.send(1)
    assert other.step() == 1


def test_messages_that_go_while_they_are_awaited_tell_nothing(stage: Callable[..., Restored]):
    made = stage()
    made.logs(5)
    other = stage(of=made)
    other.worker.begin(0)
    other.broker.trim("swipes", {0: 5})
    other.send(1)
    assert sum(other.step() for _ in range(3)) == 1


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_a_topic_that_came_back_with_its_store_ends_too_early(stage: Callable[..., Restored], count: int):
    made = stage()
    made.logs(3)
    for name in ("streams", "online"):
        made.copy(f"{name}.db", f"copy-{name}.db")
    made.logs(2)
    other = stage(of=made)
    for name in ("streams", "online"):
        other.copy(f"copy-{name}.db", f"{name}.db")
    other.clock_us += 7
    other.send(count)
    assert other.step() == 0  # it has the partition from then on
    with pytest.raises(
        TopicRestartedError, match="was read to position 5, and now ends at" if count < 2 else "at differ"
    ):
        other.step()
    assert other.logged() == [0, 1, 2, 3, 4]


def test_a_log_that_others_went_on_with_is_no_topic_that_ends_early(stage: Callable[..., Restored]):
    made = stage()
    made.logs(3)
    made.copy("online.db", "copy.db")
    made.logs(2)
    before = {0: Watermarks(begin=0, end=3)}  # as they were a moment before
    other = stage(of=made)
    other.copy("copy.db", "online.db")
    other.worker.topic = replace(other.worker.topic, watermarks=lambda: before)
    other.worker.start = PartitionStart(other.worker.topic, other.worker.log, lambda: other.clock_us)
    other.send(4)
    assert sum(other.step() for _ in range(5)) == 6
    assert other.worker.counts.events == 6
