"""`featurectl models retire` and `models prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied

if TYPE_CHECKING:
    from featurectl.operations.models.retire import Retirement

RetireDryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be retired.")]


@verb()
def retire(
    call: Call,
    versions: Annotated[list[str], typer.Argument(help="MODEL@1; several, if you like.", metavar="MODEL@VERSION...")],
    with_previous: Annotated[
        bool, typer.Option("--with-previous", help="Also one that `models rollback` would go back to.")
    ] = False,
    dry_run: RetireDryRun = False,
) -> Outcome:
    """Retire versions of models that are not used any more.

    Nothing is computed, served or watched for them. A retired version can't be promoted, scored or served, and
    stays in `models list`; it does not come back. The champion, the challenger and those of a running canary can't
    be retired: the error names the commands that end that. The one that `models rollback` would go back to is retired
    with --with-previous; there is nothing to go back to then. Versions of views that no other model version is bound
    to are not computed any more; files stay until `featurectl clean`.
    """
    from featurectl.operations.models.retire import retire_versions

    with open_applied(call) as workspace:
        done = retire_versions(workspace, versions, with_previous=with_previous, dry_run=dry_run)
    return _outcome(done, dry_run=dry_run)


@verb()
def prune(
    call: Call,
    model: Annotated[str | None, typer.Argument(help="A model; all of them by default.")] = None,
    keep: Annotated[int, typer.Option(help="How many of the newest versions of each model stay.")] = 5,
    dry_run: RetireDryRun = False,
) -> Outcome:
    """Retire rejected and old versions of models.

    Of each model the newest --keep versions stay that no gate has rejected; the champion, the challenger, the one
    before and those of a running canary stay besides.
    """
    from featurectl.operations.models.retire import prune_versions

    with open_applied(call) as workspace:
        return _outcome(prune_versions(workspace, model, keep, dry_run=dry_run), dry_run=dry_run)


def _outcome(done: Retirement, *, dry_run: bool) -> Outcome:
    from featurectl.render.retirement import render_retirement, retirement_json

    text = render_retirement(done, dry_run=dry_run)
    return Outcome(text=text, result=retirement_json(done, dry_run=dry_run))
