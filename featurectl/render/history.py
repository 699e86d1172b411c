"""Entries of the history, as JSON."""

from __future__ import annotations

from featurectl.core.commits import parse_commit
from featurectl.core.units import format_iso
from featurectl.registry.base import HistoryEntry


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
