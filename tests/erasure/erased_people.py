"""People of a test's project who are erased from its offline tables, with or without their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from featurectl.core.erasures import KeyPart
from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.erasure.offline_tables import OfflineTables
from featurectl.registry.base import HistoryEntry
from featurectl.registry.sql import SqlRegistry
from featurectl.workspace.applied_workspace import read_applied
from featurectl.workspace.open import open_workspace
from tests.tombstones import tombstone


def bury(root: Path, entity: str, values: Mapping[str, KeyPart], at: datetime | None = None) -> int:
    """Write the tombstone of a key, as of an instant (None: now), and return its number; nothing is removed."""
    with open_workspace(root, None, None) as workspace:
        project = workspace.project
    registry = SqlRegistry(f"sqlite:///{root / 'r.db'}", clock=(lambda: at) if at else None)
    now = registry.clock()
    item = tombstone(entity, [*values], [*values.values()], now, secret=registry.erasure_secret(project))
    entry = HistoryEntry(serial=0, at=now, who="test", commit="", command="erase", summary="one")
    [written] = registry.write_tombstones(project, [item], entry)
    registry.close()
    return written.number


def erase(root: Path, entity: str, **values: KeyPart) -> Sequence[PlaceFindings]:
    """Erase a key from the offline tables, and return what was removed."""
    number = bury(root, entity, values)
    with open_workspace(root, None, None) as workspace:
        target = read_applied(workspace)
        request = ErasureRequest(target=target, erasures=target.state.erasures, values={number: values})
        return OfflineTables().erase(request)


def look(root: Path) -> Sequence[PlaceFindings]:
    """Return what the offline tables hold of all keys that were erased."""
    with open_workspace(root, None, None) as workspace:
        target = read_applied(workspace)
        return OfflineTables().look(ErasureRequest(target=target, erasures=target.state.erasures))


def erase_again(root: Path) -> Sequence[PlaceFindings]:
    """Remove what is left of all keys that were erased, by their hashes alone."""
    with open_workspace(root, None, None) as workspace:
        target = read_applied(workspace)
        return OfflineTables().erase(ErasureRequest(target=target, erasures=target.state.erasures))


def files_with(folder: Path, text: str) -> list[str]:
    """Return the files below a folder that have a text among their bytes, or among the values of a Parquet file."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".parquet":
                content += str(pl.read_parquet(path, hive_partitioning=False).to_dicts()).encode()
            found += [str(path.relative_to(folder))] if text.encode() in content else []
    return found
