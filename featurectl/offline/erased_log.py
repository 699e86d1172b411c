"""Rows of erased keys leave the log of a stream: files that hold some are written anew, and old ones are removed.

The offsets of what is gone stay: what is logged of a partition is said by its application transaction, not by its rows.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import polars as pl
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from featurectl.core.errors import StoreError, TryAgainError
from featurectl.core.object_store import delta_options
from featurectl.offline.actions import files_of
from featurectl.offline.event_log import EventLog, OpenedLog, column_dtype
from featurectl.offline.files import LOG, remove_files, sync_log
from featurectl.offline.log_metadata import HOOKS, commit_properties
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.read_files import read_whole, scan_there

_ROWS_AT_ONCE: Final = 1 << 18
_TRIES: Final = 100  # while workers commit every few seconds
_GONE_TRIES: Final = 5  # a file that is lost for good is not there the next time either
_PAUSE_S: Final = 0.1
_STRAY_HOURS: Final = 1  # a file that no commit names is of a worker that was killed, or that is about to commit
_VERSION: Final = re.compile(r"(\d{20})\.(json|crc|checkpoint.*)")

Result = TypeVar("Result")
FindErased = Callable[[pl.DataFrame], pl.Series]  # of rows with some columns: which are erased


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedLogRows:
    """How many rows are erased, and how large the files are that have them, in bytes."""

    rows: int = 0
    rewritten: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEraser:
    """Removes rows of a log: `find` says which, of rows with some `columns`; `number` is what the log then says."""

    log: EventLog
    columns: Sequence[str]
    find: FindErased
    number: int

    def look(self) -> ErasedLogRows:
        """Return what there is of them.

        Raises:
            StoreError: FC603, the log can't be read.
        """
        return self._begun_anew(lambda: _counted([*self._found(self.log.open())]))

    def erase(self) -> ErasedLogRows:
        """Remove them in one commit, then what else has them: files of before, and the log of Delta up to that commit.

        Raises:
            StoreError: FC603, the log can't be read or written.
            TryAgainError: workers commit so often that no other commit comes between.
        """
        for _ in range(_TRIES):
            if (removed := self._begun_anew(self._erase_once)) is not None:
                return removed
        raise TryAgainError(f"the log {self.log.shown} is written without a pause; run it again")

    def _erase_once(self) -> ErasedLogRows | None:
        """Return what was removed; None where another commit came between."""
        opened = self.log.open()
        if opened.table is None:
            return ErasedLogRows()
        found = [*self._found(opened)]
        if not self._commit(opened, [(path, size) for path, size, _ in found]):
            return None
        version = 0 if opened.version is None else opened.version
        self._begun_anew(lambda: self._remove_old(version + 1))
        return _counted(found)

    def _begun_anew(self, act: Callable[[], Result]) -> Result:
        """Return what is done with the log, once more where another erasure has removed files of it meanwhile."""
        for tries_left in reversed(range(_GONE_TRIES)):
            try:
                return act()
            except StoreError as error:
                if not tries_left or not _is_gone(error):
                    raise
            time.sleep(_PAUSE_S)
        raise AssertionError("there is a try")

    def _found(self, opened: OpenedLog) -> Iterator[tuple[str, int, int]]:
        """Yield path, bytes and erased rows of the files that have some."""
        if opened.table is None:
            return
        for path, size, rows in files_of(opened.table).select("path", "size_bytes", "num_records").rows():
            erased = 0
            for start in range(0, rows, _ROWS_AT_ONCE):
                with self.log.failures("read"):
                    scan = scan_there(f"{self.log.location}/{path}", self.columns)
                    some = scan.slice(start, _ROWS_AT_ONCE).collect()
                erased += int(self.find(some).sum())
            if erased:
                yield path, size, erased

    def _commit(self, opened: OpenedLog, files: Sequence[tuple[str, int]]) -> bool:
        """Put files without the rows in the place of others; False where another commit came between."""
        assert opened.table is not None
        added: list[AddAction] = []
        now_ms = int(time.time() * 1000)
        gone = [
            RemoveAction(path, data_change=True, deletion_timestamp=now_ms, size=size, partition_values={})
            for path, size in files
        ]
        state = replace(opened.state, erased=max(opened.state.erased, self.number))
        with self.log.failures("written"):
            for path, _ in files:
                kept = self._kept(path)
                added += [self.log.write_file(kept)] if kept.height else []
            schema = Schema.from_arrow(pl.Schema(opened.table.schema().to_arrow()))
            try:
                opened.table.create_write_transaction(
                    [*added, *gone],
                    "append",
                    schema,
                    commit_properties=commit_properties(state.dumped(), state.ends),
                    post_commithook_properties=HOOKS,
                )
            except CommitFailedError:
                remove_files(self.log.location, added)
                return False
            sync_log(self.log.location, opened.table.version() + 1)
        return True

    def _kept(self, path: str) -> pl.DataFrame:
        """Return the rows of a file that stay, with all its columns, and those that the source has got since."""
        whole = read_whole(f"{self.log.location}/{path}")
        lacking = {name: dtype for name, dtype in self.log.columns.items() if name not in whole.columns}
        kept = whole.filter(~self.find(whole))
        return kept.with_columns(pl.lit(None, column_dtype(dtype)).alias(name) for name, dtype in lacking.items())

    def _remove_old(self, version: int) -> None:
        """Remove the files that only versions before one have, and their log: it may have values as statistics."""
        with self.log.failures("written"):
            table = DeltaTable(self.log.location, storage_options=delta_options(self.log.location))
            unused = {
                path
                for hours, full in ((0, False), (_STRAY_HOURS, True))
                for path in table.vacuum(hours, enforce_retention_duration=False, dry_run=True, full=full)
            }
            files = open_loose(self.log.location)
            files.remove_files(sorted(path for path in unused if path.endswith(".parquet")))
            table.create_checkpoint()
            old = [path for path in files.marks(LOG) if _is_before(path.rpartition("/")[2], version)]
            files.remove_files(sorted(old))


def _counted(found: Sequence[tuple[str, int, int]]) -> ErasedLogRows:
    """Return how much there is in files with erased rows: path, bytes and rows of each."""
    return ErasedLogRows(rows=sum(rows for _, _, rows in found), rewritten=sum(size for _, size, _ in found))


def _is_gone(error: StoreError) -> bool:
    """Return whether it is about a file that is not there."""
    cause = error.__cause__
    return isinstance(cause, FileNotFoundError) or "not found" in str(cause).lower()


def _is_before(name: str, version: int) -> bool:
    found = _VERSION.match(name.removeprefix("."))
    return found is not None and int(found[1]) < version
