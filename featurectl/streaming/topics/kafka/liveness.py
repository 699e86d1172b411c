"""Whether brokers answer, by what the client counts: a reader at the end gets no messages, and none from the dead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Final, TypedDict

INTERVAL_MS: Final = 500
_FRESH_S: Final = 1.5  # one that fetches gets an answer every 20 ms


class _BrokerCounts(TypedDict):
    state: str
    nodeid: int
    rxidle: int  # microseconds since something came


class _PartitionCounts(TypedDict):
    leader: int


class _TopicCounts(TypedDict):
    partitions: dict[str, _PartitionCounts]


class _Counts(TypedDict):
    brokers: dict[str, _BrokerCounts]
    topics: dict[str, _TopicCounts]


class BrokerLiveness:
    """When each partition's broker was last seen to answer; a partition that is new counts as answered for."""

    def __init__(self, topic: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._topic = topic
        self._clock = clock
        self._answered_s: dict[int, float] = {}

    def read_counts(self, text: str) -> None:
        """Take notice of what the client counts, which it tells twice a second."""
        counts: _Counts = json.loads(text)
        now_s = self._clock()
        alive = {
            broker["nodeid"]
            for broker in counts["brokers"].values()
            if broker["state"] == "UP" and 0 <= broker["rxidle"] < _FRESH_S * 1e6
        }
        topic = counts["topics"].get(self._topic)
        for name, partition in topic["partitions"].items() if topic else ():
            if partition["leader"] in alive:
                self._answered_s[int(name)] = now_s

    def answered(self, partitions: Iterable[int]) -> None:
        """Take notice that something came from the brokers of some partitions, or is awaited from now on."""
        self._answered_s.update(dict.fromkeys(partitions, self._clock()))

    def is_fresh(self, partition: int) -> bool:
        """Return whether the broker of a partition has answered just now."""
        return self.silent_s(partition) < _FRESH_S

    def silent_s(self, partition: int) -> float:
        """Return for how long the broker of a partition has said nothing."""
        now_s = self._clock()
        return now_s - self._answered_s.get(partition, now_s)
