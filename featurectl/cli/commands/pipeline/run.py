"""`featurectl pipeline run`."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import RunningError, UsageError

if TYPE_CHECKING:
    from featurectl.core.stop_request import StopRequest
    from featurectl.pipelines.run_plan import RunRequest

_SIGNAL: Final = 128  # and its number, as shells have it


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRunOptions:
    """Which stages run, and how many at a time."""

    since: Annotated[
        str | None, typer.Option("--from", help="Begin with this stage, and run what needs it.", metavar="STAGE")
    ] = None
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run this stage alone; may be given again.", metavar="STAGE")
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run: what did not succeed, at the same instant.")
    ] = False
    if_free: Annotated[
        bool, typer.Option("--if-free", help="While another run goes on, say so and end with 0; for schedules.")
    ] = False
    max_parallel: Annotated[
        int | None, typer.Option(help="How many stages run at a time; as many as the machine has room for.", min=1)
    ] = None


@verb(as_of=True)
def run(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pipeline.")],
    options: PipelineRunOptions,
) -> Outcome:
    """Run the stages of a pipeline.

    Each runs when those that it needs have succeeded. The pipeline that is applied is run. Stages run side by side as
    far as the processors and the memory of this machine go by their `resources`. Each is a process of its own, and
    takes the start of the run as now, but for `monitor`, which looks at what is there when it runs. What a stage writes
    goes into a file of the run, and is shown here. After a failure stages that need it are skipped; others go on.

    A pipeline runs once at a time, wherever it is started (exit code 75 says by whom; with --if-free it is 0, which no
    scheduler takes for a failure). Ctrl-C, SIGTERM and SIGHUP end all stages, with 130, 143 and 129. `--resume` goes on
    with a run that failed or was killed: what has succeeded is not run again.

    Exits 1 when a stage did not succeed.
    """
    from featurectl.cli.shared.run_report import open_run_report
    from featurectl.core.stop_request import StopRequest
    from featurectl.pipelines.run_pipeline import run_pipeline
    from featurectl.render.pipelines import pipeline_run_json, render_pipeline_run

    request, stop = _request(call, name, options), StopRequest()
    with open_applied(call) as workspace, open_run_report(call) as report, _stopped_by_signals(stop) as heard:
        try:
            ran = run_pipeline(workspace, request, report, stop)
        except RunningError as running:
            if not options.if_free:
                raise
            text = f"Pipeline {name} is left out: {running.message}."
            return Outcome(text=text, result={"run": None, "left_out": running.message})
    if ran.state == "stopped" and heard:
        again = f"featurectl pipeline run {name} --resume --env {ran.environment}"
        return _stopped(call, again, {"run": pipeline_run_json(ran), "left_out": ""}, heard[0])
    return Outcome(
        text=render_pipeline_run(ran),
        result={"run": pipeline_run_json(ran), "left_out": ""},
        exit_code=0 if ran.state == "succeeded" else 1,
    )


def _stopped(call: Call, again: str, result: Mapping[str, object], number: int) -> Outcome:
    """Return the end of a run by a signal, whose exit code is that of a process that the signal ends."""
    call.progress.done(f"stopped; {again} goes on with it")
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    error = {"code": "", "message": f"ended by {signal.Signals(number).name}", "hint": again}
    return Outcome(result={**result, "error": error}, exit_code=_SIGNAL + number)


def _request(call: Call, name: str, options: PipelineRunOptions) -> RunRequest:
    from featurectl.pipelines.run_plan import RunRequest

    if options.resume and (options.since or options.only or call.as_of):
        raise UsageError("--resume goes on with a run as it is: without --from, --only and --as-of")
    if options.since and options.only:
        raise UsageError("--from and --only choose stages in two ways", hint="leave one of them out")
    return RunRequest(
        name=name,
        since=options.since,
        only=tuple(options.only or ()),
        resume=options.resume,
        as_of=call.instant(),
        most=options.max_parallel,
    )


@contextmanager
def _stopped_by_signals(stop: StopRequest) -> Iterator[list[int]]:
    """Have Ctrl-C, SIGTERM, and the end of the terminal end a run in order; give those that have come."""
    heard: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        heard.append(number)
        stop.set()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
