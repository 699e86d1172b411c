"""A table of results as a Delta table of one data file: each writing is a version of its own."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl
from deltalake import DeltaTable, Schema, TableFeatures
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, create_table_with_add_actions

from featurectl.core.disk_room import write_failure
from featurectl.core.errors import UsageError
from featurectl.operations.outputs.frames import types_within

_LOG: Final = "_delta_log"
_NAIVE_TIMES: Final = "timestampNtz"


def is_delta_table(folder: Path) -> bool:
    """Return whether a folder is a Delta table, as far as its log's folder tells."""
    return (folder / _LOG).is_dir()


def commit_file(folder: Path, file: Path, schema: pl.Schema, rows: int, new: Path) -> None:
    """Move a Parquet file into a Delta table as its only content; versions before keep theirs.

    A table that is not there yet is made whole in the empty folder `new`, which then takes its name. The commit comes
    last: until then the table is the old one.

    Raises:
        UsageError: the table can't be written, or another writer came first.
    """
    name = f"part-{secrets.token_hex(10)}.parquet"
    added = AddAction(
        path=name,
        size=file.stat().st_size,
        partition_values={},
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": rows}),
    )
    columns = Schema.from_arrow(schema)
    try:
        table = _open(folder)
        if table is None:
            file.replace(new / name)
            create_table_with_add_actions(str(new), columns, [added], mode="error", partition_by=[])
            new.replace(folder)
            return
        _allow(table, schema)
        moved = file.replace(folder / name)
        try:
            table.create_write_transaction([added], "overwrite", columns, [])
        except DeltaError:
            _forget(folder, moved)
            raise
    except DeltaError as error:
        raise write_failure(f"{folder} can't be written", error) from error


def _forget(folder: Path, file: Path) -> None:
    """Remove a file that the table has not taken; a commit may fail at what comes after it, and stand."""
    with suppress(UsageError):  # who can't look removes nothing
        held = only_file(folder)
        if held is None or held.name != file.name:
            file.unlink()


def _allow(table: DeltaTable, schema: pl.Schema) -> None:
    """See that a table may hold the types of its next version: readers refuse one with times that it does not announce.

    A table that is made new announces them itself.
    """
    naive = any(_is_naive(dtype) for dtype in schema.dtypes())
    if naive and _NAIVE_TIMES not in (table.protocol().reader_features or ()):
        table.alter.add_feature(TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True)


def _is_naive(dtype: pl.DataType) -> bool:
    return any(isinstance(leaf, pl.Datetime) and leaf.time_zone is None for leaf in types_within(dtype))


def only_file(folder: Path) -> Path | None:
    """Return the data file of a table as it is now; None where there is not exactly one.

    Raises:
        UsageError: the table can't be read.
    """
    try:
        table = _open(folder)
        files = [] if table is None else table.file_uris()
    except DeltaError as error:
        raise UsageError(f"{folder} can't be read: {str(error).splitlines()[0]}") from error
    return Path(files[0]) if len(files) == 1 else None


def _open(folder: Path) -> DeltaTable | None:
    try:
        return DeltaTable(str(folder.absolute()))
    except TableNotFoundError:
        return None
