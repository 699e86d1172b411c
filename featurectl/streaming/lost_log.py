"""A log that was lost, or came back older, while the online store went on: the stream begins anew with its topic."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Final

from featurectl.core.errors import TryAgainError, UsageError
from featurectl.online.stream_state.forgotten_sources import forget_stream
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.reset import ResettableStream

_TRIES: Final = 20


def begin_without_log(stream: ResettableStream) -> None:
    """Remove a stream from the online store, so that workers begin anew with what its topic has.

    What the log still has keeps its stamps. Answers between its last instant and now may have had stamps that are lost:
    it names them as a gap first, so that to do it again after a crash goes on.

    Raises:
        UsageError: the log has all that was logged.
        TryAgainError: workers go on with the log meanwhile.
        StoreError: a store can't be used.
    """
    with closing(stream.state.connect(stream.place)) as connection:
        state = connection.register.read_state()
    for _ in range(_TRIES):
        opened = stream.log.open()
        logged = opened.state.partitions
        if not any(of.kept > (logged[of.name].end if of.name in logged else of.first) for of in state.partitions):
            raise UsageError(f"the log {stream.log.shown} has all that was logged", hint="leave out --log-lost")
        gap = (opened.state.asof_us or 0, max(state.asof, state.last, state.clock_us))
        with_gap = replace(opened.state, gaps=(*opened.state.gaps, gap))
        if opened.version is None or stream.log.commit(opened, LogWriter(stream.log, stream.log).nothing(), with_gap):
            forget_stream(stream.state, stream.place)
            return
    raise TryAgainError(f"workers write to the log {stream.log.shown}", hint="stop them first")
