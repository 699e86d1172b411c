"""A register that was emptied while it was used: nobody goes on by the numbers of partitions that he had."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from featurectl.core.units import from_us
from featurectl.offline.event_log import OFFSET, PARTITION
from featurectl.online.redis.stream_keys import register_key
from featurectl.online.stream_state.base import ConnectionLostError, Generation, KnownStamps, StreamSource
from featurectl.streaming.retirement import state_name
from featurectl.streaming.topics.partitioner import partition_of
from tests.streaming.conveyor import SECOND
from tests.streaming.test_reset import Remade


class Emptied(Remade):
    """A stage on a server, which loses the register of the stream."""

    def empty(self) -> None:
        with closing(redis.Redis.from_url(self.store_url)) as client:
            client.delete(register_key(self.place))

    def other(self) -> Emptied:
        """Another worker, of the partitions that the topic has by now."""
        return Emptied(
            folder=self.folder, clock_us=self.clock_us, partitions=self.partitions, store_url=self.store_url,
            place=self.place, reader="",
        )  # fmt: skip

    def send_to(self, partition: int, count: int) -> None:
        """Send events whose keys lie in one partition."""
        partitions = self.broker.state("swipes").partitions
        keys = [key for key in map("c{}".format, range(100)) if partition_of(key.encode(), partitions) == partition]
        with closing(self.broker.open_writer("swipes")) as writer:
            for number in range(count):
                event = {"swipe": None, "card": keys[number % len(keys)], "shop": "s1", "arr_delay": 1.0}
                at = from_us(self.clock_us).isoformat()
                writer.send([(str(event["card"]).encode(), json.dumps({**event, "at": at}).encode())])
            writer.flush()


@pytest.fixture
def place() -> StreamSource:
    return StreamSource(project=f"shop{time.time_ns()}", env="dev", source="swipes")


def test_no_partition_is_claimed_by_the_number_of_another(tmp_path: Path, redis_url: str, place: StreamSource):
    with ExitStack() as stack:

        def begun(made: Emptied) -> Emptied:
            stack.callback(made.broker.close)
            stack.callback(made.state.close)
            stack.callback(made.worker.close)
            return made

        first = begun(Emptied(folder=tmp_path, partitions=1, store_url=redis_url, place=place))
        first.step()
        first.step(seconds=9)
        first.remake()
        first.reset()
        first.worker.close()
        one = begun(first.other())  # on partition 0, whose number is 1
        one.worker.begin(0)
        one.send_to(0, 20)
        assert [one.step(), one.step()] == [10, 10]
        one.step(seconds=9)
        one.empty()
        one.broker.create("swipes", 2)
        two = begun(one.other())
        two.worker.begin(1)  # the numbers of the partitions are 0 and 1 now
        two.send_to(1, 30)
        assert [two.step() for _ in range(3)] == [10, 10, 10]
        one.send_to(0, 10)
        for _ in range(20):
            one.step(seconds=1)
            two.step(seconds=1)
        rows = [row for frame in one.log.read_rows(one.log.open(), [PARTITION, OFFSET]) for row in frame.rows()]
        found = Counter(name.split("#")[0] for name, _ in rows)
        assert (found, max(Counter(rows).values())) == ({"swipes/0": 30, "swipes/1": 30}, 1)


def test_a_register_that_was_emptied_refuses_who_knew_it(tmp_path: Path, redis_url: str, place: StreamSource):
    made = Emptied(folder=tmp_path, store_url=redis_url, place=place)
    with closing(made.broker), closing(made.state), closing(made.worker):
        made.step()
        made.empty()
        connection = made.worker.connection
        with closing(made.state.connect(place)) as another:
            another.register.add_partition(state_name(made.broker.state("swipes"), 0))
            added = another.generations.add(Generation(view="spend@1", id="a1"))
        assert list(added.cuts) == [0]
        with pytest.raises(ConnectionLostError, match="emptied"):
            connection.generations.add(Generation(view="spend@1", id="b2"))
        with pytest.raises(ConnectionLostError):
            connection.register.claim(0, 0, 1, KnownStamps())
        assert [made.step(seconds=1) for _ in range(2)] == [0, 0]
        assert made.worker.counts.begun_anew == 1


def test_stamps_that_an_emptied_register_had_are_told(tmp_path: Path, redis_url: str, place: StreamSource):
    killed = Emptied(folder=tmp_path, store_url=redis_url, place=place)
    with closing(killed.broker), closing(killed.state):
        killed.step()
        killed.step(seconds=9)
        killed.send(3)
        killed.step()
        asof = killed.state.read_poll(place).asof
        killed.empty()
        killed.clock_us += SECOND
        other = killed.other()
        with closing(other.broker), closing(other.state), closing(other.worker):
            other.worker.begin(0)
            other.step()
            [(after, until)] = other.log.open().state.gaps
            assert after < asof <= until


def test_a_log_that_an_older_version_wrote_is_of_the_same_run(tmp_path: Path, redis_url: str, place: StreamSource):
    made = Emptied(folder=tmp_path, store_url=redis_url, place=place)
    with closing(made.broker), closing(made.state):
        made.step()
        made.step(seconds=9)
        opened = made.log.open()
        older = replace(opened.state, run=opened.state.run.rpartition(":")[0])
        assert made.log.commit(opened, made.worker.log.nothing(), older)
        other = made.other()
        with closing(other.broker), closing(other.state), closing(other.worker):
            other.worker.begin(0)
            other.step(seconds=9)
            assert other.log.open().state.gaps == ()
