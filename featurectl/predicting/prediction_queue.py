"""The events that wait for the predictions of one model, in the order in which they were offered."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from featurectl.streaming.predictions import OfferedBatch
from featurectl.streaming.read_events import RejectedEvent
from featurectl.streaming.view_records import StampedEvent


@dataclass(slots=True, kw_only=True)
class WaitingBatch:
    """A batch that waits: `events` are those that the model predicts, and `done` of them it has predicted.

    `stamp_us` is the greatest stamp of them, `since_s` when it was offered, by a clock that only grows. `unscored` have
    no prediction, and count as rejected; `too_large` of them as it is too large for where it was to go.
    """

    batch: OfferedBatch
    events: Sequence[StampedEvent]
    since_s: float
    done: int = 0
    unscored: list[RejectedEvent] = field(default_factory=list)
    too_large: int = 0
    stamp_us: int = field(init=False)

    def __post_init__(self) -> None:
        self.stamp_us = max((event.available_us for event in self.events), default=0)

    @property
    def partition(self) -> int:
        """The partition of the topic."""
        return self.batch.messages.partition

    def holds(self, partition: int, offset: int) -> bool:
        """Return whether a message is one of the batch."""
        messages = self.batch.messages
        return messages.partition == partition and messages.first <= offset < messages.end

    def stamp_of(self, offset: int) -> int:
        """Return the stamp of one of its events."""
        return next(event.available_us for event in self.events if event.offset == offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPart:
    """Events of one batch that are predicted together with others."""

    of: WaitingBatch
    events: Sequence[StampedEvent]


class PredictionQueue:
    """First in, first out; what was taken stays until `finish` says that its predictions are made."""

    def __init__(self) -> None:
        self._batches: deque[WaitingBatch] = deque()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def add(self, batch: WaitingBatch) -> None:
        """Let a batch wait."""
        self._batches.append(batch)
        self._waiting += len(batch.events)

    def ready(self, asof_us: int, since_s: float, most: int) -> list[EventPart]:
        """Return the first events, `most` at most: those of batches with stamps up to `asof_us`.

        `since_s`: batches that were offered by then are ready, too. Where the first batch is not ready, none is. A
        batch without events is ready at once.
        """
        parts: list[EventPart] = []
        room = most
        for of in self._batches:
            if of.events and not (of.stamp_us <= asof_us or of.since_s <= since_s):
                break
            if room <= 0 and of.events:
                break
            events = of.events[of.done : of.done + room]
            parts.append(EventPart(of=of, events=events))
            room -= len(events)
        return parts

    def finish(self, parts: Sequence[EventPart]) -> list[WaitingBatch]:
        """Take away events whose predictions are made; return the batches of which that is all."""
        finished = []
        for part in parts:
            part.of.done += len(part.events)
            self._waiting -= len(part.events)
            if part.of.done >= len(part.of.events):
                assert self._batches[0] is part.of, "not in the order of the queue"
                finished.append(self._batches.popleft())
        return finished

    def begin_anew(self, finished: Sequence[WaitingBatch]) -> None:
        """Have predictions made again of batches that were taken away, and of the one that was begun."""
        self._batches.extendleft(reversed(finished))
        for of in self._batches:
            of.done = 0
            of.unscored.clear()
            of.too_large = 0
        self._count()

    def forget(self, partition: int) -> None:
        """Let go the batches of a partition."""
        self._batches = deque(of for of in self._batches if of.partition != partition)
        self._count()

    def find(self, partition: int, offset: int) -> WaitingBatch | None:
        """Return the batch of an event, None where it does not wait."""
        return next((of for of in self._batches if of.holds(partition, offset)), None)

    def _count(self) -> None:
        self._waiting = sum(len(of.events) - of.done for of in self._batches)
