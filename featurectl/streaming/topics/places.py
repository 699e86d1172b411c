"""How far a reader is in each of its partitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from featurectl.streaming.topics.base import MessageBatch, TakeLimits

_FIRST_SIZE: Final = 1_000  # bytes of a message before one was seen


class ReaderPlaces:
    """Positions by partition, and which of them are paused. With a division only partitions that it gave are taken."""

    def __init__(self, *, is_divided: bool) -> None:
        self._is_divided = is_divided
        self._given: set[int] = set()
        self._positions: dict[int, int] = {}
        self._paused: set[int] = set()

    def give(self, gained: Iterable[int], revoked: Iterable[int]) -> None:
        """Take notice of what the division gives and takes; what it takes is forgotten."""
        self._given.update(gained)
        for partition in revoked:
            self._given.discard(partition)
            self._positions.pop(partition, None)
            self._paused.discard(partition)

    def has(self, partition: int) -> bool:
        """Return whether a partition is this reader's."""
        return not self._is_divided or partition in self._given

    def seek(self, partition: int, position: int) -> bool:
        """Go on at a position, and return whether the partition is this reader's."""
        if not self.has(partition):
            return False
        self._positions[partition] = position
        return True

    def pause(self, partitions: Iterable[int]) -> None:
        """Leave out some partitions until they are resumed."""
        self._paused.update(filter(self.has, partitions))

    def resume(self, partitions: Iterable[int]) -> None:
        """Take some partitions again."""
        self._paused.difference_update(partitions)

    def is_paused(self, partition: int) -> bool:
        """Return whether a partition is left out."""
        return partition in self._paused

    def position(self, partition: int) -> int | None:
        """Return where a partition goes on, None before it was sought."""
        return self._positions.get(partition)

    def positions(self) -> Mapping[int, int]:
        """Return the positions of all partitions that were sought."""
        return dict(self._positions)

    def active(self) -> Mapping[int, int]:
        """Return the positions of all partitions that are not paused."""
        return {partition: at for partition, at in self._positions.items() if partition not in self._paused}

    def advance(self, batches: Iterable[MessageBatch]) -> None:
        """Go on behind some batches."""
        for batch in batches:
            self._positions[batch.partition] = batch.end


class MessageSizes:
    """How large messages are by those that came last, so that a number of them fits a number of bytes."""

    def __init__(self) -> None:
        self._mean = float(_FIRST_SIZE)

    def learn(self, batches: Iterable[MessageBatch]) -> None:
        """Take notice of messages; a larger mean counts at once, a smaller one slowly."""
        for batch in batches:
            if batch.values:
                size = sum(map(len, batch.values)) + sum(len(key) for key in batch.keys if key)
                mean = size / len(batch.values)
                self._mean = max(mean, 0.8 * self._mean + 0.2 * mean, 1.0)

    def fitting(self, limits: TakeLimits, among: int = 1) -> int:
        """Return how many messages of each of so many partitions fit, at least one."""
        return max(1, min(limits.messages, int(limits.size / self._mean)) // max(1, among))
