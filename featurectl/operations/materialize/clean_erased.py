"""A table that may have rows of erased keys, as one that was restored, is cleaned before anything else is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from featurectl.core.erasures import NOTHING_ERASED
from featurectl.core.errors import TryAgainError
from featurectl.core.progress import Progress
from featurectl.core.units import counted
from featurectl.workspace.plain_registry import list_pins

if TYPE_CHECKING:
    from featurectl.core.erasures import Erasures
    from featurectl.offline.base import ErasedFiles, KeyValues, OfflineTable
    from featurectl.registry.state import ObjectVersion
    from featurectl.workspace.applied_workspace import AppliedWorkspace

_TRIES: Final = 20  # each is refused only because another run has written meanwhile


def clean_erased(applied: AppliedWorkspace, item: ObjectVersion, table: OfflineTable, progress: Progress) -> None:
    """Remove what a table of a view version still has of erased keys.

    Raises:
        TryAgainError: others write into it again and again.
        StoreError: it can't be read or written.
    """
    if table.is_clean():
        return
    found = remove_erased(applied, item, table, NOTHING_ERASED, {})
    if found:
        rows = counted(found.rows, "row")
        progress.done(f"{item.name}@{item.version}: {rows} of erased keys removed from the table, which had them again")


def remove_erased(
    applied: AppliedWorkspace, item: ObjectVersion, table: OfflineTable, asked: Erasures, values: KeyValues
) -> ErasedFiles:
    """Remove rows of erased keys from a table, whoever writes into it, and the pins of versions that are gone then.

    Raises:
        TryAgainError: others write into it again and again.
        StoreError: it can't be read or written.
    """
    workspace, versions = applied.workspace, named_versions(applied, f"{item.name}@{item.version}")
    found = _removed(table, asked, values, versions)
    if found.broken:
        workspace.registry().remove_pins(workspace.project, item.name, item.version, found.broken)
    return found


def _removed(table: OfflineTable, asked: Erasures, values: KeyValues, versions: frozenset[int]) -> ErasedFiles:
    for _ in range(_TRIES):
        try:
            return table.remove_erased(asked, values, versions)
        except TryAgainError:
            continue
    return table.remove_erased(asked, values, versions)


def named_versions(applied: AppliedWorkspace, label: str) -> frozenset[int]:
    """Return the versions of a view version's table that manifests and model versions name."""
    trained = {m.table_versions[label] for m in applied.state.model_versions if label in m.table_versions}
    pinned = {pin.table_version for pin in list_pins(applied.workspace) if f"{pin.view}@{pin.version}" == label}
    return frozenset(trained | pinned)
