"""A stream that is applied, opened for what is done to it beside its workers: its topic, its state, its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from featurectl.core.variables import shown_location
from featurectl.language.definitions.source import Source
from featurectl.language.stream_places import topic_address
from featurectl.offline.event_log import EventLog
from featurectl.online.stream_state.base import StreamSource
from featurectl.online.stream_state.protocols import StreamState
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TopicBroker
from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamParts:
    """What a stream is made of, opened."""

    topic: str
    broker: TopicBroker
    place: StreamSource
    state: StreamState
    log: EventLog


@contextmanager
def opened_stream(workspace: Workspace, source: Source) -> Iterator[StreamParts]:
    """Give the parts of a stream until this ends; nothing is connected before it is used.

    Raises:
        UsageError: nothing says where the topic is, or the store keeps no state of streams.
    """
    assert source.stream is not None
    with ExitStack() as stack:
        shown = shown_location(topic_address(source, workspace.environment))
        broker = open_topics(workspace.topic_url(source), shown)
        stack.callback(broker.close)
        state = workspace.stream_state()
        stack.callback(state.close)
        yield StreamParts(
            topic=source.stream.topic,
            broker=broker,
            place=StreamSource(project=workspace.project, env=workspace.environment.name, source=source.name),
            state=state,
            log=workspace.event_log(source),
        )
