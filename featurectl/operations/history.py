"""What was applied, trained and moved in a project, by whom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.registry.base import HistoryEntry
    from featurectl.workspace.workspace import Workspace

_NUMBER: Final = re.compile("[0-9]{1,18}")


def read_history(workspace: Workspace) -> Sequence[HistoryEntry]:
    """Return the changes of the project, newest first.

    Raises:
        StoreError: the registry can't be read.
    """
    return workspace.registry().read_history(workspace.project)


def choose_entry(entries: Sequence[HistoryEntry], serial: str, project: str) -> HistoryEntry:
    """Return the change of a serial.

    Raises:
        UsageError: there is none, or it is no number.
    """
    known = f"serials: {entries[-1].serial} to {entries[0].serial}" if entries else "nothing was applied yet"
    if not _NUMBER.fullmatch(serial):
        raise UsageError(f"a serial is a whole number, not {serial!r}", hint=known)
    found = [entry for entry in entries if entry.serial == int(serial)]
    if not found:
        raise UsageError(f"the history of project {project} has no serial {serial}", hint=known)
    return found[0]
