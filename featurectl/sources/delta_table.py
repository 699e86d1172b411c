"""A Delta Lake table of a source: opened at its newest version, what this version can't read refused."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from featurectl.core.errors import DataError
from featurectl.core.object_store import delta_options, is_unanswered, refusal_of
from featurectl.core.variables import as_written
from featurectl.language.data_roots import NONE, DataRoots, ReadableFolders
from featurectl.language.definitions.source import Source
from featurectl.sources.delta_log import files_with_deletions
from featurectl.sources.failures import no_answer, reading
from featurectl.sources.file_address import is_remote

_REFUSED: Final = frozenset({"deletionVectors", "columnMapping"})


@dataclass(frozen=True, kw_only=True)
class DeltaSourceTable:
    """The table that a source's path means; nothing is looked at before it is asked for."""

    source: Source
    root: Path
    path: str
    data_roots: DataRoots = NONE

    @property
    def where(self) -> str:
        """What errors call the table."""
        return f"source {self.source.name}, table {self.source.path}"

    def shown(self, text: str) -> str:
        """Return a text in which the path is written as in the repository: what its variables hold is not shown."""
        return as_written(text, self.source.path, self.location)

    @property
    def location(self) -> str:
        """Where the table lies, for the library."""
        return self.path.rstrip("/") if self.remote else str(self.root / self.path)

    @property
    def remote(self) -> bool:
        """True when it lies in an object store."""
        return is_remote(self.path)

    @property
    def readable(self) -> ReadableFolders:
        """Where the source may read."""
        written = self.source.path
        return ReadableFolders(source=self.source.name, written=written, root=self.root, roots=self.data_roots)

    def _check_log(self) -> None:
        """See that the table and the files of its log lie where the source may read, and that none of them blocks."""
        self.readable.check_pattern(self.path)
        log = Path(self.location) / "_delta_log"
        self.readable.check(log)
        self._check_entries(log)

    def _check_entries(self, folder: Path) -> None:
        waiting = [str(folder)]
        while waiting:
            try:
                entries = sorted(os.scandir(waiting.pop()), key=lambda entry: entry.name)
            except OSError:  # there is no table, or none that can be looked at: it is asked for next
                continue
            for entry in entries:
                if entry.is_symlink():  # checked first: whether its target is there is not said
                    self.readable.check(entry.path)
                if not Path(entry.path).is_file() and not Path(entry.path).is_dir():
                    raise DataError(f"{self.where}: {entry.name} of its log is no file", code="FC502")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)

    @cached_property
    def table(self) -> DeltaTable:
        """The table at its newest version.

        Raises:
            DataError: FC501 there is none, FC502 it can't be read.
        """
        if not self.remote:
            self._check_log()
        try:
            table = DeltaTable(self.location, storage_options=delta_options(self.location))
        except TableNotFoundError as error:
            message = f"source {self.source.name}: no Delta table at {self.source.path}"
            raise DataError(message, code="FC501") from error
        except (DeltaError, OSError) as error:
            if is_unanswered(error):
                raise no_answer(self.where, refusal_of(error)) from error
            reason = self.shown(refusal_of(error))  # without the frames of the library, and without secrets
            raise DataError(f"{self.where} can't be read: {reason}", code="FC502") from error
        refused = _REFUSED & set(table.protocol().reader_features or ())
        refused |= {"deletionVectors"} if self._has_deletions(table) else set()
        if refused or "delta.columnMapping.mode" in table.metadata().configuration:
            raise DataError(
                f"{self.where} uses {', '.join(sorted(refused)) or 'columnMapping'}, which this version does not read",
                code="FC502",
                hint="rewrite the table without them, or read it by a query",
            )
        return table

    def _has_deletions(self, table: DeltaTable) -> bool:
        """Return whether a data file has a deletion vector although the protocol declares none; of local tables."""
        if self.remote:
            return False
        with reading(f"{self.where}, its log", self.shown):
            try:
                deleted = files_with_deletions(Path(self.location) / "_delta_log")
            except ValueError as error:  # the library has read it otherwise
                raise DataError(f"{self.where}, its log can't be read: {error}", code="FC502") from error
        if not deleted:
            return False
        active = pl.DataFrame(table.get_add_actions(flatten=True))["path"].to_list()
        return not {unquote(name) for name in deleted}.isdisjoint(map(unquote, active))

    @cached_property
    def files(self) -> pl.DataFrame:
        """One row a data file: path, size_bytes, and its partition values as `partition.<column>`."""
        table = self.table
        files = pl.DataFrame(table.get_add_actions(flatten=True))
        return files.sort("modification_time", "path")

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns of the table as Polars has them."""
        return pl.Schema(self.table.schema().to_arrow())
