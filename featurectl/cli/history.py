"""`featurectl history`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.units import format_instant, format_iso

if TYPE_CHECKING:
    from featurectl.registry.base import HistoryEntry


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "history")
    def history(call: Call) -> Outcome:
        """List who applied what, when, and from which commit."""
        from featurectl.open import open_workspace

        with open_workspace(call.root(), call.env, None) as workspace:
            entries = workspace.registry().read_history(workspace.project)
            project = workspace.project
        text = _render(entries) if entries else f"Nothing was applied to project {project} yet."
        return Outcome(text=text, result={"project": project, "entries": [_entry_json(entry) for entry in entries]})


def _render(entries: Sequence[HistoryEntry]) -> str:
    from featurectl.cli.render.table import render_table

    head = ["serial", "when (UTC)", "who", "commit", "what"]
    rows = [[str(e.serial), format_instant(e.at), e.who, e.commit or "-", f"{e.command}: {e.summary}"] for e in entries]
    return "\n".join(render_table(head, rows))


def _entry_json(entry: HistoryEntry) -> dict[str, object]:
    return {
        "serial": entry.serial,
        "at": format_iso(entry.at),
        "who": entry.who,
        "commit": entry.commit,
        "command": entry.command,
        "summary": entry.summary,
    }
