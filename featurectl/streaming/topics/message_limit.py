"""The greatest message that a kind of topics can hold: what is larger is put aside, and named once the rest is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from featurectl.streaming.topics.base import Record, record_size
from featurectl.streaming.topics.faults import MessageTooLargeError


class MessageLimit:
    """Keeps the messages of one writer that have more than `most` bytes from being sent."""

    def __init__(self, topic: str, shown: str, most: int) -> None:
        self._topic, self._shown, self._most = topic, shown, most
        self._aside: list[Record] = []

    def kept(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield those that can be sent, in order."""
        for record in records:
            if record_size(record) <= self._most:
                yield record
            else:
                self._aside.append(record)

    def check(self) -> None:
        """Name what was put aside since the last time.

        Raises:
            MessageTooLargeError: something was.
        """
        aside, self._aside = self._aside, []
        if aside:
            raise MessageTooLargeError(self._topic, self._shown, aside, self._most)
