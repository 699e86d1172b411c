"""`stream run` of a project on partitions that it takes without asking: its folder, `run` or `once`, and their numbers.

For a broker that waits for ever for a member of a group that was killed.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from featurectl.predicting.factory import EventPredictors
from featurectl.streaming.session import stream_session
from featurectl.streaming.session.process_run import ProcessRun, StreamRunRequest
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import Division, MessageDelivery, TakeLimits, TopicBroker, TopicReader
from featurectl.workspace.open import open_workspace


class OwningReader:
    """A reader that has been given some partitions at its first delivery, and keeps them."""

    def __init__(self, reader: TopicReader, own: Sequence[int]) -> None:
        self._reader, self._new = reader, list(own)

    def take(self, limits: TakeLimits) -> MessageDelivery:
        """Take, and say of the partitions once."""
        if self._new:
            new, self._new = self._new, []
            return MessageDelivery(gained=new)
        return self._reader.take(limits)

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)


class OwningBroker:
    """A broker that divides nothing."""

    def __init__(self, broker: TopicBroker, own: Sequence[int]) -> None:
        self._broker, self._own = broker, own

    def open_reader(self, topic: str, division: Division | None = None) -> object:  # noqa: ARG002
        """Open a reader of all own partitions."""
        return OwningReader(self._broker.open_reader(topic), self._own)

    def __getattr__(self, name: str) -> object:
        return getattr(self._broker, name)


class Told:
    """Says everything at once."""

    def say(self, source: str, text: str) -> None:
        """Print a line."""
        sys.stderr.write(f"{source}: {text}\n")

    def report(self, reports: Sequence[SourceReport]) -> None:
        """Say nothing of how far it is."""


def main(folder: str, mode: str, *own: str) -> None:
    opened: Callable[..., object] = lambda url, shown="": OwningBroker(open_topics(url, shown), [*map(int, own)])  # noqa: E731
    stream_session.__dict__["open_topics"] = opened
    request = StreamRunRequest(sources=("swipes",), once=mode == "once", predictors=EventPredictors())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with open_workspace(Path(folder), None, None, "unread") as workspace:
        ProcessRun(workspace, request, Told()).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
