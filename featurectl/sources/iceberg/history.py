"""What the snapshots of an Iceberg table did since one of them: whether rows were only added, and in which files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntryStatus
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Snapshot

EMPTY: Final = 0  # in place of the snapshot of a table that has none
_WORDS: Final = {Operation.OVERWRITE: "overwrote rows", Operation.DELETE: "deleted rows"}


class OtherRowsError(Exception):
    """The rows of a table are not those of before and more; its text says why, in a few words."""


def snapshots_since(metadata: TableMetadata, last: int) -> list[Snapshot]:
    """Return the snapshots after one, the oldest first, each of which added rows or rewrote files.

    Whoever makes snapshots expire may leave the next without the number of the one before it, as the first has none:
    so nothing follows an EMPTY table for certain.

    Raises:
        OtherRowsError: one did something else, or the current one does not follow `last`.
    """
    if last == EMPTY and metadata.current_snapshot() is not None:
        raise OtherRowsError("the table had no rows before")
    found: list[Snapshot] = []
    current = metadata.current_snapshot()
    number = EMPTY if current is None else current.snapshot_id
    while number != last:
        snapshot = metadata.snapshot_by_id(number) if number != EMPTY else None
        if snapshot is None:
            raise OtherRowsError(_broken(metadata, last))
        found.append(snapshot)
        number = snapshot.parent_snapshot_id or EMPTY
    for snapshot in reversed(found):
        _check_added(snapshot)
    return found[::-1]


def _broken(metadata: TableMetadata, last: int) -> str:
    if metadata.snapshot_by_id(last) is not None:
        return f"the table was rolled back: it does not follow snapshot {last}"
    return f"snapshot {last} is expired, or what followed it"


def _check_added(snapshot: Snapshot) -> None:
    """See that a snapshot left the rows of before as they were: by what it says, and by its own counts."""
    summary = snapshot.summary
    if summary is None:
        raise OtherRowsError(f"snapshot {snapshot.snapshot_id} does not say what it did")

    def count(name: str) -> int:
        return int(summary.additional_properties.get(name) or 0)

    operation = summary.operation
    removes = count("deleted-data-files") or count("added-delete-files") or count("deleted-records")
    if operation == Operation.APPEND and not removes:
        return
    if operation == Operation.REPLACE:
        has_deletes = count("removed-delete-files") or count("total-delete-files") or count("added-delete-files")
        if has_deletes or count("added-records") == count("deleted-records"):
            return
        raise OtherRowsError(f"snapshot {snapshot.snapshot_id} rewrote files with other rows")
    words = _WORDS.get(operation, "removed rows")
    raise OtherRowsError(f"snapshot {snapshot.snapshot_id} {words}")


def appended_files(snapshots: Sequence[Snapshot], io: FileIO) -> Iterator[DataFile]:
    """Yield the data files that snapshots added with new rows, the oldest first; rewritten files are none."""
    for snapshot in snapshots:
        if snapshot.summary is not None and snapshot.summary.operation == Operation.APPEND:
            found = [file for file, number in _files(snapshot, io) if number == snapshot.snapshot_id]
            yield from sorted(found, key=lambda file: file.file_path)


def _files(snapshot: Snapshot, io: FileIO) -> Iterator[tuple[DataFile, int | None]]:
    """Yield the data files that a snapshot's own manifests add, with the snapshot that they say it was."""
    for manifest in snapshot.manifests(io):
        if manifest.content == ManifestContent.DATA and manifest.added_snapshot_id == snapshot.snapshot_id:
            for entry in manifest.fetch_manifest_entry(io, discard_deleted=True):
                if entry.status == ManifestEntryStatus.ADDED:
                    yield entry.data_file, entry.snapshot_id


def sequence_numbers(snapshot: Snapshot | None, io: FileIO) -> dict[str, int]:
    """Return the number of the commit that wrote each data file of a snapshot, by its path."""
    manifests = [] if snapshot is None else snapshot.manifests(io)
    entries = (
        entry
        for manifest in manifests
        if manifest.content == ManifestContent.DATA
        for entry in manifest.fetch_manifest_entry(io, discard_deleted=True)
    )
    return {entry.data_file.file_path: entry.sequence_number or 0 for entry in entries}


def files_of(metadata: TableMetadata, io: FileIO) -> Iterator[DataFile]:
    """Yield the data files that the snapshots which a table still has added, the newest first."""
    for snapshot in sorted(metadata.snapshots, key=lambda each: each.timestamp_ms, reverse=True):
        yield from (file for file, _ in _files(snapshot, io))
