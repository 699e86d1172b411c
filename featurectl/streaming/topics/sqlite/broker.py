"""Topics in one SQLite file, with nothing to start; `file.py` says how they lie in it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from featurectl.streaming.topics.base import Division, GroupReader, MessageChoice, TopicState, Watermarks
from featurectl.streaming.topics.faults import NoTopicError
from featurectl.streaming.topics.leases import readers_seen
from featurectl.streaming.topics.sqlite.file import TopicsFile
from featurectl.streaming.topics.sqlite.reader import LeaseRow, SqliteTopicReader
from featurectl.streaming.topics.sqlite.topic import TopicRow, find_topic
from featurectl.streaming.topics.sqlite.writer import SqliteTopicWriter

_REMOVE: Final = "delete from messages where topic = ? and partition = ? and offset < ?"
_BEGIN_AT: Final = (
    "update partitions set first_offset = max(first_offset, min(?, next_offset))"
    " where topic = ? and partition = ? and first_offset < ?"
)
_READ: Final = (
    "select offset, key, value, sent_at_us from messages where topic = ? and partition = ? and offset > ?"
    " order by offset limit ?"
)
_REMOVE_ONE: Final = "delete from messages where topic = ? and partition = ? and offset = ?"
_READ_AT_ONCE: Final = 5_000
_TRIM_AT_ONCE: Final = 20_000  # messages, by a worker between two turns


class SqliteTopics:
    """A `TopicBroker` in a file; whoever waits for another writer gives up after `limit_s`."""

    offsets_are_times = False

    def __init__(self, path: Path, shown: str, limit_s: float) -> None:
        self.shown = shown
        self._path = path
        self._limit_s = limit_s
        self._file = self._another_file()

    def create(self, topic: str, partitions: int) -> TopicState:
        """Make a topic of so many partitions unless it is there; return what it is."""
        with self._file.writing() as connection:
            connection.execute(
                "insert into topics(name, incarnation) values (?, ?) on conflict do nothing",
                (topic, secrets.token_hex(8)),
            )
            found = find_topic(connection, topic)
            assert found is not None
            rows = ((found.number, partition) for partition in range(found.partitions, partitions))
            connection.executemany("insert into partitions values (?, ?, 0, 0)", rows)
            return _state(topic, _found(connection, topic, self.shown))

    def state(self, topic: str) -> TopicState:
        """Return what a topic is."""
        self._check_file(topic)
        with self._file.reading() as connection:
            return _state(topic, _found(connection, topic, self.shown))

    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return which offsets each partition has."""
        self._check_file(topic)
        with self._file.reading() as connection:
            number = _found(connection, topic, self.shown).number
            rows = connection.execute(
                "select partition, first_offset, next_offset from partitions where topic = ?", (number,)
            )
            return {partition: Watermarks(begin=begin, end=end) for partition, begin, end in rows}

    def unread(self, topic: str, positions: Mapping[int, int]) -> Mapping[int, int]:
        """Return how many messages some partitions have at or behind a position each."""
        marks = self.watermarks(topic)
        return {
            name: max(0, marks[name].end - max(position, marks[name].begin))
            for name, position in positions.items()
            if name in marks
        }

    def readers(self, topic: str, group: str) -> Mapping[str, GroupReader]:
        """Return the readers of a group that gave a sign of late, with their partitions."""
        self._check_file(topic)
        return readers_seen(*LeaseRow(self._file, topic, group).read())

    def trim(self, topic: str, below: Mapping[int, int], sent_before_us: int | None = None) -> bool:
        """Remove the messages of some partitions below an offset each; return that this broker does so."""
        self._check_file(topic)
        with self._file.writing() as connection:
            number = _found(connection, topic, self.shown).number
            for partition, most in below.items():
                place = number, partition
                offset = most if sent_before_us is None else _kept_from(connection, place, most, sent_before_us)
                if offset > 0:
                    connection.execute(_REMOVE, (*place, offset))
                    connection.execute(_BEGIN_AT, (offset, *place, offset))
        return True

    def remove_messages(self, topic: str, chosen: MessageChoice, *, dry_run: bool = False) -> int:
        """Remove the messages that are chosen, some in a transaction, and write the file anew without their bytes."""
        self._check_file(topic)
        with self._file.reading() as connection:
            found = _found(connection, topic, self.shown)
        removed = 0
        for partition in range(found.partitions):
            for offsets in self._chosen((found.number, partition), chosen):
                removed += len(offsets)
                if not dry_run:
                    with self._file.writing() as connection:
                        places = [(found.number, partition, offset) for offset in offsets]
                        connection.executemany(_REMOVE_ONE, places)
        if not dry_run:
            self._file.wipe()
        return removed

    def _chosen(self, place: tuple[int, int], chosen: MessageChoice) -> Iterator[list[int]]:
        """Yield the offsets of the messages of a partition that are chosen, some at a time."""
        last = -1
        while True:
            with self._file.reading() as connection:
                rows = connection.execute(_READ, (*place, last, _READ_AT_ONCE)).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [offset for offset, key, value, sent_at_us in rows if chosen(key, value, sent_at_us)]

    def open_writer(self, topic: str) -> SqliteTopicWriter:
        """Return a writer to a topic."""
        self.state(topic)
        return SqliteTopicWriter(self._another_file(), topic)

    def open_reader(self, topic: str, division: Division | None = None) -> SqliteTopicReader:
        """Return a reader of a topic."""
        return SqliteTopicReader(self._another_file(), self.state(topic), division)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _another_file(self) -> TopicsFile:
        return TopicsFile(self._path, self.shown, self._limit_s)

    def _check_file(self, topic: str) -> None:
        """Check that there is a file: to look for a topic must not make one."""
        if not self._file.exists():
            raise NoTopicError(topic, self.shown)


def _kept_from(connection: sqlite3.Connection, place: tuple[int, int], most: int, sent_before_us: int) -> int:
    """Return the first offset of a partition that stays: at most so many go at once, for others wait for it."""
    row = connection.execute("select first_offset from partitions where topic = ? and partition = ?", place).fetchone()
    if row is None:
        return most
    most = min(most, row[0] + _TRIM_AT_ONCE)
    query = (
        "select offset from messages where topic = ? and partition = ? and offset < ? and sent_at_us >= ?"
        " order by offset limit 1"
    )
    kept = connection.execute(query, (*place, most, sent_before_us)).fetchone()
    return most if kept is None else int(kept[0])


def _state(topic: str, row: TopicRow) -> TopicState:
    return TopicState(topic=topic, partitions=row.partitions, incarnation=row.incarnation)


def _found(connection: sqlite3.Connection, topic: str, shown: str) -> TopicRow:
    found = find_topic(connection, topic)
    if found is None:
        raise NoTopicError(topic, shown)
    return found
