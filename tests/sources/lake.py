"""An Iceberg table in a catalog of SQLite, and what is done to it: as pyiceberg does it, or Spark and Flink."""

from __future__ import annotations

import json
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import _dataframe_to_data_files
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyiceberg.typedef import Record

NAME = "shop.orders"


class _DeleteManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


@dataclass(frozen=True)
class Lake:
    """A table of a catalog below a folder."""

    root: Path

    @property
    def catalog(self) -> SqlCatalog:
        return SqlCatalog("lake", uri=f"sqlite:///{self.root}/catalog.db", warehouse=f"file://{self.root}/lake")

    @property
    def table(self) -> Table:
        """The table as it is now."""
        with self.catalog as catalog:
            return catalog.load_table(NAME)

    def create(self, columns: pl.DataFrame, **keys: Any) -> Table:
        """Make the table with the columns of a frame, in place of the one that is there."""
        with self.catalog as catalog:
            catalog.create_namespace_if_not_exists("shop")
            if catalog.table_exists(NAME):
                catalog.drop_table(NAME)
            return catalog.create_table(NAME, schema=columns.to_arrow().schema, **keys)

    def append(self, rows: pl.DataFrame) -> None:
        self.table.append(rows.to_arrow())

    def overwrite(self, rows: pl.DataFrame) -> None:
        self.table.overwrite(rows.to_arrow())

    def delete(self, where: str) -> None:
        with warnings.catch_warnings():  # that there are no such rows
            warnings.simplefilter("ignore")
            self.table.delete(where)

    def files(self) -> list[DataFile]:
        """Return the data files of the current snapshot."""
        return sorted((task.file for task in self.table.scan().plan_files()), key=lambda file: file.file_path)

    def rewrite(self, files: Sequence[DataFile], *, rows: pl.DataFrame | None = None) -> None:
        """Write the rows of some data files (or others, with no honesty) into one new file: a compaction."""
        table = self.table
        paths = [file.file_path.removeprefix("file://") for file in files]
        whole = pl.concat([pl.DataFrame(pq.ParquetFile(path).read()) for path in paths]) if rows is None else rows
        with table.transaction() as made, made.update_snapshot().overwrite() as snapshot:
            arrow = whole.to_arrow().cast(table.schema().as_arrow())
            for file in _dataframe_to_data_files(table_metadata=table.metadata, df=arrow, io=table.io):
                snapshot.append_data_file(file)
            for file in files:
                snapshot.delete_data_file(file)
        self.edit_last(operation="replace")  # pyiceberg writes no such snapshot

    def edit_last(self, **summary: str | None) -> None:
        """Change what the current snapshot says that it did (None: takes a word away)."""
        with self.metadata() as metadata:
            for snapshot in metadata["snapshots"]:
                if snapshot["snapshot-id"] == metadata["current-snapshot-id"]:
                    changed = {**snapshot["summary"], **summary}
                    snapshot["summary"] = {word: value for word, value in changed.items() if value is not None}

    @contextmanager
    def metadata(self) -> Iterator[dict[str, Any]]:
        """Give the metadata of the table, to be changed."""
        place = Path(self.table.metadata_location.removeprefix("file://"))
        metadata = json.loads(place.read_text())
        yield metadata
        place.write_text(json.dumps(metadata))

    def roll_back(self, steps: int = 1) -> None:
        """Make a snapshot of before the current one."""
        table = self.table
        snapshot = table.current_snapshot()
        for _ in range(steps):
            assert snapshot is not None
            assert snapshot.parent_snapshot_id is not None
            snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id)
        assert snapshot is not None
        table.manage_snapshots().rollback_to_snapshot(snapshot.snapshot_id).commit()

    def expire(self, keep: int = 1, *, parents: bool = False) -> None:
        """Forget all snapshots but the newest ones, and remove the data files that only those had.

        `parents`: the oldest that is left has the number of the one before it still, as Spark leaves it.
        """
        table = self.table
        before = {each.snapshot_id: each.parent_snapshot_id for each in table.snapshots()}
        chain, current = [], table.current_snapshot()
        while current is not None:
            chain.append(current.snapshot_id)
            current = table.snapshot_by_id(current.parent_snapshot_id) if current.parent_snapshot_id else None
        gone = [each.snapshot_id for each in table.snapshots() if each.snapshot_id not in chain[:keep]]
        if gone:
            table.maintenance.expire_snapshots().by_ids(gone).commit()
        if parents:
            with self.metadata() as metadata:
                for snapshot in metadata["snapshots"]:
                    if before[snapshot["snapshot-id"]] is not None:
                        snapshot["parent-snapshot-id"] = before[snapshot["snapshot-id"]]
        kept = {
            entry.data_file.file_path
            for snapshot in self.table.snapshots()
            for manifest in snapshot.manifests(table.io)
            for entry in manifest.fetch_manifest_entry(table.io)
        }
        for file in (self.root / "lake").rglob("*.parquet"):
            if not any(path.removeprefix("file://") == str(file) for path in kept):
                file.unlink()

    def delete_positions(self, file: DataFile, rows: Sequence[int], *, equality: str = "") -> None:
        """Add a file that deletes rows of a data file by their places (or by the values of a column), as Spark does."""
        table = self.table
        place = f"{table.location()}/data/{uuid.uuid4()}-deletes.parquet"
        local = place.removeprefix("file://")
        if equality:
            pq.write_table(pl.DataFrame({equality: list(rows)}).to_arrow(), local)
        else:
            names = {"file_path": [file.file_path] * len(rows), "pos": list(rows)}
            pq.write_table(pl.DataFrame(names).to_arrow(), local)
        deletes = DataFile.from_args(
            content=DataFileContent.EQUALITY_DELETES if equality else DataFileContent.POSITION_DELETES,
            file_path=place,
            file_format=FileFormat.PARQUET,
            partition=Record(),
            record_count=len(rows),
            file_size_in_bytes=Path(local).stat().st_size,
            lower_bounds={} if equality else {2147483546: file.file_path.encode()},
            upper_bounds={} if equality else {2147483546: file.file_path.encode()},
            equality_ids=[table.schema().find_field(equality).field_id] if equality else None,
        )
        deletes.spec_id = 0
        self._commit_deletes(deletes)

    def _commit_deletes(self, deletes: DataFile) -> None:
        """Append a snapshot with a file of deletes to the metadata: pyiceberg has no writer of them."""
        table = self.table
        last = table.current_snapshot()
        assert last is not None
        number, sequence = last.snapshot_id + 1, table.last_sequence_number + 1
        manifest_place = f"{table.location()}/metadata/{uuid.uuid4()}-m0.avro"
        list_place = f"{table.location()}/metadata/snap-{number}-{uuid.uuid4()}.avro"
        writer = _DeleteManifest(table.spec(), table.schema(), table.io.new_output(manifest_place), number, "null")
        with writer as opened:
            opened.add(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=number, data_file=deletes))
        manifests = [opened.to_manifest_file(), *last.manifests(table.io)]
        with write_manifest_list(
            2, table.io.new_output(list_place), number, last.snapshot_id, sequence, "null"
        ) as listed:
            listed.add_manifests(manifests)
        with self.metadata() as metadata:
            made = {
                "snapshot-id": number, "parent-snapshot-id": last.snapshot_id, "sequence-number": sequence,
                "timestamp-ms": last.timestamp_ms + 1, "manifest-list": list_place, "schema-id": 0,
                "summary": {"operation": "delete", "added-delete-files": "1", "total-delete-files": "1"},
            }  # fmt: skip
            metadata["snapshots"].append(made)
            metadata |= {"current-snapshot-id": number, "last-sequence-number": sequence}
            metadata["last-updated-ms"] = last.timestamp_ms + 1
            metadata["refs"]["main"]["snapshot-id"] = number
