"""Reads a topic in Redis from positions that lie elsewhere: no consumer groups of Redis."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.online.redis.answers import read_names
from featurectl.online.redis.connect import translated
from featurectl.streaming.topics.base import Division, MessageBatch, MessageDelivery, TakeLimits, TopicState
from featurectl.streaming.topics.faults import NoTopicError, TopicRestartedError
from featurectl.streaming.topics.leases import GroupMember
from featurectl.streaming.topics.places import MessageSizes, ReaderPlaces
from featurectl.streaming.topics.redis.keys import group_key
from featurectl.streaming.topics.redis.scripts import READ_LEASES, REPLACE_LEASES
from featurectl.streaming.topics.redis.server import TopicServer, number_of
from featurectl.streaming.topics.redis.shard import ShardProgress, ShardState, batch_of, parse_shard

_LOOK_S: Final = 1.0  # how often it looks at partitions from which nothing comes, and at the topic


class RedisTopicReader:
    """A `TopicReader` of streams. While nothing comes it waits in one blocking XREAD over all its partitions."""

    def __init__(self, server: TopicServer, state: TopicState, division: Division | None) -> None:
        self._server = server
        self._state = state
        self._places = ReaderPlaces(is_divided=division is not None)
        self._member: GroupMember | None = None
        if division is not None:
            self._member = GroupMember(LeaseKey(server, group_key(state.topic, division.group)), division)
        self._sizes = MessageSizes()
        self._progress: dict[int, ShardProgress] = {}
        self._waiting: set[int] = set()  # partitions that may have something
        self._looked_s = float("-inf")

    def take(self, limits: TakeLimits) -> MessageDelivery:
        """Return what there is behind the positions; waits for it in the server."""
        until_s = time.monotonic() + limits.timeout_s
        gained, revoked = self._renewed()
        while True:
            left_s = max(0.0, until_s - time.monotonic())
            self._wait(0.0 if self._waiting or gained or revoked else left_s)
            batches = self._look(limits)
            if batches or gained or revoked or time.monotonic() >= until_s:
                active = self._places.active()
                return MessageDelivery(
                    batches=batches,
                    gained=sorted(gained),
                    revoked=sorted(revoked),
                    ends={name: at for name, at in active.items() if name not in self._waiting},
                )

    def seek(self, partition: int, position: int) -> None:
        """Go on at a position of a partition."""
        if self._places.seek(partition, position):
            self._progress[partition] = ShardProgress()
            self._waiting.add(partition)

    def position(self, partition: int) -> int | None:
        """Return where a partition goes on."""
        return self._places.position(partition)

    def pause(self, partitions: Iterable[int]) -> None:
        """Take nothing of some partitions until they are resumed."""
        self._places.pause(partitions)

    def resume(self, partitions: Iterable[int]) -> None:
        """Take of some partitions again."""
        names = list(partitions)
        self._places.resume(names)
        self._waiting.update(names)

    def commit(self, positions: Mapping[int, int]) -> None:
        """Do nothing: there are no tools that would look."""

    def close(self) -> None:
        """Give the partitions back to the others and close the connections."""
        with suppress(FeaturectlError):  # else the lease ends by itself
            if self._member is not None:
                self._member.leave()
        self._server.close()

    def _renewed(self) -> tuple[frozenset[int], frozenset[int]]:
        if self._member is None:
            return frozenset(), frozenset()
        gained, revoked = self._member.renew(lambda: self._server.state(self._state.topic).partitions)
        self._places.give(gained, revoked)
        return gained, revoked

    def _look(self, limits: TakeLimits) -> Sequence[MessageBatch]:
        """Return what the partitions have that may have something."""
        if time.monotonic() - self._looked_s >= _LOOK_S:
            self._check_topic()
            self._waiting.update(self._places.active())
            self._looked_s = time.monotonic()
        positions = {name: at for name, at in self._places.active().items() if name in self._waiting}
        if not positions:
            return []
        number = self._sizes.fitting(limits, len(positions))
        shards = self._read(positions, number)
        for name, shard in shards.items():
            self._progress[name].check(self._state.topic, name, positions[name], shard)
        batches = [self._batch(name, positions[name], shard, number) for name, shard in shards.items()]
        for name, shard in shards.items():  # all can be read: now, and not before, is it taken
            is_at_end = len(shard.entries) < number
            self._progress[name].advance(positions[name], shard, is_at_end=is_at_end)
            if is_at_end:
                self._waiting.discard(name)
        batches = [batch for batch in batches if batch.end > batch.first]
        self._places.advance(batches)
        self._sizes.learn(batches)
        return batches

    def _read(self, positions: Mapping[int, int], number: int) -> dict[int, ShardState]:
        topic = self._state.topic
        answers = self._server.read(topic, positions, number)
        with translated(self._server.commands.address):
            return {
                name: parse_shard(self._server, topic, answer) for name, answer in zip(positions, answers, strict=True)
            }

    def _batch(self, name: int, position: int, shard: ShardState, number: int) -> MessageBatch:
        end = max(shard.end, position) if len(shard.entries) < number else None
        return batch_of(self._state.topic, name, (position, end), shard.entries)

    def _wait(self, limit_s: float) -> None:
        """Ask which of the partitions that were read to their ends have something again; wait for one of them."""
        idle = {name: at for name, at in self._places.active().items() if name not in self._waiting}
        until_look_s = max(0.0, self._looked_s + _LOOK_S - time.monotonic())
        self._waiting.update(self._server.wait(self._state.topic, idle, min(limit_s, until_look_s)))

    def _check_topic(self) -> None:
        """Check that the topic is the one that was opened."""
        try:
            is_same = self._server.state(self._state.topic).incarnation == self._state.incarnation
        except NoTopicError:
            is_same = False
        if not is_same:
            partition, position = next(iter(self._places.active().items()), (0, 0))
            raise TopicRestartedError(self._state.topic, partition, position, None)


class LeaseKey:
    """The document of the leases of a group."""

    def __init__(self, server: TopicServer, key: bytes) -> None:
        self._server = server
        self._key = key

    def read(self) -> tuple[str, int]:
        """Return the document, and the server's time in milliseconds."""
        answer = self._server.run(READ_LEASES, [self._key])
        with translated(self._server.commands.address):
            text, seconds, microseconds = read_names(answer)
        return text.decode(), int(seconds) * 1_000 + int(microseconds) // 1_000

    def replace(self, before: str, after: str) -> bool:
        """Put a document in the place of the one that was read."""
        return number_of(self._server, self._server.run(REPLACE_LEASES, [self._key], before, after)) == 1
