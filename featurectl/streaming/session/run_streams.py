"""Workers run on the streams that are applied, until they are told to stop or have seen all that is there."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.core.errors import UsageError
from featurectl.language.stream_places import check_streams_run
from featurectl.streaming.session.applied_streams import chosen_streams
from featurectl.streaming.session.process_run import ProcessRun, RunListener, StreamRunRequest
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stop_signals import stopped_by_signals
from featurectl.streaming.session.worker_processes import ProcessGroup, WorkspacePlace
from featurectl.workspace.workspace import Workspace


def run_streams(
    workspace: Workspace, request: StreamRunRequest, listener: RunListener, workers: int = 1
) -> Sequence[SourceReport]:
    """Return what was done for each source, when told to stop by SIGTERM, or with `once` when all is done.

    With more than one of them, `workers` are processes of their own.

    Raises:
        UsageError: a source is not applied or no stream, the environment has a clock of its own, the store keeps no
            state of streams, or there is to be no worker.
        CheckFailedError: nothing is applied.
        StoreError: the registry, a topic, the store or the log can't be used.
        KeyboardInterrupt: Ctrl-C; what was taken is logged by then.
    """
    chosen_streams(workspace.applied_state(), request.sources)
    check_streams_run(workspace.environment)
    if workers < 1:
        raise UsageError(f"--workers {workers} is too few", hint="1 or more")
    with stopped_by_signals() as stop:
        if workers == 1:
            reports = ProcessRun(workspace, request, listener).run(stop)
        else:
            place = WorkspacePlace(root=workspace.root, env=workspace.environment.name)
            reports = ProcessGroup(place, request, workers, listener).run(stop)
    if stop.is_interrupt:
        raise KeyboardInterrupt
    return reports
