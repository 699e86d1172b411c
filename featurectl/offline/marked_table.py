"""A table of whose rows some may be of erased keys: it knows which, and its readers leave them out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.errors import StoreError, TryAgainError
from featurectl.core.units import format_instant, from_us
from featurectl.offline.actions import paths_of
from featurectl.offline.commit import Commit, load_commit
from featurectl.offline.commit_log import all_entries
from featurectl.offline.files import sizes_of
from featurectl.offline.table_log import METADATA, CommitMode, TableLog

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from featurectl.pit.erased_rows import ErasedRows

KnownErasures = Callable[[int], Erasures]


@dataclass(kw_only=True)
class MarkedTable(TableLog):
    """One view version's rows, of keys of `entity` ("" without one).

    `known_erasures` gives what was erased of the project; where its newest number is less than the one that it is
    given, the registry is asked once more. None: nobody knows.
    """

    keys: tuple[str, ...]
    entity: str = ""
    known_erasures: KnownErasures | None = field(default=None, repr=False)

    def erased_since(self, version: int) -> datetime | None:
        """Return when rows were erased that a version held, so that it can't be read any more; None: none were."""
        table = self._open()
        if table is None or version > table.version():
            return None
        newest = _mark(self._commit_of(table))
        mark = _mark(self._commit_of(table, version)) if newest[1] else newest
        if mark == newest or not self._is_broken(version):
            return None
        with self._failures("read"):
            later = [e for e in all_entries(table) if e["version"] > version and METADATA in e]
        for entry in reversed(later):
            if _mark(load_commit(entry[METADATA], self.shown)) != mark:
                return datetime.fromtimestamp(entry["timestamp"] / 1000, UTC)
        return None

    def _known(self, at_least: int = 0) -> Erasures:
        return self.known_erasures(at_least) if self.known_erasures and self.entity else NOTHING_ERASED

    def _is_ours(self, commit: Commit) -> bool:
        """Return whether the marks of a commit are numbers of the registry that is known, if any is."""
        eraser = eraser_of(self._known())
        return not eraser or commit.eraser in ("", eraser)

    def _check_known(self, commit: Commit) -> None:
        """Check that the registry knows of all that was erased of the table.

        Raises:
            StoreError: FC619, it does not.
        """
        if self.known_erasures and self._is_ours(commit) and (unknown := self._unknown_mark(commit)):
            when = format_instant(from_us(unknown))
            raise StoreError(
                f"the offline table {self.shown} was cleaned of an erasure of {when}, of which this environment's "
                "registry knows nothing: it was restored from before, or an environment with another registry has the "
                "table, too",
                code="FC619",
                hint="erase here what was erased since, or there: featurectl erase ENTITY KEY=VALUE",
            )

    def _unknown_mark(self, commit: Commit) -> int:
        """Return the number of an erasure that a commit names and the registry does not know; 0: it names none."""
        mark = commit.coverage.erased
        return 0 if not mark or any(item.number == mark for item in self._known(mark).tombstones) else mark

    def _erased_in(self, table: DeltaTable) -> ErasedRows | None:
        """Return what finds rows of erased keys that a version may have; None: it has none."""
        number = self._known().newest_of(self.entity)
        commit = self._commit_of(table) if number else None
        mark = commit.coverage.erased if commit and self._is_ours(commit) else 0
        if mark >= number:
            return None
        from featurectl.pit.erased_rows import ErasedRows

        return ErasedRows(
            erasures=self._known().after(mark), entity=self.entity, columns={key: key for key in self.keys}
        )

    @contextmanager
    def _reading(self, table: DeltaTable) -> Iterator[None]:
        """Say of a version that can't be read, because rows of it were erased meanwhile, that it is to be read again.

        Raises:
            TryAgainError: it is so.
        """
        try:
            with self._failures("read"):
                yield
        except StoreError as error:
            if self.erased_since(table.version()) is None:
                raise
            message = f"rows of the offline table {self.shown} were erased while it was read; run it again"
            raise TryAgainError(message) from error

    def _marked(self, table: DeltaTable | None, commit: Commit, mode: CommitMode) -> Commit:
        """Return a commit with the marks that the table has with it.

        Raises:
            TryAgainError: its rows were prepared before a key was erased of which the table holds nothing any more.
        """
        if table is None:
            eraser = eraser_of(self._known())
            return replace(commit, eraser=eraser)  # not cleaned: a run that was killed may have left files
        before = self._commit_of(table)
        if not self._is_ours(before):  # its rows may be of keys that the other registry has erased
            coverage = replace(commit.coverage, erased=0)
            return replace(commit, coverage=coverage, eraser=eraser_of(self._known()))
        if commit.coverage.erased < before.coverage.erased:
            raise self._erased_meanwhile()
        erased = commit.coverage.erased if mode == "overwrite" else before.coverage.erased
        coverage = replace(commit.coverage, erased=erased)
        eraser = before.eraser or eraser_of(self._known())
        return replace(commit, coverage=coverage, cleaned=min(before.cleaned, erased), eraser=eraser)

    def _erased_meanwhile(self) -> TryAgainError:
        return TryAgainError(f"rows of the offline table {self.shown} were erased meanwhile; run it again")

    def _is_broken(self, version: int) -> bool:
        """Return whether files of a version are gone."""
        paths = self._paths_of(version)
        return len(sizes_of(self.location, paths)) < len(paths)

    def _paths_of(self, version: int) -> list[str]:
        """Return the files of a version; none where it can't be opened any more."""
        try:
            table = self._open(version)
        except StoreError:
            return []
        return [] if table is None else paths_of(table, None)


def eraser_of(erasures: Erasures) -> str:
    """Return a name of the registry that has some erasures, "" without any; it tells nothing of their secret."""
    return hashlib.blake2b(erasures.secret, digest_size=8, person=b"eraser").hexdigest() if erasures.secret else ""


def _mark(commit: Commit) -> tuple[str, int]:
    return commit.eraser, commit.coverage.erased
