"""`featurectl models canary`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.core.errors import UsageError
from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.monitor.canary.lifecycle import CanaryEvaluation
    from featurectl.registry.state import GateResult
    from featurectl.workspace.workspace import Workspace

Model = Annotated[str, typer.Argument(help="A model with a running canary.")]


def add_to(models: typer.Typer) -> None:
    """Add the group to that of the models."""
    group = typer.Typer(help="Try a version beside the champion.", no_args_is_help=True, rich_markup_mode=None)
    models.add_typer(group, name="canary")
    _add_start(group)
    _add_status(group)
    _add_ends(group)


def _add_start(group: typer.Typer) -> None:
    @verb(group, "start")
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
        from featurectl.cli.render.canary import render_started, run_json
        from featurectl.cli.render.gates import render_gates
        from featurectl.monitor.canary.lifecycle import start_canary

        name, _, which = model.partition("@")
        if not which:
            raise UsageError(f"{model}: which version?", hint=f"featurectl models canary start {name}@VERSION")
        with _opened(call) as workspace:
            gates = _gates(call, workspace, (name, which), allow_pickle=allow_pickle)
            failed = [item for item in gates if item.passed is False]
            if failed:
                text = f"{render_gates(failed)}\n{model} fails {counted(len(failed), 'gate')}: no canary is begun."
                return Outcome(text=text, result={"canary": None, "gates": [asdict(g) for g in gates]}, exit_code=1)
            run = start_canary(workspace, name, which, percent)
        return Outcome(text=render_started(run), result={"canary": run_json(run), "gates": [asdict(g) for g in gates]})


def _add_status(group: typer.Typer) -> None:
    @verb(group, "status")
    def status(
        call: Call,
        model: Annotated[str, typer.Argument(help="A model that has or had a canary.")],
        judge: Annotated[bool, typer.Option("--judge", help="End it where that is due, as a server does.")] = False,
    ) -> Outcome:
        """Show how a model's canary does, or has ended.

        With --judge it exits 1 when the version is rolled back by this look.
        """
        from featurectl.cli.render.canary import render_ended, run_json
        from featurectl.monitor.canary.lifecycle import judge_now, last_canary, look_at, open_log
        from featurectl.registry.applied import not_applied

        with _opened(call) as workspace:
            state = workspace.applied_state()
            run = last_canary(state, model)
            if run is None and state.current("model", model) is None:
                raise not_applied(state, "model", model)
            if run is None:
                return Outcome(text=f"Model {model} had no canary yet.", result={"canary": None})
            if run.state != "running":
                return Outcome(text=render_ended(run), result={"canary": run_json(run)})
            log = open_log(workspace, run)
            judged = judge_now(workspace, run, log, "models canary status") if judge else look_at(run, log)
        return _outcome(judged)


def _add_ends(group: typer.Typer) -> None:
    @verb(group, "promote")
    def promote(call: Call, model: Model) -> Outcome:
        """Make the challenger the champion now.

        Whatever its figures are; the version was registered and not rejected.
        """
        return _end(call, model, "promoted")

    @verb(group, "abort")
    def abort(call: Call, model: Model) -> Outcome:
        """End a canary now: the champion answers everybody again."""
        return _end(call, model, "aborted")


def _gates(call: Call, workspace: Workspace, of: tuple[str, str], *, allow_pickle: bool) -> tuple[GateResult, ...]:
    """Return what the gates find of a version: a canary is no way around them."""
    from featurectl.engines.open import open_engine
    from featurectl.operations.models.promotion import check_gates
    from featurectl.operations.training.champion import EvaluationContext
    from featurectl.registry.applied import choose_version

    state = workspace.applied_state()
    ring = EvaluationContext(
        state=state,
        offline=workspace.offline(),
        location=workspace.offline_location(),
        engine=open_engine(workspace.environment, call.memory_bytes()),
        leave=workspace.leave(state, by_flag=allow_pickle),
    )
    version = choose_version(ring.state, *of)
    return () if version.status == "rejected" else check_gates(version, ring)


def _opened(call: Call) -> Workspace:
    return open_applied(call)


def _end(call: Call, model: str, to: Literal["promoted", "aborted"]) -> Outcome:
    from featurectl.monitor.canary.lifecycle import end_canary, require_running

    with _opened(call) as workspace:
        run = require_running(workspace.applied_state(), model)
        judged = end_canary(workspace, run, to, f"models canary {call.command}")
    if judged.run.state != to:
        raise UsageError(f"the canary of model {model} was {judged.run.state.replace('_', ' ')}: {judged.run.reason}")
    return _outcome(judged)


def _outcome(judged: CanaryEvaluation) -> Outcome:
    from featurectl.cli.render.canary import evaluation_json, render_judged

    code = 1 if judged.run.state == "rolled_back" else 0
    return Outcome(text=render_judged(judged), result={"canary": evaluation_json(judged)}, exit_code=code)
