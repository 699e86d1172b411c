"""`featurectl models diff`, `models promote` and `models rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from featurectl.operations.models.promotion import Mover, Promotion


def add_to_group(group: typer.Typer) -> None:
    """Add the commands to `featurectl models`."""
    _add_diff(group)
    _add_promote(group)
    _add_rollback(group)


def _add_diff(group: typer.Typer) -> None:
    @verb(group, "diff")
    def diff(
        call: Call,
        first: Annotated[str, typer.Argument(help="MODEL@1, or by an alias: MODEL@champion.", metavar="A")],
        second: Annotated[str, typer.Argument(help="The version to compare it with.", metavar="B")],
    ) -> Outcome:
        """Show two model versions side by side.

        Inputs, view and table versions, parameters, metrics and gates; a mark stands before what differs.
        """
        from featurectl.cli.render.diff_models import diff_json, render_diff
        from featurectl.registry.applied import choose_version
        from featurectl.registry.state import CHAMPION

        with open_applied(call) as workspace:
            state = workspace.applied_state()
        parts = [name.partition("@") for name in (first, second)]
        a, b = (choose_version(state, name, which or CHAMPION) for name, _, which in parts)
        return Outcome(text=render_diff(a, b), result=diff_json(a, b))


def _add_promote(group: typer.Typer) -> None:
    @verb(group, "promote", memory=True)
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
        from dataclasses import asdict

        from featurectl.engines.open import open_engine
        from featurectl.operations.models.promotion import promote_version
        from featurectl.operations.training.champion import EvaluationContext
        from featurectl.registry.applied import choose_version
        from featurectl.registry.state import CHALLENGER

        name, _, which = model.partition("@")
        with open_applied(call) as workspace:
            state = workspace.applied_state()
            ring = EvaluationContext(
                state=state,
                offline=workspace.offline(),
                location=workspace.offline_location(),
                engine=open_engine(workspace.environment, call.memory_bytes()),
                leave=workspace.leave(state, by_flag=allow_pickle),
            )
            version = choose_version(ring.state, name, which or CHALLENGER)
            done = promote_version(workspace.registry(), version, ring, _mover(workspace.root))
        result = {
            "model": name,
            "version": version.version,
            "before": done.before,
            "promoted": done.is_moved,
            "status": version.status,
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
        kept = "there is no champion" if before is None else f"the champion is version {before} still"
        return Outcome(text=f"{table}\n{label} fails a gate and is not promoted; {kept}.", result=result, exit_code=1)
    was = (
        ""
        if before is None
        else f", in place of version {before}; featurectl models rollback {version.model} undoes it"
    )
    return Outcome(text=f"{table}\n{label} is the champion{was}.", result=result)


def _add_rollback(group: typer.Typer) -> None:
    @verb(group, "rollback")
    def rollback(call: Call, model: Annotated[str, typer.Argument(help="A model with a champion.")]) -> Outcome:
        """Make the champion of before the last promotion champion again.

        It undoes one promotion: asked again, it says that there is nothing to undo. `models promote MODEL@N` goes to
        any version.
        """
        from featurectl.operations.models.promotion import roll_back
        from featurectl.registry.applied import choose_version
        from featurectl.registry.state import CHAMPION

        if "@" in model:
            raise UsageError(f"{model!r} is no model's name", hint="featurectl models promote goes to a version")
        with open_applied(call) as workspace:
            state = workspace.applied_state()
            choose_version(state, model, CHAMPION)
            done = roll_back(workspace.registry(), state, model, _mover(workspace.root))
        result = {"model": model, "champion": done.champion, "before": done.before, "moved": done.before is not None}
        if done.before is None:
            text = f"{model}: nothing to undo; the champion is version {done.champion} still."
        else:
            text = f"{model}: the champion is version {done.champion} again, in place of version {done.before}."
        return Outcome(text=text, result=result)


def _mover(root: Path) -> Mover:
    from datetime import UTC, datetime

    from featurectl.operations.apply import caller
    from featurectl.operations.models.promotion import Mover
    from featurectl.workspace.git import git_commit

    return Mover(who=caller(), commit=git_commit(root), at=datetime.now(UTC))
