"""The log of a view version's table: its versions, what each commit says, and how one is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

import polars as pl
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions
from polars.exceptions import PolarsError

from featurectl.core.errors import NoAnswerError, StoreError, TryAgainError
from featurectl.core.object_store import delta_options
from featurectl.offline.commit import Commit, dump_commit, load_commit
from featurectl.offline.commit_log import all_entries, newest_entry
from featurectl.offline.failures import store_failure
from featurectl.offline.files import BUCKET, sync_log
from featurectl.offline.opened_versions import OpenedVersions

METADATA: Final = "featurectl"  # the key of our part in a commit
# The log is never cut: versions that model versions and manifests name are found by it.
HOOKS: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
_BROKEN: Final = (DeltaError, PolarsError, FileNotFoundError)  # what is in a table; a place that refuses is an OSError
CommitMode = Literal["append", "overwrite"]


@dataclass(kw_only=True)
class TableLog:
    """The versions of the table at a location, a folder or a URL, that errors call `shown`.

    `rebuild_hint` says how it is made again where what is in it can't be read.
    It opens a version once, for none ever changes: a read of many buckets looks at the log of an object store once.
    A commit on another version than the one whose coverage was given out is refused (TryAgainError).
    """

    location: str
    shown: str
    rebuild_hint: str
    _seen: tuple[int | None, ...] = field(default=(), init=False)
    _opened: OpenedVersions = field(init=False)
    _commits: dict[int, Commit] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._opened = OpenedVersions(location=self.location)

    def _open(self, version: int | None = None) -> DeltaTable | None:
        """Return the table at a version, or as it is now; None: there is none."""
        with self._failures("read"):
            try:
                return self._opened.newest() if version is None else self._opened.at(version)
            except TableNotFoundError:
                return None

    def _open_seen(self) -> DeltaTable | None:
        """Return the table, at the version whose coverage this handle gave out if it gave out one."""
        table = self._open()
        if self._seen and self._seen != (None if table is None else table.version(),):
            raise self._written()
        return table

    def _commit_of(self, table: DeltaTable, version: int | None = None) -> Commit:
        """Return our part of a version's commit, or of the newest before it that has one (others may compact)."""
        wanted = table.version() if version is None else version
        if wanted in self._commits:
            return self._commits[wanted]
        with self._failures("read"):
            entry = newest_entry(table) if wanted == table.version() else None
            if entry is None or METADATA not in entry:
                ours = (e for e in all_entries(table) if e["version"] <= wanted and METADATA in e)
                entry = next(ours, None)
        if entry is None:
            raise StoreError(f"the table {self.shown} was not written by featurectl", code="FC603")
        self._commits[wanted] = load_commit(entry[METADATA], self.shown)
        return self._commits[wanted]

    def _schema(self, table: DeltaTable) -> pl.Schema:
        schema = pl.Schema(table.schema().to_arrow())
        del schema[BUCKET]
        return schema

    def _log(
        self,
        table: DeltaTable | None,
        schema: pl.Schema,
        actions: list[AddAction | RemoveAction],
        commit: Commit,
        mode: CommitMode,
    ) -> int:
        """Commit files that are written already, and return the new version."""
        properties = CommitProperties(custom_metadata={METADATA: dump_commit(commit)}, max_commit_retries=0)
        columns = Schema.from_arrow(pl.Schema([*schema.items(), (BUCKET, pl.Int32())]))
        if table is None:
            added = [action for action in actions if isinstance(action, AddAction)]
            try:
                create_table_with_add_actions(
                    self.location,
                    columns,
                    added,
                    mode="error",
                    partition_by=[BUCKET],
                    storage_options=delta_options(self.location),
                    commit_properties=properties,
                    post_commithook_properties=HOOKS,
                )
            except DeltaError as error:
                if self._open() is not None:
                    raise self._written() from error
                raise
            number = 0
        else:
            table.create_write_transaction(
                actions, mode, columns, [BUCKET], commit_properties=properties, post_commithook_properties=HOOKS
            )
            number = table.version() + 1  # it would have failed had another run come before
        sync_log(self.location, number)
        self._seen = (number,)
        return number

    def _written(self) -> TryAgainError:
        return TryAgainError(f"the offline table {self.shown} was written by another run; run it again")

    @contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        try:
            yield
        except CommitFailedError as error:
            raise self._written() from error
        except (DeltaError, PolarsError, OSError) as error:
            message = f"the offline table {self.shown} can't be {done}"
            failure = store_failure(message, error, lambda text: text.replace(self.location, self.shown))
            if done == "read" and isinstance(error, _BROKEN) and not isinstance(failure, NoAnswerError):
                failure.hint = failure.hint or self.rebuild_hint
            raise failure from error
