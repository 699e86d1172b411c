"""What every offline store can do: keep one versioned, sorted table per view version."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import polars as pl

from featurectl.core.erasures import Erasures, KeyPart
from featurectl.core.errors import StoreError
from featurectl.engines.base import BucketedRows
from featurectl.engines.spans import PartRows

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")  # of a view, as the language has them
KeyValues = Mapping[int, Mapping[str, KeyPart]]  # the values of erased keys by the numbers of their tombstones


def table_folder(view: str, version: int) -> str:
    """Return the folder of a view version's table below that of its project.

    Raises:
        StoreError: FC603, the name is none of the language: a registry that somebody wrote to may lead anywhere by it.
    """
    if not _NAME.fullmatch(view):
        raise StoreError(f"{view!r} is no name of a view: no table is kept by it", code="FC603")
    return f"{view}/v{version:d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a table has read of its source, written in the same commit as the rows.

    `parts` maps each part read to its stamp; `held` are those that hold rows later than `now`, the instant of the
    run. `watermark` is the greatest availability read, `newest_event` the greatest event time. `dropped` counts
    rows without key or time, by reason, over all runs. `rebuild_id` names the rebuild that the rows descend from: as
    long as it stays, rows were only added; under another one rows that were there may be gone or changed. `since` is
    the event time from which on there are rows; None: all that the source has. `rows_mark` is a digest of what decides
    which rows of the source there are, whose and when, and of their form ("" in tables of before there was one).
    `late_events` are the least and the greatest event time of rows that came too late and are still to be taken.
    `part_rows` are the rows of the view that were read of each part that may grow; none in tables of before they were
    counted. `changed_parts` are those of which rows that were read were changed or gone later: the table has them as
    they were. These happened between the two `changed_events`. `cut_parts` are those that were cut at their beginning
    since they were read, with the event time and the availability with which they began. `erased` is the number of the
    newest tombstone of the view's entity of which the table holds nothing, 0 where there was none.
    """

    parts: Mapping[str, str] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    watermark: datetime | None = None
    newest_event: datetime | None = None
    now: datetime | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)  # the view's input columns, a digest of each's expression
    columns: Mapping[str, str] = field(default_factory=dict)  # the source's columns and their types, as read
    rebuild_id: str = ""
    rows_mark: str = ""
    since: datetime | None = None
    watermarks: Mapping[str, datetime] = field(default_factory=dict)  # of a transform's sources, by name
    late_events: tuple[datetime, datetime] | None = None
    part_rows: Mapping[str, PartRows] = field(default_factory=dict)
    changed_parts: tuple[str, ...] = ()
    changed_events: tuple[datetime, datetime] | None = None
    cut_parts: Mapping[str, tuple[datetime, datetime]] = field(default_factory=dict)
    erased: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatistics:
    """Sizes of a version of a table, and the event times between which its rows lie."""

    rows: int
    size_bytes: int
    files: int
    oldest_event: datetime | None = None
    newest_event: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedFiles:
    """What an erasure removes of a table, or has removed.

    `rows` are those of its newest version, `rewritten` the bytes of the files of that version that are written anew
    without them. `removed` files hold rows of erased keys, and older versions need them; `broken` are those of the
    versions that were asked about which can't be read any more without them. `unknown` is the number of an erasure of
    which the table was cleaned before and the registry knows nothing (0: there is none).
    """

    rows: int = 0
    rewritten: int = 0
    removed: int = 0
    broken: tuple[int, ...] = ()
    unknown: int = 0

    def __bool__(self) -> bool:
        """Return whether there is anything to remove, or to be said."""
        return bool(self.rows or self.removed or self.unknown)


class OfflineTable(Protocol):
    """The rows of one view version: keys, event_time, available_at, tie_order, inputs; sorted by bucket and key."""

    def version(self) -> int | None:
        """Return the newest version of the table, or None when there is no table."""

    def newest(self) -> tuple[int | None, Coverage | None]:
        """Return the newest version of the table, and what that very version has read; None when there is no table."""

    def coverage(self) -> Coverage | None:
        """Return what the newest version has read, or None when there is no table."""

    def statistics(self, version: int | None = None) -> TableStatistics:
        """Return sizes of a version, the newest by default, from its log, without reading rows."""

    def check_files(self) -> None:
        """Check that the files of the newest version are there and as long as they were written, without reading them.

        Raises:
            StoreError: FC603, one is gone, or has another size.
        """

    def append(self, rows: BucketedRows, coverage: Coverage, gone: BucketedRows | None = None) -> int:
        """Add rows as one commit and return the new version; creates the table.

        Rows that are `gone` (keys, clocks and hash of each, as often as it goes) leave the table in the same commit.
        """

    def replace(self, rows: BucketedRows, coverage: Coverage) -> int:
        """Put rows in place of all others as one commit and return the new version; creates the table."""

    def buckets(self, version: int | None = None) -> int:
        """Return the number of buckets of a version, the newest by default (1 when there is no table)."""

    def read(
        self, *, bucket: int | None = None, version: int | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return rows sorted by (keys, event_time, available_at, tie_order), of one bucket or of all.

        `columns` are those that are needed; there may be more.
        """

    def parts(
        self, bucket: int, version: int | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Give the rows of a bucket in the order of `read`, all at once or some at a time: one frame at least."""

    def blocks(
        self, version: int, rows: int, columns: Sequence[str] | None = None, since: datetime | None = None
    ) -> Iterator[pl.DataFrame]:
        """Give some columns (None: all) of the rows of a version, about so many rows at a time, in any order.

        They are those that happened at `since` or later; None: all.
        """

    def history(self) -> Sequence[tuple[int, Coverage]]:
        """Return the versions that a run wrote with what each had read by then, the oldest first."""

    def vacuum(self, kept: Collection[int]) -> int:
        """Remove files that no version needs of the last week, none of `kept`, and return how many they were."""

    def unneeded(self, kept: Collection[int]) -> Sequence[str]:
        """Return the paths of the files that `vacuum` would remove, below the table."""

    def set_aside(self) -> str:
        """Put a log that can't be read under another name and return it; empty where there is no such thing."""

    def outgrown(self, rows: int) -> bool:
        """Return whether so many more rows are a reason to write the table again, in more buckets."""

    def look_erased(self, asked: Erasures, values: KeyValues, versions: Collection[int] = ()) -> ErasedFiles:
        """Return what `remove_erased` would remove."""

    def remove_erased(self, asked: Erasures, values: KeyValues, versions: Collection[int] = ()) -> ErasedFiles:
        """Remove the rows of erased keys from the newest version, and the files of others that hold such rows."""

    def is_clean(self) -> bool:
        """Return whether nothing is left of keys that are known as erased."""

    def erased_since(self, version: int) -> datetime | None:
        """Return when rows were erased that a version held, so that it can't be read any more; None: none were."""

    def takes(self, rows: BucketedRows) -> bool:
        """Return whether rows have the table's columns and types."""

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        """Return the newest version's rows of one of so many buckets, sorted, whatever number of them it has."""


def coverage_of(history: Sequence[tuple[int, Coverage]], version: int) -> Coverage | None:
    """Return what a version has read, by the history of its table: others may have written it without adding rows."""
    return next((coverage for number, coverage in reversed(history) if number <= version), None)


class OfflineStore(Protocol):
    """A folder or object-store location that holds the tables of a project."""

    def table(self, view: str, version: int, keys: Mapping[str, str], entity: str = "") -> OfflineTable:
        """Return the handle of a view version's table, of keys of an entity; nothing is touched until it is used."""
