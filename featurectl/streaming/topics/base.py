"""What a broker of topics gives, whatever kind it is; every kind passes `tests/streaming/topics/test_contract.py`.

A topic is divided into partitions, numbered from 0. A message of a partition has an **offset**, a whole number below
2**53 that grows along the partition, perhaps with holes. A **position** is where reading goes on: the least offset that
was not read yet. So the messages of a partition below a position are those that were read, and `[first, end)` of a
batch are all offsets that it covers, the holes included.

Offsets lie close to each other in SQLite and Kafka (which spends some on the marks of transactions); in Redis one is
`(milliseconds << 12) | sequence` of the id of an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

Record = tuple[bytes | None, bytes]  # the key, None where it has none, and the value of a message to be sent
LEASE_S: Final = 4.0
FLUSH_S: Final = 30.0


def record_size(record: Record) -> int:
    """Return how many bytes a message has, its key among them.

    >>> record_size((b"key", b"value")), record_size((None, b""))
    (8, 0)
    """
    key, value = record
    return len(value) + (0 if key is None else len(key))


# Of a message's key, its value, and when it was sent: whether it is chosen.
MessageChoice = Callable[[bytes | None, bytes, int | None], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """What a topic is: its partitions are 0 to `partitions` - 1.

    `incarnation` is another text once the topic was made again, so that its offsets mean other messages. It is empty
    where the broker does not tell: an old Kafka.
    """

    topic: str
    partitions: int
    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedMessages:
    """How many messages a partition has no more, and the offset below which all of them lay, as far as that is known.

    It may lie before the first that is kept.
    """

    count: int
    below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermarks:
    """The offsets that a partition has: from `begin`, the first that is kept, to before `end`, the next one.

    `removed` is None where all offsets below `begin` were messages that are gone.
    """

    begin: int
    end: int
    removed: RemovedMessages | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBatch:
    """Messages of one partition, in their order, as columns of one length; all that there is in `[first, end)`.

    `first` is the position that was asked for, `end` the next one. A batch may have no messages: the broker's own marks
    were passed. A value that is null in Kafka is an empty one here. `sent_at_us` are microseconds since 1970 by the
    clock of the sender or the broker, None where nobody wrote them down.
    """

    partition: int
    first: int
    end: int
    offsets: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes]
    sent_at_us: Sequence[int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivery:
    """What one `take` brings.

    `gained` are partitions that the reader has from now on: nothing comes of one before `seek` says where it begins.
    `revoked` are those that it has no more: another reader may have them already. `ends` has the position of each
    partition of which the broker has just said that nothing lies behind it, unless it is paused.
    """

    batches: Sequence[MessageBatch] = ()
    gained: Sequence[int] = ()
    revoked: Sequence[int] = ()
    ends: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeLimits:
    """How much one `take` brings at most, and how long it waits for the first message.

    `size` is in bytes of keys and values. It is aimed at by the messages before, so that a delivery may be somewhat
    larger, and one message always is taken.
    """

    messages: int = 10_000
    size: int = 16 << 20
    timeout_s: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Partitions are divided among the readers of one `group`: who `reader` is, and how long it is taken for alive.

    A reader is alive that has called `take` within the last `lease_s` seconds. Who has which partition is for dividing
    the work alone: a reader that slept may take messages that another one has taken.
    """

    group: str
    reader: str
    lease_s: float = LEASE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReader:
    """A reader of a group as others see it: its partitions, and how many seconds ago it last gave a sign.

    `seen_s` is None where the broker itself knows who is alive.
    """

    partitions: Sequence[int]
    seen_s: float | None = None


class TopicWriter(Protocol):
    """Sends messages to one topic; of one thread."""

    @property
    def acknowledged(self) -> int:
        """How many messages the broker has taken."""

    def send(self, records: Iterable[Record]) -> None:
        """Take records for sending, in order; many are sent at once, as room asks for it.

        A record lies in the partition of its key (`partitioner.py`), so that those of one key keep their order. Those
        without a key lie anywhere. Those that a broker has refused for the size of what was sent together with them
        are sent again, and may lie behind later ones.

        Raises:
            StoreError: the broker does not take some of those that were taken before.
        """

    def flush(self, timeout_s: float = FLUSH_S) -> int:
        """Send what was taken and return how many messages of this writer the broker has acknowledged, all together.

        What is acknowledged is as durable as the broker makes it.

        Raises:
            MessageTooLargeError: the broker takes some messages never, for their size. It has all others.
            StoreError: the broker does not take all. What was not acknowledged is forgotten, and some of it may lie
                in the topic all the same.
        """

    def deliver(self, limit_s: float = FLUSH_S) -> bool:
        """Return whether the broker has acknowledged all that was taken.

        A client that sends by itself is not waited for.

        Raises:
            StoreError: as `flush` does, and where the broker has had some of it for `limit_s` seconds.
        """

    def forget(self) -> bool:
        """Let go what was taken and is not acknowledged; return whether more can be sent by this writer.

        False: it is to be closed, and another one to be opened.
        """

    def close(self) -> None:
        """Close the connection; what was not flushed is not sent."""


class TopicReader(Protocol):
    """Reads the partitions of one topic from the positions that it is given; of one thread.

    Without a division it has the partitions that `seek` names.
    """

    def take(self, limits: TakeLimits) -> MessageDelivery:
        """Return what there is behind the positions, which move behind it; waits only where there is nothing.

        Raises:
            RetentionError: messages behind a position are gone. It is raised again until the partition is sought
                elsewhere, paused or revoked.
            TopicRestartedError: the broker's end lies below a position, or the topic was made again.
            StoreError: the broker is away, or refuses. The places are kept: the next call goes on.
        """

    def seek(self, partition: int, position: int) -> None:
        """Go on at a position of a partition. A partition that the division gives to others is left alone."""

    def position(self, partition: int) -> int | None:
        """Return where a partition goes on, None before it was sought."""

    def pause(self, partitions: Iterable[int]) -> None:
        """Take nothing of some partitions until they are resumed; they stay this reader's."""

    def resume(self, partitions: Iterable[int]) -> None:
        """Take of some partitions again, from where they were left."""

    def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the broker's tools how far the group is; nothing here reads it. Only Kafka has such tools."""

    def close(self) -> None:
        """Give the partitions back to the others and close the connection.

        A broker that is away is waited for no longer than for an answer; the lease ends by itself then.
        """


class TopicBroker(Protocol):
    """The topics at one address; errors call it `shown`. Nothing is connected before it is used.

    `offsets_are_times`: offsets lie as far apart as their messages were sent, so that they do not count these.
    """

    shown: str
    offsets_are_times: bool

    def create(self, topic: str, partitions: int) -> TopicState:
        """Make a topic of so many partitions unless it is there; return what it is.

        One with fewer gets more. Keys then lie in other partitions than before.
        """

    def state(self, topic: str) -> TopicState:
        """Return what a topic is.

        Raises:
            NoTopicError: it is not there.
        """

    def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return which offsets each partition has."""

    def unread(self, topic: str, positions: Mapping[int, int]) -> Mapping[int, int]:
        """Return how many messages some partitions have at or behind a position each.

        In Redis more than 10,000 are estimated by their times; in Kafka the marks of transactions count as well.
        """

    def readers(self, topic: str, group: str) -> Mapping[str, GroupReader] | None:
        """Return the readers of a group that gave a sign within three lease times; None where the broker doesn't tell.

        Under load a reader that works may be late with its sign: it is not gone by that.
        """

    def trim(self, topic: str, below: Mapping[int, int], sent_before_us: int | None = None) -> bool:
        """Remove the messages of some partitions below an offset each; return whether this broker does so.

        Where an instant is given only those go that were sent before it, and of many some, so that it takes a moment.
        Kafka does not: its topics keep by a retention of their own.
        """

    def remove_messages(self, topic: str, chosen: MessageChoice, *, dry_run: bool = False) -> int | None:
        """Remove the messages that are chosen, and their bytes; return how many there were.

        Their offsets stay: a reader passes them, as it passes what lies between two batches. None: the broker can't
        remove some messages among others, or rewrite its files; its topics keep by their retention.

        Raises:
            NoTopicError: there is no such topic.
        """

    def open_writer(self, topic: str) -> TopicWriter:
        """Return a writer to a topic."""

    def open_reader(self, topic: str, division: Division | None = None) -> TopicReader:
        """Return a reader of a topic, whose partitions are divided among the readers of a group where one is given."""

    def close(self) -> None:
        """Close the connections of the broker; its writers and readers have their own."""
