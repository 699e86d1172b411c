"""How far the streams of a run are, looked at again and again by a thread of its own, for those who ask over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.core.variables import shown_location
from featurectl.language.stream_places import topic_address
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.protocols import StreamConnection, StreamState
from featurectl.streaming.lag import StreamLag, lag_over
from featurectl.streaming.session.applied_streams import AppliedStream
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TopicBroker
from featurectl.workspace.workspace import Workspace

_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStream:
    """A stream as it was looked at last: `looked_s` by a clock that only grows, `lag` None where `problem` says why."""

    stream: AppliedStream
    looked_s: float
    lag: StreamLag | None = None
    problem: str = ""


class StreamWatch:
    """Looks every second; `streams` reads which there are."""

    def __init__(self, workspace: Workspace, streams: Callable[[], Mapping[str, AppliedStream]]) -> None:
        self._workspace, self._streams = workspace, streams
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._opened: dict[str, _OpenedStream] = {}
        self.watched: Mapping[str, WatchedStream] = {}
        self.registry_problem = ""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; a look that is under way is not waited for long."""
        self._ends.set()
        self._thread.join(_EVERY_S)

    def _run(self) -> None:
        while not self._ends.is_set():
            self.look()
            self._ends.wait(_EVERY_S)
        for opened in self._opened.values():
            opened.close()

    def look(self) -> None:
        """Look once."""
        try:
            streams = self._streams()
            self.registry_problem = ""
        except FeaturectlError as error:
            self.registry_problem = error.message
            streams = {name: of.stream for name, of in self.watched.items()}
        for name in self._opened.keys() - streams.keys():
            self._opened.pop(name).close()
        self.watched = {name: self._look_at(name, stream) for name, stream in streams.items()}

    def _look_at(self, name: str, stream: AppliedStream) -> WatchedStream:
        try:
            opened = self._opened.get(name)
            if opened is None or not opened.is_of(stream):
                if opened is not None:
                    opened.close()
                opened = self._opened[name] = _OpenedStream(self._workspace, stream)
            lag = opened.lag()
        except FeaturectlError as error:
            if (broken := self._opened.pop(name, None)) is not None:
                broken.close()
            return WatchedStream(stream=stream, looked_s=time.monotonic(), problem=error.message)
        return WatchedStream(stream=stream, looked_s=time.monotonic(), lag=lag)


class _OpenedStream:
    """The topic of a stream and its state, over connections that stay."""

    def __init__(self, workspace: Workspace, stream: AppliedStream) -> None:
        assert stream.source.stream is not None
        self._workspace, self._topic = workspace, stream.source.stream.topic
        self._url = workspace.topic_url(stream.source)
        place = StreamSource(
            project=workspace.project, env=workspace.environment.name, source=stream.source.name
        )  # fmt: skip
        with ExitStack() as stack:
            shown = shown_location(topic_address(stream.source, workspace.environment))
            self._broker: TopicBroker = open_topics(self._url, shown)
            stack.callback(self._broker.close)
            state: StreamState = workspace.stream_state()
            stack.callback(state.close)
            self._connection: StreamConnection = state.connect(place)
            stack.callback(self._connection.close)
            self._stack = stack.pop_all()

    def is_of(self, stream: AppliedStream) -> bool:
        """Return whether its topic is where that of a stream is."""
        assert stream.source.stream is not None
        return (self._topic, self._url) == (stream.source.stream.topic, self._workspace.topic_url(stream.source))

    def lag(self) -> StreamLag:
        """Return how far workers are."""
        return lag_over(self._broker, self._topic, self._connection)

    def close(self) -> None:
        """Give back the connections."""
        with suppress(FeaturectlError):
            self._stack.close()
