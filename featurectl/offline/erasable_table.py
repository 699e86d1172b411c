"""A table from which rows of erased keys are removed: from its newest version, and with the files of older ones.

First the newest version goes on without them, in one commit that says so (`Coverage.erased`). Then the files go that
hold such rows and are of older versions, or of none, and what the log says of them; at last another commit says that
nothing is left (`Commit.cleaned`). Who is killed between these leaves a table that can be read, and the rest is removed
the next time.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import polars as pl
from polars.exceptions import PolarsError

from featurectl.core.erasures import Erasures
from featurectl.offline.actions import files_of, removals
from featurectl.offline.base import ErasedFiles, KeyValues
from featurectl.offline.files import BUCKET, LOG, is_own, write_file
from featurectl.offline.marked_table import MarkedTable, eraser_of
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.order import ordered
from featurectl.offline.read_files import read_files, read_slices

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

    from featurectl.offline.erased_files import ErasedSearch
    from featurectl.offline.plain_files import LooseFile

_PARQUET: Final = ".parquet"
_PART: Final = ".part"
_ASIDE: Final = f"{LOG}_unreadable_"
_FIRST_RUN: Final = timedelta(days=1)  # at most, of a table that is not there yet


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedFile:
    """A file of a version's bucket with rows of erased keys: so many that go, and whether there are some that stay."""

    path: str
    size: int
    bucket: int
    rows: int
    stays: bool


class ErasableTable(MarkedTable):
    """One view version's rows, from which those of erased keys can be removed.

    Raises:
        StoreError: FC603, the table can't be read or written.
    """

    def look_erased(self, asked: Erasures, values: KeyValues, versions: Collection[int] = ()) -> ErasedFiles:
        """Return what `remove_erased` would remove; nothing is changed."""
        search, table = self._search(asked, values, 0), self._open()
        if not search:
            return ErasedFiles()
        hit = [] if table is None else [file for file in self._searched(table, search) if file.rows]
        gone = {*self._old_files(search), *(file.path for file in hit)}
        return ErasedFiles(
            rows=sum(file.rows for file in hit),
            rewritten=sum(file.size for file in hit),
            removed=len(gone),
            broken=tuple(version for version in sorted(set(versions)) if gone.intersection(self._paths_of(version))),
            unknown=0 if table is None else self._unknown_mark(self._commit_of(table)),
        )

    def remove_erased(self, asked: Erasures, values: KeyValues, versions: Collection[int] = ()) -> ErasedFiles:
        """Remove rows of the keys in `asked`, and of all that are known and still in the table; return what was done.

        `versions` are those that somebody may ask for again: those of them that can't be read any more are returned.

        Raises:
            TryAgainError: another run has written meanwhile; what was removed stays removed.
        """
        every, table = self._search(asked, values, 0), self._open()
        if not every:
            return ErasedFiles()
        number, rows, rewritten, cleaned, unknown = every.erasures.newest_of(self.entity), 0, 0, 0, 0
        if table is not None:
            commit = self._commit_of(table)
            unknown = self._unknown_mark(commit)
            erased, cleaned = (commit.coverage.erased, commit.cleaned) if self._is_ours(commit) else (0, 0)
            rows, rewritten = self._rewrite(table, self._search(asked, values, erased), number)
        removed = self._remove_old(self._search(asked, values, cleaned))
        self._say_cleaned(number)
        broken = tuple(version for version in sorted(set(versions)) if self._is_broken(version))
        return ErasedFiles(rows=rows, rewritten=rewritten, removed=removed, broken=broken, unknown=unknown)

    def is_clean(self) -> bool:
        """Return whether nothing is left of keys that were erased, in no file of the table, as far as is known."""
        number = self._known().newest_of(self.entity)
        table = self._open() if number else None
        if not number or table is None:
            return not number
        commit = self._commit_of(table)
        return self._is_ours(commit) and min(commit.cleaned, commit.coverage.erased) >= number

    def _remove_refused(self, added: Collection[str], prepared: int) -> None:
        """Remove the files of a commit that was refused if rows of them may be erased by now."""
        table = self._open()
        if table is not None and self._commit_of(table).coverage.erased > prepared:
            parent, _, name = self.location.rpartition("/")
            paths = sorted({*added} - {*files_of(table)["path"]})
            open_loose(parent).remove_files([f"{name}/{path}" for path in paths])

    def _search(self, asked: Erasures, values: KeyValues, mark: int) -> ErasedSearch:
        """Return what looks for the keys that are asked for, and for those that were erased after a mark."""
        from featurectl.offline.erased_files import ErasedSearch

        known = self._known().after(mark)
        every = {item.number: item for item in (*known.tombstones, *asked.tombstones)}
        erasures = Erasures(secret=asked.secret or known.secret, tombstones=tuple(every.values()))
        return ErasedSearch(erasures=erasures, entity=self.entity, keys=self.keys, values=values)

    def _searched(self, table: DeltaTable, search: ErasedSearch) -> list[SearchedFile]:
        """Return the files of a version that hold rows of erased keys."""
        buckets = search.buckets(self._commit_of(table).buckets, self._schema(table))
        found = []
        with self._failures("read"):
            for path, size, bucket in files_of(table).select("path", "size_bytes", f"partition.{BUCKET}").rows():
                if buckets is not None and bucket not in buckets:
                    continue
                here = search.look(f"{self.location}/{path}")
                if here.rows or here.stays:
                    file = SearchedFile(path=path, size=size, bucket=bucket, rows=here.rows, stays=here.stays)
                    found.append(file)
        return found

    def _rewrite(self, table: DeltaTable, search: ErasedSearch, number: int) -> tuple[int, int]:
        """Commit the newest version without rows of erased keys; return how many they were, and the bytes of files."""
        commit, searched = self._commit_of(table), self._searched(table, search) if search else []
        hit = [file for file in searched if file.rows]
        eraser = eraser_of(search.erasures) or commit.eraser
        is_other = eraser != commit.eraser
        if not hit and commit.coverage.erased == number and not is_other:
            return 0, 0
        is_changed = bool(hit) and any(
            file.stays for file in searched
        )  # a key has other values, which are to be pushed
        rebuild_id = secrets.token_hex(8) if is_changed else commit.coverage.rebuild_id
        coverage = replace(commit.coverage, erased=number, rebuild_id=rebuild_id)
        covered = replace(commit, coverage=coverage, cleaned=0 if is_other else commit.cleaned, eraser=eraser)
        actions: list[AddAction | RemoveAction] = []
        files = files_of(table)
        with self._failures("written"):
            for file in hit:
                kept = search.without(self._rows_of_file(table, file.path))
                made = write_file(self.location, file.bucket, kept)
                actions += [made] if made else []
                actions += removals(files.filter(pl.col("path") == file.path), file.bucket)
            self._log(table, self._schema(table), actions, covered, "append")
        return sum(file.rows for file in hit), sum(file.size for file in hit)

    def _rows_of_file(self, table: DeltaTable, path: str) -> Iterator[pl.DataFrame]:
        """Give the rows of a file in order: some at a time of one of ours, which has them so."""
        where, columns = f"{self.location}/{path}", self._schema(table).names()
        return read_slices(where, columns) if is_own(path) else iter([ordered(read_files([where], columns), self.keys)])

    def _remove_old(self, search: ErasedSearch) -> int:
        """Remove files with rows of erased keys that the newest version has not; return how many.

        What can't be read, and nobody is writing, may hold such rows, too. Of the log the statistics of keys go.
        """
        from featurectl.offline.log_statistics import remove_statistics

        parent, _, name = self.location.rpartition("/")
        files, table = open_loose(parent), self._open()
        begun = None if table is None else files.written(f"{name}/{LOG}/{table.version():020}.json")
        begun = begun or datetime.now(UTC) - _FIRST_RUN
        if (
            not search
            and table is not None
            and self._commit_of(table).cleaned
            and self._is_ours(self._commit_of(table))
        ):
            return 0
        gone = [f"{name}/{path}" for path in self._old_files(search)]
        found = files.dated(name)
        unfinished = [file.path for file in found if file.path.endswith(_PART) and file.written < begun]
        files.remove_files([*gone, *unfinished])
        for folder in sorted({_below(file, name) for file in found if _below(file, name).startswith(_ASIDE)}):
            files.remove(f"{name}/{folder}")
        if table is not None:
            with self._failures("written"):
                if remove_statistics(files, name, self.location):
                    self._opened.forget()
        return len(gone)

    def _old_files(self, search: ErasedSearch) -> list[str]:
        """Return the files with rows of erased keys that the newest version has not, below the table."""
        parent, _, name = self.location.rpartition("/")
        found = open_loose(parent).dated(name) if search else []
        table = self._open()
        newest = set() if table is None else {*files_of(table)["path"]}
        if table is None:  # the first run may be under way: what it writes is cleaned once there is a table
            found = [file for file in found if file.written < datetime.now(UTC) - _FIRST_RUN]
        paths = [file.path.removeprefix(f"{name}/") for file in found]
        data = [path for path in paths if path.endswith(_PARQUET) and not path.startswith(LOG) and path not in newest]
        return [path for path in data if self._may_hold(search, path)]

    def _may_hold(self, search: ErasedSearch, path: str) -> bool:
        with self._failures("read"):
            try:
                return search.look(f"{self.location}/{path}").rows > 0
            except FileNotFoundError:
                return False
            except PolarsError:  # it ends in the middle
                if "://" in self.location:
                    raise
                return True

    def _say_cleaned(self, number: int) -> None:
        """Commit that nothing is left of what was erased."""
        table = self._open()
        if table is None or (commit := self._commit_of(table)).cleaned == number:
            return
        with self._failures("written"):
            self._log(table, self._schema(table), [], replace(commit, cleaned=number), "append")


def _below(file: LooseFile, name: str) -> str:
    """Return the first part of a file's path below a table's folder."""
    return file.path.removeprefix(f"{name}/").partition("/")[0]
