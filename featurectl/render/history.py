"""Entries of the history: a table, and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.core.commits import parse_commit
from featurectl.core.units import format_instant, format_iso
from featurectl.registry.base import HistoryEntry
from featurectl.render.table import render_table


def entry_json(entry: HistoryEntry) -> dict[str, object]:
    """Return who did what, ready for JSON."""
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


def render_entries(entries: Sequence[HistoryEntry]) -> str:
    """Return a table of changes."""
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
