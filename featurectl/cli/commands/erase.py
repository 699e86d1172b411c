"""`featurectl erase`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied

EntityArgument = Annotated[str | None, typer.Argument(metavar="[ENTITY]", help="An entity of the project.")]
KeysArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Its key; of an entity with several, all or some.")
]
EraseDryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what there is, and how much is rewritten.")]
EraseAgain = Annotated[
    bool, typer.Option("--again", help="Do it over for all that was erased: after a restore, or a run that was cut.")
]


@verb()
def erase(
    call: Call,
    entity: EntityArgument = None,
    keys: KeysArgument = None,
    dry_run: EraseDryRun = False,
    again: EraseAgain = False,
) -> Outcome:
    """Remove a person's rows everywhere, and keep them away.

    A person is any entity. Its rows leave the online store, offline tables (the files that hold them are rewritten,
    older versions of the table go), the state and logs of streams, topics of SQLite, prediction logs, validation
    rows and golden rows of models. What they would come back from is read without them from then on: sources,
    `materialize --full`, `stream rebuild`, restored backups. The registry keeps a keyed hash of the key and the
    instant for that; what happens later, and becomes known later, comes in as that of anybody else.

    Training sets of before can't be made again by their manifests where these name a table that was rewritten. It
    says where rows may stay that it can't reach. Run it at any time, beside other commands; where it was cut, or a
    backup was restored, `erase --again` does it over.
    """
    from featurectl.erasure.erase import ErasureOrder, erase_rows
    from featurectl.render.erasure import erasure_json, render_erasure

    order = ErasureOrder(entity=entity or "", keys=tuple(keys or ()), again=again, dry_run=dry_run)
    with open_applied(call) as workspace:
        report = erase_rows(workspace, order, call.progress)
    text = render_erasure(report, dry_run=dry_run)
    return Outcome(text=text, result=erasure_json(report, dry_run=dry_run), failures=report.failures)
