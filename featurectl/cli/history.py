"""`featurectl history`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.core.commits import parse_commit
from featurectl.core.errors import UsageError
from featurectl.core.units import format_instant, format_iso

if TYPE_CHECKING:
    from featurectl.registry.base import HistoryEntry

_NUMBER: Final = re.compile("[0-9]{1,18}")


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "history")
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
        with open_applied(call) as workspace:
            entries = workspace.registry().read_history(workspace.project)
            project = workspace.project
        if serial is not None:
            return _show(_choose(entries, serial, project), project)
        text = _render(entries) if entries else f"Nothing was applied to project {project} yet."
        return Outcome(text=text, result={"project": project, "entries": [_entry_json(entry) for entry in entries]})


def _choose(entries: Sequence[HistoryEntry], serial: str, project: str) -> HistoryEntry:
    known = f"serials: {entries[-1].serial} to {entries[0].serial}" if entries else "nothing was applied yet"
    if not _NUMBER.fullmatch(serial):
        raise UsageError(f"a serial is a whole number, not {serial!r}", hint=known)
    found = [entry for entry in entries if entry.serial == int(serial)]
    if not found:
        raise UsageError(f"the history of project {project} has no serial {serial}", hint=known)
    return found[0]


def _show(entry: HistoryEntry, project: str) -> Outcome:
    from featurectl.cli.render.plan import render_plan
    from featurectl.registry.rows import read_document

    plan, text = None, ""
    if entry.plan:
        plan, text = read_document(entry.plan, lambda plan: (plan, f"\n\n{render_plan(plan)}"))
    if plan is None:
        text = "\n\nIts plan was not kept." if entry.command == "apply" else ""
    result = {"project": project, "entry": _entry_json(entry) | {"plan": plan}}
    return Outcome(text=_render([entry]) + text, result=result)


def _render(entries: Sequence[HistoryEntry]) -> str:
    from featurectl.cli.render.table import render_table

    head = ["serial", "when (UTC)", "who", "commit", "what"]
    rows = [
        [
            str(e.serial),
            format_instant(e.at),
            e.who or "-",
            _commit(e) or "-",
            f"{e.command}: {e.summary}",
        ]
        for e in entries
    ]
    return "\n".join(render_table(head, rows))


def _commit(entry: HistoryEntry) -> str:
    return parse_commit(entry.commit).shown


def _entry_json(entry: HistoryEntry) -> dict[str, object]:
    commit = parse_commit(entry.commit)
    return {
        "serial": entry.serial,
        "at": format_iso(entry.at),
        "who": entry.who,
        "commit": commit.name,
        "dirty_files": commit.dirty_files,
        "command": entry.command,
        "summary": entry.summary,
    }
