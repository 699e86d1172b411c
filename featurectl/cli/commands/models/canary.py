"""`featurectl models canary`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.errors import UsageError
from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.monitor.canary.lifecycle import CanaryEvaluation

ModelArgument = Annotated[str, typer.Argument(help="A model with a running canary.")]


@verb()
def start(
    call: Call,
    model: Annotated[str, typer.Argument(help="MODEL@3, or MODEL@challenger.")],
    percent: Annotated[
        float | None, typer.Option(help="The share of the entities, in place of that of `canary:`; 0: shadow mode.")
    ] = None,
    allow_pickle: Annotated[bool, typer.Option(help="Load models that run code, to measure their gates.")] = False,
) -> Outcome:
    """Let a version of a model answer a share of the entities.

    It has to pass the gates against the champion of now, as for `models promote`; exit code 1 when it does not.
    How many, for how long and what it has to keep to are the model's `canary:` as it was applied. `featurectl
    serve` takes it up by itself, promotes the version when all held to the end, and rolls it back as soon as
    something does not.
    """
    from featurectl.monitor.canary.start_gated import StartRequest, start_gated
    from featurectl.render.canary import render_started, run_json
    from featurectl.render.gates import render_gates

    name, _, which = model.partition("@")
    if not which:
        raise UsageError(f"{model}: which version?", hint=f"featurectl models canary start {name}@VERSION")
    request = StartRequest(model=name, which=which, percent=percent, allow_pickle=allow_pickle)
    with open_applied(call) as workspace:
        found = start_gated(workspace, request)
    gates = [asdict(gate) for gate in found.gates]
    if found.run is None:
        failed = f"{model} fails {counted(len(found.failed), 'gate')}: no canary is begun."
        text = f"{render_gates(found.failed)}\n{failed}"
        return Outcome(text=text, result={"canary": None, "gates": gates}, exit_code=1)
    return Outcome(text=render_started(found.run), result={"canary": run_json(found.run), "gates": gates})


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
