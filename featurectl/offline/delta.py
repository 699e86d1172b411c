"""Offline tables as Delta Lake tables: one per view version, below `<location>/<project>/<view>/v<N>`.

Every table stays at protocol (1, 2), so that any reader of Delta or Parquet can open it.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from featurectl.core.errors import DataError, StoreError, TryAgainError
from featurectl.core.units import counted, plural
from featurectl.core.variables import shown_location
from featurectl.engines.base import BucketedRows
from featurectl.engines.batches import read_batches
from featurectl.offline.actions import event_end, files_of, full_buckets, paths_of, removals
from featurectl.offline.base import Coverage, TableStatistics, table_folder
from featurectl.offline.commit import Commit, load_commit
from featurectl.offline.commit_log import all_entries
from featurectl.offline.erasable_table import ErasableTable
from featurectl.offline.files import LOG, RunFiles, is_own, run_name, sizes_of
from featurectl.offline.marked_table import KnownErasures
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.order import choose_buckets, ordered
from featurectl.offline.read_files import read_files, read_slices, scan_file
from featurectl.offline.removed_rows import RowsForGone, files_since
from featurectl.offline.rows import FrameRows
from featurectl.offline.table_log import HOOKS, METADATA, CommitMode
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_ROWS_PER_BUCKET: Final = 4_000_000
_FILES_PER_BUCKET: Final = 16
_OUTGROWN: Final = 4  # times as large as it should be
_VACUUM_HOURS: Final = 7 * 24


@dataclass(frozen=True, slots=True)
class DeltaStore:
    """The tables of a project in a folder, or in an object store by URL (`s3://`, `gs://`, `az://`).

    `rows_per_bucket` decides how many buckets a table gets at its first write or a rebuild; a bucket with more than
    `files_per_bucket` files becomes one at the next append. A vacuum leaves what was removed less than `vacuum_hours`
    ago. `shown` is what errors call the location. `known_erasures` is as its tables have it.
    """

    location: str
    project: str
    rows_per_bucket: int = _ROWS_PER_BUCKET
    files_per_bucket: int = _FILES_PER_BUCKET
    vacuum_hours: int = _VACUUM_HOURS
    shown: str = ""
    known_erasures: KnownErasures | None = None

    def table(self, view: str, version: int, keys: Mapping[str, str], entity: str = "") -> ViewTable:
        """Return the handle of a view version's table; nothing is touched until it is used."""
        below = f"{self.project}/{table_folder(view, version)}"
        shown = f"{(self.shown or shown_location(self.location)).rstrip('/')}/{below}"
        return ViewTable(
            store=self,
            location=f"{self.location.rstrip('/')}/{below}",
            shown=shown,
            keys=tuple(keys),
            rebuild_hint=f"featurectl materialize --full {view}@{version} makes the table anew",
            entity=entity,
            known_erasures=self.known_erasures,
        )


@dataclass(kw_only=True)
class ViewTable(ErasableTable):
    """One view version's rows; a handle remembers the version whose coverage it gave out.

    It opens a version once, for none ever changes: a read of many buckets looks at the log of an object store once.
    `append` and `replace` refuse (TryAgainError) to build on another version than that: two runs that read the same
    coverage would each add the same rows. Rows of erased keys that a version still has are not read.

    Raises:
        StoreError: FC603, the table can't be read or written.
    """

    store: DeltaStore

    def version(self) -> int | None:
        """Return the newest version of the table, or None when there is no table."""
        table = self._open()
        return None if table is None else table.version()

    def newest(self) -> tuple[int | None, Coverage | None]:
        """Return the newest version of the table, and what that very version has read; None when there is no table.

        Raises:
            StoreError: FC619, the registry is older than what was erased of the table.
        """
        table = self._open()
        if table is None:
            self._seen = (None,)
            return None, None
        number = table.version()
        self._seen = (number,)
        commit = self._commit_of(table, number)
        self._check_known(commit)
        return number, commit.coverage

    def coverage(self) -> Coverage | None:
        """Return what the newest version has read, or None when there is no table; it raises what `newest` does."""
        return self.newest()[1]

    def buckets(self, version: int | None = None) -> int:
        """Return the number of buckets of a version, the newest by default (1 when there is no table)."""
        if version is not None and version in self._commits:
            return self._commits[version].buckets
        table = self._open()
        return 1 if table is None else self._commit_of(table, version).buckets

    def statistics(self, version: int | None = None) -> TableStatistics:
        """Return sizes of a version, the newest by default, from its log, without reading rows."""
        table = self._open()
        if table is not None and version not in (None, table.version()):
            table = self._open(version)
        if table is None:
            return TableStatistics(rows=0, size_bytes=0, files=0)
        files = files_of(table)
        rows, size = int(files["num_records"].sum()), int(files["size_bytes"].sum())
        return TableStatistics(
            rows=rows,
            size_bytes=size,
            files=files.height,
            oldest_event=event_end(files, "min"),
            newest_event=event_end(files, "max"),
        )

    def check_files(self) -> None:
        """Check that the files of the newest version are there and as long as they were written, without reading them.

        Raises:
            StoreError: FC603, one is gone, or has another size.
        """
        table = self._open()
        if table is None:
            return
        written: dict[str, int] = dict(files_of(table).select("path", "size_bytes").iter_rows())
        there = sizes_of(self.location, [*written])
        why = ""
        if gone := [path for path in written if path not in there]:
            more = f" and {counted(len(gone) - 1, 'other file')}" * (len(gone) > 1)
            why = f"{gone[0]}{more} {plural(len(gone), 'is', 'are')} gone"
        elif cut := [path for path in written if there[path] != written[path]]:
            why = f"{cut[0]} has {there[cut[0]]:,} of {written[cut[0]]:,} bytes"
        if why:
            message = f"the offline table {self.shown} can't be read: {why}"
            raise StoreError(message, code="FC603", hint=self.rebuild_hint)

    def append(self, rows: BucketedRows, coverage: Coverage, gone: BucketedRows | None = None) -> int:
        """Add rows as one commit and return the new version; creates the table.

        An overfull bucket becomes one file in the same commit, as the files do that have rows which are `gone`.

        Raises:
            TryAgainError: another run has written since this handle gave out the coverage.
            DataError: FC504, the rows have other columns or types than the table.
        """
        table = self._open_seen()
        if table is None:
            return self.replace(rows, coverage)
        commit = self._commit_of(table)
        self._check_columns(rows, table)
        rows = RowsForGone(rows, gone, self.keys) if gone is not None and gone.height else rows
        return self._commit(table, rows, Commit(coverage=coverage, buckets=commit.buckets), "append")

    def replace(self, rows: BucketedRows, coverage: Coverage) -> int:
        """Put rows in place of all others as one commit and return the new version; creates the table.

        Raises:
            TryAgainError: another run has written since this handle gave out the coverage.
        """
        number = choose_buckets(rows.height, self.store.rows_per_bucket) if self.keys else 1
        return self._commit(self._open_seen(), rows, Commit(coverage=coverage, buckets=number), "overwrite")

    def read(
        self, *, bucket: int | None = None, version: int | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return rows sorted by (keys, event_time, available_at, tie_order), of one bucket or of all.

        With `columns` those alone, where one file holds all rows: it was written in order. The kernel looks whether
        keys and times are, and where several files meet they are sorted here, by all columns of the order.

        Raises:
            DataError: FC510, there is no table.
        """
        table = self._open(version)
        if table is None:
            raise DataError(f"no offline table at {self.shown}", code="FC510", hint="featurectl materialize")
        return self._rows(table, bucket, columns)

    def blocks(
        self, version: int, rows: int, columns: Sequence[str] | None = None, since: datetime | None = None
    ) -> Iterator[pl.DataFrame]:
        """Give the rows of a version, about so many at a time: each file in its order, the files in any."""
        table = self._open(version)
        if table is None:
            return
        names, erased = list(columns or self._schema(table).names()), self._erased_in(table)
        wanted = names if erased is None else self._to_tell(names)
        for path in files_since(files_of(table), since)["path"]:
            with self._reading(table):
                for batch in read_batches(scan_file(f"{self.location}/{path}", wanted, since), rows):
                    yield batch if erased is None else erased.without(batch).select(names)

    def parts(
        self, bucket: int, version: int | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Give what `read` does of a bucket: some rows at a time where one file of ours has all, else all at once."""
        table = self._open(version)
        paths = [] if table is None else paths_of(table, bucket)
        if table is None or len(paths) != 1 or not is_own(paths[0]):
            yield self.read(bucket=bucket, version=version, columns=columns)
            return
        names, erased = list(columns or self._schema(table).names()), self._erased_in(table)
        wanted = names if erased is None else self._to_tell(names)
        with self._reading(table):
            for rows in read_slices(f"{self.location}/{paths[0]}", wanted):
                yield rows if erased is None else erased.without(rows)

    def history(self) -> list[tuple[int, Coverage]]:
        """Return the versions that a run wrote with what each had read by then, the oldest first."""
        table = self._open()
        with self._failures("read"):
            entries = [] if table is None else [e for e in all_entries(table) if METADATA in e]
        return [(entry["version"], load_commit(entry[METADATA], self.shown).coverage) for entry in reversed(entries)]

    def vacuum(self, kept: Collection[int]) -> int:
        """Remove files that no version needs of the last week, none of `kept`, and return how many they were.

        Files that a run left which never came to its commit go with them. The log stays whole: every version that has
        its files can be opened.
        """
        unneeded = self.unneeded(kept)
        table = self._open()
        if unneeded and table is not None:  # nothing is committed where none of them is there
            with self._failures("cleaned up"):
                self._vacuum(table, kept, dry_run=False)
        return len(unneeded)

    def unneeded(self, kept: Collection[int]) -> list[str]:
        """Return the paths of the files that `vacuum` would remove."""
        table = self._open()
        if table is None:
            return []
        with self._failures("read"):  # the log goes on naming files that were removed
            return [*sizes_of(self.location, self._vacuum(table, kept, dry_run=True))]

    def _vacuum(self, table: DeltaTable, kept: Collection[int], *, dry_run: bool) -> list[str]:
        return table.vacuum(
            retention_hours=self.store.vacuum_hours,
            enforce_retention_duration=False,
            full=True,
            keep_versions=[version for version in sorted(set(kept)) if version <= table.version()] or None,
            post_commithook_properties=HOOKS,
            dry_run=dry_run,
        )

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return the rows of one of so many buckets, sorted, whatever number of them the newest version has."""
        have = self.buckets()
        if buckets < have:
            return ordered(pl.concat(self.read(bucket=b) for b in range(bucket, have, buckets)), self.keys)
        rows = self.read(bucket=bucket % have)
        return rows if buckets == have else FrameRows(rows, self.keys).of(bucket, buckets)

    def outgrown(self, rows: int) -> bool:
        """Return whether so many more rows make its buckets several times as large as those of a new table."""
        if not self.keys:
            return False
        wanted = choose_buckets(self.statistics().rows + rows, self.store.rows_per_bucket)
        return wanted >= _OUTGROWN * self.buckets()

    def takes(self, rows: BucketedRows) -> bool:
        """Return whether rows have the table's columns and types."""
        table = self._open()
        return table is not None and dict(self._schema(table)) == dict(rows.schema)

    def set_aside(self) -> str:
        """Put a log that can't be read under another name, and return it; empty where it can, or there is none.

        The table is none then. Its data files stay until a vacuum of the next one.

        Raises:
            StoreError: FC603, it can't be read for another reason than what is in it, or can't be moved.
        """
        try:
            self._open()
        except StoreError as error:
            if not isinstance(error.__cause__, DeltaError):
                raise
        else:
            return ""
        name = f"{LOG}_unreadable_{secrets.token_hex(4)}"
        self._opened.forget()
        self._commits.clear()
        open_loose(self.location).move(LOG, name)
        return f"{self.shown}/{name}"

    def _rows(self, table: DeltaTable, bucket: int | None, columns: Sequence[str] | None = None) -> pl.DataFrame:
        paths, schema = paths_of(table, bucket), self._schema(table)
        if not paths:
            return pl.DataFrame(schema=schema)
        in_order, erased = columns is not None and len(paths) == 1 and is_own(paths[0]), self._erased_in(table)
        names = list(columns) if in_order and columns is not None else schema.names()
        with self._reading(table):
            rows = read_files([f"{self.location}/{path}" for path in paths], self._to_tell(names) if erased else names)
        rows = rows if in_order else ordered(rows, self.keys)
        return rows if erased is None else erased.without(rows)

    def _to_tell(self, names: Sequence[str]) -> list[str]:
        """Return columns with those that tell rows of erased keys."""
        return list(dict.fromkeys([*names, *self.keys, EVENT_TIME, AVAILABLE_AT]))

    def _check_columns(self, rows: BucketedRows, table: DeltaTable) -> None:
        schema, given = self._schema(table), rows.schema
        for name in sorted({*schema, *given}):
            if schema.get(name) != given.get(name):
                raise DataError(
                    f"column {name!r} of the offline table {self.shown} is {schema.get(name)}, "
                    f"in the new rows it is {given.get(name)}",
                    code="FC504",
                    hint="declare `columns:` of the source; `materialize --full` rebuilds the table",
                )

    def _commit(self, table: DeltaTable | None, rows: BucketedRows, commit: Commit, mode: CommitMode) -> int:
        """Write a file for each bucket, commit them together, and return the new version."""
        commit = self._marked(table, commit, mode)
        schema = rows.schema if table is None or mode == "overwrite" else self._schema(table)
        run = RunFiles(
            location=self.location,
            name=run_name(None if table is None else table.version(), rows, commit),
            rows=rows,
            buckets=commit.buckets,
            columns=tuple(schema.names()),
        )
        files = files_of(table) if table is not None and mode == "append" else None
        with self._failures("written"):
            full = {} if files is None else full_buckets(files, self.store.files_per_bucket)
            if files is not None and isinstance(rows, RowsForGone):
                full = rows.files(files, self.location, commit.buckets) | full
            added = run.write({b: [f"{self.location}/{path}" for path in old["path"]] for b, old in full.items()})
            gone = [action for bucket, old in full.items() for action in removals(old, bucket)]
            try:
                return self._log(table, schema, [*added.values(), *gone], commit, mode)
            except (CommitFailedError, TryAgainError):
                self._remove_refused([action.path for action in added.values()], commit.coverage.erased)
                raise
