"""Offline tables as Delta Lake tables: one per view version, below `<location>/<project>/<view>/v<N>`.

Every table stays at protocol (1, 2), so that any reader of Delta or Parquet can open it. Nothing is ever vacuumed:
older versions stay readable for the manifests that name them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, Literal

import polars as pl
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from polars.exceptions import PolarsError

from featurectl.engines.polars.hashing import bucket_of
from featurectl.errors import DataError, StoreError, TryAgainError
from featurectl.offline.base import Coverage, TableStatistics
from featurectl.offline.commit import Commit, dump_commit, load_commit
from featurectl.offline.order import choose_buckets, ordered
from featurectl.pit.questions import EVENT_TIME
from featurectl.spec.environment import shown_location

BUCKET: Final = "bucket"
_METADATA: Final = "featurectl"  # the key of our part in a commit
_ROWS_PER_BUCKET: Final = 4_000_000
_FILES_PER_BUCKET: Final = 16
_ONE_FILE: Final = 1 << 40  # a bucket's rows of one commit are one file, else their order would be lost
_How = Literal["append", "replace"] | int  # an int: in place of the rows of that bucket alone
_COMPRESSION: Final = WriterProperties(compression="ZSTD", compression_level=1)


@dataclass(frozen=True, slots=True)
class DeltaStore:
    """The tables of a project in a folder, or in an object store by URL (`s3://`, `gs://`, `az://`).

    `rows_per_bucket` decides how many buckets a table gets at its first write or a rebuild; a bucket with more than
    `files_per_bucket` files is compacted at the next append. `shown` is what errors call the location.
    """

    location: str
    project: str
    rows_per_bucket: int = _ROWS_PER_BUCKET
    files_per_bucket: int = _FILES_PER_BUCKET
    shown: str = ""

    def table(self, view: str, version: int, keys: Mapping[str, str]) -> ViewTable:
        """Return the handle of a view version's table; nothing is touched until it is used."""
        below = f"{self.project}/{view}/v{version}"
        shown = f"{(self.shown or shown_location(self.location)).rstrip('/')}/{below}"
        return ViewTable(store=self, location=f"{self.location.rstrip('/')}/{below}", shown=shown, keys=tuple(keys))


@dataclass(kw_only=True)
class ViewTable:
    """One view version's rows; a handle remembers the version whose coverage it gave out.

    `append` and `replace` refuse (TryAgainError) to build on another version than that: two runs that read the same
    coverage would each add the same rows.

    Raises:
        StoreError: FC603, the table can't be read or written.
    """

    store: DeltaStore
    location: str
    shown: str
    keys: tuple[str, ...]
    _seen: tuple[int | None, ...] = field(default=(), init=False)

    def version(self) -> int | None:
        """Return the newest version of the table, or None when there is no table."""
        table = self._open()
        return None if table is None else table.version()

    def coverage(self) -> Coverage | None:
        """Return what the newest version has read, or None when there is no table."""
        table = self._open()
        self._seen = (None if table is None else table.version(),)
        return None if table is None else self._commit_of(table).coverage

    def buckets(self, version: int | None = None) -> int:
        """Return the number of buckets of a version, the newest by default (1 when there is no table)."""
        table = self._open()
        return 1 if table is None else self._commit_of(table, version).buckets

    def statistics(self) -> TableStatistics:
        """Return sizes of the newest version from its log, without reading rows."""
        table = self._open()
        if table is None:
            return TableStatistics(rows=0, size_bytes=0, files=0)
        files = _files(table)
        rows, size = int(files["num_records"].sum()), int(files["size_bytes"].sum())
        return TableStatistics(
            rows=rows,
            size_bytes=size,
            files=files.height,
            oldest_event=_event(files, "min"),
            newest_event=_event(files, "max"),
        )

    def append(self, rows: pl.DataFrame, coverage: Coverage) -> int:
        """Add rows as one commit and return the new version; creates the table.

        Overfull buckets are compacted before, each in a commit of its own that changes no row and no coverage.

        Raises:
            TryAgainError: another run has written since this handle gave out the coverage.
            DataError: FC504, the rows have other columns or types than the table.
        """
        table = self._open_seen()
        if table is None:
            return self.replace(rows, coverage)
        commit = self._commit_of(table)
        rows = self._fitted(rows, table)
        self._compact(table, commit)
        buckets = self._with_bucket(rows, commit.buckets)
        return self._write(table, buckets, Commit(coverage=coverage, buckets=commit.buckets), "append")

    def replace(self, rows: pl.DataFrame, coverage: Coverage) -> int:
        """Put rows in place of all others as one commit and return the new version; creates the table.

        Raises:
            TryAgainError: another run has written since this handle gave out the coverage.
        """
        number = choose_buckets(rows.height, self.store.rows_per_bucket) if self.keys else 1
        commit = Commit(coverage=coverage, buckets=number)
        return self._write(self._open_seen(), self._with_bucket(rows, number), commit, "replace")

    def read(self, *, bucket: int | None = None, version: int | None = None) -> pl.DataFrame:
        """Return rows sorted by (keys, event_time, available_at, tie_order), of one bucket or of all.

        Raises:
            DataError: FC510, there is no table.
        """
        table = self._open(version)
        if table is None:
            raise DataError(f"no offline table at {self.shown}", code="FC510", hint="featurectl materialize")
        return self._rows(table, bucket)

    def _open(self, version: int | None = None) -> DeltaTable | None:
        with self._failures("read"):
            try:
                return DeltaTable(self.location, version=version)
            except TableNotFoundError:
                return None

    def _open_seen(self) -> DeltaTable | None:
        """Return the table, at the version whose coverage this handle gave out if it gave out one."""
        table = self._open()
        if self._seen and self._seen != (None if table is None else table.version(),):
            raise TryAgainError(f"the offline table {self.shown} was written by another run; run it again")
        return table

    def _commit_of(self, table: DeltaTable, version: int | None = None) -> Commit:
        """Return our part of a version's commit, or of the newest before it that has one (others may compact).

        `table` is open at the newest version: `history` numbers the commits from there.
        """
        wanted = table.version() if version is None else version
        with self._failures("read"):
            entries = table.history(1)
            if wanted != table.version() or _METADATA not in entries[0]:
                entries = [e for e in table.history() if e["version"] <= wanted and _METADATA in e]
        if not entries:
            raise StoreError(f"the table {self.shown} was not written by featurectl", code="FC603")
        return load_commit(entries[0][_METADATA])

    def _rows(self, table: DeltaTable, bucket: int | None) -> pl.DataFrame:
        files = _files(table)
        if bucket is not None:
            files = files.filter(pl.col(f"partition.{BUCKET}") == bucket)
        schema = pl.Schema(table.schema().to_arrow())
        del schema[BUCKET]
        if files.is_empty():
            return pl.DataFrame(schema=schema)
        with self._failures("read"):
            paths = [f"{self.location}/{path}" for path in files["path"]]
            rows = pl.read_parquet(paths, columns=schema.names(), hive_partitioning=False, glob=False)
        return ordered(rows, self.keys)

    def _with_bucket(self, rows: pl.DataFrame, buckets: int) -> pl.DataFrame:
        rows = ordered(rows, self.keys)
        bucket = bucket_of(rows.select(self.keys), buckets) if self.keys else pl.lit(0, dtype=pl.Int32)
        return rows.with_columns(bucket.alias(BUCKET))

    def _fitted(self, rows: pl.DataFrame, table: DeltaTable) -> pl.DataFrame:
        schema = pl.Schema(table.schema().to_arrow())
        del schema[BUCKET]
        for name in sorted({*schema, *rows.columns}):
            if schema.get(name) != rows.schema.get(name):
                raise DataError(
                    f"column {name!r} of the offline table {self.shown} is {schema.get(name)}, "
                    f"in the new rows it is {rows.schema.get(name)}",
                    code="FC504",
                    hint="declare `columns:` of the source; `materialize --full` rebuilds the table",
                )
        return rows.select(schema.names())

    def _compact(self, table: DeltaTable, commit: Commit) -> None:
        counts = _files(table).group_by(f"partition.{BUCKET}", maintain_order=True).len()
        for bucket, files in counts.rows():
            if files > self.store.files_per_bucket:
                rows = self._rows(table, bucket).with_columns(pl.lit(bucket, dtype=pl.Int32).alias(BUCKET))
                self._write(table, rows, commit, bucket)

    def _write(self, table: DeltaTable | None, rows: pl.DataFrame, commit: Commit, how: _How) -> int:
        """Commit rows and return the new version."""
        write = partial(
            write_deltalake,
            table or self.location,
            rows,
            partition_by=[BUCKET],
            target_file_size=_ONE_FILE,
            writer_properties=_COMPRESSION,
            commit_properties=CommitProperties(custom_metadata={_METADATA: dump_commit(commit)}, max_commit_retries=0),
        )
        with self._failures("written"):
            if table is None:
                write(mode="error")
                table = DeltaTable(self.location)
            elif how == "append":
                write(mode="append")
            elif how == "replace":
                write(mode="overwrite", schema_mode="overwrite")
            else:
                write(mode="overwrite", predicate=f"{BUCKET} = {how}")
            self._seen = (table.version(),)
            return table.version()

    @contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        try:
            yield
        except CommitFailedError as error:
            raise TryAgainError(f"the offline table {self.shown} was written by another run; run it again") from error
        except (DeltaError, PolarsError, OSError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            reason = lines[0].replace(self.location, self.shown)
            raise StoreError(f"the offline table {self.shown} can't be {done}: {reason}", code="FC603") from error


def _event(files: pl.DataFrame, side: Literal["min", "max"]) -> datetime | None:
    """The least or greatest event time of all files; None when the log has none."""
    name = f"{side}.{EVENT_TIME}"
    if name not in files.columns:
        return None
    found = files[name].min() if side == "min" else files[name].max()
    return found if isinstance(found, datetime) else None


def _files(table: DeltaTable) -> pl.DataFrame:
    """One row a data file: path, size_bytes, num_records, `partition.bucket`, and statistics of columns."""
    return pl.DataFrame(table.get_add_actions(flatten=True))
