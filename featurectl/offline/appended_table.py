"""A Delta table of somebody's own, to which rows are appended a little at a time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from featurectl.core.object_store import delta_options
from featurectl.offline.actions import files_of
from featurectl.offline.compact_turns import compact_in_turn
from featurectl.offline.failures import store_failure
from featurectl.offline.files import LOG
from featurectl.offline.sync import sync_files, sync_names

COMPACTED_EACH: Final = 100  # versions: so many small files become few


class AppendedTable:
    """Appends rows to a Delta table at a folder or URL, which is made with the first; for one thread.

    Small files are put together now and then. Files that were replaced stay for the week that the table's readers have.
    """

    def __init__(self, location: str, shown: str) -> None:
        self._location, self._shown = location, shown
        self._version: int | None = None  # after the last append
        self._synced: set[Path] = set()

    def append(self, rows: pl.DataFrame) -> None:
        """Append rows in a commit of their own: all of them are there, or none, whatever happens to the machine then.

        Columns that the table lacks are added to it.

        Raises:
            StoreError: FC603, the table can't be written, or has columns of other types.
        """
        options = delta_options(self._location)
        try:
            write_deltalake(self._location, rows, mode="append", schema_mode="merge", storage_options=options)
            table = DeltaTable(self._location, storage_options=options)
            before, version = self._version, table.version()
            self._sync(table, version if before is None else before + 1)
        except (DeltaError, OSError, ValueError) as error:
            message = f"table {self._shown} can't be written"
            raise store_failure(message, error, lambda text: text.replace(self._location, self._shown)) from error
        self._version = version
        if version // COMPACTED_EACH > (max(version - 1, 0) if before is None else before) // COMPACTED_EACH:
            _compact(table)

    def _sync(self, table: DeltaTable, first: int) -> None:
        """See that the files of a version, and the commits from one on, would outlive a loss of power."""
        if "://" in self._location:
            return
        there = {Path(self._location) / path for path in files_of(table)["path"]}
        sync_files(there - self._synced)
        self._synced = there
        log = Path(self._location) / LOG
        for version in range(first, table.version() + 1):
            sync_files(log.glob(f"{version:020}.*"))
        sync_names(log, Path(self._location).parent)


def _compact(table: DeltaTable) -> None:
    """Put small files together, where no other worker does; the next time will do where it can't be done."""
    with suppress(DeltaError, OSError):
        compact_in_turn(table, table.optimize.compact)
