"""What a partition in Redis holds as of one moment, and whether what a reader has not read is still there.

Redis does not say which entries were removed, only how many were ever added and how many there are. A reader knows
more: how many lie below its position, once it was at the end or at the first entry. Then what is missing is counted
exactly. Else the mark that our own trimming leaves tells that all that was removed lies below the position; where
another program has trimmed since, the entries before the first one count as lost.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import StoreError
from featurectl.streaming.topics.base import MessageBatch, RemovedMessages, Watermarks
from featurectl.streaming.topics.faults import RetentionError, TopicRestartedError
from featurectl.streaming.topics.redis.keys import SEQUENCE_BITS, offset_of
from featurectl.streaming.topics.redis.server import TopicServer, invalid_answer

StreamEntry = tuple[bytes, Sequence[bytes]]  # its id, and fields and values in turn
_OLD: Final = "topics need Redis 7, or Valkey: older ones do not say how many entries were trimmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardState:
    """A stream: how many entries were ever added and removed, its ends, the end of what we trimmed, some entries.

    `trimmed` is the position behind the last entry that our own trimming removed, `trimmed_count` how many entries
    were gone by then.
    """

    added: int
    removed: int
    first: int
    end: int
    trimmed: int
    trimmed_count: int
    entries: Sequence[StreamEntry]

    def watermarks(self) -> Watermarks:
        """Return which offsets it has."""
        if not self.removed:
            return Watermarks(begin=min(self.first, 0), end=self.end)
        below = self.trimmed if self.removed == self.trimmed_count else self.first
        removed = RemovedMessages(count=self.removed, below=below)
        return Watermarks(begin=self.first, end=self.end, removed=removed)


_MISSING: Final = ShardState(added=0, removed=0, first=0, end=0, trimmed=0, trimmed_count=0, entries=())


class ShardProgress:
    """How many entries lie below a reader's position, where that is known."""

    def __init__(self) -> None:
        self._below: int | None = None

    def check(self, topic: str, partition: int, position: int, shard: ShardState) -> None:
        """Check that nothing at or behind a position was removed.

        Raises:
            RetentionError: some was, or may have been.
            TopicRestartedError: the stream was made again.
        """
        if shard.end < position or (self._below is not None and shard.added < self._below):
            raise TopicRestartedError(topic, partition, position, shard.end)
        if position >= shard.first:
            return
        if not shard.removed:
            if position:  # it had entries before, and this stream never had them
                raise TopicRestartedError(topic, partition, position, shard.end)
        elif self._below is not None:
            if shard.removed > self._below:
                raise RetentionError(topic, partition, position, shard.first, shard.removed - self._below)
        elif shard.removed != shard.trimmed_count or position < shard.trimmed:
            raise RetentionError(topic, partition, position, shard.first, min(shard.removed, shard.first - position))

    def advance(self, position: int, shard: ShardState, *, is_at_end: bool) -> None:
        """Take notice that the entries of a checked state were taken, from a position."""
        if is_at_end:
            self._below = shard.added
        elif self._below is not None:
            self._below += len(shard.entries)
        elif position <= shard.first:
            self._below = shard.removed + len(shard.entries)


def parse_shard(server: TopicServer, topic: str, answer: object) -> ShardState:
    """Return what the script READ answers as the state of a stream.

    Raises:
        StoreError: the server is too old, or an id has no offset.
    """
    if answer == []:
        return _MISSING
    match answer:
        case [int(added), int(length), bytes(last), bytes(first), bytes(trimmed), int(trimmed_count), list(entries)]:
            pass
        case _:
            raise invalid_answer()
    if added < 0:
        raise StoreError(f"the topics {server.shown} lie in an old Redis", code="FC606", hint=_OLD)
    end = _position_behind(topic, last)
    return ShardState(
        added=added,
        removed=added - length,
        first=end if length == 0 else _offset(topic, first),
        end=end,
        trimmed=_position_behind(topic, trimmed),
        trimmed_count=trimmed_count,
        entries=[(name, fields) for name, fields in entries],
    )


def parse_unread(topic: str, answer: object) -> int:
    """Return how many entries there are, of what the script COUNT_UNREAD answers: those beyond it by their times."""
    match answer:
        case [int(counted), bytes(end), int(length), bytes(first), bytes(last)]:
            pass
        case _:
            raise invalid_answer()
    if end == last:
        return counted
    first_at, end_at, last_at = (_offset(topic, name) for name in (first, end, last))
    rest = length * (last_at - end_at) // max(1, last_at - first_at)
    return min(length, counted + max(1, rest))


def batch_of(
    topic: str, partition: int, positions: tuple[int, int | None], entries: Sequence[StreamEntry]
) -> MessageBatch:
    """Return entries as messages from a position to another one, None: to behind the last of them."""
    first, end = positions
    offsets = [_offset(topic, name) for name, _ in entries]
    pairs = [_message(fields) for _, fields in entries]
    return MessageBatch(
        partition=partition,
        first=first,
        end=offsets[-1] + 1 if end is None else end,
        offsets=offsets,
        keys=[key for key, _ in pairs],
        values=[value for _, value in pairs],
        sent_at_us=[(offset >> SEQUENCE_BITS) * 1_000 for offset in offsets],
    )


def _message(fields: Sequence[bytes]) -> tuple[bytes | None, bytes]:
    if len(fields) == 4 and fields[0] == b"key" and fields[2] == b"value":
        return fields[1], fields[3]
    if len(fields) == 2 and fields[0] == b"value":
        return None, fields[1]
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    if b"value" in found:
        return found.get(b"key"), found[b"value"]
    texts = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in found.items()}
    return None, json.dumps(texts, ensure_ascii=False).encode()


def _position_behind(topic: str, name: bytes) -> int:
    return 0 if name == b"0-0" else _offset(topic, name) + 1


def _offset(topic: str, name: bytes) -> int:
    offset = offset_of(name)
    if offset is None:
        raise StoreError(
            f"topic {topic} has an entry {name.decode(errors='replace')}, whose id is no offset",
            code="FC606",
            hint="send with XADD ... *: an id's sequence is below 4,096 then, unless the server's clock was set back",
        )
    return offset
