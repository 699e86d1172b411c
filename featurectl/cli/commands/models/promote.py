"""`featurectl models promote` and `models rollback`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied

if TYPE_CHECKING:
    from featurectl.operations.models.promotion import Promotion


@verb(memory=True)
def promote(
    call: Call,
    model: Annotated[str, typer.Argument(help="MODEL@3, or MODEL@challenger, which MODEL alone means.")],
    allow_pickle: Annotated[bool, typer.Option(help="Load models that run code when they are loaded.")] = False,
) -> Outcome:
    """Make a model version the champion, if it passes the gates.

    The gates are those that are applied now, also for a version that was rejected by those of its training. What
    was measured then stands where the same is asked; the gain over the champion of now is measured anew, on the
    rows that the version was judged on. Exit code 1 when a gate fails: nothing has moved then.
    """
    from featurectl.operations.models.promotion import PromoteRequest, promote_model

    request = PromoteRequest(name=model, allow_pickle=allow_pickle, memory_bytes=call.memory_bytes())
    with open_applied(call) as workspace:
        done = promote_model(workspace, request)
    result = {
        "model": done.version.model,
        "version": done.version.version,
        "before": done.before,
        "promoted": done.is_moved,
        "status": done.version.status,
        "gates": [asdict(item) for item in done.gates],
    }
    return _promoted(done, result)


def _promoted(done: Promotion, result: dict[str, object]) -> Outcome:
    from featurectl.cli.render.gates import render_gates

    version, before = done.version, done.before
    label = f"{version.model} version {version.version}"
    if before == version.version:
        return Outcome(text=f"{label} is the champion already.", result=result)
    table = render_gates(done.gates)
    if not done.is_moved:
        still = "there is no champion" if before is None else f"the champion is version {before} still"
        return Outcome(text=f"{table}\n{label} fails a gate and is not promoted; {still}.", result=result, exit_code=1)
    undo = f"featurectl models rollback {version.model} undoes it"
    was = "" if before is None else f", in place of version {before}; {undo}"
    return Outcome(text=f"{table}\n{label} is the champion{was}.", result=result)


@verb()
def rollback(call: Call, model: Annotated[str, typer.Argument(help="A model with a champion.")]) -> Outcome:
    """Make the champion of before the last promotion champion again.

    It undoes one promotion: asked again, it says that there is nothing to undo. `models promote MODEL@N` goes to
    any version.
    """
    from featurectl.operations.models.promotion import check_name_of_model, roll_back_model

    check_name_of_model(model)
    with open_applied(call) as workspace:
        done = roll_back_model(workspace, model)
    result = {"model": model, "champion": done.champion, "before": done.before, "moved": done.before is not None}
    if done.before is None:
        text = f"{model}: nothing to undo; the champion is version {done.champion} still."
    else:
        text = f"{model}: the champion is version {done.champion} again, in place of version {done.before}."
    return Outcome(text=text, result=result)
