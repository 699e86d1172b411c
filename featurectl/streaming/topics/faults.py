"""What goes wrong with topics, in words that name the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.core.errors import StoreError
from featurectl.core.units import counted
from featurectl.streaming.topics.base import Record, Watermarks, record_size

RESET_HINT: Final = "`featurectl stream reset SOURCE` begins anew with the topic as it is; what was logged stays"
_ANEW_HINT: Final = (
    "it came back from an older copy, or its broker has lost messages: make it anew under its name, "
    "`featurectl stream reset SOURCE` then, and send to it again what the log lacks"
)

_NAMED: Final = 5  # other partitions


class NoTopicError(StoreError):
    """A topic is not there."""

    def __init__(self, topic: str, shown: str) -> None:
        hint = "make it with the number of partitions that it shall have, or mend the name"
        super().__init__(f"there is no topic {topic} at {shown}", code="FC607", hint=hint)
        self.topic = topic


class MessageTooLargeError(StoreError):
    """Messages are larger than a topic takes: no other try mends that. `limit` is in bytes, None where nobody says it.

    `records` are those messages; all others that were sent with them are in the topic.
    """

    def __init__(self, topic: str, shown: str, records: Sequence[Record], limit: int | None) -> None:
        self.topic, self.shown, self.records, self.limit = topic, shown, records, limit
        many = counted(len(records), "message")
        most = max(map(record_size, records), default=0)
        takes = "" if limit is None else f", which takes {limit:,}"
        super().__init__(
            f"{many} of up to {most:,} bytes: too large for topic {topic} at {shown}{takes}",
            code="FC606",
            hint="raise the topic's limit (max.message.bytes in Kafka), or send less in a message",
        )


class RetentionError(StoreError):
    """Messages behind a reader's position are gone: `lost` at most, from `position` to before `begin`."""

    def __init__(self, topic: str, partition: int, position: int, begin: int, lost: int | None = None) -> None:
        self.topic = topic
        self.partition = partition
        self.position = position
        self.begin = begin
        self.lost = begin - position if lost is None else lost
        what = f"at most {self.lost:,} messages of topic {topic}, partition {partition} are gone"
        super().__init__(
            f"{what}: it was read to position {position}, and now begins at {begin}",
            code="FC608",
            hint="the topic's retention is shorter than the reader was away: raise it. " + RESET_HINT,
        )

    def with_others(self, others: Sequence[RetentionError]) -> RetentionError:
        """Return the error of this partition that names the first of others, too."""
        found = RetentionError(self.topic, self.partition, self.position, self.begin, self.lost)
        StoreError.__init__(found, f"{self.message}{_also_lost(others)}", code=self.code, hint=self.hint)
        return found


def lost_behind(topic: str, partition: int, marks: Watermarks, position: int) -> RetentionError | None:
    """Return that messages behind a position are gone, as a reader finds that begins there; None: none are."""
    removed = marks.removed
    if position >= marks.begin or (removed is not None and position >= removed.below):
        return None
    lost = None if removed is None else min(removed.count, marks.begin - position)
    return RetentionError(topic, partition, position, marks.begin, lost)


def _also_lost(others: Sequence[RetentionError]) -> str:
    """Return which other partitions have lost messages.

    >>> _also_lost([RetentionError("swipes", number, 3, 9 + number) for number in (1, 2)])
    '; so are messages of partition 1 (at most 7) and 2 (at most 8)'
    """
    if not others:
        return ""
    named = [f"{each.partition} (at most {each.lost:,})" for each in others[:_NAMED]]
    return f"; so are messages of partition {_listed(named, len(others))}"


class TopicRestartedError(StoreError):
    """A partition ends below the position to which it was read, or is another one of the same name."""

    def __init__(self, topic: str, partition: int, position: int, end: int | None) -> None:
        self.partition = partition
        self.position = position
        self.end = end
        found = "the topic was made again" if end is None else f"now ends at {end}"
        super().__init__(
            f"topic {topic}, partition {partition} was read to position {position}, and {found}",
            code="FC609",
            hint=RESET_HINT if end is None else _ANEW_HINT,
        )

    def with_others(self, others: Sequence[TopicRestartedError]) -> TopicRestartedError:
        """Return the error of this partition that names the first of others that end too early, too."""
        found = TopicRestartedError("", self.partition, self.position, self.end)
        StoreError.__init__(found, f"{self.message}{_also_early(others)}", code=self.code, hint=self.hint)
        return found


def _also_early(others: Sequence[TopicRestartedError]) -> str:
    """Return which other partitions end before the positions to which they were read.

    >>> _also_early([TopicRestartedError("swipes", number, 9 + number, 3) for number in (1, 2)])
    '; so do partitions 1 (read to 10, ends at 3) and 2 (read to 11, ends at 3)'
    """
    if not others:
        return ""
    named = [f"{each.partition} (read to {each.position}, ends at {each.end})" for each in others[:_NAMED]]
    return f"; so {'does partition' if len(others) == 1 else 'do partitions'} {_listed(named, len(others))}"


def _listed(named: list[str], total: int) -> str:
    """Return the partitions that are named, and how many more there are."""
    more = total - len(named)
    *before, last = [*named, *([f"of {counted(more, 'more partition')}"] if more else [])]
    return f"{', '.join(before)}{' and ' if before else ''}{last}"


class OtherMessageError(TopicRestartedError):
    """A message at an offset that was logged is another event: what came after an older copy has the old offsets."""

    def __init__(self, topic: str, partition: int, offset: int, columns: Sequence[str]) -> None:
        super().__init__(topic, partition, offset, None)
        StoreError.__init__(
            self,
            f"topic {topic}, partition {partition} has another event at offset {offset} than was logged: "
            f"{', '.join(columns)} differ",
            code="FC609",
            hint=_ANEW_HINT,
        )


class OtherTopicError(TopicRestartedError):
    """A stream is another topic than the one that was read."""

    def __init__(self, topic: str, before: str, position: int) -> None:
        super().__init__(before, 0, position, None)
        message = f"the stream was topic {before}, and is topic {topic} now"
        StoreError.__init__(self, message, code="FC609", hint=RESET_HINT)
