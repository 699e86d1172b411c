"""Workers run on the streams that are applied, until they are stopped or have seen all that is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from featurectl.core.errors import StoreError
from featurectl.core.stop_request import StopRequest
from featurectl.language.stream_places import check_streams_run
from featurectl.streaming.session.applied_streams import chosen_streams
from featurectl.streaming.session.followed_streams import FollowedStreams
from featurectl.streaming.session.process_run import ProcessRun, RunListener, StreamRunRequest
from featurectl.streaming.session.run_records import recorded
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stop_signals import stopped_by_signals
from featurectl.streaming.session.stream_watch import StreamWatch
from featurectl.streaming.session.worker_http import HttpAddress, WorkerHttp
from featurectl.streaming.session.worker_processes import ProcessGroup, WorkspacePlace
from featurectl.workspace.older_registry import check_erasures_known
from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForm:
    """In how many processes workers run, and where they answer over HTTP (None: nowhere)."""

    workers: int = 1
    address: HttpAddress | None = None


def run_streams(
    workspace: Workspace, request: StreamRunRequest, listener: RunListener, form: RunForm
) -> Sequence[SourceReport]:
    """Return what was done for each source, when stopped by SIGTERM, or with `once` when all is done.

    Raises:
        UsageError: a source is not applied or no stream, the environment has a clock of its own, the store keeps no
            state of streams, or the address can't be listened on.
        CheckFailedError: nothing is applied.
        DataError: with `once`, a history can't be read.
        StoreError: the registry, a topic, the store or the log can't be used; FC619, the registry is older than an
            erasure that the store has heard of.
        KeyboardInterrupt: Ctrl-C; what was taken is logged by then.
    """
    chosen_streams(workspace.applied_state(), request.sources)
    check_streams_run(workspace.environment)
    with (
        stopped_by_signals() as stop,
        _answering(workspace, request, listener, form, stop) as answering,
        recorded(workspace, answering, stop.is_set) as heard,
    ):
        _check_erasures(workspace, stop)
        if form.workers == 1:
            reports = ProcessRun(workspace, request, heard).run(stop)
        else:
            place = WorkspacePlace(root=workspace.root, env=workspace.environment.name)
            reports = ProcessGroup(place, request, form.workers, heard).run(stop)
    if stop.is_interrupt:
        raise KeyboardInterrupt
    return reports


def _check_erasures(workspace: Workspace, stop: StopRequest) -> None:
    """Check that the registry knows of all erasures; a store that is silent keeps no run that is to stop."""
    try:
        check_erasures_known(workspace)
    except StoreError as error:
        if error.code == "FC619" or not stop.is_set():
            raise


@contextmanager
def _answering(
    workspace: Workspace, request: StreamRunRequest, listener: RunListener, form: RunForm, stop: StopRequest
) -> Iterator[RunListener]:
    """Give who hears of a run: the listener itself where nobody asks over HTTP."""
    if form.address is None:
        yield listener
        return
    registry, names = FollowedStreams(workspace), request.sources
    watch = StreamWatch(
        workspace, lambda: {name: of for name, of in registry.read().items() if not names or name in names}
    )
    http = WorkerHttp(workspace.project, workspace.environment.name, watch, listener)
    http.is_ending = stop.is_set
    http.listen(form.address)
    try:
        yield http
    finally:
        http.close()
