"""Reads a topic in an SQLite file: looks every 5 ms whether somebody has written, which takes 9 us."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.streaming.topics.base import Division, MessageBatch, MessageDelivery, TakeLimits, TopicState
from featurectl.streaming.topics.faults import RetentionError, TopicRestartedError
from featurectl.streaming.topics.leases import GroupMember
from featurectl.streaming.topics.places import MessageSizes, ReaderPlaces
from featurectl.streaming.topics.sqlite.file import TopicsFile
from featurectl.streaming.topics.sqlite.topic import TopicRow, find_topic

_POLL_S: Final = 0.005
_BOUNDS: Final = "select partition, first_offset, next_offset from partitions where topic = ?"
_MESSAGES: Final = (
    "select offset, key, value, sent_at_us from messages"
    " where topic = ? and partition = ? and offset >= ? order by offset limit ?"
)
_OffsetRange = tuple[int, int]  # the first offset of a partition and its next one


class SqliteTopicReader:
    """A `TopicReader` of a file."""

    def __init__(self, file: TopicsFile, state: TopicState, division: Division | None) -> None:
        self._file = file
        self._topic = state.topic
        self._incarnation = state.incarnation
        self._places = ReaderPlaces(is_divided=division is not None)
        self._member: GroupMember | None = None
        if division is not None:
            self._member = GroupMember(LeaseRow(file, state.topic, division.group), division)
        self._sizes = MessageSizes()
        self._mark: object = None  # of the file when nothing more was there; None: look again
        self._ends: Mapping[int, int] = {}

    def take(self, limits: TakeLimits) -> MessageDelivery:
        """Return what there is behind the positions; looks again and again until the time is over."""
        until_s = time.monotonic() + limits.timeout_s
        gained, revoked = self._renewed()
        while True:
            batches = self._look(limits)
            left_s = until_s - time.monotonic()
            if batches or gained or revoked or left_s <= 0:
                return MessageDelivery(
                    batches=batches, gained=sorted(gained), revoked=sorted(revoked), ends=dict(self._ends)
                )
            time.sleep(min(_POLL_S, left_s))

    def seek(self, partition: int, position: int) -> None:
        """Go on at a position of a partition."""
        self._places.seek(partition, position)
        self._mark = None

    def position(self, partition: int) -> int | None:
        """Return where a partition goes on."""
        return self._places.position(partition)

    def pause(self, partitions: Iterable[int]) -> None:
        """Take nothing of some partitions until they are resumed."""
        self._places.pause(partitions)
        self._mark = None

    def resume(self, partitions: Iterable[int]) -> None:
        """Take of some partitions again."""
        self._places.resume(partitions)
        self._mark = None

    def commit(self, positions: Mapping[int, int]) -> None:
        """Do nothing: there are no tools that would look."""

    def close(self) -> None:
        """Give the partitions back to the others and close the file."""
        with suppress(FeaturectlError):  # else the lease ends by itself
            if self._member is not None:
                self._member.leave()
        self._file.close()

    def _renewed(self) -> tuple[frozenset[int], frozenset[int]]:
        if self._member is None:
            return frozenset(), frozenset()
        gained, revoked = self._member.renew(self._partitions)
        self._places.give(gained, revoked)
        if gained or revoked:
            self._mark = None
        return gained, revoked

    def _partitions(self) -> int:
        with self._file.reading() as connection:
            return self._row(connection).partitions

    def _look(self, limits: TakeLimits) -> Sequence[MessageBatch]:
        """Return what there is by now, nothing as long as nobody has written."""
        mark = self._file.change_mark()
        if mark == self._mark:
            return []
        with self._file.reading() as connection:
            topic = self._row(connection)
            bounds: dict[int, _OffsetRange] = {name: (first, end) for name, first, end in connection.execute(
                _BOUNDS, (topic.number,)
            )}  # fmt: skip
            batches = self._batches(connection, topic, bounds, limits)
        self._places.advance(batches)
        self._sizes.learn(batches)
        active = self._places.active()
        self._ends = {name: at for name, at in active.items() if bounds[name][1] == at}
        self._mark = mark if len(self._ends) == len(active) else None
        return batches

    def _batches(
        self, connection: sqlite3.Connection, topic: TopicRow, bounds: Mapping[int, _OffsetRange], limits: TakeLimits
    ) -> list[MessageBatch]:
        active = self._places.active()
        for partition, position in active.items():
            self._check(partition, position, bounds.get(partition))
        waiting = [name for name, at in active.items() if at < bounds[name][1]]
        number = self._sizes.fitting(limits, len(waiting))
        batches = []
        for name in waiting:
            rows = connection.execute(_MESSAGES, (topic.number, name, active[name], number)).fetchall()
            end = rows[-1][0] + 1 if len(rows) == number else bounds[name][1]  # what lies between was removed
            batches.append(_batch(name, (active[name], end), rows))
        return batches

    def _check(self, partition: int, position: int, bounds: _OffsetRange | None) -> None:
        if bounds is None or bounds[1] < position:
            raise TopicRestartedError(self._topic, partition, position, bounds[1] if bounds else 0)
        if bounds[0] > position:
            raise RetentionError(self._topic, partition, position, bounds[0])

    def _row(self, connection: sqlite3.Connection) -> TopicRow:
        """Return the topic as it is, and check that it is the one that was opened."""
        found = find_topic(connection, self._topic)
        if found is None or found.incarnation != self._incarnation:
            partition, position = next(iter(self._places.active().items()), (0, 0))
            raise TopicRestartedError(self._topic, partition, position, None)
        return found


class LeaseRow:
    """The document of the leases of a group; the machine's clock is the one of all its processes."""

    def __init__(self, file: TopicsFile, topic: str, group: str) -> None:
        self._file = file
        self._topic = topic
        self._group = group

    def read(self) -> tuple[str, int]:
        """Return the document, and the time in milliseconds."""
        query = "select leases from readers join topics on id = topic where name = ? and reader_group = ?"
        with self._file.reading() as connection:
            row = connection.execute(query, (self._topic, self._group)).fetchone()
        return str(row[0]) if row else "", time.time_ns() // 1_000_000

    def replace(self, before: str, after: str) -> bool:
        """Put a document in the place of the one that was read."""
        with self._file.writing() as connection:
            connection.execute(
                "insert into readers select id, ?, '' from topics where name = ? on conflict do nothing",
                (self._group, self._topic),
            )
            changed = connection.execute(
                "update readers set leases = ? where reader_group = ? and leases = ?"
                " and topic = (select id from topics where name = ?)",
                (after, self._group, before, self._topic),
            )
            return changed.rowcount == 1


def _batch(
    partition: int, positions: tuple[int, int], rows: Sequence[tuple[int, bytes | None, bytes, int | None]]
) -> MessageBatch:
    offsets, keys, values, times = zip(*rows, strict=True) if rows else ((), (), (), ())
    first, end = positions
    return MessageBatch(
        partition=partition, first=first, end=end, offsets=offsets, keys=keys, values=values, sent_at_us=times
    )
