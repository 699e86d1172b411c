"""`featurectl history`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied

if TYPE_CHECKING:
    from featurectl.registry.base import HistoryEntry


@verb()
def history(
    call: Call,
    serial: Annotated[
        str | None, typer.Argument(help="Show this change alone, with the whole plan that was applied.")
    ] = None,
) -> Outcome:
    """List who changed what, when, and from which commit.

    Applied plans, trained models, moved aliases; newest first. A commit with `-dirty` had files beside it that were
    changed or new, so many as it says.
    """
    from featurectl.operations.history import choose_entry, read_history
    from featurectl.render.history import entry_json, render_entries

    with open_applied(call) as workspace:
        entries, project = read_history(workspace), workspace.project
    if serial is not None:
        return _show(choose_entry(entries, serial, project), project)
    text = render_entries(entries) if entries else f"Nothing was applied to project {project} yet."
    return Outcome(text=text, result={"project": project, "entries": [entry_json(entry) for entry in entries]})


def _show(entry: HistoryEntry, project: str) -> Outcome:
    from featurectl.registry.rows import read_document
    from featurectl.render.history import entry_json, render_entries
    from featurectl.render.plan import render_plan

    plan, text = None, ""
    if entry.plan:
        plan, text = read_document(entry.plan, lambda plan: (plan, f"\n\n{render_plan(plan)}"))
    if plan is None:
        text = "\n\nIts plan was not kept." if entry.command == "apply" else ""
    result = {"project": project, "entry": entry_json(entry) | {"plan": plan}}
    return Outcome(text=render_entries([entry]) + text, result=result, text_is="plan")
