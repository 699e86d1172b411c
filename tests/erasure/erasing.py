"""What `featurectl erase` does with one kind of place: tombstones in the registry first, then the place alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from featurectl.core.erasures import KeyPart, Tombstone
from featurectl.erasure.base import ErasurePlace, ErasureRequest, PlaceFindings
from featurectl.registry.base import HistoryEntry
from featurectl.workspace.applied_workspace import read_applied
from featurectl.workspace.workspace import Workspace
from tests.tombstones import tombstone


def bury(workspace: Workspace, entity: str, values: Mapping[str, KeyPart]) -> Tombstone:
    """Write the tombstone of a key, as of the registry's clock, and return it."""
    registry, project = workspace.registry(), workspace.project
    secret = registry.erasure_secret(project)
    unwritten = tombstone(entity, [*values], [*values.values()], registry.clock(), secret=secret)
    entry = HistoryEntry(serial=0, at=registry.clock(), who="test", commit="", command="erase", summary="one")
    [written] = registry.write_tombstones(project, [unwritten], entry)
    return written


def request_of(workspace: Workspace, values: Mapping[int, Mapping[str, KeyPart]] | None = None) -> ErasureRequest:
    """Return a request for all tombstones, of which some are known by value."""
    target = read_applied(workspace)
    return ErasureRequest(target=target, erasures=target.state.erasures, values=values or {})


def erase_in(workspace: Workspace, place: ErasurePlace, entity: str, **values: KeyPart) -> Sequence[PlaceFindings]:
    """Erase a key in a place, and return what was removed."""
    written = bury(workspace, entity, values)
    return place.erase(request_of(workspace, {written.number: values}))


def files_with(root: Path, text: str) -> list[str]:
    """Return the files below a folder that have a text in their bytes."""
    found = [path for path in root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    return sorted(str(path.relative_to(root)) for path in found)


def until_of(workspace: Workspace) -> datetime:
    """Return the instant of the newest tombstone."""
    return max(item.at for item in workspace.state().erasures.tombstones)
