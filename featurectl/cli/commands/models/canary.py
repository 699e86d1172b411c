"""`featurectl models canary`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.signals import ended_by_sigterm
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import UsageError
from featurectl.core.units import counted, format_duration

if TYPE_CHECKING:
    from featurectl.monitor.canary.lifecycle import CanaryEvaluation
    from featurectl.monitor.canary.start_gated import CanaryStart
    from featurectl.workspace.workspace import Workspace

ModelArgument = Annotated[str, typer.Argument(help="A model with a running canary.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """For whom a canary answers, and whether its end is waited for."""

    percent: Annotated[
        float | None, typer.Option(help="The share of the entities, in place of that of `canary:`; 0: shadow mode.")
    ] = None
    allow_pickle: Annotated[bool, typer.Option(help="Load models that run code, to measure their gates.")] = False
    wait: Annotated[bool, typer.Option("--wait", help="Judge it until it is over, and end as it does.")] = False
    every: Annotated[
        str, typer.Option(help="With --wait: how long to wait between two judgements.", metavar="DURATION")
    ] = "10s"
    within: Annotated[
        str,
        typer.Option(help="With --wait: abort it when it is not over so long after its beginning.", metavar="DURATION"),
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pace:
    every_s: float
    within: timedelta | None


@verb()
def start(
    call: Call,
    model: Annotated[str, typer.Argument(help="MODEL@3, or MODEL@challenger; MODEL alone is its newest version.")],
    options: StartOptions,
) -> Outcome:
    """Let a version of a model answer a share of the entities.

    It has to pass the gates against the champion of now, as for `models promote`; exit code 1 when it does not.
    How many, for how long and what it has to keep to are the model's `canary:` as it was applied. `featurectl
    serve` takes it up by itself, promotes the version when all held to the end, and rolls it back as soon as
    something does not.

    With --wait it ends when the canary is over: with 0 when the version was promoted, with 1 when it was rolled back
    or aborted. It judges, too, so that nobody else has to; a registry that is away is waited for. Without requests a
    canary does not end by itself: --within aborts it then. SIGTERM and Ctrl-C end the wait with 130, and not the
    canary: the same command waits again, for the canary of that version that runs. A version that is the champion
    already, as the first one of a model is, needs no canary: 0 at once.

    In a run of a pipeline MODEL alone is the version that this run has trained, if it has trained any, also when the
    run is gone on with after others have trained newer ones. While another canary of the model is running none begins:
    exit code 75, as the same command is right when that one is over.
    """
    from featurectl.monitor.canary.start_gated import parse_start, start_gated

    pace = _pace(options)
    request = parse_start(model, options.percent, allow_pickle=options.allow_pickle, join=options.wait)
    with open_applied(call) as workspace, ended_by_sigterm() if options.wait else nullcontext():
        found = start_gated(workspace, request)
        call.progress.done(found.note)
        if options.wait and found.run is not None:
            return _waited(call, workspace, found, pace)
    return _started(request.model, model, found)


def _pace(options: StartOptions) -> _Pace:
    from featurectl.cli.shared.times import seconds_of

    within = timedelta(seconds=seconds_of("--within", options.within)) if options.within else None
    if within and not options.wait:
        raise UsageError("--within is how long --wait waits", hint="--wait --within 2h")
    return _Pace(every_s=seconds_of("--every", options.every), within=within)


def _started(name: str, model: str, found: CanaryStart) -> Outcome:
    from featurectl.render.canary import render_needless, render_started, run_json
    from featurectl.render.gates import render_gates

    gates = [asdict(gate) for gate in found.gates]
    if found.champion is not None:
        result = {"canary": None, "gates": gates, "champion": found.champion}
        return Outcome(text=render_needless(name, found.champion), result=result)
    if found.run is None:
        failed = f"{model} fails {counted(len(found.failed), 'gate')}: no canary is begun."
        text = f"{render_gates(found.failed)}\n{failed}"
        return Outcome(text=text, result={"canary": None, "gates": gates}, exit_code=1)
    return Outcome(text=render_started(found.run), result={"canary": run_json(found.run), "gates": gates})


def _waited(call: Call, workspace: Workspace, found: CanaryStart, pace: _Pace) -> Outcome:
    """Wait for the end of a canary; it goes on where the wait is interrupted."""
    import time

    from featurectl.monitor.canary.wait import CanaryWait
    from featurectl.render.canary import render_ended, render_started, run_json

    assert found.run is not None
    run, gates = found.run, [asdict(gate) for gate in found.gates]
    if not found.is_joined or run.state == "running":
        call.progress.done(render_started(run).partition("\n")[0])
    waiting = CanaryWait(
        workspace=workspace, every_s=pace.every_s, progress=call.progress, pause=time.sleep, within=pace.within
    )
    try:
        ended = waiting.wait(run) if run.state == "running" else run
    except KeyboardInterrupt:
        within = f" --within {format_duration(pace.within // timedelta(microseconds=1))}" if pace.within else ""
        again = f"featurectl models canary start {run.model}@{run.challenger} --wait{within} --env {run.environment}"
        goes_on = f"interrupted: the canary of {run.model} version {run.challenger} goes on"
        end = f"featurectl models canary abort {run.model} --env {run.environment}"
        text = f"{goes_on}\nwait for it again: {again}\nend it: {end}"
        error = {"code": "", "message": "interrupted", "hint": again}
        result = {"canary": run_json(run), "gates": gates, "error": error}
        return Outcome(text=text, result=result, exit_code=130)
    code = 0 if ended.state == "promoted" else 1
    return Outcome(text=render_ended(ended), result={"canary": run_json(ended), "gates": gates}, exit_code=code)


@verb()
def status(
    call: Call,
    model: Annotated[str, typer.Argument(help="A model that has or had a canary.")],
    judge: Annotated[bool, typer.Option("--judge", help="End it where that is due, as a server does.")] = False,
) -> Outcome:
    """Show how a model's canary does, or has ended.

    With --judge it exits 1 when the version is rolled back by this look.
    """
    from featurectl.monitor.canary.lifecycle import CanaryEvaluation, evaluate_last
    from featurectl.render.canary import render_ended, run_json

    with open_applied(call) as workspace:
        found = evaluate_last(workspace, model, judge=judge, command="models canary status")
    if found is None:
        return Outcome(text=f"Model {model} had no canary yet.", result={"canary": None})
    if not isinstance(found, CanaryEvaluation):
        return Outcome(text=render_ended(found), result={"canary": run_json(found)})
    return _outcome(found)


@verb()
def promote(call: Call, model: ModelArgument) -> Outcome:
    """Make the challenger the champion now.

    Whatever its figures are; the version was registered and not rejected.
    """
    return _end(call, model, "promoted")


@verb()
def abort(call: Call, model: ModelArgument) -> Outcome:
    """End a canary now: the champion answers everybody again."""
    return _end(call, model, "aborted")


def _end(call: Call, model: str, to: Literal["promoted", "aborted"]) -> Outcome:
    from featurectl.monitor.canary.lifecycle import end_running

    with open_applied(call) as workspace:
        return _outcome(end_running(workspace, model, to, call.command))


def _outcome(judged: CanaryEvaluation) -> Outcome:
    from featurectl.render.canary import evaluation_json, render_evaluation

    code = 1 if judged.run.state == "rolled_back" else 0
    return Outcome(text=render_evaluation(judged), result={"canary": evaluation_json(judged)}, exit_code=code)
