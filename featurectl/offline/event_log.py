"""The log of a stream: a Delta table with a row for each event, which workers append to, whoever else does.

A row is an event: `_partition` (with the incarnation, as `swipes/0#1`), `_offset`, `_available_at` (its stamp),
`_rejected` (why the event is none, in a row without values; else null), and the columns of the source before `select`.

What has been logged of a partition is its application transaction in the log of Delta: the first offset that is not.
Another one says from which offset on events may lack their predictions.
A commit is made on the version that was opened, and fails where another came between; nothing is tried again here, as
an old worker that opened the table anew would log twice what a new one has. Our part of a commit says of every
partition how far it is logged and applied, and between which instants stamps were lost.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, create_table_with_add_actions
from polars.exceptions import PolarsError

from featurectl.core.documents import parse_json
from featurectl.core.dtypes import TIMESTAMP
from featurectl.core.errors import DataError, StoreError
from featurectl.core.frames.types import polars_dtype
from featurectl.core.object_store import delta_options
from featurectl.core.temporary_folders import temporary_folder
from featurectl.offline.actions import files_of
from featurectl.offline.commit_log import all_entries, newest_entry
from featurectl.offline.compact_turns import compact_in_turn
from featurectl.offline.failures import store_failure
from featurectl.offline.files import delta_stat, remove_files, remove_strays, stray_commits, sync_log
from featurectl.offline.log_metadata import HOOKS, METADATA, PREDICTED, commit_properties
from featurectl.offline.open_plain_files import open_bucket
from featurectl.offline.sync import sync_names, sync_path

PARTITION: Final = "_partition"
OFFSET: Final = "_offset"
STAMP: Final = "_available_at"
REJECTED: Final = "_rejected"
OWN_COLUMNS: Final[Mapping[str, str]] = {
    PARTITION: "string", OFFSET: "int64", STAMP: "timestamp", REJECTED: "string"
}  # fmt: skip
BYTES: Final = "bytes"  # the type of a column of bytes, beside those of the language
REJECTED_COLUMNS: Final[Mapping[str, str]] = {"column": "string", "value": BYTES}  # of the table of rejected events
_KEPT: Final = "featurectl_stream_before"  # in a commit that compacts
_CONFIGURATION: Final = {"delta.logRetentionDuration": "interval 1 days", "delta.checkpointInterval": "100"}
_ENDS: Final = (OFFSET, STAMP)
_SMALL: Final = 32 << 20  # bytes of a file
_ROWS_AT_ONCE: Final = 1 << 18  # of a file: a row group as Polars writes them
_FEW_COMMITS: Final = 16  # one that compacts has two that remove files behind it
RETIRED_US: Final = 2**53 - 1  # `applied_us` of a partition of which nothing comes any more


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPartition:
    """What is logged of a partition, from its `first` offset to before `end`: all up to the instant `applied_us`.

    Events before the offset `predicted` need no prediction any more (None: all that are logged).
    """

    first: int
    end: int
    applied_us: int
    predicted: int | None = None

    @property
    def predicted_end(self) -> int:
        """The first offset that may need a prediction."""
        return self.end if self.predicted is None else self.predicted

    @property
    def is_retired(self) -> bool:
        """Whether its topic was made again: nothing is logged of it any more, and nothing waited for."""
        return self.applied_us == RETIRED_US


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """What a version of the log says.

    `partitions` are by name; `gaps` are instants between which stamps were lost; before `cut_us` the source's history
    counts, from it on the log. `run` tells the online store that had the stamps from one that came in its place.
    `erased` is the number of the newest tombstone of which no row is in the log, nor may come into it.
    """

    partitions: Mapping[str, LoggedPartition]
    gaps: Sequence[tuple[int, int]] = ()
    cut_us: int | None = None
    run: str = ""
    erased: int = 0

    @property
    def asof_us(self) -> int | None:
        """The instant up to which all partitions are logged that are not retired, None where there are none."""
        return min((of.applied_us for of in self.partitions.values() if not of.is_retired), default=None)

    @property
    def ends(self) -> Mapping[str, int]:
        """The ends of partitions, and those of what is predicted, by the names of their transactions."""
        parts = self.partitions.items()
        return {n: of.end for n, of in parts} | {PREDICTED + n: of.predicted_end for n, of in parts}

    def dumped(self) -> str:
        """Return it as text; what it says of erased keys is left out where none were."""
        parts = {n: {"first": of.first, "end": of.end, "applied": of.applied_us} for n, of in self.partitions.items()}
        gaps, erased = [list(gap) for gap in self.gaps], {"erased": self.erased} if self.erased else {}
        found = {"partitions": parts, "gaps": gaps, "cut": self.cut_us, "run": self.run, **erased}
        return json.dumps(found, sort_keys=True)


class OpenedLog:
    """A version of the log, on which a commit is made; None of the table: there is none yet."""

    def __init__(self, table: DeltaTable | None, state: LogState) -> None:
        self.table = table
        self.state = state

    @property
    def version(self) -> int | None:
        """The version of the table."""
        return None if self.table is None else self.table.version()


@dataclass(kw_only=True)
class EventLog:
    """The log of a source at a folder or URL; `columns` are those of the source, `shown` is what errors call it.

    Raises:
        StoreError: FC603, it can't be read or written.
    """

    location: str
    columns: Mapping[str, str]
    shown: str

    def open(self) -> OpenedLog:
        """Return the log as it is now.

        Raises:
            DataError: FC504, a column has another type in the log.
        """
        with self.failures("read"):
            try:
                table = DeltaTable(self.location, storage_options=delta_options(self.location))
            except DeltaError as error:
                if not isinstance(error, TableNotFoundError) and not stray_commits(self.location):
                    raise
                return OpenedLog(None, LogState(partitions={}))
            self._check_columns(table)
            text = _state_text(table)
            if text is None:
                raise StoreError(f"the table {self.shown} is no log of a stream", code="FC603")
            return OpenedLog(table, self._loaded(text, table))

    def commit(self, opened: OpenedLog, rows: pl.DataFrame, state: LogState) -> bool:
        """Add rows to the version that was opened, which says `state` then; False where another commit came between.

        `rows` have the columns of the log, by offset in each partition; `state` has all, those without rows among them.
        """
        properties = commit_properties(state.dumped(), state.ends)
        schema = pl.Schema({name: column_dtype(dtype) for name, dtype in {**OWN_COLUMNS, **self.columns}.items()})
        with self.failures("written"):
            added = [self.write_file(rows.select(schema.names()))] if rows.height else []
            number = 0 if opened.version is None else opened.version + 1
            try:
                self._log(opened.table, added, Schema.from_arrow(schema), properties)
                is_refused = remove_strays(self.location)
            except CommitFailedError:
                is_refused = True
            except DeltaError:  # the table is gone, or another one has made it
                is_refused = remove_strays(self.location) or (self.open().table is None) != (opened.table is None)
                if not is_refused:
                    raise
            if is_refused:
                remove_files(self.location, added)
            else:
                sync_log(self.location, number)
        return not is_refused

    def _log(
        self, table: DeltaTable | None, added: list[AddAction], schema: Schema, properties: CommitProperties
    ) -> None:
        if table is None:
            create_table_with_add_actions(
                self.location,
                schema,
                added,
                mode="error",
                storage_options=delta_options(self.location),
                configuration=_CONFIGURATION,
                commit_properties=properties,
                post_commithook_properties=HOOKS,
            )
            return
        if new := [field for field in schema.fields if field.name not in {f.name for f in table.schema().fields}]:
            table.alter.add_columns(new)
            raise CommitFailedError(f"columns were added: {', '.join(field.name for field in new)}")
        table.create_write_transaction(
            [*added], "append", schema, commit_properties=properties, post_commithook_properties=HOOKS
        )

    def small_files(self, opened: OpenedLog) -> int:
        """Return how many files of a version are so small that they belong together."""
        if opened.table is None:
            return 0
        return files_of(opened.table).filter(pl.col("size_bytes") < _SMALL).height

    def compact(self, opened: OpenedLog, kept_hours: int = 24) -> bool:
        """Put many small files together, and remove those that no version of the last hours needs.

        Files that a worker left which never came to its commit go with them. False: another one does so, or a commit
        came between. What it says is older than what the log says: it counts only where no commit of a worker is left,
        as Delta forgets commits after a day.
        """
        if opened.table is None:
            return False
        kept = {_KEPT: opened.state.dumped()}
        properties = CommitProperties(custom_metadata=kept, max_commit_retries=0)
        with self.failures("compacted"):
            try:
                compact = partial(opened.table.optimize.compact, commit_properties=properties)
                if not compact_in_turn(opened.table, partial(compact, post_commithook_properties=HOOKS), kept):
                    return False
                opened.table.vacuum(
                    retention_hours=kept_hours,
                    enforce_retention_duration=False,
                    dry_run=False,
                    full=True,
                    commit_properties=properties,
                    post_commithook_properties=HOOKS,
                )
            except CommitFailedError:
                return False
        return True

    def rows(self, opened: OpenedLog) -> int:
        """Return how many rows a version has, without reading them."""
        return 0 if opened.table is None else int(files_of(opened.table)["num_records"].sum())

    def read_rows(
        self, opened: OpenedLog, columns: Sequence[str], after: Mapping[str, int] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Yield rows of a version, some of a file at a time: of each partition those from an offset on, or all."""
        if opened.table is None:
            return
        files = files_of(opened.table)
        least = min((after or {}).values(), default=0)
        for path, end, rows in files.select("path", f"max.{OFFSET}", "num_records").rows():
            if end is not None and end < least:
                continue
            for start in range(0, rows, _ROWS_AT_ONCE):
                with self.failures("read"):
                    yield self._read_some(f"{self.location}/{path}", start, columns, after)

    def scan_rows(self, opened: OpenedLog, columns: Sequence[str], known_after: datetime | None = None) -> pl.LazyFrame:
        """Return rows of a version; files without one that was stamped later than an instant are left out."""
        files = pl.DataFrame(schema={"path": pl.String}) if opened.table is None else files_of(opened.table)
        if known_after is not None and (ends := f"max.{STAMP}") in files.columns:
            end = pl.col(ends) + pl.duration(milliseconds=1)  # of what was put together Delta keeps milliseconds
            files = files.filter((end > known_after).fill_null(value=True))
        return self.scan_files([f"{self.location}/{path}" for path in files["path"]], columns)

    def scan_files(self, paths: Sequence[str], columns: Sequence[str]) -> pl.LazyFrame:
        """Return the rows of some files; a column that one does not have is null."""
        types = {**OWN_COLUMNS, **self.columns}
        schema = {name: column_dtype(types[name]) for name in dict.fromkeys([*columns, PARTITION, OFFSET])}
        if not paths:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(
            [*paths],
            schema=schema,
            missing_columns="insert",
            extra_columns="ignore",
            glob=False,
            hive_partitioning=False,
        )

    def _read_some(
        self, path: str, start: int, columns: Sequence[str], after: Mapping[str, int] | None
    ) -> pl.DataFrame:
        """Return rows of a file from one on; of those before it nothing is decoded but the rest of its row group."""
        scan = self.scan_files([path], columns).slice(start, _ROWS_AT_ONCE)
        if after is not None:
            wanted = pl.any_horizontal(
                pl.lit(value=False),
                *((pl.col(PARTITION) == name) & (pl.col(OFFSET) >= first) for name, first in after.items()),
            )
            scan = scan.filter(wanted)
        return scan.select(columns).collect()

    def write_file(self, rows: pl.DataFrame) -> AddAction:
        """Write a file that counts once a commit names it, and return what the log says of it."""
        name = f"part-{secrets.token_hex(10)}.parquet"
        if "://" in self.location:
            size = self._upload(rows, name)
        else:
            path = Path(self.location) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                rows.write_parquet(path, compression="zstd", compression_level=1)
                sync_path(path)
            except BaseException:
                path.unlink(missing_ok=True)  # a disk that is full is not to be filled by each try
                raise
            sync_names(path.parent, path.parent)
            size = path.stat().st_size
        times = [*_ENDS, *(name for name, dtype in self.columns.items() if dtype == TIMESTAMP)]
        ends = [column for column in times if rows[column].null_count() < rows.height]
        return AddAction(
            path=name,
            size=size,
            partition_values={},
            modification_time=int(time.time() * 1000),
            data_change=True,
            stats=json.dumps(
                {
                    "numRecords": rows.height,
                    "minValues": {column: delta_stat(rows[column].min()) for column in ends},
                    "maxValues": {column: delta_stat(rows[column].max()) for column in ends},
                    "nullCount": {column: rows[column].null_count() for column in times},
                }
            ),
        )

    def _upload(self, rows: pl.DataFrame, name: str) -> int:
        with temporary_folder("upload") as folder:
            path = folder / name
            rows.write_parquet(path, compression="zstd", compression_level=1)
            try:
                open_bucket(self.location).upload(name, path)
            except StoreError as error:
                raise OSError(error.message) from error  # to be an error of the log
            return path.stat().st_size

    def _check_columns(self, table: DeltaTable) -> None:
        there = pl.Schema(table.schema().to_arrow())
        for name, dtype in self.columns.items():
            if name in there and there[name] != column_dtype(dtype):
                raise DataError(
                    f"column {name!r} is {there[name]} in the log of the stream {self.shown}, the source says {dtype}",
                    code="FC504",
                    hint="a column of a stream keeps its type: add another one, or cast it in the source's select",
                )

    def _loaded(self, text: str, table: DeltaTable) -> LogState:
        try:
            found = parse_json(text)
            partitions = {}
            for name, of in found["partitions"].items():
                noted = table.transaction_version(PREDICTED + name)
                predicted = None if noted is None or noted >= of["end"] else noted
                partitions[name] = LoggedPartition(
                    first=of["first"], end=of["end"], applied_us=of["applied"], predicted=predicted
                )
            gaps = tuple((a, b) for a, b in found["gaps"])
            erased = found.get("erased", 0)  # absent in logs of which nothing was erased
            return LogState(partitions=partitions, gaps=gaps, cut_us=found["cut"], run=found["run"], erased=erased)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreError(f"the log {self.shown} has a commit that says not what it holds", code="FC603") from error

    @contextmanager
    def failures(self, done: str) -> Iterator[None]:
        """Turn failures of Delta and of the place into ours: the log can't be read, or written."""
        try:
            yield
        except (DeltaError, PolarsError, OSError) as error:
            message = f"the log {self.shown} can't be {done}"
            raise store_failure(message, error, lambda text: text.replace(self.location, self.shown)) from error


def _state_text(table: DeltaTable) -> str | None:
    """Return what the last commit of a worker says; where Delta has forgotten it, what a compaction says it said."""
    newest = newest_entry(table)
    if newest is not None and METADATA in newest:
        return str(newest[METADATA])
    for most in (_FEW_COMMITS, None):
        entries = all_entries(table, most)
        found = next((entry[METADATA] for entry in entries if METADATA in entry), None)
        if found is not None:
            return str(found)
    return next((str(entry[_KEPT]) for entry in entries if _KEPT in entry), None)


def column_dtype(dtype: str) -> pl.DataType:
    """Return the Polars type of a column of the log."""
    return pl.Binary() if dtype == BYTES else polars_dtype(dtype)
