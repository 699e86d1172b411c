"""The commits of a Delta table under their own numbers, whatever is committed meanwhile."""

from __future__ import annotations

from typing import Any

from deltalake import DeltaTable

Entry = dict[str, Any]


def newest_entry(table: DeltaTable) -> Entry | None:
    """Return what the log says of the version that a table is open at; None where it says nothing of it any more.

    `DeltaTable.history` gives what was committed since the table was opened, too, and numbers all from the version of
    the table on: those that were asked for stand last.
    """
    entries = table.history(1)
    return entries[-1] | {"version": table.version()} if entries else None


def all_entries(table: DeltaTable, most: int | None = None) -> list[Entry]:
    """Return the commits of a table up to the version that it is open at, or the last of them, the newest first."""
    while True:
        later = _committed_later(table)
        entries = table.history(most)
        if _committed_later(table) == later:
            return [entry | {"version": entry["version"] + later} for entry in entries[later:]]


def _committed_later(table: DeltaTable) -> int:
    return max(len(table.history(1)) - 1, 0)
