"""`featurectl unlock`."""

from __future__ import annotations

from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.units import format_iso


@verb()
def unlock(
    call: Call,
    lock_id: Annotated[str, typer.Argument(metavar="ID", help="The lock's ID, as the refused command names it.")],
) -> Outcome:
    """Remove a lock that a command has left behind.

    A lock ends by itself after half a minute; this is for who can't wait. It asks nothing: the ID is what
    confirms it. A command that does run after all can't write any more, and ends with the hint to try again.
    """
    from featurectl.operations.unlock import unlock_project

    with open_applied(call) as workspace:
        removed = unlock_project(workspace, lock_id)
        project = workspace.project
    lock = {
        "id": removed.id,
        "holder": removed.holder,
        "since": format_iso(removed.since) if removed.since else None,
        "expires_at": format_iso(removed.expires_at),
    }
    text = f"Removed lock {removed.id} of project {project}, held by {removed.holder}."
    return Outcome(text=text, result={"project": project, "lock": lock})
