"""Workers run on the streams that are applied, until they are told to stop or have seen all that is there."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.language.stream_places import check_streams_run
from featurectl.streaming.session.process_run import ProcessRun, RunListener, StreamRunRequest
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stop_signals import stopped_by_signals
from featurectl.workspace.workspace import Workspace


def run_streams(workspace: Workspace, request: StreamRunRequest, listener: RunListener) -> Sequence[SourceReport]:
    """Return what was done for each source, when told to stop by SIGTERM, or with `once` when all is done.

    Raises:
        UsageError: a source is not applied or no stream, the environment has a clock of its own, or the store keeps no
            state of streams.
        CheckFailedError: nothing is applied.
        StoreError: the registry, a topic, the store or the log can't be used.
        KeyboardInterrupt: Ctrl-C; what was taken is logged by then.
    """
    workspace.applied_state()  # that nothing is applied comes first
    check_streams_run(workspace.environment)
    with stopped_by_signals() as stop:
        reports = ProcessRun(workspace, request, listener).run(stop)
    if stop.is_interrupt:
        raise KeyboardInterrupt
    return reports
