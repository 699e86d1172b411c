"""`featurectl stream run`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.options import MOST_PORT
from featurectl.cli.shared.workspaces import open_applied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurectl.core.progress import Progress
    from featurectl.streaming.session.source_report import SourceReport

_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRunOptions:
    """Which sources are worked on, for how long, in how many processes, and where they answer."""

    sources: Annotated[list[str] | None, typer.Argument(help="Sources that are streams; all by default.")] = None
    once: Annotated[bool, typer.Option("--once", help="End when all that is there now is logged.")] = False
    workers: Annotated[int, typer.Option(help="How many processes share the partitions here.", min=1)] = 1
    port: Annotated[
        int | None,
        typer.Option(help="The port to answer on: /health /ready /fresh /metrics.", min=1, max=MOST_PORT),
    ] = None
    host: Annotated[str, typer.Option(help="The address to answer on.")] = "127.0.0.1"
    allow_pickle: Annotated[bool, typer.Option(help="Load models that are pickles, which run code.")] = False


@verb()
def run(call: Call, options: StreamRunOptions) -> Outcome:
    """Take events of streams into the online store and the log.

    It goes on until SIGTERM or Ctrl-C.

    The streams that are applied are worked on, and what is applied later is followed without a restart. A value that
    is read online has its `asof`: the instant up to which all events are in it. Events that are none (no JSON, a wrong
    type, a failed check) are put aside with their reason; they stop nothing.

    When a store or a broker is away, nothing is dropped: the work waits, says so once, and goes on when it is back. It
    can be started as often as wanted, on any machine: the partitions of a topic are divided among all that run.

    Models with `on_events` predict each event of their spine's source, as soon as its features can be read. An event
    is logged when its predictions are where they go, so that none is lost; a repeat has the same `prediction_id`.

    With --port it answers over HTTP: /health that it lives, /ready whether it can work, /fresh whether views are
    younger than the error_after of their freshness, and /metrics.

    SIGTERM and Ctrl-C finish the batch that is under way and log it; a second one ends at once, and what was not logged
    is taken again by the next.
    """
    from featurectl.predicting.factory import EventPredictors
    from featurectl.render.stream_run import render_stream_run, report_json
    from featurectl.streaming.session.process_run import StreamRunRequest
    from featurectl.streaming.session.run_streams import RunForm, run_streams
    from featurectl.streaming.session.worker_http import HttpAddress

    predictors = EventPredictors(allow_pickle=options.allow_pickle)
    request = StreamRunRequest(sources=tuple(options.sources or ()), once=options.once, predictors=predictors)
    address = None if options.port is None else HttpAddress(host=options.host, port=options.port)
    form = RunForm(workers=options.workers, address=address)
    with open_applied(call) as workspace:
        reports = run_streams(workspace, request, ProgressListener(call.progress), form)
    return Outcome(text=render_stream_run(reports), result={"sources": [report_json(report) for report in reports]})


class ProgressListener:
    """Says now and then how far a run is: a line for each source that has done something since the last one."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._said_s = time.monotonic()
        self._said: dict[str, SourceReport] = {}

    def say(self, source: str, text: str) -> None:
        """Say what a person wants to know of a source."""
        self._progress.done(f"{source}: {text}")

    def report(self, reports: Sequence[SourceReport]) -> None:
        """Say how far all are, every ten seconds."""
        from featurectl.render.stream_run import describe_progress

        since_s = time.monotonic() - self._said_s
        if since_s < _EVERY_S:
            return
        self._said_s += since_s
        for report in reports:
            if line := describe_progress(self._said.get(report.source), report, since_s):
                self._progress.done(line)
        self._said = {report.source: report for report in reports}
