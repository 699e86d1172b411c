"""A reader of a topic that one worker after another uses: none of them closes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from featurectl.streaming.topics.base import MessageDelivery, TakeLimits, TopicReader


class LentReader:
    """A `TopicReader` that keeps its partitions when a worker ends that is followed by another one."""

    def __init__(self, reader: TopicReader) -> None:
        self._reader = reader

    def take(self, limits: TakeLimits) -> MessageDelivery:
        """Return what there is behind the positions."""
        return self._reader.take(limits)

    def seek(self, partition: int, position: int) -> None:
        """Go on at a position of a partition."""
        self._reader.seek(partition, position)

    def position(self, partition: int) -> int | None:
        """Return where a partition goes on."""
        return self._reader.position(partition)

    def pause(self, partitions: Iterable[int]) -> None:
        """Take nothing of some partitions until they are resumed."""
        self._reader.pause(partitions)

    def resume(self, partitions: Iterable[int]) -> None:
        """Take of some partitions again."""
        self._reader.resume(partitions)

    def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the broker's tools how far the group is."""
        self._reader.commit(positions)

    def close(self) -> None:
        """Do nothing: the one who lends it closes it."""
