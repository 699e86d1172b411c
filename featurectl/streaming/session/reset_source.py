"""A topic that was made again, or a log that was lost: the stream of a source begins anew because somebody wants it."""

from __future__ import annotations

from functools import partial

from featurectl.language.stream_places import check_streams_run
from featurectl.streaming.lost_log import begin_without_log
from featurectl.streaming.reset import ResettableStream, StreamReset, reset_stream
from featurectl.streaming.session.applied_streams import chosen_streams
from featurectl.streaming.session.stream_parts import StreamParts, opened_stream
from featurectl.workspace.workspace import Workspace


def reset_source(workspace: Workspace, name: str) -> StreamReset:
    """Begin a new incarnation of the topic of a source, which was made again; what was logged stays.

    Raises:
        UsageError: the source is no stream, or its topic was not made again.
        TryAgainError: a worker goes on with it as it was before.
        StoreError: the topic is not there, or the store or the log can't be used.
    """
    source = chosen_streams(workspace.applied_state(), [name])[name].source
    check_streams_run(workspace.environment)
    with opened_stream(workspace, source) as parts:
        return reset_stream(_resettable(parts))


def forget_lost_log(workspace: Workspace, name: str) -> None:
    """Remove a stream from the online store whose log was lost: workers begin anew with what its topic has.

    Raises:
        UsageError: the source is no stream, or its log has all that was logged.
        TryAgainError: workers go on with the log meanwhile.
        StoreError: a store can't be used.
    """
    source = chosen_streams(workspace.applied_state(), [name])[name].source
    check_streams_run(workspace.environment)
    with opened_stream(workspace, source) as parts:
        begin_without_log(_resettable(parts))


def _resettable(parts: StreamParts) -> ResettableStream:
    return ResettableStream(
        place=parts.place,
        state=parts.state,
        log=parts.log,
        topic=partial(parts.broker.state, parts.topic),
        watermarks=partial(parts.broker.watermarks, parts.topic),
        offsets_are_times=parts.broker.offsets_are_times,
    )
