"""`featurectl models promote` and `models rollback`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied

if TYPE_CHECKING:
    from featurectl.operations.models.promotion import PromoteRequest
    from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteOptions:
    """Where a version is promoted, and what may be loaded for it."""

    to: Annotated[
        str | None, typer.Option("--to", help="Copy it into this environment, and promote it there.", metavar="ENV")
    ] = None
    allow_pickle: Annotated[bool, typer.Option(help="Load models that run code when they are loaded.")] = False


@verb(memory=True)
def promote(
    call: Call,
    model: Annotated[
        str, typer.Argument(help="MODEL@3, or by alias; MODEL alone is its challenger, with --to its champion.")
    ],
    options: PromoteOptions,
) -> Outcome:
    """Make a model version the champion, if it passes the gates.

    The gates are those that are applied now, also for a version that was rejected by those of its training. What
    was measured then stands where the same is asked; the gain over the champion of now is measured anew, on the
    rows that the version was judged on. Exit code 1 when a gate fails: nothing has moved then.

    With --to it is a version of another environment afterwards, under that registry's next number: its files are
    copied, its views are those versions there whose features mean the same, and all gates are measured there. A
    view that is not there, or has no table there, is named, and nothing is registered (exit code 1). A version
    that fails a gate there is kept as rejected. Run again, it registers nothing more.
    """
    from featurectl.operations.models.promotion import PromoteRequest, promote_model
    from featurectl.render.promotion import promotion_json, render_promotion

    request = PromoteRequest(name=model, allow_pickle=options.allow_pickle, memory_bytes=call.memory_bytes())
    with open_applied(call) as workspace:
        if options.to is not None:
            return _copy(call, workspace, request, options.to)
        done = promote_model(workspace, request)
    return Outcome(text=render_promotion(done), result=promotion_json(done), exit_code=int(done.is_refused))


def _copy(call: Call, source: Workspace, request: PromoteRequest, env: str) -> Outcome:
    from featurectl.operations.models.promote_to import promote_to_environment
    from featurectl.render.promotion import copy_json, render_copy

    with open_applied(replace(call, env=env)) as target:
        done = promote_to_environment(source, target, request, call.progress)
    there = source.environment.name
    is_refused = done.arrival != "shared registry" and done.promotion.is_refused
    return Outcome(text=render_copy(done, there, env), result=copy_json(done, there, env), exit_code=int(is_refused))


@verb()
def rollback(call: Call, model: Annotated[str, typer.Argument(help="A model with a champion.")]) -> Outcome:
    """Make the champion of before the last promotion champion again.

    It undoes one promotion: asked again, it says that there is nothing to undo. `models promote MODEL@N` goes to
    any version.
    """
    from featurectl.operations.models.promotion import check_name_of_model, roll_back_model
    from featurectl.render.promotion import render_rollback

    check_name_of_model(model)
    with open_applied(call) as workspace:
        done = roll_back_model(workspace, model)
    result = {"model": model, "champion": done.champion, "before": done.before, "moved": done.before is not None}
    return Outcome(text=render_rollback(model, done), result=result)
